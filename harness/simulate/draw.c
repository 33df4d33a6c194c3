#include "simulate/draw.h"

#include "base/clock.h"

#define PPM_OF_PERCENT 10000
#define LIMITS_STREAM UINT64_C(0x6c696d697473)
#define GRPC_STREAM UINT64_C(0x67727063)

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

/* A share of the requests under way, or maxRetries; where nothing ejects, for else it is not asked.
 */
static void draw_envoy_budget(struct rng *rng, struct edge_policy *e)
{
    uint64_t kind = rng_below(rng, 100);
    if (kind >= 20 || e->retry.attempts.number == 0)
        return;
    if (kind < 7) {
        e->pool.max_retries = value(PICK(rng, 1, 2, 3, 5), 54);
    } else {
        e->budget = (struct budget_rule){
            .kind = BUDGET_ENVOY,
            .ratio_ppm = value(PICK(rng, 5, 10, 20, 20, 30, 50) * PPM_OF_PERCENT, 60),
            .least = value(PICK(rng, 1, 1, 3, 3, 5), 61),
            .interval = value(chance(rng, 70) ? 0 : PICK(rng, 200, 500, 800) * NS_PER_MS, 62)};
        if (chance(rng, 20))
            e->pool.max_retries = value(2, 54); /* says nothing beside it */
    }
    if (chance(rng, 75))
        e->outlier = (struct outlier_rule){0};
}

/* A ServiceProfile stands for annotations: no bound of retries, no per-try timeout, no accrual. */
static void draw_profile(struct rng *rng, struct edge_policy *e)
{
    e->retry = (struct retry_rule){.by_budget = true,
                                   .on = RETRY_STATUS_CODES | RETRY_GRPC_DEADLINE_EXCEEDED |
                                         RETRY_GRPC_INTERNAL | RETRY_GRPC_UNAVAILABLE,
                                   .conditions = value(0, 11)};
    for (uint32_t status = 500; status < 600; status++)
        status_set_add(&e->retry.codes, status);
    e->accrual = (struct accrual_rule){0};
    e->budget = (struct budget_rule){.kind = BUDGET_LINKERD,
                                     .ratio_ppm =
                                         value(PICK(rng, 10, 20, 20, 30, 100) * PPM_OF_PERCENT, 60),
                                     .least = value(PICK(rng, 1, 2, 5, 10, 10), 61),
                                     .interval = value(PICK(rng, 2, 3, 4, 10) * NS_PER_S, 62)};
}

static void draw_linkerd_limits(struct rng *rng, struct edge_policy *e)
{
    uint64_t kind = rng_below(rng, 100);
    if (kind < 20)
        draw_profile(rng, e);
    if (kind < 15 || kind >= 35)
        return;
    e->target = (struct target){MESH_LINKERD, 2, 17}; /* since then */
    e->rate =
        (struct rate_rule){.present = true, .per_second = value(PICK(rng, 5, 20, 40, 100), 70)};
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
    /* A stream of their own: the seeds of policies without them stay what they were. */
    struct rng after = *rng, own = rng_of(rng_next(&after) ^ LIMITS_STREAM);
    if (linkerd)
        draw_linkerd_limits(&own, &e);
    else
        draw_envoy_budget(&own, &e);
    return e;
}

void draw_grpc(uint64_t seed, struct edge_policy *e)
{
    static const uint32_t lists[] = {
        RETRY_CONNECT_FAILURE | RETRY_REFUSED_STREAM | RETRY_GRPC_UNAVAILABLE |
            RETRY_GRPC_CANCELLED,
        RETRY_GRPC_UNAVAILABLE,
        RETRY_GRPC_RESOURCE_EXHAUSTED | RETRY_GRPC_INTERNAL,
        RETRY_GRPC_DEADLINE_EXCEEDED | RETRY_GRPC_CANCELLED | RETRY_RESET,
        RETRY_5XX | RETRY_GRPC_UNAVAILABLE,
        RETRY_5XX,
        RETRY_GATEWAY_ERROR | RETRY_CONNECT_FAILURE | RETRY_GRPC_INTERNAL,
        RETRY_RESET_BEFORE_REQUEST | RETRY_CONNECT_FAILURE | RETRY_GRPC_DEADLINE_EXCEEDED,
    };
    struct rng rng = rng_for(seed, GRPC_STREAM, 0, 0, 0);
    uint32_t on = lists[rng_below(&rng, COUNT_OF(lists))];
    struct value max_requests = e->pool.max_requests, max_retries = e->pool.max_retries;
    e->pool = (struct pool_rule){.max_requests = max_requests, .max_retries = max_retries};
    if (e->retry.attempts.number == 0)
        return;
    e->retry.on = on;
    e->retry.codes = (struct status_set){{0}};
}

bool draw_is_safe(const struct edge_policy *edge)
{
    const uint32_t safe = RETRY_CONNECT_FAILURE | RETRY_REFUSED_STREAM | RETRY_RESET_BEFORE_REQUEST;
    return edge->retry.attempts.number > 0 && edge->retry.on != 0 && (edge->retry.on & ~safe) == 0;
}
