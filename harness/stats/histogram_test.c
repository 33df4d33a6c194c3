#include "stats/histogram.h"

#include "base/rng.h"

#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void every_value_in_range_is_kept_to_three_digits(void **state)
{
    (void)state;
    for (uint64_t ns = HISTOGRAM_LEAST_NS; ns <= HISTOGRAM_MOST_NS; ns += 1 + ns / 37) {
        struct histogram h;
        histogram_init(&h);
        histogram_record(&h, ns);
        histogram_record(&h, HISTOGRAM_MOST_NS);
        uint64_t got = histogram_quantile(&h, 0.5);
        assert_true(got >= ns);
        assert_true(got - ns <= (ns / 1000 > 511 ? ns / 1000 : 511));
        histogram_release(&h);
        ns += ns < 2000000 ? 5000 : ns; /* dense below 2 ms, then each doubling */
    }
}

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void quantiles_agree_with_a_sorted_list(void **state)
{
    enum { N = 20000 };
    static uint64_t all[N];
    static const double q[] = {0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999};
    struct histogram h;
    struct rng r = rng_of(7);
    (void)state;
    histogram_init(&h);
    for (size_t i = 0; i < N; i++) {
        all[i] = 20000 + rng_below(&r, UINT64_C(1) << (10 + rng_below(&r, 25)));
        histogram_record(&h, all[i]);
    }
    qsort(all, N, sizeof(all[0]), compare);
    for (size_t i = 0; i < sizeof(q) / sizeof(q[0]); i++) {
        size_t rank = (size_t)(q[i] * N);
        uint64_t want = all[rank == 0 ? 0 : rank - 1], got = histogram_quantile(&h, q[i]);
        assert_true(got >= want && got - want <= want / 1000 + 512);
    }
    assert_int_equal(histogram_quantile(&h, 1), all[N - 1]);
    assert_int_equal(h.least_ns, all[0]);
    histogram_release(&h);
}

static void merging_is_the_same_as_recording_into_one(void **state)
{
    struct histogram one, a, b;
    struct rng r = rng_of(8);
    (void)state;
    histogram_init(&one);
    histogram_init(&a);
    histogram_init(&b);
    for (int i = 0; i < 10000; i++) {
        uint64_t ns = rng_next(&r) >> rng_below(&r, 64);
        histogram_record(&one, ns);
        histogram_record(i % 3 == 0 ? &a : &b, ns);
    }
    histogram_merge(&a, &b);
    assert_int_equal(a.count, one.count);
    assert_int_equal(a.below, one.below);
    assert_int_equal(a.above, one.above);
    assert_int_equal(a.least_ns, one.least_ns);
    assert_int_equal(a.most_ns, one.most_ns);
    for (int step = 0; step <= 2000; step++) {
        double q = step / 2000.0;
        assert_int_equal(histogram_quantile(&a, q), histogram_quantile(&one, q));
    }
    histogram_release(&one);
    histogram_release(&a);
    histogram_release(&b);
}

static void what_lies_outside_is_counted_and_keeps_its_place(void **state)
{
    struct histogram h;
    (void)state;
    histogram_init(&h);
    assert_int_equal(histogram_quantile(&h, 0.5), 0);
    histogram_record(&h, 3);
    histogram_record(&h, 5000);
    histogram_record(&h, UINT64_MAX);
    assert_int_equal(h.count, 3);
    assert_int_equal(h.below, 1);
    assert_int_equal(h.above, 1);
    assert_int_equal(histogram_quantile(&h, 0.1), HISTOGRAM_LEAST_NS);
    assert_in_range(histogram_quantile(&h, 0.5), 5000, 5511);
    assert_true(histogram_quantile(&h, 1) == UINT64_MAX);
    histogram_release(&h);
}

static void the_ends_of_the_range_belong_to_it(void **state)
{
    struct histogram h;
    (void)state;
    histogram_init(&h);
    histogram_record(&h, HISTOGRAM_LEAST_NS);
    histogram_record(&h, HISTOGRAM_MOST_NS);
    histogram_record(&h, HISTOGRAM_LEAST_NS - 1);
    histogram_record(&h, HISTOGRAM_MOST_NS + 1);
    assert_int_equal(h.below, 1);
    assert_int_equal(h.above, 1);
    histogram_release(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_in_range_is_kept_to_three_digits),
        cmocka_unit_test(quantiles_agree_with_a_sorted_list),
        cmocka_unit_test(merging_is_the_same_as_recording_into_one),
        cmocka_unit_test(what_lies_outside_is_counted_and_keeps_its_place),
        cmocka_unit_test(the_ends_of_the_range_belong_to_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
