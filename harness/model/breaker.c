#include "model/breaker.h"

struct breaker_config breaker_config_of(const struct edge_policy *edge)
{
    struct breaker_config ret = {.max_requests = BREAKER_NO_LIMIT, .max_retries = BREAKER_NO_LIMIT};
    if (edge->flavour != FLAVOUR_ENVOY)
        return ret;
    /* Istio takes 0 for unset (B3). */
    if (edge->pool.max_requests.set && edge->pool.max_requests.number > 0)
        ret.max_requests = edge->pool.max_requests.number;
    if (edge->pool.max_retries.set && edge->pool.max_retries.number > 0)
        ret.max_retries = edge->pool.max_retries.number;
    return ret;
}

void breaker_init(struct breaker *b, const struct breaker_config *config)
{
    *b = (struct breaker){.config = *config};
}

static bool begin(uint64_t *now, uint64_t most, uint64_t *overflow)
{
    if (*now >= most) {
        ++*overflow;
        return false;
    }
    ++*now;
    return true;
}

bool breaker_begin_request(struct breaker *b)
{
    return begin(&b->requests, b->config.max_requests, &b->overflow);
}

void breaker_end_request(struct breaker *b)
{
    INVARIANT(b->requests > 0);
    b->requests--;
}

bool breaker_begin_retry(struct breaker *b)
{
    return begin(&b->retries, b->config.max_retries, &b->retry_overflow);
}

void breaker_end_retry(struct breaker *b)
{
    INVARIANT(b->retries > 0);
    b->retries--;
}
