#include "model/pool.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

static const struct edge_policy edge = {
    .flavour = FLAVOUR_ENVOY,
    .pool = {.max_connections = {.number = 2, .set = true},
             .max_pending = {.number = 3, .set = true},
             .requests_per_connection = {.number = 3, .set = true}},
};

static void a_host_may_always_have_one_connection(void **unused)
{
    (void)unused;
    struct pool_config c = pool_config_of(&edge);
    assert_true(pool_may_open(&c, 1, 1));
    assert_false(pool_may_open(&c, 2, 1));
    assert_true(pool_may_open(&c, 7, 0));
}

static void the_queue_and_the_connections_end_exactly_at_their_limits(void **unused)
{
    (void)unused;
    struct pool_config c = pool_config_of(&edge);
    assert_true(pool_may_wait(&c, 2));
    assert_false(pool_may_wait(&c, 3));
    assert_false(pool_is_last(&c, 2));
    assert_true(pool_is_last(&c, 3));
}

static void unset_is_no_limit(void **unused)
{
    (void)unused;
    struct pool_config c = pool_config_of(&(struct edge_policy){.flavour = FLAVOUR_ENVOY});
    assert_true(pool_may_open(&c, 5000, 5000));
    assert_true(pool_may_wait(&c, 5000));
    assert_false(pool_is_last(&c, 5000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_may_always_have_one_connection),
        cmocka_unit_test(the_queue_and_the_connections_end_exactly_at_their_limits),
        cmocka_unit_test(unset_is_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
