#include "simulate/edge_fixture_test.h"
#include "simulate/gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* What limits_add asks of a plan is decided: right of a right mesh, wrong of a wrong one. */

static struct edge_policy envoy(void)
{
    struct edge_policy e = edge_envoy(1, RETRY_GATEWAY_ERROR);
    e.request_timeout = edge_number(1300 * NS_PER_MS);
    return e;
}

static struct edge_policy requests(void)
{
    struct edge_policy e = envoy();
    e.pool.max_requests = edge_number(8);
    return e;
}

static struct edge_policy connections(void)
{
    struct edge_policy e = envoy();
    e.pool.max_connections = edge_number(4);
    e.pool.max_pending = edge_number(6);
    return e;
}

static struct edge_policy per_connection(void)
{
    struct edge_policy e = envoy();
    e.pool.requests_per_connection = edge_number(5);
    return e;
}

static struct edge_policy ejects(void)
{
    struct edge_policy e = envoy();
    e.outlier = (struct outlier_rule){.present = true,
                                      .consecutive_5xx = edge_number(5),
                                      .interval = edge_number(NS_PER_S),
                                      .base_ejection = edge_number(3 * NS_PER_S),
                                      .max_ejection_percent = edge_number(34)};
    return e;
}

static struct edge_policy safe(void)
{
    struct edge_policy e = edge_envoy(2, RETRY_CONNECT_FAILURE | RETRY_REFUSED_STREAM);
    e.request_timeout = edge_number(1300 * NS_PER_MS);
    return e;
}

static struct edge_policy shuts(void)
{
    struct edge_policy e = envoy();
    e.target = (struct target){MESH_LINKERD, 2, 16};
    e.flavour = FLAVOUR_LINKERD;
    e.retry.on = RETRY_STATUS_CODES;
    status_set_add(&e.retry.codes, 503);
    e.retry.other_host = false;
    e.retry.backoff_base = edge_number(25 * NS_PER_MS);
    e.retry.backoff_max = edge_number(250 * NS_PER_MS);
    e.accrual = (struct accrual_rule){.present = true,
                                      .max_failures = edge_number(5),
                                      .min_penalty = edge_number(NS_PER_S),
                                      .max_penalty = edge_number(4 * NS_PER_S),
                                      .jitter_ppm = edge_number(500000)};
    return e;
}

static struct edge_policy at_once(void)
{
    struct edge_policy e = edge_envoy(3, RETRY_5XX);
    e.pool.max_retries = edge_number(3);
    return e;
}

static struct edge_policy share(void)
{
    struct edge_policy e = at_once();
    e.budget = (struct budget_rule){.kind = BUDGET_ENVOY,
                                    .ratio_ppm = edge_number(200000),
                                    .least = edge_number(3),
                                    .interval = edge_number(0)};
    return e;
}

/* 0.36 of half a second is slow for an answer, but not too slow. */
static struct edge_policy share_of_interval(void)
{
    struct edge_policy e = share();
    e.budget.interval = edge_number(500 * NS_PER_MS);
    return e;
}

static struct edge_policy profile(void)
{
    struct edge_policy e = shuts();
    e.accrual = (struct accrual_rule){0};
    e.retry = (struct retry_rule){.by_budget = true, .on = RETRY_STATUS_CODES};
    for (uint32_t status = 500; status < 600; status++)
        status_set_add(&e.retry.codes, status);
    e.budget = (struct budget_rule){.kind = BUDGET_LINKERD,
                                    .ratio_ppm = edge_number(200000),
                                    .least = edge_number(5),
                                    .interval = edge_number(4 * NS_PER_S)};
    return e;
}

static struct edge_policy rate(void)
{
    struct edge_policy e = shuts();
    e.target.minor = 17;
    e.accrual = (struct accrual_rule){0};
    e.rate = (struct rate_rule){.present = true, .per_second = edge_number(40)};
    return e;
}

#define CHANGE(name, what) \
    static void name(void *cookie, struct model_config *m) \
    { \
        (void)cookie; \
        what; \
    }
CHANGE(no_limit, m->breaker.max_requests = BREAKER_NO_LIMIT)
CHANGE(half_limit, m->breaker.max_requests /= 2)
CHANGE(double_queue, m->pool.max_pending *= 2)
CHANGE(no_connections, m->pool.max_connections = BREAKER_NO_LIMIT)
CHANGE(one_more_carried, m->pool.requests_per_connection++)
CHANGE(no_gauge, m->hide_ejections = true)
CHANGE(no_retries_shown, m->hide_retries = true)
CHANGE(unsafe_too, m->retry.unsafe_too = true)
CHANGE(shuts_late, m->accrual.max_failures++)
CHANGE(never_shuts, m->accrual.present = false)
CHANGE(shuts_half, m->accrual.min_ns /= 2)
CHANGE(never_longer, m->accrual.max_ns = m->accrual.min_ns)
CHANGE(of_total, m->breaker.share.of_total = true)
CHANGE(unlimited, (m->breaker.share.present = false, m->breaker.max_retries = BREAKER_NO_LIMIT))
CHANGE(no_tokens, (m->budget.present = m->retry.by_budget = false, m->retry.retries = 20))
CHANGE(double_tokens, (m->budget.reserve *= 2, m->budget.pay *= 2))
CHANGE(no_rate, m->rate.present = false)
CHANGE(rate_more,
       (m->rate.per_second += m->rate.per_second / 2, m->rate.burst += m->rate.burst / 2))
CHANGE(rate_less, (m->rate.per_second /= 10, m->rate.burst /= 10))

static const struct row {
    const char *name, *claim;
    struct edge_policy (*edge)(void);
    void (*change)(void *cookie, struct model_config *m);
} rows[] = {
    {"no limit of requests", "cb.requests", requests, no_limit},
    {"half of the requests", "cb.requests", requests, half_limit},
    {"a queue twice as long", "cb.pending", connections, double_queue},
    {"no limit of connections", "cb.connections", connections, no_connections},
    {"one request more", "cb.per_connection", per_connection, one_more_carried},
    {"no gauge", "eject.metrics", ejects, no_gauge},
    {"retries not counted", "metrics.retries", envoy, no_retries_shown},
    {"Linkerd's not counted", "metrics.retries", shuts, no_retries_shown},
    {"a POST retried", "effects", safe, unsafe_too},
    {"shuts one late", "accrual", shuts, shuts_late},
    {"never shuts", "accrual", shuts, never_shuts},
    {"shuts for half", "accrual", shuts, shuts_half},
    {"shuts no longer", "accrual", shuts, never_longer},
    {"retries not limited", "budget.envoy", at_once, unlimited},
    {"a share of all tries", "budget.envoy", share, of_total},
    {"a share not applied", "budget.envoy", share_of_interval, unlimited},
    {"tokens not asked", "budget.linkerd", profile, no_tokens},
    {"twice the tokens", "budget.linkerd", profile, double_tokens},
    {"no rate limit", "rate.limit", rate, no_rate},
    {"a higher rate", "rate.limit", rate, rate_more},
    {"a lower rate", "rate.limit", rate, rate_less},
};

static void run(struct gate *g, const struct row *row, bool wrong, enum noise_kind noise)
{
    struct edge_policy edge = row->edge();
    struct gate_options o = {.seed = 5,
                             .edge = &edge,
                             .noise = noise,
                             .method = strcmp(row->claim, "effects") == 0 ? "POST" : "GET",
                             .depth = DEPTH_QUICK,
                             .change = wrong ? row->change : NULL};
    struct error err = {0};
    if (!gate_run(&o, g, &err))
        fail_msg("%s", err.text);
}

static void each_is_decided(bool wrong, enum noise_kind noise)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct gate g;
        const struct judged *d = NULL;
        run(&g, &rows[i], wrong, noise);
        enum verdict_kind kind = gate_verdict(g.judgement, rows[i].claim, &d);
        if (kind != (wrong ? VERDICT_FAIL : VERDICT_PASS))
            fail_msg("%s: %s says %s", rows[i].name, rows[i].claim,
                     d == NULL ? "nothing" : d->verdict.text);
        assert_true(wrong || g.judgement->fail == 0);
        gate_release(&g);
    }
}

static void limits_of_a_right_mesh_pass(void **state)
{
    (void)state;
    each_is_decided(false, NOISE_NONE);
    each_is_decided(false, NOISE_QUIET);
}

static void wrong_limits_are_caught(void **state)
{
    (void)state;
    each_is_decided(true, NOISE_NONE);
    each_is_decided(true, NOISE_QUIET);
}

static void what_declares_none_has_the_generated_plan_alone(void **state)
{
    struct edge_policy edge = envoy();
    (void)state;
    assert_false(gate_asks(&edge, "cb.requests", DEPTH_QUICK, 1));
    assert_false(gate_asks(&edge, "eject.metrics", DEPTH_QUICK, 1));
    edge = connections();
    assert_true(gate_asks(&edge, "cb.pending", DEPTH_QUICK, 1));
    assert_false(gate_asks(&edge, "cb.requests", DEPTH_QUICK, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_of_a_right_mesh_pass),
        cmocka_unit_test(wrong_limits_are_caught),
        cmocka_unit_test(what_declares_none_has_the_generated_plan_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
