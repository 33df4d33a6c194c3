/* eject.late: when one try more proves that an endpoint stayed in too long, and when it does not.
 */

#include "verify/tries_fixture_test.h"

static const uint16_t both[] = {1, 2}, all[] = {1, 2, 3};

static struct edge_policy two_in_a_row(uint64_t base_s, uint64_t percent)
{
    return (struct edge_policy){.flavour = FLAVOUR_ENVOY,
                                .endpoints = 3,
                                .outlier = {.present = true,
                                            .consecutive_5xx = number(2),
                                            .interval = number(NS_PER_S),
                                            .base_ejection = number(base_s * NS_PER_S),
                                            .max_ejection_percent = number(percent)}};
}

/* Endpoint 3 of three fails at 2.1 s and ${more_ms} after that, and is out: two in a row are
 * enough.
 */
static void fails_and_goes_out(struct fixture *f, const double *more_ms, size_t count)
{
    begin(f, two_in_a_row(2, 34));
    add_clean(f, 0, 2000, 10, all, 3);
    add_clean(f, 2005, 2100, 10, both, 2);
    add(f, 2100, 3, 503);
    for (size_t i = 0; i < count; i++)
        add(f, 2100 + more_ms[i], 3, 503);
    add_clean(f, 2102, 5000, 12, both, 2);
    add_clean(f, 5000, 5300, 10, all, 3);
}

/* The mesh had no time to act on the first of two failures 20 ms apart: it may have acted late on
 * both, and the try after them shows nothing. */
static void failures_close_together_show_nothing(void **state)
{
    struct fixture f;
    (void)state;
    fails_and_goes_out(&f, (const double[]){20, 170}, 2);
    is(&f, "eject.late", VERDICT_INCONCLUSIVE, "no quiet");
    fails_and_goes_out(&f, (const double[]){95, 245}, 2);
    is(&f, "eject.late", VERDICT_FAIL, "payments/3 got 1 more try after 2");
}

/* What comes just after the count was full may have been under way. One that comes later is late
 * all the same. */
static void a_try_just_after_excuses_no_later_one(void **state)
{
    struct fixture f;
    (void)state;
    fails_and_goes_out(&f, (const double[]){150, 210, 400}, 3);
    is(&f, "eject.late", VERDICT_FAIL, "1 more try after 2");
}

/* A mesh may be slow where our own side stood still for long. */
static void a_late_try_of_a_starved_phase_is_no_witness(void **state)
{
    struct fixture f;
    (void)state;
    fails_and_goes_out(&f, (const double[]){150, 300}, 2);
    add_stall(&f, 2, 100, 400);
    is(&f, "eject.late", VERDICT_INCONCLUSIVE, "stood still for more than 250 ms");
    fails_and_goes_out(&f, (const double[]){150, 300}, 2);
    add_stall(&f, 2, 100, 200); /* that is usual */
    is(&f, "eject.late", VERDICT_FAIL, "1 more try");
}

/* Endpoint 1 fails twice just before and has no tries for 3.5 s, beside too few to call it out:
 * where it was, the update for endpoint 3 waits for a second. Without its failures it was not. */
static void an_ejection_that_too_few_picks_show_makes_it_late(void **state)
{
    static const uint16_t two_three[] = {2, 3}, two[] = {2};
    (void)state;
    for (int fails = 0; fails < 2; fails++) {
        struct fixture f;
        begin(&f, two_in_a_row(3, 100));
        add_clean(&f, 0, 2000, 10, all, 3);
        add(&f, 2001, 1, fails ? 503 : 200);
        add(&f, 2002, 1, fails ? 503 : 200);
        add_clean(&f, 2010, 2100, 20, two_three, 2);
        for (int i = 0; i < 4; i++) {
            add(&f, 2100 + 150 * i, 3, 503);
            add(&f, 2110 + 150 * i, 2, 200);
        }
        add_clean(&f, 2700, 5600, 36, two, 1);
        add(&f, 5601, 1, 200);
        add_clean(&f, 5602, 12000, 10, two, 1);
        add_clean(&f, 12000, 12300, 10, all, 3);
        is(&f, "eject.late", fails ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
           fails ? "no quiet" : "2 more tries after 2");
    }
}

/* One failure before a gap of 1.6 s, and two after it: that it went out at once shows nothing, for
 * it may have been one too late. */
static void a_run_with_a_gap_in_it_is_no_pass(void **state)
{
    (void)state;
    for (int gap = 0; gap < 2; gap++) {
        struct fixture f;
        begin(&f, two_in_a_row(2, 34));
        add_clean(&f, 0, 2000, 10, all, 3);
        if (gap)
            add(&f, 2001, 3, 503);
        add_clean(&f, 2010, 3600, 50, both, 2);
        add(&f, 3601, 3, 503);
        add(&f, 3751, 3, 503);
        add_clean(&f, 3605, 6500, 12, both, 2);
        add_clean(&f, 6500, 6800, 10, all, 3);
        is(&f, "eject.late", gap ? VERDICT_INCONCLUSIVE : VERDICT_PASS,
           gap ? "no quiet" : "out at once");
    }
}

/* Tries on endpoint 3 are held and cut after half a second. Endpoint 1 goes out while the one that
 * fills its count is held, and that update makes this one's wait for a second. */
static void another_may_go_out_while_the_last_try_is_held(void **state)
{
    static const uint16_t two[] = {2};
    (void)state;
    for (int other = 0; other < 2; other++) {
        struct fixture f;
        begin(&f, two_in_a_row(3, 100));
        add_clean(&f, 0, 2000, 10, all, 3);
        for (int i = 0; i < 11; i++) {
            double at = 2050 + 100 * i;
            struct made held = {at + 0.1, 0, at + 500, 3, 0};
            add_request(&f, at, at + 500.2, 504, BODY_UPSTREAM_TIMEOUT, &held, 1);
        }
        add_clean(&f, 2002, 2400, 20, both, 2);
        add(&f, 2400, 1, other ? 503 : 200);
        add(&f, 2410, 1, other ? 503 : 200);
        add_clean(&f, 2420, 6000, 10, other ? two : both, other ? 1 : 2);
        add_clean(&f, 6000, 6300, 10, all, 3);
        is(&f, "eject.late", other ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
           other ? "no quiet" : "more tries after 2");
    }
}

/* It failed twice in a row, which put it out unseen: the success after that and the next run are
 * what leaks before its update. Where it had failed once, that run fills the count. */
static void a_run_before_may_have_put_it_out(void **state)
{
    (void)state;
    for (int full = 0; full < 2; full++) {
        struct fixture f;
        begin(&f, two_in_a_row(2, 34));
        add_clean(&f, 0, 2000, 10, all, 3);
        add(&f, 2100, 3, full ? 503 : 200);
        add(&f, 2200, 3, 503);
        add(&f, 2300, 3, 200);
        add(&f, 2400, 3, 503);
        add(&f, 2550, 3, 503);
        add(&f, 2700, 3, 503);
        add(&f, 2850, 3, 503);
        add_clean(&f, 2005, 5500, 12, both, 2);
        add_clean(&f, 5500, 5800, 10, all, 3);
        is(&f, "eject.late", full ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
           full ? "no quiet" : "2 more tries after 2");
    }
}

/* An ejection is of the phase in which it began, at its very first moment too. */
static void an_ejection_is_of_the_phase_in_which_it_began(void **state)
{
    (void)state;
    for (int later = 0; later < 2; later++) {
        struct fixture f;
        fails_and_goes_out(&f, (const double[]){150}, 1);
        f.from_ms = 2250 + 0.1 + later;
        is(&f, "eject.late", later ? VERDICT_INCONCLUSIVE : VERDICT_PASS,
           later ? "no quiet" : "out at once");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_close_together_show_nothing),
        cmocka_unit_test(an_ejection_is_of_the_phase_in_which_it_began),
        cmocka_unit_test(a_try_just_after_excuses_no_later_one),
        cmocka_unit_test(an_ejection_that_too_few_picks_show_makes_it_late),
        cmocka_unit_test(another_may_go_out_while_the_last_try_is_held),
        cmocka_unit_test(a_run_before_may_have_put_it_out),
        cmocka_unit_test(a_run_with_a_gap_in_it_is_no_pass),
        cmocka_unit_test(a_late_try_of_a_starved_phase_is_no_witness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
