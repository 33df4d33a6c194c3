#include "model/breaker.h"

#define PPM UINT64_C(1000000)

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
    if (edge->budget.kind == BUDGET_ENVOY)
        ret.share = (struct retry_share){.present = true,
                                         .ratio_ppm = edge->budget.ratio_ppm.number,
                                         .least = edge->budget.least.number,
                                         .interval_ns = edge->budget.interval.number};
    return ret;
}

void breaker_init(struct breaker *b, const struct breaker_config *config, uint64_t now_ns)
{
    *b = (struct breaker){.config = *config, .since_ns = now_ns};
}

/* Empties each slot whose time has come again. */
static void turn(struct breaker *b, uint64_t now_ns)
{
    uint64_t slot_ns = b->config.share.interval_ns / BREAKER_SLOTS;
    if (slot_ns == 0)
        return;
    uint64_t passed = (now_ns - b->since_ns) / slot_ns;
    b->since_ns += passed * slot_ns;
    for (uint64_t i = 0; i < passed && i < BREAKER_SLOTS; i++) {
        b->at = (b->at + 1) % BREAKER_SLOTS;
        b->slot[b->at] = 0;
    }
}

static uint64_t retries_most(const struct breaker *b, uint64_t pending)
{
    const struct retry_share *share = &b->config.share;
    uint64_t of = b->requests + pending;
    if (!share->present)
        return b->config.max_retries;
    for (size_t i = 0; share->interval_ns > 0 && i < BREAKER_SLOTS; i++)
        of += b->slot[i];
    if (share->of_total)
        of = b->begun;
    uint64_t most = share->ratio_ppm * of / PPM;
    return most > share->least ? most : share->least;
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

bool breaker_begin_request(struct breaker *b, uint64_t now_ns)
{
    if (!begin(&b->requests, b->config.max_requests, &b->overflow))
        return false;
    turn(b, now_ns);
    b->begun++;
    b->slot[b->at]++;
    return true;
}

void breaker_end_request(struct breaker *b)
{
    INVARIANT(b->requests > 0);
    b->requests--;
}

bool breaker_begin_retry(struct breaker *b, uint64_t pending, uint64_t now_ns)
{
    turn(b, now_ns);
    return begin(&b->retries, retries_most(b, pending), &b->retry_overflow);
}

void breaker_end_retry(struct breaker *b)
{
    INVARIANT(b->retries > 0);
    b->retries--;
}
