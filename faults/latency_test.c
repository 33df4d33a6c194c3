#include "faults/fault_test.h"

#include "base/clock.h"

#include <math.h>

static void latency_never_passes_early_and_decides_once(void **state)
{
    struct fault_case c;
    (void)state;
    assert_true(fault_case_init(&c, "latency", "{\"add\":\"10ms\",\"jitter\":\"5ms\"}"));
    c.rng = rng_for(1, 7, 2, 3, 1);
    struct answer a = fault_case_head(&c, SIDE_RESPONSE, 1000);
    assert_int_equal(a.act, ACT_HOLD);
    assert_in_range(a.until_ns, 1000 + 5 * NS_PER_MS, 1000 + 15 * NS_PER_MS);
    uint64_t draws = c.rng.draw;
    struct answer again = fault_case_head(&c, SIDE_RESPONSE, a.until_ns - 1);
    assert_int_equal(again.act, ACT_HOLD);
    assert_int_equal(again.until_ns, a.until_ns);
    assert_int_equal(c.rng.draw, draws);
    assert_int_equal(fault_case_head(&c, SIDE_RESPONSE, a.until_ns).act, ACT_PASS);
    assert_int_equal(fault_case_head(&c, SIDE_RESPONSE, a.until_ns + 5).act, ACT_PASS);
    fault_case_release(&c);
}

static uint64_t delay_of(struct fault_case *c, uint64_t seed, uint64_t request)
{
    memset(c->state, 0, sizeof(c->state));
    c->rng = rng_for(seed, 7, 0, request, 1);
    struct answer a = fault_case_head(c, SIDE_RESPONSE, 1);
    return a.act == ACT_HOLD ? a.until_ns - 1 : 0;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Over 40 000 requests of seed 1: mean, deviation, and the 1 %, 50 % and 99 % points, all in ms.
 * The draws are keyed, so these are the same numbers each time; the bounds are the law's, not the
 * sample's. */
static void check_law(const char *law, const double want[5], const double within[5])
{
    enum { N = 40000 };
    struct fault_case c;
    char json[128];
    uint64_t *delay = calloc(N, sizeof(*delay));
    double sum = 0, squares = 0;
    snprintf(json, sizeof(json), "{\"add\":\"100ms\",\"jitter\":\"20ms\",\"distribution\":\"%s\"}",
             law);
    assert_true(fault_case_init(&c, "latency", json));
    for (uint64_t i = 0; i < N; i++) {
        delay[i] = delay_of(&c, 1, i);
        assert_int_equal(delay[i], delay_of(&c, 1, i));
        double ms = (double)delay[i] / 1e6;
        sum += ms;
        squares += ms * ms;
    }
    qsort(delay, N, sizeof(*delay), by_value);
    double mean = sum / N;
    const uint64_t low = delay[N / 100], middle = delay[N / 2], high = delay[N - N / 100];
    const double seen[5] = {mean, sqrt(squares / N - mean * mean), (double)low / 1e6,
                            (double)middle / 1e6, (double)high / 1e6};
    for (int i = 0; i < 5; i++) {
        if (fabs(seen[i] - want[i]) > within[i])
            fail_msg("%s: figure %d is %.3f, the law says %.3f", law, i, seen[i], want[i]);
    }
    free(delay);
    fault_case_release(&c);
}

static void latency_laws_have_their_mean_and_quantiles(void **state)
{
    (void)state;
    check_law("uniform", (const double[]){100, 20 / sqrt(3), 80.4, 100, 119.6},
              (const double[]){0.4, 0.3, 0.2, 0.6, 0.2});
    check_law("normal", (const double[]){100, 20, 100 - 2.3263 * 20, 100, 100 + 2.3263 * 20},
              (const double[]){0.5, 0.5, 1.2, 0.6, 1.2});
    /* Pareto of shape 3: quantile q at 100 + 20 * ((1-q)^(-1/3) - 1.5) / sqrt(3/4). */
    check_law("pareto", (const double[]){100, 20, 88.53, 94.45, 172.55},
              (const double[]){0.6, 6, 0.2, 0.3, 8});
    /* Lognormal: sigma^2 = ln(1.04), median 100/sqrt(1.04). */
    check_law("lognormal",
              (const double[]){100, 20, 98.058 * exp(-2.3263 * 0.19804), 98.058,
                               98.058 * exp(2.3263 * 0.19804)},
              (const double[]){0.5, 0.6, 1, 0.6, 2.5});
}

static void latency_differs_by_seed_and_request(void **state)
{
    struct fault_case c;
    (void)state;
    assert_true(fault_case_init(&c, "latency", "{\"add\":\"100ms\",\"jitter\":\"50ms\"}"));
    assert_int_not_equal(delay_of(&c, 1, 1), delay_of(&c, 1, 2));
    assert_int_not_equal(delay_of(&c, 1, 1), delay_of(&c, 2, 1));
    fault_case_release(&c);
}

static void latency_at_connect_holds_the_connection_and_resets_the_old_ones(void **state)
{
    struct fault_case c;
    (void)state;
    assert_true(fault_case_init(&c, "latency", "{\"add\":\"10ms\",\"when\":\"connect\"}"));
    struct filter_context at = fault_case_at(&c, 100);
    struct answer a = c.slot.filter->on_accept(&at, &(struct accept_view){.nth = 1});
    assert_int_equal(a.act, ACT_HOLD);
    assert_int_equal(a.until_ns, 100 + 10 * NS_PER_MS);
    assert_int_equal(c.use.common.existing, EXISTING_RESET);
    assert_int_equal(fault_case_head(&c, SIDE_REQUEST, 1).act, ACT_PASS);
    fault_case_release(&c);
    assert_true(fault_case_init(&c, "latency", "{\"add\":\"10ms\"}"));
    assert_int_equal(c.use.common.existing, EXISTING_KEEP);
    assert_int_equal(fault_case_head(&c, SIDE_REQUEST, 1).act, ACT_PASS);
    fault_case_release(&c);
}

static void latency_refuses_what_cannot_be(void **state)
{
    (void)state;
    fault_case_refused(
        "latency", "{\"add\":400}",
        "fault.latency: add is 400; it must be a duration such as \"250ms\" or \"1m30s\"");
    fault_case_refused("latency", "{\"jitter\":\"1ms\"}", "fault.latency needs add");
    fault_case_refused("latency", "{\"add\":\"1ms\",\"jitter\":\"2ms\"}",
                       "fault.latency: jitter 2ms is more than add 1ms");
    fault_case_refused(
        "latency", "{\"add\":\"1ms\",\"jiter\":\"2ms\"}",
        "fault.latency has no key \"jiter\" (did you mean \"jitter\"?); it has add "
        "distribution existing first jitter match mode name note on per share streak times "
        "to_end_of ttl when");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(latency_never_passes_early_and_decides_once),
        cmocka_unit_test(latency_laws_have_their_mean_and_quantiles),
        cmocka_unit_test(latency_differs_by_seed_and_request),
        cmocka_unit_test(latency_at_connect_holds_the_connection_and_resets_the_old_ones),
        cmocka_unit_test(latency_refuses_what_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
