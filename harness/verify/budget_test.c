/* budget.linkerd and rate.limit, a case at a time. */
#include "verify/limits_fixture_test.h"

#define TTL_S 2

/* Ten retries at once, and one for five answers; a window is one second. */
static struct edge_policy profile(void)
{
    struct edge_policy edge = limits_policy(FLAVOUR_LINKERD, 1);
    edge.retry = (struct retry_rule){.by_budget = true, .on = RETRY_STATUS_CODES};
    status_set_add(&edge.retry.codes, 503);
    edge.budget = (struct budget_rule){.kind = BUDGET_LINKERD,
                                       .ratio_ppm = limits_value(200000),
                                       .least = limits_value(5),
                                       .interval = limits_value(TTL_S * NS_PER_S)};
    return edge;
}

/* One request that fails after ${retries} retries, 2 ms each. */
static void failing(struct limits *l, uint64_t at_us, uint16_t retries)
{
    uint64_t done_us = at_us + (uint64_t)(retries + 1) * 2 * LIMITS_MS + LIMITS_MS;
    uint64_t id = limits_request(l, at_us, done_us, 503, false);
    for (uint16_t k = 1; k <= retries + 1; k++) {
        uint64_t head_us = at_us + (uint64_t)(k - 1) * 2 * LIMITS_MS + LIMITS_MS;
        limits_add_try(l, &(struct limits_try){.request = id,
                                               .head_us = head_us,
                                               .out_us = head_us + LIMITS_MS,
                                               .status = 503,
                                               .k = k,
                                               .conn = 1,
                                               .sequence = (uint32_t)id * 100 + k});
    }
}

/* From 3 s on one request with ${retries}, then eleven that are not retried, within a second. */
static void open_stressed(struct limits *l, const struct edge_policy *edge, uint16_t retries)
{
    limits_open(l, edge, 6 * LIMITS_S, "budget", NULL);
    failing(l, 3 * LIMITS_S, retries);
    for (uint64_t i = 1; i < 12; i++)
        failing(l, 3 * LIMITS_S + i * 80 * LIMITS_MS, 0);
}

static void the_reserve_may_go_at_once(void **state)
{
    struct edge_policy edge = profile();
    struct limits l;
    (void)state;
    open_stressed(&l, &edge, 11); /* one is left to the timing of what pays in */
    limits_are(&l, "budget.linkerd", VERDICT_PASS, WHY_NONE, "11 retries within 1s of at most 11");
}

static void more_retries_than_tokens_fail(void **state)
{
    struct edge_policy edge = profile();
    struct limits l;
    (void)state;
    open_stressed(&l, &edge, 12);
    limits_are(&l, "budget.linkerd", VERDICT_FAIL, WHY_NONE,
               "12 retries within 1s, 11 are paid for");
}

static void answers_of_the_time_before_pay(void **state)
{
    struct edge_policy edge = profile();
    struct limits l;
    (void)state;
    open_stressed(&l, &edge, 12);
    for (uint64_t i = 0; i < 5; i++)
        limits_served(&l, 2 * LIMITS_S + i * 10 * LIMITS_MS,
                      2 * LIMITS_S + i * 10 * LIMITS_MS + 5 * LIMITS_MS, 1);
    limits_are(&l, "budget.linkerd", VERDICT_PASS, WHY_NONE, "12 retries within 1s of at most 12");
}

static void what_a_rate_limit_refuses_pays_too(void **state)
{
    struct edge_policy edge = profile();
    struct limits l;
    (void)state;
    edge.rate = (struct rate_rule){.present = true, .per_second = limits_value(40)};
    open_stressed(&l, &edge, 12);
    for (uint64_t i = 0; i < 5; i++)
        limits_request(&l, 2 * LIMITS_S + i * 10 * LIMITS_MS,
                       2 * LIMITS_S + i * 10 * LIMITS_MS + LIMITS_MS, 429, false);
    limits_are(&l, "budget.linkerd", VERDICT_PASS, WHY_NONE, "12 retries within 1s of at most 12");
}

static void a_budget_that_nothing_stressed_stays_open(void **state)
{
    struct edge_policy edge = profile();
    struct limits l;
    (void)state;
    limits_open(&l, &edge, 6 * LIMITS_S, "budget", NULL);
    failing(&l, 3 * LIMITS_S, 3);
    limits_are(&l, "budget.linkerd", VERDICT_INCONCLUSIVE, WHY_TOO_FEW,
               "never under stress: 4 failures within 1s of a bound of 11");
}

/* A wish is a census of the requests that are asked: the warm-up's retries are no part of it. */
static void a_wish_is_of_the_requests_that_are_asked(void **state)
{
    struct edge_policy edge = profile();
    (void)state;
    for (uint64_t retried = 12; retried <= 13; retried++) {
        struct limits l;
        limits_open(&l, &edge, 6 * LIMITS_S, "budget",
                    (const char *const[]){"atmost", "20%", NULL});
        for (uint64_t i = 0; i < 70; i++) {
            bool again = (i < 10 && i % 2 == 0) || i % 5 == 0 || (retried == 13 && i == 11);
            failing(&l, LIMITS_S + i * 60 * LIMITS_MS, again ? 1 : 0);
        }
        for (size_t i = 0; i < 10; i++)
            l.j->requests[i].r.flags |= REQUEST_WARMUP;
        if (retried == 12)
            limits_are(&l, "budget.linkerd", VERDICT_PASS, WHY_NONE, "");
        else
            limits_are(&l, "budget.linkerd", VERDICT_FAIL, WHY_NONE,
                       "13 retries of 60 requests; wish: at most 20%");
    }
}

#define RATE 20

static struct edge_policy limited(void)
{
    struct edge_policy edge = limits_policy(FLAVOUR_LINKERD, 1);
    edge.rate = (struct rate_rule){.present = true, .per_second = limits_value(RATE)};
    return edge;
}

/* ${per_s} a second for six seconds, to a bucket of ${limit} that so many a second empty. */
static void offered(struct limits *l, uint64_t per_s, uint64_t limit)
{
    struct edge_policy edge = limited();
    uint64_t level = 0; /* in parts of a request: one is ${per_s} */
    limits_open(l, &edge, 6 * LIMITS_S, "rate_limit", NULL);
    for (uint64_t i = 0; i < 6 * per_s; i++) {
        uint64_t at_us = i * LIMITS_S / per_s;
        level = level > limit ? level - limit : 0;
        if (level + per_s <= limit * per_s) {
            limits_served(l, at_us, at_us + 5 * LIMITS_MS, 1);
            level += per_s;
        } else {
            limits_request(l, at_us, at_us + LIMITS_MS, 429, false);
        }
    }
}

static void the_rate_and_refusals_above_it_are_right(void **state)
{
    struct limits l;
    (void)state;
    offered(&l, 2 * RATE, RATE);
    limits_are(&l, "rate.limit", VERDICT_PASS, WHY_NONE,
               "119 admitted of at most 121; 101 refused");
    offered(&l, RATE * 3 / 4, RATE);
    limits_are(&l, "rate.limit", VERDICT_PASS, WHY_NONE, "none of 90 refused");
}

static void more_than_burst_and_rate_fails(void **state)
{
    struct limits l;
    (void)state;
    offered(&l, 4 * RATE, RATE * 3 / 2);
    limits_are(&l, "rate.limit", VERDICT_FAIL, WHY_NONE, "at most 121 may be");
}

static void a_refusal_below_the_rate_fails(void **state)
{
    struct limits l;
    (void)state;
    offered(&l, RATE / 2, RATE / 10);
    limits_are(&l, "rate.limit", VERDICT_FAIL, WHY_NONE,
               "refused although no more than the limit was sent");
}

static void few_refusals_above_the_rate_stay_open(void **state)
{
    struct limits l;
    (void)state;
    offered(&l, RATE * 5 / 4, RATE);
    limits_are(&l, "rate.limit", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "only 11 of 20 refusals");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reserve_may_go_at_once),
        cmocka_unit_test(more_retries_than_tokens_fail),
        cmocka_unit_test(answers_of_the_time_before_pay),
        cmocka_unit_test(what_a_rate_limit_refuses_pays_too),
        cmocka_unit_test(a_wish_is_of_the_requests_that_are_asked),
        cmocka_unit_test(a_budget_that_nothing_stressed_stays_open),
        cmocka_unit_test(the_rate_and_refusals_above_it_are_right),
        cmocka_unit_test(more_than_burst_and_rate_fails),
        cmocka_unit_test(a_refusal_below_the_rate_fails),
        cmocka_unit_test(few_refusals_above_the_rate_stay_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
