#ifndef VERIFY_CHAIN_H
#define VERIFY_CHAIN_H

/* What one request of the user becomes further on: its tries on each service that the asked edge's
 * right side calls, told by the root id that the stubs pass on (spec/verifier.md 1.3, 3.7). */

#include "verify/window.h"

#define CHAIN_SERVICES_MOST 16

struct chain_service {
    const char *service;
    uint64_t requests; /* of the window, that the sums are over */
    uint64_t tries;    /* all of theirs, on this service */
    uint64_t most;     /* of one of them */
    uint64_t witness_hi, witness_lo;
};
struct chain {
    struct chain_service at[CHAIN_SERVICES_MOST];
    size_t count; /* 0: the service calls nobody */
};
/* Those alone, by the calls that the lab declares; the first CHAIN_SERVICES_MOST of them. */
void chain_services(const struct scenario *s, const char *service, struct chain *ret);
/* Services in the order in which they are called; the asked edge's own is not among them. */
void chain_follow(const struct window *w, struct chain *ret);

#endif
