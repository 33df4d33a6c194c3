/* What linkerd2-proxy's penalties may be, by the policy or its defaults (linkerd-measured.md 2). */

#include "verify/penalty.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct value given(uint64_t number)
{
    return (struct value){.number = number, .set = true};
}

static void what_the_policy_leaves_out_is_the_proxys_default(void **state)
{
    struct edge_policy edge = {.accrual = {.present = true}};
    struct penalty_rule rule = penalty_rule_of(&edge);
    (void)state;
    assert_int_equal(rule.failures, 7);
    assert_int_equal(rule.least_ns, NS_PER_S);
    assert_int_equal(rule.most_ns, 60 * NS_PER_S);
    assert_int_equal(rule.jitter_ppm, 500000);
    /* A number that nobody gave is none. */
    edge.accrual.max_failures = (struct value){.number = 3};
    assert_int_equal(penalty_rule_of(&edge).failures, 7);
    edge.accrual.max_failures = given(0);
    assert_int_equal(penalty_rule_of(&edge).failures, 7);
    edge.accrual = (struct accrual_rule){.present = true,
                                         .max_failures = given(3),
                                         .min_penalty = given(2 * NS_PER_S),
                                         .max_penalty = given(5 * NS_PER_S),
                                         .jitter_ppm = given(0)};
    rule = penalty_rule_of(&edge);
    assert_int_equal(rule.failures, 3);
    assert_int_equal(rule.least_ns, 2 * NS_PER_S);
    assert_int_equal(rule.most_ns, 5 * NS_PER_S);
    assert_int_equal(rule.jitter_ppm, 0);
}

static void each_is_twice_the_one_before_up_to_the_longest(void **state)
{
    static const struct {
        uint64_t least, most, want[6];
    } rows[] = {
        {1000, 60000, {1000, 2000, 4000, 8000, 16000, 32000}},
        {1000, 8000, {1000, 2000, 4000, 8000, 8000, 8000}},
        {1000, 8001, {1000, 2000, 4000, 8000, 8001, 8001}},
        {1000, 3000, {1000, 2000, 3000, 3000, 3000, 3000}},
        {1000, 2000, {1000, 2000, 2000, 2000, 2000, 2000}},
        {1000, 1000, {1000, 1000, 1000, 1000, 1000, 1000}},
        {5000, 3000, {3000, 3000, 3000, 3000, 3000, 3000}},
        /* where twice it would not be a number any more */
        {UINT64_MAX / 2 + 2,
         UINT64_MAX,
         {UINT64_MAX / 2 + 2, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct penalty_rule rule = {
            .failures = 3, .least_ns = rows[i].least, .most_ns = rows[i].most};
        for (uint32_t j = 0; j < 6; j++)
            assert_int_equal(penalty_least_ns(&rule, j), rows[i].want[j]);
    }
}

static void jitter_makes_it_longer_but_never_longer_than_the_longest(void **state)
{
    struct penalty_rule rule = {
        .failures = 3, .least_ns = 1000, .most_ns = 3500, .jitter_ppm = 500000};
    (void)state;
    assert_int_equal(penalty_longest_ns(&rule, 0), 1500);
    assert_int_equal(penalty_longest_ns(&rule, 1), 3000);
    assert_int_equal(penalty_longest_ns(&rule, 2), 3500);
    rule.jitter_ppm = 0;
    assert_int_equal(penalty_longest_ns(&rule, 1), 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_policy_leaves_out_is_the_proxys_default),
        cmocka_unit_test(each_is_twice_the_one_before_up_to_the_longest),
        cmocka_unit_test(jitter_makes_it_longer_but_never_longer_than_the_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
