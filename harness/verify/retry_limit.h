#ifndef VERIFY_RETRY_LIMIT_H
#define VERIFY_RETRY_LIMIT_H

/* A limit of retries at once (Envoy's max_retries, or its retry budget's least; Istio's
 * maxRetries): one more is refused in silence, and the client sees the failure itself, without a
 * mark of the mesh's. What was not retried then is neither a retry that had to be made nor one that
 * was rightly left out. */

#include "verify/window.h"

struct retry_limit {
    uint64_t most;                /* so many are surely let through; UINT64_MAX: no limit */
    uint64_t longest_ns, unended; /* of all requests */
};

/* The ${most} of an edge. */
uint64_t retry_limit_most(const struct edge_policy *edge);
/* Looks at all requests of ${w}'s track where there is a limit. */
struct retry_limit retry_limit_of(const struct edge_policy *edge, const struct window *w);
/* Others may have had all the retries at once between ${from_ns} and the end of ${of}, whose own is
 * over when it asks for the next. */
bool retry_limit_may_refuse(const struct retry_limit *l, const struct window *w,
                            const struct request *of, uint64_t from_ns);

#endif
