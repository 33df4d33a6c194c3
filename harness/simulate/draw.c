#include "simulate/draw.h"

#include "base/clock.h"

static struct value value(uint64_t number, uint32_t line)
{
    return (struct value){number, true, {"drawn.yaml", line, 3}, "drawn policy"};
}

static uint64_t pick(struct rng *rng, const uint16_t *from, size_t count)
{
    return from[rng_below(rng, count)];
}
#define PICK(rng, ...) \
    pick(rng, (const uint16_t[]){__VA_ARGS__}, sizeof((const uint16_t[]){__VA_ARGS__}) / 2)

static bool chance(struct rng *rng, uint32_t percent)
{
    return rng_below(rng, 100) < percent;
}

static void draw_envoy_retry(struct rng *rng, struct edge_policy *e)
{
    static const uint32_t lists[] = {
        RETRY_5XX,
        RETRY_5XX | RETRY_RESET | RETRY_CONNECT_FAILURE,
        RETRY_GATEWAY_ERROR | RETRY_CONNECT_FAILURE,
        RETRY_RESET,
        RETRY_GATEWAY_ERROR | RETRY_RETRIABLE_4XX,
        RETRY_CONNECT_FAILURE | RETRY_REFUSED_STREAM,
        RETRY_RESET_BEFORE_REQUEST | RETRY_CONNECT_FAILURE | RETRY_STATUS_CODES,
    };
    e->retry.on = lists[rng_below(rng, COUNT_OF(lists))];
    if ((e->retry.on & RETRY_STATUS_CODES) != 0)
        status_set_add(&e->retry.codes, (uint32_t)PICK(rng, 503, 429, 500));
    e->retry.other_host = chance(rng, 85);
    if (chance(rng, 60))
        e->retry.backoff_base = value(PICK(rng, 10, 25, 25, 50, 100) * NS_PER_MS, 9);
}

static void draw_linkerd_retry(struct rng *rng, struct edge_policy *e)
{
    e->retry.on = RETRY_STATUS_CODES;
    for (uint32_t status = 500; status < 600; status++)
        status_set_add(&e->retry.codes, status);
    if (chance(rng, 20)) {
        e->retry.codes = (struct status_set){{0}};
        status_set_add(&e->retry.codes, 503);
        status_set_add(&e->retry.codes, 502);
    }
    e->retry.backoff_base = value(25 * NS_PER_MS, 0);
    e->retry.backoff_max = value(250 * NS_PER_MS, 0);
}

static void draw_timeouts(struct rng *rng, struct edge_policy *e)
{
    if (chance(rng, 75))
        e->retry.per_try_timeout = value(PICK(rng, 120, 250, 400, 600, 800) * NS_PER_MS, 10);
    if (chance(rng, 75))
        e->request_timeout = value(PICK(rng, 500, 800, 1200, 2000, 3000) * NS_PER_MS, 8);
    if (e->flavour == FLAVOUR_LINKERD && e->retry.per_try_timeout.set)
        e->retry.on |= RETRY_LINKERD_TIMEOUT;
}

static void draw_outlier(struct rng *rng, struct edge_policy *e)
{
    struct outlier_rule *o = &e->outlier;
    o->present = true;
    o->consecutive_5xx = value(PICK(rng, 2, 3, 4, 5, 5, 5, 7, 10), 20);
    if (chance(rng, 20))
        o->consecutive_gateway = value(PICK(rng, 3, 5, 6), 21);
    if (chance(rng, 10) && o->consecutive_gateway.set)
        o->consecutive_5xx.number = 0;
    o->interval = value((chance(rng, 90) ? PICK(rng, 1, 1, 2) : 10) * NS_PER_S, 22);
    o->base_ejection = value((chance(rng, 90) ? PICK(rng, 2, 2, 3) : 30) * NS_PER_S, 23);
    o->max_ejection_percent = value(PICK(rng, 10, 34, 34, 50, 100), 24);
    if (chance(rng, 15))
        o->min_health_percent = value(50, 25);
}

static void draw_accrual(struct rng *rng, struct edge_policy *e)
{
    e->accrual = (struct accrual_rule){
        .present = true,
        .max_failures = value(PICK(rng, 3, 5, 7), 30),
        .min_penalty = value(PICK(rng, 1, 2) * NS_PER_S, 31),
        .max_penalty = value(PICK(rng, 4, 10) * NS_PER_S, 32),
        .jitter_ppm = value(500000, 33),
    };
}

/* Limits small enough to be met by a load of a second or two. */
static void draw_pool(struct rng *rng, struct pool_rule *pool)
{
    switch (rng_below(rng, 3)) {
    case 0:
        pool->max_requests = value(PICK(rng, 4, 6, 8, 10), 50);
        return;
    case 1:
        pool->max_connections = value(PICK(rng, 2, 3, 4, 6), 51);
        pool->max_pending = value(PICK(rng, 4, 6, 10), 52);
        return;
    default:
        pool->requests_per_connection = value(PICK(rng, 1, 5, 20), 53);
        return;
    }
}

struct edge_policy draw_policy(struct rng *rng, enum flavour flavour)
{
    bool linkerd = flavour == FLAVOUR_LINKERD;
    struct edge_policy e = {
        .from = "client",
        .to = "payments",
        .path = "/",
        .route = "payments/http[0]",
        .target =
            linkerd ? (struct target){MESH_LINKERD, 2, 16} : (struct target){MESH_ISTIO, 1, 31},
        .flavour = flavour,
        .endpoints = (uint32_t)PICK(rng, 2, 3, 3, 3, 4, 5),
    };
    e.retry.attempts = value(chance(rng, 15) ? 0 : PICK(rng, 1, 2, 2, 3, 3, 4), 9);
    e.retry.conditions = value(0, 11);
    if (e.retry.attempts.number > 0) {
        if (linkerd)
            draw_linkerd_retry(rng, &e);
        else
            draw_envoy_retry(rng, &e);
    }
    draw_timeouts(rng, &e);
    if (e.retry.attempts.number == 0)
        e.retry.per_try_timeout = (struct value){0};
    if (!linkerd && chance(rng, 65))
        draw_outlier(rng, &e);
    if (linkerd && chance(rng, 50))
        draw_accrual(rng, &e);
    if (!linkerd && chance(rng, 20))
        draw_pool(rng, &e.pool);
    e.balance =
        value(linkerd ? LB_EWMA : PICK(rng, LB_LEAST_REQUEST, LB_ROUND_ROBIN, LB_RANDOM), 40);
    return e;
}

bool draw_is_safe(const struct edge_policy *edge)
{
    const uint32_t safe = RETRY_CONNECT_FAILURE | RETRY_REFUSED_STREAM | RETRY_RESET_BEFORE_REQUEST;
    return edge->retry.attempts.number > 0 && edge->retry.on != 0 && (edge->retry.on & ~safe) == 0;
}
