/* Counts of intervals err towards the safe side, and are exact where nothing overlaps oddly. */

#include "verify/intervals.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void nothing_is_counted_where_nothing_is(void **state)
{
    struct intervals l = {0};
    (void)state;
    intervals_add(&l, 9, 8, 1);
    intervals_index(&l);
    assert_int_equal(l.count, 0);
    assert_int_equal(intervals_touching(&l, 0, UINT64_MAX), 0);
    assert_int_equal(intervals_covering(&l, 3, 3), 0);
    assert_int_equal(intervals_within(&l, 0, 9), 0);
    intervals_release(&l);
}

static void both_ends_belong_to_an_interval(void **state)
{
    struct intervals l = {0};
    (void)state;
    intervals_add(&l, 10, 20, 1);
    intervals_index(&l);
    assert_int_equal(intervals_touching(&l, 20, 30), 1);
    assert_int_equal(intervals_touching(&l, 21, 30), 0);
    assert_int_equal(intervals_covering(&l, 10, 20), 1);
    assert_int_equal(intervals_covering(&l, 10, 21), 0);
    assert_int_equal(intervals_within(&l, 10, 20), 1);
    assert_int_equal(intervals_within(&l, 11, 20), 0);
    intervals_release(&l);
}

/* Against counting one by one: touching exactly, the others never more than there are. */
static void no_count_is_on_the_wrong_side(void **state)
{
    struct rng rng = rng_of(11);
    struct intervals l = {0};
    uint64_t from[200], to[200];
    (void)state;
    for (int i = 0; i < 200; i++) {
        from[i] = rng_below(&rng, 1000);
        to[i] = from[i] + rng_below(&rng, 100);
        intervals_add(&l, from[i], to[i], (uint32_t)i);
    }
    intervals_index(&l);
    for (int n = 0; n < 2000; n++) {
        uint64_t a = rng_below(&rng, 1100), b = a + rng_below(&rng, 200);
        size_t touching = 0, covering = 0, within = 0, now = 0;
        for (int i = 0; i < 200; i++) {
            touching += from[i] <= b && to[i] >= a;
            covering += from[i] <= a && to[i] >= b;
            within += from[i] >= a && to[i] <= b;
            now += from[i] <= a && to[i] >= a;
        }
        assert_int_equal(intervals_touching(&l, a, b), touching);
        assert_true(intervals_covering(&l, a, b) <= covering);
        assert_true(intervals_within(&l, a, b) <= within);
        assert_int_equal(intervals_covering(&l, a, a), now);
    }
    intervals_release(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_counted_where_nothing_is),
        cmocka_unit_test(both_ends_belong_to_an_interval),
        cmocka_unit_test(no_count_is_on_the_wrong_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
