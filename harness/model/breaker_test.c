#include "model/breaker.h"

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
    breaker_init(&b, &c);
    int passed = 0;
    for (int i = 0; i < 50; i++)
        passed += breaker_begin_request(&b);
    assert_int_equal(passed, 10);
    assert_int_equal(b.overflow, 40);
    breaker_end_request(&b);
    assert_true(breaker_begin_request(&b));
}

static void unset_and_zero_are_no_limit(void **unused)
{
    (void)unused;
    struct edge_policy edge = {.flavour = FLAVOUR_ENVOY};
    edge.pool.max_retries = (struct value){.number = 0, .set = true};
    struct breaker_config c = breaker_config_of(&edge);
    struct breaker b;
    breaker_init(&b, &c);
    for (int i = 0; i < 5000; i++)
        assert_true(breaker_begin_retry(&b));
    breaker_end_retry(&b);
    assert_int_equal(b.retries, 4999);
    assert_int_equal(b.retry_overflow, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_of_fifty_pass_and_forty_are_dropped),
        cmocka_unit_test(unset_and_zero_are_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
