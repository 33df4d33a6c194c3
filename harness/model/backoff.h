#ifndef MODEL_BACKOFF_H
#define MODEL_BACKOFF_H

/* The wait before a retry. Envoy: full jitter, uniform on [0, U_n), U_n = min(B 2^(n-1), max)
 * (policy-semantics.md A4, backoff_strategy.cc). Linkerd: additive, uniform on [b_n, min(2 b_n,
 * max)] (D2, linkerd-measured.md 1.2). */

#include "base/rng.h"
#include "policy/policy.h"

/* All but JITTER are defects. */
enum backoff_shape { BACKOFF_JITTER, BACKOFF_CONSTANT, BACKOFF_NONE };
struct backoff_config {
    enum flavour flavour;
    enum backoff_shape shape;
    uint64_t base_ns, max_ns;
};

struct backoff_config backoff_config_of(const struct edge_policy *edge);
/* U_n of Envoy, b_n of Linkerd; ${retry} counts from 1. */
uint64_t backoff_interval_ns(const struct backoff_config *c, uint64_t retry);
uint64_t backoff_draw_ns(const struct backoff_config *c, uint64_t retry, struct rng *rng);

#endif
