#ifndef LOAD_SCHEDULE_H
#define LOAD_SCHEDULE_H

/* When the n-th request of an open load is due: a function of n, the rate and the seed, never of
 * the last send, so that an overrun is caught up and not forgotten (engine.md section 7). */

#include "base/rng.h"

struct schedule {
    uint64_t rate_per_h, ramp_ns;
    bool poisson;
    struct rng rng;
    uint64_t n; /* of the next */
    double sum; /* poisson: of the n + 1 exponential gaps, in requests */
};

void schedule_init(struct schedule *s, uint64_t rate_per_h, bool poisson, uint64_t ramp_ns,
                   uint64_t seed);
/* ns from the start at which request ${n} is due, n from 0; the rate must not be 0. */
uint64_t schedule_due(const struct schedule *s);
void schedule_advance(struct schedule *s);

#endif
