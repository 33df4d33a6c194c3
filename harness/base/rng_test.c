#include "base/rng.h"

#include "base/check.h"

#include <math.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* From another implementation (Python): a journal's seed must give the same faults for ever. */
static void draws_are_those_written_down(void **state)
{
    struct rng r = rng_of(7), s = rng_for(7, 3, 1, 2, 5);
    (void)state;
    assert_true(rng_next(&r) == UINT64_C(0xb8b4c2977eabce45));
    assert_true(rng_next(&r) == UINT64_C(0xa65305fd338ec8fe));
    assert_true(rng_next(&r) == UINT64_C(0x8ca3cbb6ca63129b));
    assert_true(rng_next(&s) == UINT64_C(0xf84e2b8d10d5aa57));
    assert_true(rng_next(&s) == UINT64_C(0xd9b63bb8811ea137));
    assert_true(rng_mix(1) == UINT64_C(0x5692161d100b05e5));
}

static void each_coordinate_gives_a_stream_of_its_own(void **state)
{
    struct rng all[] = {rng_for(1, 2, 3, 4, 5), rng_for(2, 2, 3, 4, 5), rng_for(1, 3, 3, 4, 5),
                        rng_for(1, 2, 4, 4, 5), rng_for(1, 2, 3, 5, 5), rng_for(1, 2, 3, 4, 6),
                        rng_for(1, 3, 2, 4, 5), rng_for(1, 2, 4, 3, 5)};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        for (size_t k = 0; k < i; k++)
            assert_true(all[i].key != all[k].key);
    }
}

static void below_is_in_range_and_even(void **state)
{
    struct rng r = rng_of(1);
    size_t seen[7] = {0};
    (void)state;
    for (int i = 0; i < 70000; i++)
        seen[rng_below(&r, 7)]++;
    for (size_t i = 0; i < COUNT_OF(seen); i++)
        assert_in_range(seen[i], 9500, 10500); /* 5 standard deviations are 463 */
    assert_int_equal(rng_below(&r, 0), 0);
    assert_int_equal(rng_below(&r, 1), 0);
    for (int i = 0; i < 1000; i++)
        assert_true(rng_below(&r, UINT64_MAX) < UINT64_MAX);
}

static void chances_keep_their_share(void **state)
{
    struct rng r = rng_of(2);
    size_t hits = 0;
    (void)state;
    for (int i = 0; i < 100000; i++) {
        hits += rng_chance_ppm(&r, 300000);
        assert_false(rng_chance_ppm(&r, 0));
        assert_true(rng_chance_ppm(&r, 1000000));
    }
    assert_in_range(hits, 29000, 31000);
}

static void reals_have_their_moments(void **state)
{
    struct rng r = rng_of(3);
    double sum = 0, squares = 0, unit = 0;
    (void)state;
    for (int i = 0; i < 100000; i++) {
        double u = rng_unit(&r), n = rng_normal(&r);
        assert_true(u >= 0 && u < 1 && isfinite(n));
        unit += u;
        sum += n;
        squares += n * n;
    }
    assert_true(fabs(unit / 100000 - 0.5) < 0.01);
    assert_true(fabs(sum / 100000) < 0.02 && fabs(squares / 100000 - 1) < 0.03);
}

static void a_shuffle_keeps_the_items_and_reaches_every_order(void **state)
{
    struct rng r = rng_of(4);
    size_t orders[6] = {0};
    (void)state;
    for (int i = 0; i < 6000; i++) {
        uint32_t items[] = {0, 1, 2};
        rng_shuffle(&r, items, 3, sizeof(items[0]));
        assert_int_equal(items[0] + items[1] + items[2], 3);
        assert_true(items[0] != items[1] && items[1] != items[2] && items[0] != items[2]);
        orders[items[0] * 2 + (items[1] > items[2])]++;
    }
    for (size_t i = 0; i < COUNT_OF(orders); i++)
        assert_in_range(orders[i], 850, 1150);
    rng_shuffle(&r, NULL, 0, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_are_those_written_down),
        cmocka_unit_test(each_coordinate_gives_a_stream_of_its_own),
        cmocka_unit_test(below_is_in_range_and_even),
        cmocka_unit_test(chances_keep_their_share),
        cmocka_unit_test(reals_have_their_moments),
        cmocka_unit_test(a_shuffle_keeps_the_items_and_reaches_every_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
