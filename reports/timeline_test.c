#include "reports/chart_fixture_test.h"
#include "verify/whole_fixture_test.h"

#define HOSTILE "<script>&\"'\x01"

static void begin(struct whole *w)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_5XX);
    whole_open(w, &edge, "http1");
}

static char *draw(struct whole *w, struct chart_note *note)
{
    if (w->judgement == NULL)
        whole_judge(w);
    struct report report = {.journal = w->j, .judgement = w->judgement, .plan = w->plan};
    char *text = chart_of(&report, "timeline", 0, note);
    chart_is_sound(text);
    return text;
}

static void good_for(struct whole *w, uint64_t from_us, uint64_t to_us)
{
    for (uint64_t t = from_us; t < to_us; t += 10 * MS)
        whole_good(w, t, 3 * MS);
}

static void fault_row(struct whole *w, uint64_t at_us, uint8_t what, uint16_t endpoint,
                      uint32_t fired)
{
    struct fault_record f = {.at = WHOLE_T0 + at_us * NS_PER_US,
                             .params = journal_add_name(w->j, "abort 503"),
                             .fired = fired,
                             .fault = 1,
                             .what = what,
                             .endpoint = endpoint};
    journal_add(w->j, WHOLE_PROXY, RECORD_FAULT, &f);
}

static void a_run_without_requests_has_no_axes(void **state)
{
    struct whole w;
    struct chart_note note;
    (void)state;
    begin(&w);
    whole_phase(&w, "calm", 0, 2 * S);
    char *text = draw(&w, &note);
    assert_true(note.left_out && note.asked_for);
    assert_string_equal(text, "");
    free(text);
    whole_close(&w);
}

static void one_request_has_a_lane(void **state)
{
    struct whole w;
    struct chart_note note;
    (void)state;
    begin(&w);
    whole_phase(&w, "calm", 0, 2 * S);
    whole_good(&w, S, 3 * MS);
    char *text = draw(&w, &note);
    chart_has(text, "payments/2");
    chart_has(text, "class=\"f-ok\"");
    chart_has(text, "too few requests in a bucket");
    assert_int_equal(chart_count(text, ">answered<"), 1);
    chart_has(note.text, "1 request, one bar for each 100 ms.");
    free(text);
    whole_close(&w);
}

static void phases_are_named_along_the_top(void **state)
{
    struct whole w;
    struct chart_note note;
    (void)state;
    begin(&w);
    whole_phase(&w, "calm", 0, 2 * S);
    whole_phase(&w, "drags", 2 * S, 6 * S);
    good_for(&w, 0, 6 * S);
    char *text = draw(&w, &note);
    chart_has(text, "<title>drags, 0:02 to 0:06</title>");
    chart_has(text, ">calm</text>");
    chart_has(text, ">p50</text>");
    chart_has(text, "<title id=\"timeline-t\">Timeline: tries at 3 endpoints over 6 s</title>");
    free(text);
    whole_close(&w);
}

static void failures_stand_below_the_line_each_kind_with_its_shape_and_count(void **state)
{
    struct whole w;
    struct chart_note note;
    (void)state;
    begin(&w);
    whole_phase(&w, "calm", 0, 4 * S);
    good_for(&w, 0, 4 * S);
    for (uint64_t i = 0; i < 3; i++) {
        uint64_t id = whole_request(&w, S + i * MS, S + (i + 9) * MS, (struct request_record){0});
        whole_try(&w, id, S + i * MS, S + (i + 1) * MS,
                  (struct attempt_record){.status = 503, .endpoint = 2});
        whole_try(&w, id, S + (i + 2) * MS, 0,
                  (struct attempt_record){.outcome = OUTCOME_LEFT, .k = 2, .endpoint = 2});
    }
    uint64_t id = whole_request(&w, 2 * S, 2 * S + 9 * MS, (struct request_record){0});
    whole_try(&w, id, 2 * S + MS, 2 * S + 2 * MS,
              (struct attempt_record){.outcome = OUTCOME_RESET_BY_FAULT, .endpoint = 1});
    char *text = draw(&w, &note);
    chart_has(text, "503 \xC3\x97 3");
    chart_has(text, "timed out \xC3\x97 3");
    chart_has(text, "reset \xC3\x97 1");
    chart_has(text, "class=\"f-to\"");
    chart_has(text, "class=\"f-rs\"");
    free(text);
    whole_close(&w);
}

static void refused_handshakes_are_marks(void **state)
{
    struct whole w;
    struct chart_note note;
    (void)state;
    begin(&w);
    whole_phase(&w, "calm", 0, 4 * S);
    good_for(&w, 0, 4 * S);
    for (uint64_t i = 0; i < 3; i++) {
        struct handshake_record h = {.at = WHOLE_T0 + (i + 1) * NS_PER_S,
                                     .endpoint = 3,
                                     .result = HANDSHAKE_REFUSED_BY_PEER};
        journal_add(w.j, WHOLE_PROXY, RECORD_HANDSHAKE, &h);
    }
    char *text = draw(&w, &note);
    chart_has(text, "handshake refused \xC3\x97 3");
    assert_int_equal(chart_count(text, "class=\"f-tls\""),
                     2); /* the marks, and the label's shape */
    free(text);
    whole_close(&w);
}

static void an_aborted_run_ends_at_a_line(void **state)
{
    struct whole w;
    struct chart_note note;
    (void)state;
    begin(&w);
    whole_phase(&w, "calm", 0, 4 * S);
    good_for(&w, 0, 2 * S);
    w.j->phases[0].why = "abort";
    w.j->phases[0].t1_ns = WHOLE_T0 + 2 * NS_PER_S;
    w.j->end_how = "aborted: guard";
    char *text = draw(&w, &note);
    chart_has(text, ">aborted</text>");
    chart_has(text, "#v-abort");
    chart_has(text, "The run was aborted at 0:02.");
    free(text);
    whole_close(&w);
}

static void a_phase_that_never_ended_goes_to_the_last_record(void **state)
{
    struct whole w;
    struct chart_note note;
    (void)state;
    begin(&w);
    whole_phase(&w, "calm", 0, 4 * S);
    good_for(&w, 0, 3 * S);
    w.j->phases[0].why = NULL;
    w.j->phases[0].t1_ns = UINT64_MAX;
    w.j->end_how = NULL;
    char *text = draw(&w, &note);
    chart_has(text, "over 3 s</title>");
    free(text);
    whole_close(&w);
}

static void a_fault_in_force_is_a_bar_and_one_that_never_fired_an_empty_one(void **state)
{
    struct whole w;
    struct chart_note note;
    for (uint32_t fired = 0; fired < 2; fired++) {
        (void)state;
        begin(&w);
        whole_phase(&w, "drags", 0, 4 * S);
        good_for(&w, 0, 4 * S);
        for (uint16_t e = 1; e <= 2; e++)
            fault_row(&w, S, 0, e, 0);
        for (uint16_t e = 1; e <= 2; e++)
            fault_row(&w, 3 * S, 1, e, e == 1 ? fired : 0);
        char *text = draw(&w, &note);
        assert_int_equal(chart_count(text, "class=\"o-e5\""), fired == 0 ? 0 : 2);
        assert_int_equal(chart_count(text, "class=\"o-idle\""), fired == 0 ? 2 : 0);
        assert_int_equal(chart_count(text, ">fired 0 times: abort 503</text>"), fired == 0 ? 2 : 0);
        assert_int_equal(chart_count(text, ">abort 503</text>"), fired == 0 ? 0 : 2);
        free(text);
        whole_close(&w);
    }
}

static void a_fault_at_a_place_without_tries_has_a_row(void **state)
{
    struct whole w;
    struct chart_note note;
    (void)state;
    begin(&w);
    whole_phase(&w, "drags", 0, 4 * S);
    good_for(&w, 0, 4 * S);
    journal_add_proc(w.j, 9, "conductor", "", "");
    struct world_record r = {.at = WHOLE_T0 + NS_PER_S,
                             .entry = 5,
                             .what = journal_add_name(w.j, "kill"),
                             .place = journal_add_name(w.j, "ledger/1"),
                             .fault = 1,
                             .step = 1};
    journal_add(w.j, 9, RECORD_WORLD, &r);
    r.step = 2;
    r.at += NS_PER_S;
    journal_add(w.j, 9, RECORD_WORLD, &r);
    char *text = draw(&w, &note);
    chart_has(text, "ledger/1");
    chart_has(text, ">kill</text>");
    free(text);
    whole_close(&w);
}

static void hostile_names_come_out_inert(void **state)
{
    struct whole w;
    struct chart_note note;
    (void)state;
    begin(&w);
    whole_phase(&w, HOSTILE, 0, 4 * S);
    journal_add_proc(w.j, 7, "proxy", "subject", HOSTILE "-a-service-whose-name-goes-on-and-on");
    good_for(&w, 0, 4 * S);
    struct attempt_record a = {.at = WHOLE_T0 + NS_PER_S, .endpoint = 1, .status = 200};
    journal_add(w.j, 7, RECORD_ATTEMPT, &a);
    struct fault_record f = {.at = WHOLE_T0 + NS_PER_S,
                             .params = journal_add_name(w.j, HOSTILE),
                             .fault = 9,
                             .endpoint = 1};
    journal_add(w.j, 7, RECORD_FAULT, &f);
    char *text = draw(&w, &note);
    assert_null(strchr(text, 1));
    chart_has(text, "&lt;script&gt;&amp;");
    free(text);
    whole_close(&w);
}

static void twelve_endpoints_have_lanes_and_the_others_rows(void **state)
{
    struct whole w;
    struct chart_note note;
    (void)state;
    begin(&w);
    whole_phase(&w, "calm", 0, 4 * S);
    for (uint64_t i = 0; i < 2000; i++) {
        uint64_t t = i * 2 * MS;
        uint64_t id = whole_request(&w, t, t + MS, (struct request_record){0});
        uint16_t e = (uint16_t)(i % 50 + 1);
        whole_try(&w, id, t + 100, t + MS - 100,
                  (struct attempt_record){.status = e == 44 || e == 7 ? 503 : 200, .endpoint = e});
    }
    char *text = draw(&w, &note);
    chart_has(text, "Timeline: tries at 50 endpoints");
    /* only those where something happened have a lane */
    assert_int_equal(chart_count(text, ">answered<"), 2);
    chart_has(text, ">payments/44</text>");
    chart_has(text, ">the others</text>");
    assert_int_equal(chart_count(text, "class=\"h4\""), 48);
    chart_has(text, "from the top: payments/1 to 6, payments/8 to 43, payments/45 to 50.");
    free(text);
    whole_close(&w);
}

static void a_lane_of_another_clock_says_how_far_off_it_may_be(void **state)
{
    struct whole w;
    struct chart_note note;
    (void)state;
    begin(&w);
    whole_phase(&w, "calm", 0, 4 * S);
    good_for(&w, 0, 4 * S);
    journal_add_proc(w.j, 9, "conductor", "", "");
    struct clock_record c = {.at = WHOLE_T0, .boot_id = journal_add_name(w.j, "here")};
    journal_add(w.j, 9, RECORD_CLOCK, &c);
    c = (struct clock_record){.at = WHOLE_T0,
                              .boot_id = journal_add_name(w.j, "there"),
                              .offset_lo = -3000000,
                              .offset_hi = 3000000};
    journal_add(w.j, WHOLE_PROXY, RECORD_CLOCK, &c);
    char *text = draw(&w, &note);
    assert_int_equal(chart_count(text, "\xC2\xB1 3.0 ms"), 3);
    free(text);
    whole_close(&w);
}

static void coarser_buckets_make_it_shorter(void **state)
{
    struct whole w;
    struct chart_note note;
    (void)state;
    begin(&w);
    whole_phase(&w, "calm", 0, 30 * S);
    for (uint64_t t = 0; t < 30 * S; t += 7 * MS)
        if (t * 31 % 13 != 0)
            whole_good(&w, t, 2 * MS + t * 7 % 3000);
    char *fine = draw(&w, &note);
    struct report report = {.journal = w.j, .judgement = w.judgement, .plan = w.plan};
    char *coarse = chart_of(&report, "timeline", 3, &note);
    assert_true(strlen(coarse) < strlen(fine));
    chart_has(note.text, "one bar for each 1 s.");
    free(fine);
    free(coarse);
    whole_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_without_requests_has_no_axes),
        cmocka_unit_test(one_request_has_a_lane),
        cmocka_unit_test(phases_are_named_along_the_top),
        cmocka_unit_test(failures_stand_below_the_line_each_kind_with_its_shape_and_count),
        cmocka_unit_test(refused_handshakes_are_marks),
        cmocka_unit_test(an_aborted_run_ends_at_a_line),
        cmocka_unit_test(a_phase_that_never_ended_goes_to_the_last_record),
        cmocka_unit_test(a_fault_in_force_is_a_bar_and_one_that_never_fired_an_empty_one),
        cmocka_unit_test(a_fault_at_a_place_without_tries_has_a_row),
        cmocka_unit_test(hostile_names_come_out_inert),
        cmocka_unit_test(twelve_endpoints_have_lanes_and_the_others_rows),
        cmocka_unit_test(a_lane_of_another_clock_says_how_far_off_it_may_be),
        cmocka_unit_test(coarser_buckets_make_it_shorter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
