#include "model/balance.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

static const bool all[] = {true, true, true};

static struct balance start(enum balance_kind kind)
{
    struct balance b;
    struct balance_config c = {.kind = kind, .other_host = kind != BALANCE_PEAK_EWMA};
    balance_init(&b, &c, 3, rng_of(11));
    return b;
}

static void equal_hosts_get_equal_shares(void **unused)
{
    (void)unused;
    for (int kind = BALANCE_LEAST_REQUEST; kind <= BALANCE_PEAK_EWMA; kind++) {
        struct balance b = start((enum balance_kind)kind);
        uint64_t picks[3] = {0};
        struct balance_tried none = BALANCE_TRIED_NONE;
        for (int i = 0; i < 3000; i++)
            picks[balance_pick(&b, all, &none, 0)]++;
        for (size_t h = 0; h < 3; h++)
            assert_in_range(picks[h], 800, 1200);
    }
}

/* [M] of first retries on the same host: ROUND_ROBIN 5 of 1617, LEAST_REQUEST 6 of 240, RANDOM 0 of
 * 160. */
static void a_retry_avoids_the_host_before_but_not_at_any_price(void **unused)
{
    (void)unused;
    for (int kind = BALANCE_LEAST_REQUEST; kind <= BALANCE_RANDOM; kind++) {
        struct balance b = start((enum balance_kind)kind);
        uint64_t same = 0;
        for (int i = 0; i < 10000; i++) {
            struct balance_tried tried = BALANCE_TRIED_NONE;
            size_t first = balance_pick(&b, all, &tried, 0);
            balance_begin(&b, first, &tried);
            balance_end(&b, first, NS_PER_MS, 0);
            same += balance_pick(&b, all, &tried, 0) == first;
        }
        assert_true(same < 100); /* n^-6 = 14 */
    }
    const bool one[] = {false, true, false};
    struct balance b = start(BALANCE_LEAST_REQUEST);
    struct balance_tried tried = BALANCE_TRIED_NONE;
    balance_begin(&b, 1, &tried);
    assert_int_equal(balance_pick(&b, one, &tried, 0), 1);
}

static void the_defect_keeps_to_the_same_host(void **unused)
{
    (void)unused;
    struct balance b = start(BALANCE_LEAST_REQUEST);
    b.config.same_host = true;
    struct balance_tried tried = BALANCE_TRIED_NONE;
    balance_begin(&b, 2, &tried);
    for (int i = 0; i < 50; i++)
        assert_int_equal(balance_pick(&b, all, &tried, 0), 2);
}

static void no_usable_host_is_none(void **unused)
{
    (void)unused;
    const bool none[] = {false, false, false};
    struct balance b = start(BALANCE_RANDOM);
    struct balance_tried tried = BALANCE_TRIED_NONE;
    assert_true(balance_pick(&b, none, &tried, 0) == BALANCE_NONE);
}

static void least_request_prefers_the_idle_host(void **unused)
{
    (void)unused;
    struct balance b = start(BALANCE_LEAST_REQUEST);
    struct balance_tried unused_tried = BALANCE_TRIED_NONE, none = BALANCE_TRIED_NONE;
    for (int i = 0; i < 5; i++)
        balance_begin(&b, 0, &unused_tried);
    uint64_t busy = 0;
    for (int i = 0; i < 9000; i++)
        busy += balance_pick(&b, all, &none, 0) == 0;
    assert_in_range(busy, 800, 1200); /* only when both draws hit it: one ninth */
}

static void a_slow_host_loses_its_share_at_linkerd(void **unused)
{
    (void)unused;
    struct balance b = start(BALANCE_PEAK_EWMA);
    struct balance_tried tried = BALANCE_TRIED_NONE, none = BALANCE_TRIED_NONE;
    for (size_t h = 0; h < 3; h++) {
        balance_begin(&b, h, &tried);
        balance_end(&b, h, (h == 1 ? 200 : 10) * NS_PER_MS, NS_PER_S);
    }
    for (int i = 0; i < 1000; i++)
        assert_true(balance_pick(&b, all, &none, NS_PER_S) != 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_hosts_get_equal_shares),
        cmocka_unit_test(a_retry_avoids_the_host_before_but_not_at_any_price),
        cmocka_unit_test(the_defect_keeps_to_the_same_host),
        cmocka_unit_test(no_usable_host_is_none),
        cmocka_unit_test(least_request_prefers_the_idle_host),
        cmocka_unit_test(a_slow_host_loses_its_share_at_linkerd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
