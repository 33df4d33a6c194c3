#ifndef MODEL_RATE_H
#define MODEL_RATE_H

/* The rate limit of one endpoint's own proxy (Linkerd's HTTPLocalRateLimitPolicy,
 * policy-semantics.md D8): a bucket that starts full and is refilled all the time, so that in w
 * seconds at most burst + R w are let in. What is refused takes nothing out. Virtual time. */

#include "policy/policy.h"

struct rate_config {
    bool present;
    uint64_t per_second, burst;
};
struct rate {
    struct rate_config config;
    double level; /* what has not yet run out again */
    uint64_t at_ns;
    uint64_t refused; /* so far */
};

struct rate_config rate_config_of(const struct edge_policy *edge);
void rate_init(struct rate *r, const struct rate_config *config, uint64_t now_ns);
/* False: refused, and counted as such. Always true where there is no limit. */
bool rate_admit(struct rate *r, uint64_t now_ns) WARN_UNUSED;

#endif
