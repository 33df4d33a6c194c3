/* Latency by percentile, back-off, amplification. */
#include "reports/chart_fixture_test.h"
#include "verify/whole_fixture_test.h"

static char *draw(struct whole *w, const char *chart, struct chart_note *note)
{
    if (w->judgement == NULL)
        whole_judge(w);
    struct report report = {.journal = w->j, .judgement = w->judgement, .plan = w->plan};
    char *text = chart_of(&report, chart, 0, note);
    chart_is_sound(text);
    return text;
}

static void begin(struct whole *w, uint32_t retries)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_5XX);
    edge.retry.attempts = whole_value(retries);
    edge.request_timeout = whole_value(1000 * NS_PER_MS);
    whole_open(w, &edge, "http1");
}

static void a_percentile_is_drawn_while_ten_requests_lie_beyond(void **state)
{
    struct whole w;
    struct chart_note note;
    (void)state;
    begin(&w, 2);
    whole_phase(&w, "steady", 0, 10 * S);
    whole_phase(&w, "drags", 10 * S, 20 * S);
    for (uint64_t i = 0; i < 2000; i++)
        whole_good(&w, i * 10 * MS, i < 1000 ? 2 * MS + i % 1000 : 200 * MS + i % 1000 * 100);
    char *text = draw(&w, "latency", &note);
    chart_has(note.text, "p99 was 2.99 ms in steady and 299 ms in drags.");
    chart_has(text, ">steady</text>");
    chart_has(text, ">drags</text>");
    chart_has(text, ">99</text>");
    assert_null(strstr(text, ">99.9</text>"));
    chart_has(text, "timeout 1 s");
    free(text);
    whole_close(&w);
}

static void so_few_requests_have_no_percentiles(void **state)
{
    struct whole w;
    struct chart_note note;
    (void)state;
    begin(&w, 2);
    whole_phase(&w, "steady", 0, 10 * S);
    for (uint64_t i = 0; i < 20; i++)
        whole_good(&w, i * 10 * MS, 2 * MS);
    char *text = draw(&w, "latency", &note);
    assert_true(note.left_out);
    chart_has(note.text, "no phase has more than 20 requests");
    free(text);
    whole_close(&w);
}

static void four_lines_are_the_most(void **state)
{
    struct whole w;
    struct chart_note note;
    (void)state;
    begin(&w, 2);
    for (uint64_t p = 0; p < WHOLE_PHASES; p++) {
        char name[16];
        snprintf(name, sizeof(name), "<p%u>", (unsigned)p);
        whole_phase(&w, arena_strdup(&w.plan->arena, name), p * S, (p + 1) * S);
        for (uint64_t i = 0; i < 100; i++)
            whole_good(&w, p * S + i * 10 * MS, (p + 1) * MS);
    }
    char *text = draw(&w, "latency", &note);
    assert_int_equal(chart_count(text, "<circle"), 4);
    chart_has(text, "&lt;p7&gt;");
    free(text);
    whole_close(&w);
}

/* A request that fails ${retries} times at once, each next try ${gap_us} after. */
static void retried(struct whole *w, uint64_t at_us, uint32_t retries, uint64_t gap_us)
{
    uint64_t end = at_us + retries * (gap_us + 300) + 2 * MS;
    uint64_t id = whole_request(w, at_us, end, (struct request_record){0});
    for (uint32_t k = 0; k <= retries; k++) {
        uint64_t head = at_us + 100 + k * (gap_us + 300);
        whole_try(w, id, head, head + 300,
                  (struct attempt_record){.status = k < retries ? 503 : 200,
                                          .k = (uint16_t)(k + 1),
                                          .endpoint = (uint16_t)(k % 3 + 1)});
    }
}

static void gaps_stand_in_their_declared_band(void **state)
{
    struct whole w;
    struct chart_note note;
    (void)state;
    begin(&w, 2);
    whole_phase(&w, "fails", 0, 20 * S);
    for (uint64_t i = 0; i < 60; i++)
        retried(&w, i * 200 * MS, 2, (i % 24 + 1) * MS);
    char *text = draw(&w, "backoff", &note);
    chart_has(text, "Back-off before each retry on client \xE2\x86\x92 payments");
    chart_has(text, ">0 to 25 ms</text>");
    chart_has(text, ">0 to 75 ms</text>");
    assert_int_equal(chart_count(text, ">60 gaps</text>"), 2);
    assert_null(strstr(text, "none declared"));
    assert_null(strstr(text, "class=\"f-bad\""));
    chart_has(note.text, "120 gaps on client \xE2\x86\x92 payments: none is later");
    free(text);
    whole_close(&w);
}

static void a_gap_past_its_band_and_one_that_nothing_declares_are_seen(void **state)
{
    struct whole w;
    struct chart_note note;
    (void)state;
    begin(&w, 1);
    whole_phase(&w, "fails", 0, 20 * S);
    for (uint64_t i = 0; i < 40; i++)
        retried(&w, i * 200 * MS, 2, i < 30 ? 10 * MS : 60 * MS);
    char *text = draw(&w, "backoff", &note);
    chart_has(text, ">none declared</text>");
    chart_has(text, "class=\"f-bad\"");
    chart_has(note.text, "10 later than their band");
    chart_has(note.text, "40 before a retry that nothing declares.");
    free(text);
    whole_close(&w);
}

static void without_retries_there_is_no_back_off(void **state)
{
    struct whole w;
    struct chart_note note;
    (void)state;
    begin(&w, 2);
    whole_phase(&w, "calm", 0, 2 * S);
    whole_good(&w, S, 2 * MS);
    char *text = draw(&w, "backoff", &note);
    assert_true(note.left_out);
    assert_string_equal(text, "");
    free(text);
    whole_close(&w);
}

static void tries_stand_against_one_more_than_the_retries(void **state)
{
    struct whole w;
    struct chart_note note;
    (void)state;
    begin(&w, 2);
    whole_phase(&w, "calm", 0, 2 * S);
    whole_phase(&w, "fails", 2 * S, 6 * S);
    for (uint64_t i = 0; i < 100; i++)
        whole_good(&w, i * 20 * MS, 2 * MS);
    for (uint64_t i = 0; i < 10; i++)
        retried(&w, 2 * S + i * 200 * MS, i == 4 ? 3 : 1, 10 * MS);
    char *text = draw(&w, "amplification", &note);
    chart_has(text, ">bound 3</text>");
    chart_has(text, ">worst 4</text>");
    chart_has(text, ">mean 2.20</text>");
    chart_has(text, "class=\"f-bad\"");
    chart_has(note.text,
              "At worst 4 tries for one request on client \xE2\x86\x92 payments, in fails "
              "against a bound of 3; 2.20 on average there.");
    free(text);
    whole_close(&w);
}

static void a_bound_that_is_kept_is_no_finding(void **state)
{
    struct whole w;
    struct chart_note note;
    (void)state;
    begin(&w, 2);
    whole_phase(&w, "fails", 0, 6 * S);
    retried(&w, S, 2, 10 * MS);
    char *text = draw(&w, "amplification", &note);
    assert_null(strstr(text, "f-bad"));
    chart_has(text, ">worst 3</text>");
    free(text);
    whole_close(&w);
}

static void a_journal_without_a_plan_has_no_edges_to_draw(void **state)
{
    static const char *const charts[] = {"backoff", "amplification", "metrics", "rotation"};
    struct whole w;
    struct judgement none = {0};
    struct chart_note note;
    (void)state;
    begin(&w, 2);
    whole_phase(&w, "calm", 0, 2 * S);
    whole_good(&w, S, 2 * MS);
    struct report report = {.journal = w.j, .judgement = &none};
    for (size_t i = 0; i < COUNT_OF(charts); i++) {
        char *text = chart_of(&report, charts[i], 0, &note);
        assert_true(note.left_out);
        free(text);
    }
    char *text = chart_of(&report, "timeline", 0, &note);
    chart_is_sound(text);
    chart_has(text, "payments/2");
    free(text);
    whole_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_percentile_is_drawn_while_ten_requests_lie_beyond),
        cmocka_unit_test(so_few_requests_have_no_percentiles),
        cmocka_unit_test(four_lines_are_the_most),
        cmocka_unit_test(gaps_stand_in_their_declared_band),
        cmocka_unit_test(a_gap_past_its_band_and_one_that_nothing_declares_are_seen),
        cmocka_unit_test(without_retries_there_is_no_back_off),
        cmocka_unit_test(tries_stand_against_one_more_than_the_retries),
        cmocka_unit_test(a_bound_that_is_kept_is_no_finding),
        cmocka_unit_test(a_journal_without_a_plan_has_no_edges_to_draw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
