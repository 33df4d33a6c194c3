#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "reports/report_fixture_test.h"

static void a_failure_names_policy_line_counts_suite_line_and_witness(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    char *text = report_fixture_write(&f, "text");
    assert_non_null(strstr(text, "  FAIL  retries        client -> payments"));
    assert_non_null(strstr(text, "(retry.max)"));
    assert_non_null(strstr(text, "policy   at most 3 retries"));
    assert_non_null(strstr(text, "k8s/pay<ments>.yaml:14"));
    assert_non_null(
        strstr(text, "asked by suites/gate.lua:4   see: meshproof show 7c1e4a90 --request c-18f2"));
    assert_non_null(strstr(text, "fired 164"));
    assert_non_null(strstr(text, "FAIL  1 fail, 1 inconclusive, 1 pass of 3     exit 1"));
    free(text);
    report_fixture_release(&f);
}

static void an_accepted_failure_says_until_when_and_who(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    report_fixture_accept(&f, true);
    char *text = report_fixture_write(&f, "text");
    assert_non_null(strstr(text, "  FAIL (accepted until 2026-12-31, ticket PAY-12)  retries  "));
    assert_non_null(strstr(text, "        owner    payments: until "));
    assert_non_null(strstr(text, "        note     one layer alone retries\n"));
    assert_non_null(strstr(text, "INCONCLUSIVE  1 accepted, 1 inconclusive, 1 pass of 2"));
    assert_null(strchr(text, '\x01'));
    free(text);
    report_fixture_accept(&f, false);
    f.judgement.verdicts[0].gates = true;
    text = report_fixture_write(&f, "text");
    assert_non_null(strstr(text, "  FAIL  retries  "));
    assert_non_null(strstr(text, "; no longer accepted: until 2026-12-31, ticket PAY-12\n"));
    free(text);
    report_fixture_release(&f);
}

static void control_characters_of_the_journal_never_reach_a_terminal(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    char *text = report_fixture_write(&f, "text");
    assert_null(strchr(text, '\x01'));
    free(text);
    report_fixture_release(&f);
}

static void failures_come_before_inconclusives_and_passes(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    char *text = report_fixture_write(&f, "text");
    const char *fail = strstr(text, "  FAIL "), *open = strstr(text, "  INCONCLUSIVE "),
               *pass = strstr(text, "  PASS ");
    bool in_order = fail != NULL && fail < open && open < pass;
    free(text);
    assert_true(in_order);
    report_fixture_release(&f);
}

/* Of a step's claims those that do not apply are told with --all; a step that none of them can
 * answer is told once, so that nobody's question goes without a word. */
static void a_step_that_nothing_answers_is_told(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    struct judged *d = f.judgement.verdicts;
    d[1].verdict = (struct verdict){.kind = VERDICT_NOT_APPLICABLE, .text = "nothing to judge"};
    char *text = report_fixture_write(&f, "text");
    assert_null(strstr(text, "NOT APPLICABLE")); /* retry.max, of the same step, says something */
    free(text);
    d[0].verdict = d[1].verdict;
    text = report_fixture_write(&f, "text");
    const char *told = strstr(text, "NOT APPLICABLE  retries");
    assert_non_null(told);
    assert_null(strstr(told + 1, "NOT APPLICABLE"));
    free(text);
    report_fixture_release(&f);
}

static void asked(struct report_fixture *f, int scenario, const char *answer, const char *who)
{
    journal_add_event(f->journal, 0, 1, "question",
                      json_pack("{s:i, s:i, s:s, s:s, s:s}", "number", scenario + 1, "scenario",
                                scenario, "kind", "approval", "ask", "Start?", "role", "lead"));
    journal_add_event(f->journal, 0, 2, "answer",
                      json_pack("{s:i, s:s, s:s, s:s, s:I}", "number", scenario + 1, "answer",
                                answer, "who", who, "channel", "socket", "wall_ns",
                                (json_int_t)50407 * 1000000000));
}

/* Also where nothing of a scenario was run, for that is what the answer was for. */
static void who_agreed_and_who_did_not_is_told(void **state)
{
    struct report_fixture f;
    struct scenario both[2] = {{.name = "first"}, {.name = "second"}};
    (void)state;
    report_fixture_make(&f);
    struct scenario *had = f.plan->scenarios;
    size_t had_count = f.plan->scenario_count;
    f.plan->scenarios = both;
    f.plan->scenario_count = 2;
    asked(&f, 0, "yes", "al\033[2Jice");
    asked(&f, 1, "no", "bob");
    f.journal->end_how = "aborted: refused";
    char *text = report_fixture_write(&f, "text");
    bool told =
        strstr(text, "\n approved  al?[2Jice (lead) 14:00:07 UTC by meshproof answer\n "
                     "phase ") != NULL &&
        strstr(text, "scenario \"second\"") != NULL &&
        strstr(text, "   ABORTED\n refused   bob (lead) 14:00:07 UTC by meshproof answer\n") !=
            NULL;
    if (!told)
        print_message("%s", text);
    free(text);
    assert_true(told);
    f.plan->scenarios = had;
    f.plan->scenario_count = had_count;
    report_fixture_release(&f);
}

static void exit_codes_put_a_proven_failure_before_an_abort(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    f.journal->end_how = "aborted: SIGINT";
    assert_int_equal(report_exit(&f.report), 1);
    f.judgement.outcome = VERDICT_INCONCLUSIVE;
    assert_int_equal(report_exit(&f.report), 3);
    f.journal->end_how = "complete";
    assert_int_equal(report_exit(&f.report), 2);
    f.report.on_inconclusive = INCONCLUSIVE_FAIL;
    assert_int_equal(report_exit(&f.report), 1);
    f.report.on_inconclusive = INCONCLUSIVE_PASS;
    assert_int_equal(report_exit(&f.report), 0);
    f.journal->end_how = NULL;
    assert_int_equal(report_exit(&f.report), 2);
    f.judgement.outcome = VERDICT_PASS;
    f.journal->end_how = "complete";
    assert_int_equal(report_exit(&f.report), 0);
    report_fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_names_policy_line_counts_suite_line_and_witness),
        cmocka_unit_test(an_accepted_failure_says_until_when_and_who),
        cmocka_unit_test(control_characters_of_the_journal_never_reach_a_terminal),
        cmocka_unit_test(failures_come_before_inconclusives_and_passes),
        cmocka_unit_test(a_step_that_nothing_answers_is_told),
        cmocka_unit_test(who_agreed_and_who_did_not_is_told),
        cmocka_unit_test(exit_codes_put_a_proven_failure_before_an_abort),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
