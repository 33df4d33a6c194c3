#include "model/backoff.h"

#include "base/clock.h"

#define DEFAULT_BASE_NS (25 * NS_PER_MS)
#define DEFAULT_MAX_FACTOR 10

struct backoff_config backoff_config_of(const struct edge_policy *edge)
{
    const struct retry_rule *retry = &edge->retry;
    struct backoff_config ret = {.flavour = edge->flavour, .base_ns = DEFAULT_BASE_NS};
    /* A ServiceProfile's retry follows at once (policy-semantics.md D4). */
    if (edge->flavour == FLAVOUR_LINKERD && retry->by_budget)
        ret.shape = BACKOFF_NONE;
    if (retry->backoff_base.set && retry->backoff_base.number > 0)
        ret.base_ns = retry->backoff_base.number;
    ret.max_ns = ret.base_ns * DEFAULT_MAX_FACTOR;
    if (retry->backoff_max.set && retry->backoff_max.number >= ret.base_ns)
        ret.max_ns = retry->backoff_max.number;
    return ret;
}

uint64_t backoff_interval_ns(const struct backoff_config *c, uint64_t retry)
{
    uint64_t interval_ns = c->base_ns;
    for (uint64_t n = 1; n < retry && interval_ns < c->max_ns; n++)
        interval_ns = interval_ns < c->max_ns / 2 ? interval_ns * 2 : c->max_ns;
    return interval_ns < c->max_ns ? interval_ns : c->max_ns;
}

uint64_t backoff_draw_ns(const struct backoff_config *c, uint64_t retry, struct rng *rng)
{
    switch (c->shape) {
    case BACKOFF_NONE:
        return 0;
    case BACKOFF_CONSTANT:
        return c->base_ns;
    case BACKOFF_JITTER:
        break;
    }
    uint64_t interval_ns = backoff_interval_ns(c, retry);
    if (c->flavour != FLAVOUR_LINKERD)
        return rng_below(rng, interval_ns);
    uint64_t wait_ns = interval_ns + rng_below(rng, interval_ns + 1);
    return wait_ns < c->max_ns ? wait_ns : c->max_ns;
}
