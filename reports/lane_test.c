#include "reports/lane.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define S NS_PER_S

static void a_bucket_is_the_smallest_that_is_two_and_a_half_pixels(void **state)
{
    (void)state;
    assert_int_equal(buckets_width_ns(300 * S, PX(954), 0), S);
    assert_int_equal(buckets_width_ns(300 * S, PX(954), 1), 2 * S);
    assert_int_equal(buckets_width_ns(30 * S, PX(954), 0), 100 * NS_PER_MS);
    assert_int_equal(buckets_width_ns(3600 * S, PX(954), 0), 10 * S);
    assert_int_equal(buckets_width_ns(24 * 3600 * S, PX(954), 0), 240 * S);
    assert_int_equal(buckets_width_ns(0, PX(954), 0), 100 * NS_PER_MS);
    assert_true(buckets_width_ns(UINT64_MAX, PX(1), 40) > 0);
}

static void buckets_count_what_lies_in_their_span(void **state)
{
    (void)state;
    struct buckets b;
    buckets_init(&b, 10 * S, 3 * S, S);
    assert_int_equal(b.count, 4);
    buckets_add(&b, 9 * S);
    buckets_add(&b, 10 * S);
    buckets_add(&b, 11 * S - 1);
    buckets_add(&b, 13 * S);
    buckets_add(&b, 14 * S);
    buckets_add(&b, UINT64_MAX);
    assert_int_equal(b.at[0], 2);
    assert_int_equal(b.at[3], 1);
    assert_int_equal(buckets_sum(&b), 3);
    assert_int_equal(buckets_most(&b), 2);
    buckets_release(&b);
    buckets_init(&b, 0, UINT64_MAX, 1);
    assert_int_equal(b.count, BUCKETS_MOST);
    buckets_release(&b);
}

static char *side_of(const struct lane_part *parts, size_t count, int32_t side, uint32_t most)
{
    struct text text;
    struct svg svg = {.to = &text, .id = "x"};
    struct axis x;
    text_init(&text, 100000);
    axis_init(&x, AXIS_TIME, 0, 4 * S, 0, PX(40));
    lane_side(&svg, parts, count, &x, PX(50), side, most);
    return text_take(&text);
}

static void one_outcome_is_one_path_with_its_gaps_left_empty(void **state)
{
    (void)state;
    uint32_t counts[] = {10, 10, 0, 5};
    struct buckets b = {0, S, counts, 4};
    char *got = side_of(&(struct lane_part){"f-ok", &b}, 1, PX(-20), 10);
    assert_string_equal(got, "<path class=\"f-ok\" d=\"m0 50v-20h20v20zm30 0v-10h10v10z\"/>");
    free(got);
}

static void a_bucket_that_is_not_empty_is_seen(void **state)
{
    (void)state;
    uint32_t counts[] = {1, 0, 0, 0};
    struct buckets b = {0, S, counts, 4};
    char *got = side_of(&(struct lane_part){"f-ok", &b}, 1, PX(20), 1000000);
    assert_string_equal(got, "<path class=\"f-ok\" d=\"m0 50v2.5h10v-2.5z\"/>");
    free(got);
}

static void outcomes_are_stacked_and_the_nearest_is_painted_last(void **state)
{
    (void)state;
    uint32_t near[] = {5, 0, 0, 0}, far[] = {5, 5, 0, 0}, none[] = {0, 0, 0, 0};
    struct buckets a = {0, S, near, 4}, b = {0, S, far, 4}, c = {0, S, none, 4};
    const struct lane_part parts[] = {{"f-e5", &a}, {"f-to", &b}, {"f-tls", &c}};
    char *got = side_of(parts, 3, PX(20), 10);
    assert_string_equal(got, "<path class=\"f-to\" d=\"m0 50v20h10v-10h10v-10z\"/>"
                             "<path class=\"f-e5\" d=\"m0 50v10h10v-10z\"/>");
    free(got);
}

static void three_hundred_buckets_are_a_few_kilobytes(void **state)
{
    (void)state;
    uint32_t counts[381];
    struct buckets b = {0, S, counts, 381};
    struct text text;
    struct svg svg = {.to = &text, .id = "x"};
    struct axis x;
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        counts[i] = (uint32_t)(1000 + i * 7919 % 997);
    text_init(&text, 100000);
    axis_init(&x, AXIS_TIME, 0, 381 * S, PX(120), PX(1074));
    lane_side(&svg, &(struct lane_part){"f-ok", &b}, 1, &x, PX(50), PX(-36), buckets_most(&b));
    assert_in_range(text.len, 1000, 5000);
    text_release(&text);
}

static void a_heat_row_has_one_path_a_strength(void **state)
{
    (void)state;
    uint32_t good[] = {100, 100, 99, 95, 60, 1, 0}, bad[] = {0, 0, 1, 5, 40, 99, 0};
    struct buckets answered = {0, S, good, 7}, failed = {0, S, bad, 7};
    struct text text;
    struct svg svg = {.to = &text, .id = "x"};
    struct axis x;
    text_init(&text, 10000);
    axis_init(&x, AXIS_TIME, 0, 7 * S, 0, PX(70));
    lane_heat(&svg, &answered, &failed, &x, PX(10), PX(8));
    assert_string_equal(text_get(&text), "<path class=\"h4\" d=\"m0 10v8h20v-8z\"/>"
                                         "<path class=\"h3\" d=\"m20 10v8h10v-8z\"/>"
                                         "<path class=\"h2\" d=\"m30 10v8h10v-8z\"/>"
                                         "<path class=\"h1\" d=\"m40 10v8h10v-8z\"/>"
                                         "<path class=\"h0\" d=\"m50 10v8h10v-8z\"/>");
    text_release(&text);
}

static void rare_events_are_drawn_one_by_one_and_many_by_bucket(void **state)
{
    (void)state;
    uint64_t times[LANE_MARKS_MOST + 1];
    struct lane_mark marks[LANE_MARKS_MOST];
    struct buckets like;
    buckets_init(&like, 0, 9 * S, S);
    for (size_t i = 0; i < COUNT_OF(times); i++)
        times[i] = i * (9 * S / COUNT_OF(times));
    assert_int_equal(lane_marks(times, LANE_MARKS_MOST, &like, marks), LANE_MARKS_MOST);
    assert_int_equal(marks[7].t_ns, times[7]);
    assert_int_equal(marks[7].count, 1);
    size_t count = lane_marks(times, COUNT_OF(times), &like, marks), sum = 0;
    assert_int_equal(count, 9);
    for (size_t i = 0; i < count; i++)
        sum += marks[i].count;
    assert_int_equal(sum, COUNT_OF(times));
    assert_int_equal(marks[2].t_ns, 2 * S + S / 2);
    assert_int_equal(lane_marks(times, 0, &like, marks), 0);
    buckets_release(&like);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_is_the_smallest_that_is_two_and_a_half_pixels),
        cmocka_unit_test(buckets_count_what_lies_in_their_span),
        cmocka_unit_test(one_outcome_is_one_path_with_its_gaps_left_empty),
        cmocka_unit_test(a_bucket_that_is_not_empty_is_seen),
        cmocka_unit_test(outcomes_are_stacked_and_the_nearest_is_painted_last),
        cmocka_unit_test(three_hundred_buckets_are_a_few_kilobytes),
        cmocka_unit_test(a_heat_row_has_one_path_a_strength),
        cmocka_unit_test(rare_events_are_drawn_one_by_one_and_many_by_bucket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
