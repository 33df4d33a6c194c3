#include "model/breaker.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

static void ten_of_fifty_pass_and_forty_are_dropped(void **unused)
{
    (void)unused;
    struct edge_policy edge = {.flavour = FLAVOUR_ENVOY};
    edge.pool.max_requests = (struct value){.number = 10, .set = true};
    struct breaker_config c = breaker_config_of(&edge);
    struct breaker b;
    breaker_init(&b, &c, 0);
    int passed = 0;
    for (int i = 0; i < 50; i++)
        passed += breaker_begin_request(&b, 0);
    assert_int_equal(passed, 10);
    assert_int_equal(b.overflow, 40);
    breaker_end_request(&b);
    assert_true(breaker_begin_request(&b, 0));
}

static void unset_and_zero_are_no_limit(void **unused)
{
    (void)unused;
    struct edge_policy edge = {.flavour = FLAVOUR_ENVOY};
    edge.pool.max_retries = (struct value){.number = 0, .set = true};
    struct breaker_config c = breaker_config_of(&edge);
    struct breaker b;
    breaker_init(&b, &c, 0);
    for (int i = 0; i < 5000; i++)
        assert_true(breaker_begin_retry(&b, 0, 0));
    breaker_end_retry(&b);
    assert_int_equal(b.retries, 4999);
    assert_int_equal(b.retry_overflow, 0);
}

static struct breaker share(uint64_t ratio_ppm, uint64_t least, uint64_t interval_ns)
{
    struct edge_policy edge = {.flavour = FLAVOUR_ENVOY};
    edge.pool.max_retries = (struct value){.number = 1, .set = true};
    edge.budget = (struct budget_rule){.kind = BUDGET_ENVOY,
                                       .ratio_ppm = {.number = ratio_ppm, .set = true},
                                       .least = {.number = least, .set = true},
                                       .interval = {.number = interval_ns, .set = true}};
    struct breaker_config c = breaker_config_of(&edge);
    struct breaker b;
    breaker_init(&b, &c, 0);
    return b;
}

static uint64_t retries_of(struct breaker *b, uint64_t pending, uint64_t now_ns)
{
    uint64_t ret = 0;
    while (ret < 1000 && breaker_begin_retry(b, pending, now_ns))
        ret++;
    for (uint64_t i = 0; i < ret; i++)
        breaker_end_retry(b);
    return ret;
}

static void a_budget_is_a_share_of_what_is_out_and_stands_over_max_retries(void **unused)
{
    (void)unused;
    struct breaker b = share(200000, 3, 0);
    assert_int_equal(retries_of(&b, 0, 0), 3);
    for (int i = 0; i < 19; i++)
        assert_true(breaker_begin_request(&b, 0));
    assert_int_equal(retries_of(&b, 0, 0), 3); /* 3.8 is cut to 3 */
    assert_int_equal(retries_of(&b, 1, 0), 4); /* what waits for a connection counts */
    for (int i = 0; i < 11; i++)
        assert_true(breaker_begin_request(&b, 0));
    assert_int_equal(retries_of(&b, 0, 0), 6);
    for (int i = 0; i < 30; i++)
        breaker_end_request(&b);
    assert_int_equal(retries_of(&b, 0, 0), 3); /* of what is out, not of what was */
    assert_int_equal(b.retry_overflow, 5);
    b = share(0, 0, 0);
    assert_int_equal(retries_of(&b, 100, 0), 0);
}

static void a_budget_with_an_interval_is_a_share_of_its_tries(void **unused)
{
    (void)unused;
    struct breaker b = share(500000, 1, NS_PER_S);
    for (int i = 0; i < 10; i++) {
        assert_true(breaker_begin_request(&b, 50 * NS_PER_MS));
        breaker_end_request(&b);
    }
    assert_int_equal(retries_of(&b, 0, 50 * NS_PER_MS), 5);
    assert_int_equal(retries_of(&b, 4, 999 * NS_PER_MS), 7); /* and what is under way */
    assert_int_equal(retries_of(&b, 4, NS_PER_S), 2); /* the tenth that they were in is over */
    assert_true(breaker_begin_request(&b, 7 * NS_PER_S));
    assert_int_equal(b.slot[b.at], 1);
    assert_int_equal(retries_of(&b, 0, 3600 * NS_PER_S), 1);
}

static void the_defect_takes_the_share_of_all_tries(void **unused)
{
    (void)unused;
    struct breaker b = share(200000, 3, 0);
    b.config.share.of_total = true;
    for (int i = 0; i < 100; i++) {
        assert_true(breaker_begin_request(&b, 0));
        breaker_end_request(&b);
    }
    assert_int_equal(retries_of(&b, 0, 0), 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_of_fifty_pass_and_forty_are_dropped),
        cmocka_unit_test(unset_and_zero_are_no_limit),
        cmocka_unit_test(a_budget_is_a_share_of_what_is_out_and_stands_over_max_retries),
        cmocka_unit_test(a_budget_with_an_interval_is_a_share_of_its_tries),
        cmocka_unit_test(the_defect_takes_the_share_of_all_tries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
