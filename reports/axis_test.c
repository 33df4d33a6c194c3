#include "reports/axis.h"

#include "base/check.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void labels_are(const struct axis *a, size_t most, const char *const *want, size_t count)
{
    struct axis_tick ticks[AXIS_TICKS_MOST];
    assert_int_equal(axis_ticks(a, most, ticks), count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(ticks[i].label, want[i]);
}
#define LABELS_ARE(a, most, ...) \
    do { \
        static const char *const want[] = {__VA_ARGS__}; \
        labels_are(a, most, want, COUNT_OF(want)); \
    } while (0)

static void time_is_linear_and_its_ticks_are_those_of_a_clock(void **state)
{
    (void)state;
    struct axis a;
    axis_init(&a, AXIS_TIME, 0, 300 * NS_PER_S, 1200, 10740);
    assert_int_equal(axis_px(&a, 0), 1200);
    assert_int_equal(axis_px(&a, 150 * NS_PER_S), 5970);
    assert_int_equal(axis_px(&a, 300 * NS_PER_S), 10740);
    LABELS_ARE(&a, 12, "0:00", "0:30", "1:00", "1:30", "2:00", "2:30", "3:00", "3:30", "4:00",
               "4:30", "5:00");
    LABELS_ARE(&a, 5, "0:00", "2:00", "4:00");
    axis_init(&a, AXIS_TIME, 210 * NS_PER_S, 270 * NS_PER_S, 0, 9820);
    LABELS_ARE(&a, 7, "3:30", "3:40", "3:50", "4:00", "4:10", "4:20", "4:30");
    axis_init(&a, AXIS_TIME, 0, 2 * NS_PER_S, 0, 4000);
    LABELS_ARE(&a, 5, "0:00", "0:00.5", "0:01", "0:01.5", "0:02");
    axis_init(&a, AXIS_TIME, 0, 3 * 3600 * NS_PER_S, 0, 4000);
    LABELS_ARE(&a, 5, "0:00", "1:00:00", "2:00:00", "3:00:00");
}

static void latency_has_equal_steps_for_equal_factors(void **state)
{
    (void)state;
    struct axis a;
    axis_init(&a, AXIS_LOG, 10 * NS_PER_MS, 1000 * NS_PER_MS, 2000, 0);
    assert_int_equal(axis_px(&a, 10 * NS_PER_MS), 2000);
    assert_int_equal(axis_px(&a, 100 * NS_PER_MS), 1000);
    assert_int_equal(axis_px(&a, 1000 * NS_PER_MS), 0);
    LABELS_ARE(&a, 12, "10", "20", "50", "100", "200", "500", "1000");
    LABELS_ARE(&a, 5, "10", "100", "1000");
    axis_init(&a, AXIS_LOG, 500 * NS_PER_US, 2 * NS_PER_MS, 2000, 0);
    LABELS_ARE(&a, 5, "0.5", "1", "2");
}

static void percentiles_go_by_the_nines(void **state)
{
    (void)state;
    struct axis a;
    axis_init(&a, AXIS_PERCENTILE, 500000, 999900, 520, 4480);
    LABELS_ARE(&a, 8, "50", "90", "99", "99.9", "99.99");
    int32_t nine = axis_px(&a, 900000), two = axis_px(&a, 990000), three = axis_px(&a, 999000);
    assert_in_range(two - nine, three - two - 1, three - two + 1);
    assert_int_equal(axis_px(&a, 1000000), 4480);
}

static void counts_are_ticked_by_one_two_and_five(void **state)
{
    (void)state;
    struct axis a;
    axis_init(&a, AXIS_COUNT, 0, 4, 0, 4000);
    LABELS_ARE(&a, 5, "0", "1", "2", "3", "4");
    axis_init(&a, AXIS_COUNT, 0, 130, 0, 4000);
    LABELS_ARE(&a, 5, "0", "50", "100");
    axis_init(&a, AXIS_COUNT, 0, 1000000, 0, 4000);
    LABELS_ARE(&a, 6, "0", "200000", "400000", "600000", "800000", "1000000");
}

static void a_width_bears_five_ticks_on_400_px_and_twelve_on_1180(void **state)
{
    (void)state;
    assert_int_equal(axis_ticks_most(4000), 5);
    assert_int_equal(axis_ticks_most(11800), 12);
    assert_int_equal(axis_ticks_most(40000), 12);
    assert_int_equal(axis_ticks_most(0), 2);
}

static void domains_end_where_a_tick_can_stand(void **state)
{
    (void)state;
    assert_int_equal(axis_floor(0), 1);
    assert_int_equal(axis_floor(1), 1);
    assert_int_equal(axis_floor(4999), 2000);
    assert_int_equal(axis_floor(5000), 5000);
    assert_int_equal(axis_ceiling(1), 1);
    assert_int_equal(axis_ceiling(3), 5);
    assert_int_equal(axis_ceiling(5001), 10000);
    assert_int_equal(axis_ceiling(10001), 20000);
    for (uint64_t v = 1; v < 100000; v = v * 3 + 1)
        assert_true(axis_floor(v) <= v && v <= axis_ceiling(v));
}

static void what_cannot_be_drawn_is_mended(void **state)
{
    (void)state;
    struct axis a;
    struct axis_tick ticks[AXIS_TICKS_MOST];
    static const enum axis_kind kinds[] = {AXIS_COUNT, AXIS_TIME, AXIS_LOG, AXIS_PERCENTILE};
    static const uint64_t ends[] = {0, 1, 999, 1000000, UINT64_MAX - 1, UINT64_MAX};
    for (size_t k = 0; k < COUNT_OF(kinds); k++)
        for (size_t i = 0; i < COUNT_OF(ends); i++)
            for (size_t n = 0; n < COUNT_OF(ends); n++) {
                axis_init(&a, kinds[k], ends[i], ends[n], 100, 900);
                assert_true(axis_ticks(&a, 12, ticks) <= AXIS_TICKS_MOST);
                for (size_t m = 0; m < COUNT_OF(ends); m++)
                    assert_in_range(axis_px(&a, ends[m]), 100, 900);
            }
}

static void times_and_latencies_read_as_people_write_them(void **state)
{
    (void)state;
    char to[24];
    assert_string_equal(axis_print_time(90 * NS_PER_S, to, sizeof(to)), "1:30");
    assert_string_equal(axis_print_time(90 * NS_PER_S + 430 * NS_PER_MS, to, sizeof(to)),
                        "1:30.430");
    assert_string_equal(axis_print_time(3723 * NS_PER_S, to, sizeof(to)), "1:02:03");
    assert_string_equal(axis_print_ms(12345 * NS_PER_US, to, sizeof(to)), "12.345");
    assert_string_equal(axis_print_ms(1 * NS_PER_S, to, sizeof(to)), "1000");
    assert_string_equal(axis_print_ms(50 * NS_PER_US, to, sizeof(to)), "0.05");
    assert_string_equal(axis_print_span(600 * NS_PER_MS, to, sizeof(to)), "600 ms");
    assert_string_equal(axis_print_span(2 * NS_PER_S, to, sizeof(to)), "2 s");
    assert_string_equal(axis_print_span(25140 * NS_PER_MS, to, sizeof(to)), "25.1 s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_is_linear_and_its_ticks_are_those_of_a_clock),
        cmocka_unit_test(latency_has_equal_steps_for_equal_factors),
        cmocka_unit_test(percentiles_go_by_the_nines),
        cmocka_unit_test(counts_are_ticked_by_one_two_and_five),
        cmocka_unit_test(a_width_bears_five_ticks_on_400_px_and_twelve_on_1180),
        cmocka_unit_test(domains_end_where_a_tick_can_stand),
        cmocka_unit_test(what_cannot_be_drawn_is_mended),
        cmocka_unit_test(times_and_latencies_read_as_people_write_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
