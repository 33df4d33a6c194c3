#include "load/schedule.h"

#include "base/check.h"
#include "base/clock.h"

#include <math.h>

#define HOUR_NS (3600 * NS_PER_S)
__extension__ typedef unsigned __int128 wide;

static double gap(struct schedule *s)
{
    return s->poisson ? -log(1.0 - rng_unit(&s->rng)) : 1;
}

void schedule_init(struct schedule *s, uint64_t rate_per_h, bool poisson, uint64_t ramp_ns,
                   uint64_t seed)
{
    *s = (struct schedule){.rate_per_h = rate_per_h,
                           .ramp_ns = ramp_ns,
                           .poisson = poisson,
                           .rng = rng_for(seed, 0x10ad, 0, 0, 0)};
    s->sum = poisson ? gap(s) : 0;
}

/* When so many requests should have been sent, with the rate rising from 0 over the ramp: the count
 * is r t^2 / 2R within it, and r R / 2 + r (t - R) after it. */
static uint64_t due_of(const struct schedule *s, double count)
{
    double per_ns = (double)s->rate_per_h / (double)HOUR_NS, ramp = (double)s->ramp_ns;
    double within = per_ns * ramp / 2;
    double at = count < within ? sqrt(2 * count * ramp / per_ns) : ramp + (count - within) / per_ns;
    return (uint64_t)at;
}

uint64_t schedule_due(const struct schedule *s)
{
    INVARIANT(s->rate_per_h > 0);
    if (s->poisson || s->ramp_ns > 0)
        return due_of(s, s->sum);
    return (uint64_t)((wide)s->n * HOUR_NS / s->rate_per_h);
}

void schedule_advance(struct schedule *s)
{
    s->n++;
    s->sum = s->poisson ? s->sum + gap(s) : (double)s->n;
}
