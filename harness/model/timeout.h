#ifndef MODEL_TIMEOUT_H
#define MODEL_TIMEOUT_H

/* When a request and each of its tries must be cut. Envoy (A3): the request's clock starts at the
 * end of the request, a try's when the try does; a per-try timeout that is not shorter than the
 * request's is silently ignored. Linkerd (D2, D3): the request's clock starts at the head, the last
 * permitted try is not cut, and the request's deadline is not looked at during a back-off. */

#include "policy/policy.h"

#define TIMEOUT_NEVER_NS UINT64_MAX

/* The switches are defects of the control mesh. */
struct timeout_config {
    enum flavour flavour;
    uint64_t request_ns, try_ns; /* 0: none */
    bool try_from_request, request_restarts, last_too;
};
/* The stamps of one request. */
struct timeout_clock {
    uint64_t head_ns, body_ns; /* when the request's head and its end were there */
    uint64_t try_ns;           /* start of the try under way, or of the last one */
    uint64_t tries;            /* begun so far */
    uint64_t retries_left;
};

struct timeout_config timeout_config_of(const struct edge_policy *edge);
/* Absolute, or TIMEOUT_NEVER_NS. */
uint64_t timeout_request_at_ns(const struct timeout_config *c, const struct timeout_clock *at);
uint64_t timeout_try_at_ns(const struct timeout_config *c, const struct timeout_clock *at);
/* False: a request whose deadline passes while it waits for its next try goes on waiting (Linkerd).
 */
bool timeout_cuts_backoff(const struct timeout_config *c);
/* x-envoy-expected-rq-timeout-ms of a try that begins now; 0: no header. */
uint64_t timeout_expected_ms(const struct timeout_config *c, const struct timeout_clock *at,
                             uint64_t now_ns);

#endif
