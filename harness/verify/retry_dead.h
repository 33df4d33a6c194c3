#ifndef VERIFY_RETRY_DEAD_H
#define VERIFY_RETRY_DEAD_H

/* Endpoints that a phase takes down, so that no try reaches us there (spec/verifier.md 1.4, 3.1):
 * refused, killed, reset at accept. */

#include "verify/window.h"

/* What requests meet there, "refuse" or "accept", where the policy retries it and every request can
 * still find a live endpoint; NULL: else. */
const char *retry_dead_cause(const struct edge_policy *edge, const struct window *w);

#endif
