#include "model/accrual.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#define S NS_PER_S
#define MS NS_PER_MS

static struct accrual start(uint64_t failures)
{
    struct edge_policy edge = {.flavour = FLAVOUR_LINKERD};
    edge.accrual =
        (struct accrual_rule){.present = true, .max_failures = {.number = failures, .set = true}};
    struct accrual_config c = accrual_config_of(&edge);
    struct accrual a;
    accrual_init(&a, &c, rng_of(3));
    return a;
}

static void failures(struct accrual *a, int times, uint64_t now_ns)
{
    for (int i = 0; i < times; i++)
        accrual_add(a, true, now_ns);
}

static void trips_exactly_at_max_failures(void **unused)
{
    (void)unused;
    struct accrual a = start(5);
    failures(&a, 4, MS);
    accrual_add(&a, false, MS);
    failures(&a, 4, MS);
    assert_true(accrual_may_send(&a));
    failures(&a, 1, MS);
    assert_false(accrual_may_send(&a));
    assert_int_equal(accrual_next_ns(&a), S + MS); /* jitter 0.5 of one second is none (measured) */
}

static void probation_lets_one_through_until_its_result(void **unused)
{
    (void)unused;
    struct accrual a = start(5);
    failures(&a, 5, 0);
    accrual_advance(&a, S - 1);
    assert_false(accrual_may_send(&a));
    accrual_advance(&a, S);
    assert_true(accrual_may_send(&a));
    accrual_sent(&a);
    assert_false(accrual_may_send(&a));
    accrual_add(&a, true, S + MS);
    assert_int_equal(accrual_next_ns(&a), 3 * S + MS); /* base_1 is two seconds */
    accrual_advance(&a, 3 * S + MS);
    accrual_sent(&a);
    accrual_add(&a, false, 4 * S);
    assert_int_equal(a.state, ACCRUAL_OPEN);
    failures(&a, 5, 5 * S);
    assert_int_equal(accrual_next_ns(&a), 6 * S); /* starts at j = 0 again */
}

static void results_while_shut_are_ignored_and_stale_ones_decide_probation(void **unused)
{
    (void)unused;
    struct accrual a = start(5);
    failures(&a, 5, 0);
    accrual_add(&a, false, 500 * MS);
    assert_int_equal(a.state, ACCRUAL_SHUT);
    accrual_add(&a, false, 1100 * MS); /* sent before the trip */
    assert_int_equal(a.state, ACCRUAL_OPEN);
}

static void whole_seconds_take_whole_jitter(void **unused)
{
    (void)unused;
    struct accrual_config c = start(5).config;
    assert_int_equal(accrual_penalty_ns(&c, 0, 0.99), S);
    assert_int_equal(accrual_penalty_ns(&c, 1, 0.99), 2 * S);
    assert_int_equal(accrual_penalty_ns(&c, 2, 0.49), 4 * S);
    assert_int_equal(accrual_penalty_ns(&c, 2, 0.51), 5 * S);
    assert_int_equal(accrual_penalty_ns(&c, 20, 0.99), 60 * S);
    c.min_ns = 1500 * MS;
    assert_in_range(accrual_penalty_ns(&c, 0, 0.5), 1624 * MS, 1626 * MS);
}

static void more_probes_than_one_is_a_defect(void **unused)
{
    (void)unused;
    struct accrual a = start(1);
    a.config.probes = 3;
    failures(&a, 1, 0);
    accrual_advance(&a, S);
    for (int i = 0; i < 3; i++) {
        assert_true(accrual_may_send(&a));
        accrual_sent(&a);
    }
    assert_false(accrual_may_send(&a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trips_exactly_at_max_failures),
        cmocka_unit_test(probation_lets_one_through_until_its_result),
        cmocka_unit_test(results_while_shut_are_ignored_and_stale_ones_decide_probation),
        cmocka_unit_test(whole_seconds_take_whole_jitter),
        cmocka_unit_test(more_probes_than_one_is_a_defect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
