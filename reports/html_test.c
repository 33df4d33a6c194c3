#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "reports/html.h"
#include "reports/report_fixture_test.h"

static size_t count_of(const char *in, const char *what)
{
    size_t n = 0;
    for (const char *at = strstr(in, what); at != NULL; at = strstr(at + 1, what))
        n++;
    return n;
}

static void need(const char *page, const char *part)
{
    if (strstr(page, part) == NULL)
        fail_msg("the page lacks: %s", part);
}

static void need_not(const char *page, const char *part)
{
    if (strstr(page, part) != NULL)
        fail_msg("the page has: %s", part);
}

static void a_failure_says_itself_first_with_both_numbers_and_its_line(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    char *page = report_fixture_write(&f, "html");
    need(page, "<h1><span class=\"fail\">FAIL</span> <span class=\"edge m\">client \xE2\x86\x92 "
               "payments</span></h1>");
    need(page, "<b>4 retries on 41 of 5 210 requests ");
    need(page, "declared: at most 3 retries");
    need(page, "k8s/pay&lt;ments&gt;.yaml:14");
    need(page, "exit code 1");
    need(page, "First failure: request <span class=\"m\">c-18f2</span>, 5 tries");
    need(page, "<b>retry 4</b>, <b class=\"fail\">not allowed</b>, to payments/3");
    need(page, "meshproof show 7c1e4a90 --request c-18f2");
    need(page, "one_<wbr>retry_<wbr>more");
    assert_true(strstr(page, "id=\"c1\" data-v=\"fail\"") <
                strstr(page, "id=\"c2\" data-v=\"inc\""));
    assert_true(strstr(page, "data-v=\"inc\"") < strstr(page, "id=\"c3\" data-v=\"pass\""));
    free(page);
    report_fixture_release(&f);
}

static void hostile_text_is_inert_and_no_handler_or_style_is_written(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    json_decref(f.journal->policy);
    f.journal->policy =
        json_pack("{s:s, s:s, s:s, s:[{s:s, s:s, s:s, s:i, s:s}]}", "target", "</title><b>",
                  "driver", "\x1B[31m", "paths", "a\"b'c", "findings", "rule", "x", "severity",
                  "note", "file", "</script>", "line", 3, "text", "<img src=x onerror=alert(1)>");
    f.judgement.phases[0].name = "</script><script>alert(1)</script>\xE2\x80\xA8";
    f.judgement.faults[0].text = "abort \xFF<i>";
    char *page = report_fixture_write(&f, "html");
    need_not(page, "<img");
    need_not(page, "<b>\x1B");
    need_not(page, "\x1B");
    need_not(page, "\x01");
    need_not(page, "\xFF");
    need_not(page, "<script>alert");
    need_not(page, " style=");
    need_not(page, " onerror=a\"");
    need(page, "&lt;img src=x onerror=alert(1)&gt;");
    need(page, "\\u003c/script\\u003e\\u003cscript\\u003ealert(1)\\u003c/script\\u003e\\u2028");
    need(page, "abort \xEF\xBF\xBD&lt;i&gt;");
    assert_int_equal(count_of(page, "<script"), 2); /* the island and ours */
    assert_int_equal(count_of(page, "</script>"), 2);
    assert_int_equal(count_of(page, "<style>"), 1);
    free(page);
    report_fixture_release(&f);
}

static void the_same_report_gives_the_same_bytes(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    char *one = report_fixture_write(&f, "html"), *other = report_fixture_write(&f, "html");
    assert_string_equal(one, other);
    free(one);
    free(other);
    report_fixture_release(&f);
}

static void a_run_that_passed_names_its_evidence_and_its_controls(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    f.judgement.verdicts += 2;
    f.judgement.verdict_count = 1;
    f.judgement.outcome = VERDICT_PASS;
    char *page = report_fixture_write(&f, "html");
    need(page, "<div class=\"verdict b-pass\">");
    need(page, "<b>1 claim held</b> on 5 210 requests; the broken mesh was caught.");
    need_not(page, "id=\"failure\"");
    free(page);
    f.judgement.controls[0].as_it_must = false;
    page = report_fixture_write(&f, "html");
    need(page, "0 of 1 broken meshes were caught");
    need(page, "<b>not as it must</b>");
    f.judgement.controls[0].as_it_must = true;
    free(page);
    report_fixture_release(&f);
}

static void an_open_claim_says_what_is_missing_and_the_command(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    f.judgement.verdicts += 1;
    f.judgement.verdict_count = 2;
    f.judgement.verdicts[0].verdict.why = WHY_NEVER_FIRED;
    f.judgement.faults[0].fired = 0;
    f.judgement.outcome = VERDICT_INCONCLUSIVE;
    char *page = report_fixture_write(&f, "html");
    need(page, "<div class=\"verdict b-inc dashed\">");
    need(page, "the fault never fired; <b>needs 10 more requests</b>");
    need(page, "meshproof run --rerun 7c1e4a90");
    need(page, "<td data-h=\"Evidence\" class=\"ev\">never fired</td>");
    need(page, "<b class=\"inc\">fired 0 times</b>");
    f.judgement.faults[0].fired = 164;
    free(page);
    report_fixture_release(&f);
}

static void an_aborted_run_says_who_when_and_why(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    f.judgement.verdicts += 2;
    f.judgement.verdict_count = 1;
    f.judgement.outcome = VERDICT_PASS;
    f.journal->end_how = "aborted: guard";
    journal_add_event(f.journal, 1, UINT64_C(3500000000), "guard_trip",
                      json_pack("{s:s, s:s, s:s}", "guard", "orders below 5 for 30 s <4.2>",
                                "where", "suites/gate.lua:6", "note", "orders below five"));
    journal_add_event(f.journal, 1, UINT64_C(3500000001), "abort",
                      json_pack("{s:s, s:s}", "arm", "subject", "why", "guard"));
    char *page = report_fixture_write(&f, "html");
    need(page, "<use href=\"#v-abort\"/>");
    need(page, "ABORTED by guard");
    need(page, "Stopped at 00:02.500 by the guard <b>orders below 5 for 30 s &lt;4.2&gt;</b>");
    need(page, "suites/gate.lua:6");
    need(page, "exit code 3");
    free(page);
    report_fixture_release(&f);
}

static void what_people_said_is_told(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    journal_add_event(f.journal, 1, UINT64_C(2000000000), "question",
                      json_pack("{s:i, s:s, s:s}", "number", 1, "kind", "approval", "ask",
                                "hurt <b>payments</b>?"));
    journal_add_event(f.journal, 1, UINT64_C(3000000000), "answer",
                      json_pack("{s:i, s:s, s:s, s:s}", "number", 1, "answer", "yes", "who",
                                "alice<", "channel", "terminal"));
    journal_add_event(f.journal, 1, UINT64_C(4000000000), "question",
                      json_pack("{s:i, s:s, s:s}", "number", 2, "kind", "expect", "ask", "which?"));
    journal_add_event(f.journal, 1, UINT64_C(5000000000), "question_closed",
                      json_pack("{s:i, s:s}", "number", 2, "state", "late"));
    journal_add_event(f.journal, 1, UINT64_C(6000000000), "pause",
                      json_pack("{s:s}", "who", "bob"));
    char *page = report_fixture_write(&f, "html");
    need(page, "approval \xE2\x80\x9Churt &lt;b&gt;payments&lt;/b&gt;?\xE2\x80\x9D: <b>yes</b>, "
               "alice&lt; (terminal) at 00:02.000");
    need(page, "question \xE2\x80\x9Cwhich?\xE2\x80\x9D: <b class=\"inc\">late</b>");
    need(page, "paused by bob at 00:05.000");
    free(page);
    report_fixture_release(&f);
}

static void what_is_not_undone_stands_above_all(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    struct world_record r = {.at = 2000000000,
                             .entry = 1,
                             .what = journal_add_name(f.journal, "netem"),
                             .place = journal_add_name(f.journal, "eth0 <x>")};
    journal_add(f.journal, 1, RECORD_WORLD, &r);
    r.entry = 2;
    r.place = journal_add_name(f.journal, "payments/2");
    journal_add(f.journal, 1, RECORD_WORLD, &r);
    r.step = 2;
    r.read_back_ok = 1;
    journal_add(f.journal, 1, RECORD_WORLD, &r);
    char *page = report_fixture_write(&f, "html");
    need(page, "1 of 2 changes to the world were not read back as undone");
    need(page, "meshproof recover --run 7c1e4a90");
    need(page, "netem eth0 &lt;x&gt;");
    assert_true(strstr(page, "role=\"alert\"") < strstr(page, "<h1>"));
    free(page);
    report_fixture_release(&f);
}

static void missing_surroundings_assert_nothing(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    f.judgement.verdict_count = 0;
    f.judgement.phase_count = 0;
    f.judgement.outcome = VERDICT_INCONCLUSIVE;
    f.journal->end_how = "surroundings: envoy is missing";
    char *page = report_fixture_write(&f, "html");
    need(page, "NOTHING WAS ASSERTED");
    need(page, "envoy is missing");
    need(page, "exit code 4");
    need_not(page, "class=\"claims\"");
    need_not(page, "id=\"data\"");
    free(page);
    report_fixture_release(&f);
}

static void an_accepted_failure_names_its_owner(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    report_fixture_accept(&f, true);
    char *page = report_fixture_write(&f, "html");
    need(page, "accepted until 2026-12-31, ticket PAY-12");
    need(page, "until \xEF\xBF\xBDthe &lt;move&gt;");
    need(page, "1 failure accepted");
    free(page);
    report_fixture_release(&f);
}

static void many_passes_fold_and_failures_never(void **state)
{
    static struct judged many[130];
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    for (size_t i = 0; i < COUNT_OF(many); i++)
        many[i] = f.judgement.verdicts[i < 30 ? 0 : 2];
    f.judgement.verdicts = many;
    f.judgement.verdict_count = COUNT_OF(many);
    char *page = report_fixture_write(&f, "html");
    assert_int_equal(count_of(page, "<tr id=\"c"), 30);
    need(page, "data-n=\"100\"");
    need(page, "100 claims of <span class=\"m\">timeout</span> held");
    assert_true(strlen(page) < HTML_BUDGET_BYTES);
    free(page);
    report_fixture_release(&f);
}

static void each_claim_says_what_would_change_it(void **state)
{
    size_t count;
    const struct claim_type *const *all = claim_types(&count);
    (void)state;
    for (size_t i = 0; i < count; i++) {
        if (html_change(all[i], VERDICT_PASS)[0] == '\0' ||
            html_change(all[i], VERDICT_FAIL)[0] == '\0')
            fail_msg("changes.def has no row for %s", all[i]->id);
    }
}

/* `await.fired` names a fault and no place. */
static void a_verdict_on_no_place_is_written_too(void **state)
{
    struct report_fixture f;
    (void)state;
    for (size_t failed = 0; failed < 2; failed++) {
        report_fixture_make(&f);
        for (size_t i = 0; i < 3; i++) {
            f.judgement.verdicts[i].on = NULL;
            if (failed == 0)
                f.judgement.verdicts[i].verdict.kind = VERDICT_PASS;
        }
        char *page = report_fixture_write(&f, "html");
        need(page, "in \xE2\x80\x9C"
                   "mixed");
        need_not(page, "class=\"edge m\"");
        free(page);
        report_fixture_release(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_verdict_on_no_place_is_written_too),
        cmocka_unit_test(a_failure_says_itself_first_with_both_numbers_and_its_line),
        cmocka_unit_test(hostile_text_is_inert_and_no_handler_or_style_is_written),
        cmocka_unit_test(the_same_report_gives_the_same_bytes),
        cmocka_unit_test(a_run_that_passed_names_its_evidence_and_its_controls),
        cmocka_unit_test(an_open_claim_says_what_is_missing_and_the_command),
        cmocka_unit_test(an_aborted_run_says_who_when_and_why),
        cmocka_unit_test(what_people_said_is_told),
        cmocka_unit_test(what_is_not_undone_stands_above_all),
        cmocka_unit_test(missing_surroundings_assert_nothing),
        cmocka_unit_test(an_accepted_failure_names_its_owner),
        cmocka_unit_test(many_passes_fold_and_failures_never),
        cmocka_unit_test(each_claim_says_what_would_change_it),
    };
    return cmocka_run_group_tests_name("html", tests, NULL, NULL);
}
