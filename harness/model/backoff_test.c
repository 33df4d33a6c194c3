#include "model/backoff.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

static const uint64_t draws = 20000;

static void envoy_intervals_double_up_to_ten_times_the_base(void **unused)
{
    (void)unused;
    struct edge_policy edge = {.flavour = FLAVOUR_ENVOY};
    struct backoff_config c = backoff_config_of(&edge);
    static const uint64_t ms[] = {25, 50, 100, 200, 250, 250};
    for (size_t i = 0; i < COUNT_OF(ms); i++)
        assert_int_equal(backoff_interval_ns(&c, i + 1), ms[i] * NS_PER_MS);
    edge.retry.backoff_base = (struct value){.number = 50 * NS_PER_MS, .set = true};
    c = backoff_config_of(&edge);
    assert_int_equal(backoff_interval_ns(&c, 9), 500 * NS_PER_MS);
}

/* Full jitter: uniform on [0, U_n), so the mean is U_n / 2 (within 1 %, 2.4 sigma would be 0.5 %).
 */
static void envoy_waits_are_uniform_from_zero(void **unused)
{
    (void)unused;
    struct backoff_config c = backoff_config_of(&(struct edge_policy){.flavour = FLAVOUR_ENVOY});
    for (uint64_t n = 1; n <= 3; n++) {
        struct rng rng = rng_for(7, n, 0, 0, 0);
        uint64_t top_ns = backoff_interval_ns(&c, n), sum_ns = 0, low = 0;
        for (uint64_t i = 0; i < draws; i++) {
            uint64_t ns = backoff_draw_ns(&c, n, &rng);
            assert_true(ns < top_ns);
            low += ns < top_ns / 10;
            sum_ns += ns;
        }
        assert_in_range(sum_ns / draws, top_ns * 49 / 100, top_ns * 51 / 100);
        assert_in_range(low, draws * 9 / 100, draws * 11 / 100);
    }
}

static void linkerd_waits_are_never_shorter_than_the_base(void **unused)
{
    (void)unused;
    struct backoff_config c = backoff_config_of(&(struct edge_policy){.flavour = FLAVOUR_LINKERD});
    static const uint64_t low_ms[] = {25, 50, 100, 200, 250}, high_ms[] = {50, 100, 200, 250, 250};
    for (size_t i = 0; i < COUNT_OF(low_ms); i++) {
        struct rng rng = rng_of(i);
        for (uint64_t k = 0; k < draws; k++)
            assert_in_range(backoff_draw_ns(&c, i + 1, &rng), low_ms[i] * NS_PER_MS,
                            high_ms[i] * NS_PER_MS);
    }
}

static void a_defective_shape_is_no_jitter(void **unused)
{
    (void)unused;
    struct backoff_config c = backoff_config_of(&(struct edge_policy){.flavour = FLAVOUR_ENVOY});
    struct rng rng = rng_of(1);
    c.shape = BACKOFF_CONSTANT;
    assert_int_equal(backoff_draw_ns(&c, 1, &rng), 25 * NS_PER_MS);
    assert_int_equal(backoff_draw_ns(&c, 3, &rng), 25 * NS_PER_MS);
    c.shape = BACKOFF_NONE;
    assert_int_equal(backoff_draw_ns(&c, 3, &rng), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envoy_intervals_double_up_to_ten_times_the_base),
        cmocka_unit_test(envoy_waits_are_uniform_from_zero),
        cmocka_unit_test(linkerd_waits_are_never_shorter_than_the_base),
        cmocka_unit_test(a_defective_shape_is_no_jitter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
