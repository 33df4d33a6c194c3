#include "model/timeout.h"

#include "base/clock.h"

/* A try with the defect try_from_request lives at least this long, so that its endpoint sees it. */
#define TRY_LEAST_NS (10 * NS_PER_MS)

struct timeout_config timeout_config_of(const struct edge_policy *edge)
{
    struct timeout_config ret = {.flavour = edge->flavour};
    if (edge->flavour == FLAVOUR_L4)
        return ret;
    if (edge->request_timeout.set)
        ret.request_ns = edge->request_timeout.number;
    if (edge->retry.per_try_timeout.set)
        ret.try_ns = edge->retry.per_try_timeout.number;
    /* Envoy: FilterUtility::finalTimeout. */
    if (ret.flavour == FLAVOUR_ENVOY && ret.request_ns != 0 && ret.try_ns >= ret.request_ns)
        ret.try_ns = 0;
    /* Linkerd's retry.timeout belongs to the retry policy; without a retry left there is no try to
     * cut. */
    return ret;
}

uint64_t timeout_request_at_ns(const struct timeout_config *c, const struct timeout_clock *at)
{
    if (c->request_ns == 0)
        return TIMEOUT_NEVER_NS;
    uint64_t from_ns = c->flavour == FLAVOUR_LINKERD ? at->head_ns : at->body_ns;
    if (c->request_restarts && at->tries > 0)
        from_ns = at->try_ns;
    return from_ns + c->request_ns;
}

uint64_t timeout_try_at_ns(const struct timeout_config *c, const struct timeout_clock *at)
{
    if (c->try_ns == 0)
        return TIMEOUT_NEVER_NS;
    if (c->flavour == FLAVOUR_LINKERD && at->retries_left == 0 && !c->last_too)
        return TIMEOUT_NEVER_NS;
    uint64_t from_ns = at->try_ns > at->body_ns ? at->try_ns : at->body_ns;
    if (!c->try_from_request)
        return from_ns + c->try_ns;
    uint64_t at_ns = at->body_ns + c->try_ns;
    return at_ns > from_ns + TRY_LEAST_NS ? at_ns : from_ns + TRY_LEAST_NS;
}

bool timeout_cuts_backoff(const struct timeout_config *c)
{
    return c->flavour != FLAVOUR_LINKERD;
}

uint64_t timeout_expected_ms(const struct timeout_config *c, const struct timeout_clock *at,
                             uint64_t now_ns)
{
    uint64_t left_ns = UINT64_MAX;
    if (c->request_ns != 0) {
        uint64_t end_ns = timeout_request_at_ns(c, at);
        left_ns = end_ns > now_ns ? end_ns - now_ns : 0;
    }
    if (c->try_ns != 0 && c->try_ns < left_ns)
        left_ns = c->try_ns;
    if (left_ns == UINT64_MAX)
        return 0;
    return left_ns < NS_PER_MS ? 1 : left_ns / NS_PER_MS;
}
