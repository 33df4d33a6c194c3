#ifndef VERIFY_ANSWERS_H
#define VERIFY_ANSWERS_H

/* The words by which a suite says which answers it means: "2xx,204,grpc:OK,any"
 * (scenario-language.md 1.7, `good` and `answers`). */

#include "verify/window.h"

/* Whether the request ended whole, with an answer that one of the words means. Of gRPC the status
 * is grpc-status alone; an answer of raw TCP is whole, or none. */
bool answers_hold(const struct window *w, const char *words, const struct request *r);

#endif
