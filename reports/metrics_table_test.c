#include "reports/chart_fixture_test.h"
#include "verify/limits_fixture_test.h"

static void put(struct limits *l, uint64_t at_us, const char *name, uint64_t value)
{
    struct metric_record m = {.at = LIMITS_T0 + at_us * NS_PER_US,
                              .answer = NS_PER_MS,
                              .value = (double)value,
                              .proxy = journal_add_name(l->j, "client -> payments"),
                              .name = journal_add_name(l->j, name)};
    journal_add(l->j, LIMITS_MESH, RECORD_METRIC, &m);
}

/* Forty requests, each with one retry, and the mesh's pages before and after. */
static char *draw(struct limits *l, uint64_t retries, bool scraped, struct chart_note *note)
{
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 2);
    edge.retry.attempts = limits_value(2);
    limits_open(l, &edge, 60 * LIMITS_S, "metrics", NULL);
    for (uint64_t i = 0; i < 40; i++) {
        uint64_t at = LIMITS_S + i * 50 * LIMITS_MS;
        uint64_t id = limits_request(l, at, at + 30 * LIMITS_MS, 200, false);
        limits_add_try(l, &(struct limits_try){.request = id,
                                               .head_us = at + LIMITS_MS,
                                               .out_us = at + 2 * LIMITS_MS,
                                               .status = 503,
                                               .k = 1});
        limits_add_try(l, &(struct limits_try){.request = id,
                                               .head_us = at + 20 * LIMITS_MS,
                                               .out_us = at + 29 * LIMITS_MS,
                                               .endpoint = 2,
                                               .k = 2});
    }
    for (uint64_t i = 0; scraped && i < 2; i++) {
        uint64_t at = i * 8 * LIMITS_S + 500 * LIMITS_MS;
        put(l, at, "upstream_rq_total", 100 + i * 80);
        put(l, at, "upstream_rq_retry", 7 + i * retries);
        put(l, at, "upstream_rq_2xx", 90 + i * 40);
        put(l, at, "upstream_rq_5xx", 10);
    }
    limits_judge(l, "metrics.retries");
    struct report report = {.journal = l->j, .judgement = l->judgement, .plan = l->plan};
    char *text = chart_of(&report, "metrics", 0, note);
    chart_is_sound(text);
    return text;
}

static void end(struct limits *l, char *text)
{
    free(text);
    limits_close(l);
}

static void counters_that_agree_pass(void **state)
{
    struct limits l;
    struct chart_note note;
    (void)state;
    char *text = draw(&l, 40, true, &note);
    chart_has(text, "upstream_<wbr>rq_<wbr>retry");
    chart_has(text, "<td class=\"num\">40</td><td class=\"num\">40</td><td class=\"num\">0</td>");
    assert_int_equal(chart_count(text, "#v-pass"), 4);
    assert_null(strstr(text, "r-fail"));
    chart_has(note.text, "All 4 counters of client \xE2\x86\x92 payments agree with the wire.");
    end(&l, text);
}

static void one_that_misses_some_fails_with_the_difference(void **state)
{
    struct limits l;
    struct chart_note note;
    (void)state;
    char *text = draw(&l, 31, true, &note);
    chart_has(text, "<td class=\"num\">31</td><td class=\"num\">40</td><td class=\"num\">"
                    "\xE2\x88\x92"
                    "9</td>");
    assert_int_equal(chart_count(text, "r-fail"), 1);
    assert_int_equal(chart_count(text, "#v-fail"), 1);
    chart_has(note.text, "1 of 4 counters of client \xE2\x86\x92 payments differ from the wire.");
    end(&l, text);
}

static void counters_that_were_asked_for_and_not_read_are_named(void **state)
{
    struct limits l;
    struct chart_note note;
    (void)state;
    char *text = draw(&l, 40, false, &note);
    assert_true(note.left_out && note.asked_for);
    chart_has(note.text, "no counters against the wire");
    end(&l, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_that_agree_pass),
        cmocka_unit_test(one_that_misses_some_fails_with_the_difference),
        cmocka_unit_test(counters_that_were_asked_for_and_not_read_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
