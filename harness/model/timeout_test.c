#include "model/timeout.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#define MS NS_PER_MS

static struct timeout_config config_of(enum flavour flavour, uint64_t request_ms, uint64_t try_ms)
{
    struct edge_policy edge = {.flavour = flavour};
    edge.request_timeout = (struct value){.number = request_ms * MS, .set = request_ms > 0};
    edge.retry.per_try_timeout = (struct value){.number = try_ms * MS, .set = try_ms > 0};
    return timeout_config_of(&edge);
}

static const struct timeout_clock second_try = {
    .head_ns = 1000 * MS, .body_ns = 1300 * MS, .try_ns = 2000 * MS, .tries = 2, .retries_left = 2};

static void envoy_counts_from_the_end_of_the_request_and_linkerd_from_its_head(void **unused)
{
    (void)unused;
    struct timeout_config envoy = config_of(FLAVOUR_ENVOY, 2000, 0);
    struct timeout_config linkerd = config_of(FLAVOUR_LINKERD, 2000, 0);
    assert_int_equal(timeout_request_at_ns(&envoy, &second_try), 3300 * MS);
    assert_int_equal(timeout_request_at_ns(&linkerd, &second_try), 3000 * MS);
    assert_true(timeout_cuts_backoff(&envoy));
    assert_false(timeout_cuts_backoff(&linkerd));
}

static void each_try_has_its_own_clock(void **unused)
{
    (void)unused;
    struct timeout_config c = config_of(FLAVOUR_ENVOY, 2000, 600);
    assert_int_equal(timeout_try_at_ns(&c, &second_try), 2600 * MS);
    c.try_from_request = true;
    assert_int_equal(timeout_try_at_ns(&c, &second_try), 2010 * MS);
}

static void a_per_try_timeout_as_long_as_the_request_is_ignored_by_envoy(void **unused)
{
    (void)unused;
    struct timeout_config c = config_of(FLAVOUR_ENVOY, 600, 600);
    assert_int_equal(timeout_try_at_ns(&c, &second_try), TIMEOUT_NEVER_NS);
    c = config_of(FLAVOUR_ENVOY, 0, 600);
    assert_int_equal(timeout_try_at_ns(&c, &second_try), 2600 * MS);
}

static void linkerd_does_not_cut_the_last_try(void **unused)
{
    (void)unused;
    struct timeout_config c = config_of(FLAVOUR_LINKERD, 4000, 600);
    struct timeout_clock last = second_try;
    assert_int_equal(timeout_try_at_ns(&c, &last), 2600 * MS);
    last.retries_left = 0;
    assert_int_equal(timeout_try_at_ns(&c, &last), TIMEOUT_NEVER_NS);
    c.last_too = true;
    assert_int_equal(timeout_try_at_ns(&c, &last), 2600 * MS);
}

static void the_expected_timeout_is_what_is_left(void **unused)
{
    (void)unused;
    struct timeout_config c = config_of(FLAVOUR_ENVOY, 2000, 600);
    assert_int_equal(timeout_expected_ms(&c, &second_try, 2000 * MS), 600);
    assert_int_equal(timeout_expected_ms(&c, &second_try, 3149 * MS), 151);
    assert_int_equal(timeout_expected_ms(&c, &second_try, 3400 * MS), 1);
    c = config_of(FLAVOUR_ENVOY, 0, 0);
    assert_int_equal(timeout_expected_ms(&c, &second_try, 2000 * MS), 0);
}

static void a_restarting_request_timeout_never_comes_while_tries_do(void **unused)
{
    (void)unused;
    struct timeout_config c = config_of(FLAVOUR_ENVOY, 2000, 0);
    c.request_restarts = true;
    assert_int_equal(timeout_request_at_ns(&c, &second_try), 4000 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envoy_counts_from_the_end_of_the_request_and_linkerd_from_its_head),
        cmocka_unit_test(each_try_has_its_own_clock),
        cmocka_unit_test(a_per_try_timeout_as_long_as_the_request_is_ignored_by_envoy),
        cmocka_unit_test(linkerd_does_not_cut_the_last_try),
        cmocka_unit_test(the_expected_timeout_is_what_is_left),
        cmocka_unit_test(a_restarting_request_timeout_never_comes_while_tries_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
