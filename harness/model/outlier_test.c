#include "model/outlier.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#define S NS_PER_S
#define MS NS_PER_MS

/* verifier.md 8: c 5, I 1 s, B 2 s, K 34 of 3 hosts, so the cap is 1; panic off, as Istio has it.
 */
static struct outlier_config config(void)
{
    struct edge_policy edge = {.flavour = FLAVOUR_ENVOY};
    edge.outlier = (struct outlier_rule){
        .present = true,
        .consecutive_5xx = {.number = 5, .set = true},
        .interval = {.number = S, .set = true},
        .base_ejection = {.number = 2 * S, .set = true},
        .max_ejection_percent = {.number = 34, .set = true},
    };
    return outlier_config_of(&edge);
}

static struct outlier start(struct outlier_config c)
{
    struct outlier o;
    outlier_init(&o, &c, 3, 500 * MS);
    return o;
}

static void failures(struct outlier *o, size_t host, int times, uint64_t now_ns)
{
    for (int i = 0; i < times; i++)
        outlier_add(o, host, OUTLIER_GATEWAY, now_ns);
}

/* When the balancer sees the host back; 0: not within a minute. */
static uint64_t back_at(struct outlier *o, size_t host)
{
    for (uint64_t at_ns = outlier_next_ns(o); at_ns < 60 * S; at_ns = outlier_next_ns(o)) {
        outlier_advance(o, at_ns);
        if (outlier_may_pick(o, host))
            return at_ns;
    }
    return 0;
}

static void trips_exactly_at_the_threshold(void **unused)
{
    (void)unused;
    struct outlier o = start(config());
    failures(&o, 1, 4, 10 * MS);
    assert_true(outlier_may_pick(&o, 1));
    failures(&o, 1, 1, 10 * MS);
    assert_false(outlier_may_pick(&o, 1));
    assert_int_equal(o.stats.active, 1);
    assert_int_equal(o.stats.enforced_5xx, 1);
}

static void a_success_clears_the_counter(void **unused)
{
    (void)unused;
    struct outlier_config c = config();
    for (int keeps = 0; keeps <= 1; keeps++) {
        c.success_keeps = keeps == 1;
        struct outlier o = start(c);
        failures(&o, 1, 4, 10 * MS);
        outlier_add(&o, 1, OUTLIER_SUCCESS, 11 * MS);
        failures(&o, 1, 4, 12 * MS);
        assert_int_equal(outlier_may_pick(&o, 1), keeps == 0);
    }
}

static void a_500_clears_the_gateway_counter_alone(void **unused)
{
    (void)unused;
    struct outlier_config c = config();
    c.consecutive_5xx = 6;
    c.consecutive_gateway = 3;
    struct outlier o = start(c);
    failures(&o, 0, 2, 10 * MS);
    outlier_add(&o, 0, OUTLIER_SERVER, 11 * MS);
    failures(&o, 0, 2, 12 * MS);
    assert_true(outlier_may_pick(&o, 0));
    outlier_add(&o, 0, OUTLIER_SERVER, 13 * MS); /* the sixth 5xx in a row */
    assert_false(outlier_may_pick(&o, 0));
    assert_int_equal(o.stats.enforced_gateway, 0);
}

static void returns_on_the_first_sweep_after_the_ejection_time(void **unused)
{
    (void)unused;
    struct outlier o = start(config());
    failures(&o, 1, 5, 700 * MS); /* sweeps at 0.5, 1.5, 2.5, 3.5 */
    assert_int_equal(back_at(&o, 1), 3500 * MS);
    assert_int_equal(o.stats.active, 0);
}

/* [M] seen 4.90-5.01 s: tripped right after the return, so rounded up by nearly a whole interval.
 * The trip itself shows only when the merge window of 1 s is over: the leak. */
static void a_repeat_is_twice_as_long_and_leaks_for_the_merge_window(void **unused)
{
    (void)unused;
    struct outlier o = start(config());
    failures(&o, 1, 5, 700 * MS);
    uint64_t back_ns = back_at(&o, 1);
    failures(&o, 1, 5, back_ns + 60 * MS);
    assert_int_equal(o.stats.active, 1);
    assert_true(outlier_may_pick(&o, 1));
    outlier_advance(&o, back_ns + 1059 * MS);
    assert_true(outlier_may_pick(&o, 1));
    outlier_advance(&o, back_ns + 1060 * MS);
    assert_false(outlier_may_pick(&o, 1));
    assert_int_equal(back_at(&o, 1), back_ns + 5 * S);
}

static void without_a_merge_window_there_is_no_leak(void **unused)
{
    (void)unused;
    struct outlier_config c = config();
    c.merge_ns = 0;
    struct outlier o = start(c);
    failures(&o, 1, 5, 700 * MS);
    uint64_t back_ns = back_at(&o, 1);
    failures(&o, 1, 5, back_ns + 60 * MS);
    assert_false(outlier_may_pick(&o, 1));
}

static void the_backoff_decays_only_after_an_interval_of_health(void **unused)
{
    (void)unused;
    struct outlier o = start(config());
    failures(&o, 1, 5, 700 * MS);
    uint64_t back_ns = back_at(&o, 1);
    assert_int_equal(o.host[1].backoff, 1);
    outlier_advance(&o, back_ns + S);
    assert_int_equal(o.host[1].backoff, 0);
    failures(&o, 1, 5, back_ns + 1200 * MS);
    assert_int_equal(back_at(&o, 1), back_ns + 4 * S);
}

static void the_cap_floors_and_makes_no_exception_for_the_first(void **unused)
{
    (void)unused;
    static const struct {
        uint64_t percent, out;
    } rows[] = {{30, 0}, {33, 0}, {34, 1}, {66, 1}, {67, 2}, {100, 3}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct outlier_config c = config();
        c.cap_percent = rows[i].percent;
        struct outlier o = start(c);
        for (size_t host = 0; host < 3; host++)
            failures(&o, host, 5, 10 * MS);
        assert_int_equal(o.stats.active, rows[i].out);
        assert_int_equal(o.stats.overflow, 3 - rows[i].out);
    }
}

static void a_refused_ejection_is_detected_again_every_five_failures(void **unused)
{
    (void)unused;
    struct outlier_config c = config();
    c.cap_percent = 30;
    struct outlier o = start(c);
    failures(&o, 0, 20, 10 * MS);
    assert_int_equal(o.stats.detected_5xx, 4);
    assert_int_equal(o.stats.overflow, 4);
}

static void below_the_panic_threshold_ejected_hosts_are_picked_again(void **unused)
{
    (void)unused;
    struct outlier_config c = config();
    c.cap_percent = 100;
    c.merge_ns = 0;
    for (int panic = 0; panic <= 1; panic++) {
        c.panic_percent = panic == 1 ? 60 : 0;
        struct outlier o = start(c);
        failures(&o, 0, 5, 10 * MS);
        assert_false(outlier_may_pick(&o, 0));
        failures(&o, 1, 5, 20 * MS);
        assert_int_equal(outlier_may_pick(&o, 0), panic == 1);
        assert_int_equal(o.stats.active, 2); /* the gauge stays truthful */
    }
}

static void split_local_errors_have_their_own_counter(void **unused)
{
    (void)unused;
    struct outlier_config c = config();
    c.split_local = true;
    c.consecutive_local = 7;
    struct outlier o = start(c);
    for (int i = 0; i < 6; i++)
        outlier_add(&o, 2, OUTLIER_LOCAL, 10 * MS);
    assert_true(outlier_may_pick(&o, 2));
    outlier_add(&o, 2, OUTLIER_LOCAL, 10 * MS);
    assert_false(outlier_may_pick(&o, 2));
    assert_int_equal(o.stats.enforced_local, 1);
}

static void the_ejection_time_stops_at_its_maximum(void **unused)
{
    (void)unused;
    struct outlier_config c = config();
    c.max_ns = c.base_ns;
    c.merge_ns = 0;
    struct outlier o = start(c);
    failures(&o, 1, 5, 700 * MS);
    uint64_t back_ns = back_at(&o, 1);
    failures(&o, 1, 5, back_ns + 60 * MS);
    assert_int_equal(back_at(&o, 1), back_ns + 3 * S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trips_exactly_at_the_threshold),
        cmocka_unit_test(a_success_clears_the_counter),
        cmocka_unit_test(a_500_clears_the_gateway_counter_alone),
        cmocka_unit_test(returns_on_the_first_sweep_after_the_ejection_time),
        cmocka_unit_test(a_repeat_is_twice_as_long_and_leaks_for_the_merge_window),
        cmocka_unit_test(without_a_merge_window_there_is_no_leak),
        cmocka_unit_test(the_backoff_decays_only_after_an_interval_of_health),
        cmocka_unit_test(the_cap_floors_and_makes_no_exception_for_the_first),
        cmocka_unit_test(a_refused_ejection_is_detected_again_every_five_failures),
        cmocka_unit_test(below_the_panic_threshold_ejected_hosts_are_picked_again),
        cmocka_unit_test(split_local_errors_have_their_own_counter),
        cmocka_unit_test(the_ejection_time_stops_at_its_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
