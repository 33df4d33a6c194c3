#include "journal/align.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define UNKNOWN (INT64_MAX / 2)

static void align(struct journal *j)
{
    struct clocks *clocks = clocks_new(j);
    clocks_align_all(clocks, j);
    clocks_free(clocks);
}

static void say_clock(struct journal *j, uint32_t proc, uint64_t at, const char *boot, int64_t lo,
                      int64_t hi)
{
    struct clock_record c = {.at = at,
                             .offset_lo = lo,
                             .offset_hi = hi,
                             .time_ns_inode = 7,
                             .boot_id = journal_add_name(j, boot)};
    journal_add(j, proc, RECORD_CLOCK, &c);
}

static void add_try(struct journal *j, uint32_t proc, uint64_t at)
{
    struct attempt_record r = {.at = at, .out = 50, .status = 200};
    journal_add(j, proc, RECORD_ATTEMPT, &r);
}

static struct journal *two_clocks(void)
{
    struct journal *j = journal_new();
    journal_add_proc(j, 1, "conductor", "", "");
    journal_add_proc(j, 2, "proxy", "subject", "payments");
    journal_add_proc(j, 3, "proxy", "subject", "payments");
    say_clock(j, 1, 1000, "boot-a", 0, 0);
    say_clock(j, 2, 900, "boot-a", -50, 60); /* the same clock: its bounds say nothing */
    say_clock(j, 3, 500000, "boot-b", -UNKNOWN, UNKNOWN);
    return j;
}

static void times_of_another_clock_are_put_on_the_conductors(void **state)
{
    (void)state;
    struct journal *j = two_clocks();
    say_clock(j, 3, 501000, "boot-b", 499990, 500010);
    say_clock(j, 3, 601000, "boot-b", 500190, 500210); /* it runs fast */
    add_try(j, 2, 2000);
    add_try(j, 3, 502000);
    add_try(j, 3, 602000);
    struct lost_record lost = {.at = 503000, .to = 504000, .count = 1};
    journal_add(j, 3, RECORD_LOST, &lost);
    journal_sort(j);
    align(j);
    assert_int_equal(j->attempts[0].r.at, 2000);
    assert_int_equal(j->attempts[1].r.at, 2000);
    assert_int_equal(j->attempts[1].r.out, 50); /* spans are its own clock's, and stay */
    assert_int_equal(j->attempts[2].r.at, 602000 - 500200);
    assert_int_equal(j->losts[0].r.at, 3000);
    assert_int_equal(j->losts[0].r.to, 4000);
    journal_free(j);
}

/* Backwards too: a machine that was started later ticks behind. */
static void a_clock_that_is_behind_is_put_forward(void **state)
{
    (void)state;
    struct journal *j = two_clocks();
    say_clock(j, 3, 501000, "boot-b", -1000020, -1000000);
    add_try(j, 3, 502000);
    journal_sort(j);
    align(j);
    assert_int_equal(j->attempts[0].r.at, 502000 + 1000010);
    journal_free(j);
}

static void what_was_never_measured_stays(void **state)
{
    (void)state;
    struct journal *j = two_clocks();
    add_try(j, 3, 502000);
    journal_sort(j);
    align(j);
    assert_int_equal(j->attempts[0].r.at, 502000);
    journal_free(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_of_another_clock_are_put_on_the_conductors),
        cmocka_unit_test(a_clock_that_is_behind_is_put_forward),
        cmocka_unit_test(what_was_never_measured_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
