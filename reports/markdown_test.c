#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "reports/report_fixture_test.h"

static void a_failure_stands_in_a_row_with_its_policy_line_and_witness(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    char *text = report_fixture_write(&f, "markdown");
    assert_non_null(strstr(text, "## FAIL: meshproof run 7c1e4a90\n"));
    assert_non_null(strstr(text, "1 fail, 1 inconclusive, 1 pass; exit 1."));
    assert_non_null(strstr(text, "| **FAIL** | retry.max | client -&gt; payments | mixed | "));
    assert_non_null(strstr(text, "; see request c-18f2 | at most 3 retries, "
                                 "k8s/pay&lt;ments&gt;.yaml:14"));
    assert_non_null(strstr(text, "| INCONCLUSIVE | retry.must | client -&gt; payments | mixed | "
                                 "the fault never fired; needs 10 more requests |  |"));
    assert_non_null(strstr(text, "<details><summary>1 passed</summary>"));
    assert_non_null(strstr(text, "Controls: one\\_retry\\_more FAIL as it must\n"));
    free(text);
    report_fixture_release(&f);
}

static void a_row_has_its_six_cells_and_no_markup_whatever_the_text_is(void **state)
{
    struct report_fixture f;
    size_t bars = 0;
    (void)state;
    report_fixture_make(&f);
    f.judgement.verdicts[0].verdict.text =
        "a|b\n\n# c <img src=x> [d](http://e) ![f](g) `h` **i** www.j \x1b[31m @k ~~l~~";
    char *text = report_fixture_write(&f, "markdown");
    const char *row = strstr(text, "| **FAIL**");
    assert_non_null(row);
    for (const char *p = row; *p != '\n'; p++)
        bars += *p == '|' && p[-1] != '\\';
    assert_int_equal(bars, 7);
    assert_non_null(strstr(row, "a\\|b??\\# c &lt;img src=x&gt; \\[d\\]\\(http\\://e\\) "
                                "\\!\\[f\\]\\(g\\) \\`h\\` \\*\\*i\\*\\* www\\.j ?\\[31m \\@k "
                                "\\~\\~l\\~\\~"));
    assert_null(strstr(text, "<img"));
    assert_null(strchr(text, '\x1b'));
    free(text);
    report_fixture_release(&f);
}

static void more_rows_than_a_summary_takes_are_counted_and_left_out(void **state)
{
    struct report_fixture f;
    enum { MANY = 300 };
    static struct judged many[MANY];
    size_t rows = 0;
    (void)state;
    report_fixture_make(&f);
    for (size_t i = 0; i < MANY; i++)
        many[i] = f.judgement.verdicts[0];
    f.judgement.verdicts = many;
    f.judgement.verdict_count = MANY;
    char *text = report_fixture_write(&f, "markdown");
    for (const char *p = text; (p = strstr(p, "| **FAIL** |")) != NULL; p++)
        rows++;
    assert_int_equal(rows, 200);
    assert_non_null(strstr(text, "\n100 more failures are left out here: `meshproof report "
                                 "7c1e4a90` tells them\n"));
    assert_null(strstr(text, "<details>"));
    free(text);
    report_fixture_release(&f);
}

static void a_run_that_did_not_end_says_so(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    f.journal->end_how = "aborted: SIGINT";
    char *text = report_fixture_write(&f, "markdown");
    assert_non_null(strstr(text, "\nEnded: aborted: SIGINT\n"));
    free(text);
    report_fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_stands_in_a_row_with_its_policy_line_and_witness),
        cmocka_unit_test(a_row_has_its_six_cells_and_no_markup_whatever_the_text_is),
        cmocka_unit_test(more_rows_than_a_summary_takes_are_counted_and_left_out),
        cmocka_unit_test(a_run_that_did_not_end_says_so),
    };
    return cmocka_run_group_tests_name("markdown", tests, NULL, NULL);
}
