/* How often an endpoint has been out, and so for how long it may be: what nobody saw counts too. */

#include "verify/tries_fixture_test.h"

static const uint16_t one[] = {2}, both[] = {1, 2}, all[] = {1, 2, 3};

static struct edge_policy ejects(void)
{
    return (struct edge_policy){.flavour = FLAVOUR_ENVOY,
                                .endpoints = 3,
                                .outlier = {.present = true,
                                            .consecutive_5xx = number(2),
                                            .interval = number(NS_PER_S),
                                            .base_ejection = number(2 * NS_PER_S),
                                            .max_ejection_percent = number(34)}};
}

/* The endpoint's listener is closed, or open again. */
static void add_listener(struct fixture *f, double at_ms, uint16_t endpoint, bool down)
{
    struct world_record r = {.at = T(at_ms),
                             .what = journal_add_name(f->j, down ? "listener_down" : "listener_up"),
                             .endpoint = endpoint,
                             .step = down ? 1 : 2};
    journal_add(f->j, 2, RECORD_WORLD, &r);
}

/* Endpoint 3 goes out after two failures, at ${at_ms} + 150, and is seen back at ${back_ms}. */
static void out(struct fixture *f, double at_ms, double back_ms)
{
    add(f, at_ms, 3, 503);
    add(f, at_ms + 150, 3, 503);
    add_clean(f, at_ms + 152, back_ms, 4, both, 2);
    add_clean(f, back_ms, back_ms + 300, 10, all, 3);
}

/* A try on endpoint 3 that the mesh's timer cuts. */
static void add_cut(struct fixture *f, double head_ms, double left_ms)
{
    struct made made = {head_ms, 0, left_ms, 3, 0};
    add_request(f, head_ms - 0.1, left_ms + 0.2, 504, BODY_UPSTREAM_TIMEOUT, &made, 1);
}

/* Two tries were under way when it went out. Where they end after its 2 s it goes out again, for 4.
 */
static void failures_of_tries_sent_before_put_it_out_again(void **state)
{
    static const struct {
        double left_ms;
        enum verdict_kind kind;
    } rows[] = {{4700, VERDICT_INCONCLUSIVE}, {3900, VERDICT_FAIL}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (int returns = 0; returns < 2; returns++) {
            struct fixture f;
            begin(&f, ejects());
            add_clean(&f, 0, 2000, 10, all, 3);
            add_cut(&f, 2220, rows[i].left_ms);
            add_cut(&f, 2230, rows[i].left_ms);
            out(&f, 2100, 9000);
            bool fails = rows[i].kind == VERDICT_FAIL;
            if (returns)
                is(&f, "eject.return", fails ? VERDICT_FAIL : VERDICT_PASS,
                   fails ? "was not back" : "back after");
            else
                is(&f, "eject.length", rows[i].kind, fails ? "was out for" : "ejections from trip");
        }
}

/* Endpoint 1 had no tries from 4 to 5.5 s, and too few went elsewhere to call it out: it may have
 * been, where it had failed before, and its return makes the next update wait for a second. */
static void an_update_may_wait_for_one_that_too_few_picks_show(void **state)
{
    (void)state;
    for (int row = 0; row < 3; row++) {
        struct fixture f;
        bool gap = row > 0, waits = row == 2;
        begin(&f, ejects());
        add_clean(&f, 0, 2000, 10, all, 3);
        add(&f, 2100, 3, 503);
        add(&f, 2250, 3, 503);
        add_clean(&f, 2252, 3996, 4, both, 2);
        add(&f, 3997, 1, waits ? 503 : 200);
        add(&f, 3998, 1, waits ? 503 : 200);
        add_clean(&f, 4000, 5500, 15, gap ? one : both, gap ? 1 : 2);
        add_clean(&f, 5500, 6500, 4, both, 2);
        add_clean(&f, 6500, 6800, 10, all, 3);
        is(&f, "eject.length", waits ? VERDICT_PASS : VERDICT_FAIL,
           waits ? "out for 4.3 s" : "was out for 4.3 s; at most 3.7 s");
    }
}

/* Endpoint 1's listener is down: whoever tries it puts it out, and nobody sees when it is back. */
static void an_update_may_wait_for_a_dead_endpoints(void **state)
{
    (void)state;
    for (int dead = 0; dead < 2; dead++) {
        struct fixture f;
        begin(&f, ejects());
        if (dead)
            add_listener(&f, 3000, 1, true);
        add_clean(&f, 0, 2000, 10, all, 3);
        add(&f, 2100, 3, 503);
        add(&f, 2250, 3, 503);
        add_clean(&f, 2252, 3000, 4, both, 2);
        add_clean(&f, 3000, 6500, 4, one, 1);
        add_clean(&f, 6500, 6800, 10, all + 1, 2);
        is(&f, "eject.length", dead ? VERDICT_PASS : VERDICT_FAIL,
           dead ? "out for 4.3 s" : "was out for 4.3 s");
    }
}

/* It may have been out twice before, from 2 to 5 and from ${second_ms} on for 6 s: while it is out,
 * no sweep finds it in. */
static void time_in_which_it_may_have_been_out_forgets_nothing(void **state)
{
    (void)state;
    for (int twice = 0; twice < 2; twice++) {
        struct fixture f;
        begin(&f, ejects());
        add_clean(&f, 0, 2000, 10, all, 3);
        add_clean(&f, 2000, 5000, 100, both, 2);
        add_clean(&f, 5000, 8000, 100, all, 3);
        add_clean(&f, 8000, 14000, 100, twice ? both : all, twice ? 2 : 3);
        add_clean(&f, 14000, 15000, 100, all, 3);
        out(&f, 15000, 21500);
        is(&f, "eject.length", twice ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
           twice ? "ejections from trip" : "was out for 6.4 s");
    }
}

/* Back at 5 s, and in until 7.5 s: its failures at 6 s may have put it out, which an update that
 * waits hid, so no sweep after those is certain. What it was out for from 11.5 s on may have been
 * its third time. */
static void an_update_that_waits_hides_who_is_out_from_sweeps(void **state)
{
    (void)state;
    for (int fails = 0; fails < 2; fails++) {
        struct fixture f;
        begin(&f, ejects());
        add_clean(&f, 0, 2000, 10, all, 3);
        out(&f, 2100, 5000);
        add_clean(&f, 5300, 5900, 20, all, 3);
        add(&f, 5950, 3, fails ? 503 : 200);
        add(&f, 5960, 3, fails ? 503 : 200);
        add_clean(&f, 5980, 6950, 20, all, 3);
        add_clean(&f, 6950, 11000, 100, both, 2);
        out(&f, 11000, 18400);
        f.from_ms = 11000;
        is(&f, "eject.length", fails ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
           fails ? "ejections from trip" : "was out for 7.3 s");
    }
}

/* In for a second and a half twice, with a gap in between: no sweep of every two seconds is certain
 * there, however long both are together. Without the gap one is. */
static void pieces_of_time_are_no_sweep_together(void **state)
{
    (void)state;
    for (int gap = 0; gap < 2; gap++) {
        struct fixture f;
        begin(&f, ejects());
        f.edge.outlier.interval = number(2 * NS_PER_S);
        add_clean(&f, 0, 2000, 10, all, 3);
        add(&f, 2100, 3, 503);
        add(&f, 2250, 3, 503);
        add_clean(&f, 2252, 5500, 4, both, 2);
        add_clean(&f, 5500, 7000, 100, all, 3);
        add_clean(&f, 7000, 10000, 100, gap ? both : all, gap ? 2 : 3);
        add_clean(&f, 10000, 11500, 100, all, 3);
        out(&f, 11500, 19000);
        f.from_ms = 11000;
        is(&f, "eject.length", gap ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
           gap ? "ejections from trip" : "was out for 7.4 s");
    }
}

/* Three failures put it out. All are out from 3 s on, after an update that waited for another, and
 * back at 4.3 s: too soon for a gap, were it not for requests that found no endpoint. */
static void all_may_be_out_for_less_than_their_time(void **state)
{
    (void)state;
    for (int refused = 0; refused < 2; refused++) {
        struct fixture f;
        begin(&f, ejects());
        f.edge.outlier.max_ejection_percent = number(100);
        add_clean(&f, 0, 2000, 10, all, 3);
        for (double at = 2000; at < 5500; at += 20)
            if (at < 3000 || at >= 4300)
                add(&f, at, 1, 503);
            else if (refused)
                add_request(&f, at, at + 0.4, 503, BODY_NO_HEALTHY, NULL, 0);
        is(&f, "eject.trip", refused ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
           refused ? "no ejections" : "stayed in");
    }
}

/* It fails fifty times a second, and has no try from 3.2 to 4.4 s, too few picks for a silence: it
 * was out for 2 s then, one of which an update that waited hid. */
static void a_pause_in_a_run_may_be_half_an_ejection(void **state)
{
    (void)state;
    for (int pause = 0; pause < 2; pause++) {
        struct fixture f;
        begin(&f, ejects());
        add_clean(&f, 0, 2000, 10, all, 3);
        add_clean(&f, 2000, 5600, 40, both, 2);
        for (double at = 2200; at < 5400; at += 20)
            if (!pause || at < 3200 || at >= 4400)
                add(&f, at, 3, 503);
        is(&f, "eject.trip", pause ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
           pause ? "no ejections" : "stayed in");
    }
}

/* Whoever tried it while its listener was down put it out again each time that it was let back. */
static void an_endpoint_that_was_down_may_have_been_out_many_times(void **state)
{
    (void)state;
    for (int told = 0; told < 2; told++) {
        struct fixture f;
        begin(&f, ejects());
        add_clean(&f, 0, 2000, 10, all, 3);
        add_clean(&f, 2000, 12000, 4, both, 2);
        add_clean(&f, 12000, 12400, 10, all, 3);
        if (told) {
            add_listener(&f, 2000, 3, true);
            add_listener(&f, 12000, 3, false);
        }
        out(&f, 13500, 23000);
        is(&f, "eject.length", told ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
           told ? "ejections from trip" : "was out for 9.4 s");
    }
}

/* Nor need it have been out at all: what it was out for then may have been its first time. */
static void an_endpoint_that_was_down_need_not_have_been_out(void **state)
{
    (void)state;
    for (int told = 0; told < 2; told++) {
        struct fixture f;
        begin(&f, ejects());
        f.edge.outlier.interval = number(2 * NS_PER_S);
        add_clean(&f, 0, 2000, 10, all, 3);
        if (!told) {
            add(&f, 2000, 3, 503);
            add(&f, 2001, 3, 503);
        }
        add_clean(&f, 2002, 4200, 4, both, 2);
        if (told) {
            add_listener(&f, 2000, 3, true);
            add_listener(&f, 4200, 3, false);
        }
        add_clean(&f, 4200, 5300, 10, all, 3);
        add(&f, 5301, 3, 503);
        add(&f, 5302, 3, 503);
        add_clean(&f, 5304, 8100, 4, both, 2);
        add_clean(&f, 8100, 8400, 10, all, 3);
        f.from_ms = 5300;
        is(&f, "eject.length", told ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
           told ? "ejections from trip" : "was out for 2.8 s; at least 4.0 s");
    }
}

/* One of three may be out. Endpoint 3 fails from 4.6 s on, and is seen until 5 s: endpoint 1 is out
 * until 4.8 s, or never was. */
static void with_no_room_under_the_cap_its_time_begins_later(void **state)
{
    (void)state;
    for (int room = 0; room < 2; room++) {
        struct fixture f;
        begin(&f, ejects());
        add_clean(&f, 0, 2000, 10, all, 3);
        if (!room) {
            add(&f, 2000, 1, 503);
            add(&f, 2010, 1, 503);
        }
        for (double at = 2020; at < 4600; at += 8) {
            add(&f, at, room ? 1 : 2, 200);
            add(&f, at + 2, 2, 200);
            add(&f, at + 4, 3, 200);
        }
        for (double at = 4600; at < 5300; at += 8) {
            if (at < 5000)
                add(&f, at + 2, 3, 503);
            add(&f, at + 4, at < 4800 && !room ? 2 : 1, 200);
            add(&f, at + 6, 2, 200);
        }
        add_clean(&f, 5300, 8500, 4, both, 2);
        add_clean(&f, 8500, 8800, 10, all, 3);
        f.from_ms = 4995;
        is(&f, "eject.length", room ? VERDICT_FAIL : VERDICT_INCONCLUSIVE,
           room ? "was out for" : "ejections from trip");
    }
}

/* The second ejection alone is in the window: what it should have been is what is told. */
static void a_repeat_is_told_beside_its_own_length(void **state)
{
    struct fixture f;
    struct arena arena;
    (void)state;
    begin(&f, ejects());
    add_clean(&f, 0, 2000, 10, all, 3);
    add(&f, 2100, 3, 503);
    add(&f, 2250, 3, 503);
    add_clean(&f, 2252, 5000, 4, both, 2);
    add(&f, 5000, 3, 503);
    add(&f, 5005, 3, 503);
    add_clean(&f, 5010, 9400, 4, both, 2);
    add_clean(&f, 9400, 9700, 10, all, 3);
    f.from_ms = 5002;
    arena_init(&arena, 65536);
    struct verdict v = judged(&f, "eject.length", &arena);
    assert_int_equal(v.kind, VERDICT_PASS);
    assert_string_equal(v.text, "again for 4.4 s of 4.0..5.0 s");
    arena_release(&arena);
    journal_free(f.j);
}

/* The gauge tells of a panic in the second before: what was silent then need not have gone out, and
 * 2.8 s may be its first time. */
static void a_panic_before_leaves_its_first_length_alone(void **state)
{
    (void)state;
    for (int panic = 0; panic < 2; panic++) {
        struct fixture f;
        begin(&f, ejects());
        f.edge.outlier.max_ejection_percent = number(100);
        f.edge.outlier.min_health_percent = number(50);
        journal_add_proc(f.j, 3, "mesh", "subject", "client");
        for (int at = 0; at < 9000; at += 250) {
            bool out = panic == 1 && at >= 500 && at < 1500;
            struct metric_record m = {
                .at = T(at),
                .answer = NS_PER_MS,
                .value = out ? 2 : 0,
                .proxy = journal_add_name(f.j, "client -> payments"),
                .name = journal_add_name(f.j, "outlier_detection.ejections_active")};
            journal_add(f.j, 3, RECORD_METRIC, &m);
        }
        add_clean(&f, 0, 2000, 10, all, 3);
        add(&f, 2100, 3, 503);
        add(&f, 2250, 3, 503);
        add_clean(&f, 2252, 5000, 4, both, 2);
        add(&f, 5000, 3, 503);
        add(&f, 5005, 3, 503);
        add_clean(&f, 5010, 7800, 4, both, 2);
        add_clean(&f, 7800, 8100, 10, all, 3);
        f.from_ms = 5002;
        is(&f, "eject.length", panic ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
           panic ? "ejections from trip" : "at least 4.0 s");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_of_tries_sent_before_put_it_out_again),
        cmocka_unit_test(an_update_may_wait_for_one_that_too_few_picks_show),
        cmocka_unit_test(an_update_may_wait_for_a_dead_endpoints),
        cmocka_unit_test(time_in_which_it_may_have_been_out_forgets_nothing),
        cmocka_unit_test(an_update_that_waits_hides_who_is_out_from_sweeps),
        cmocka_unit_test(pieces_of_time_are_no_sweep_together),
        cmocka_unit_test(all_may_be_out_for_less_than_their_time),
        cmocka_unit_test(a_pause_in_a_run_may_be_half_an_ejection),
        cmocka_unit_test(an_endpoint_that_was_down_may_have_been_out_many_times),
        cmocka_unit_test(an_endpoint_that_was_down_need_not_have_been_out),
        cmocka_unit_test(with_no_room_under_the_cap_its_time_begins_later),
        cmocka_unit_test(a_panic_before_leaves_its_first_length_alone),
        cmocka_unit_test(a_repeat_is_told_beside_its_own_length),
    };
    return cmocka_run_group_tests_name("verify/eject_count", tests, NULL, NULL);
}
