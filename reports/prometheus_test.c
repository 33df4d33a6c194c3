#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "reports/report_fixture_test.h"

static void a_run_is_told_in_series(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    char *text = report_fixture_write(&f, "prometheus");
    assert_non_null(strstr(text, "\nmeshproof_run_outcome{outcome=\"FAIL\"} 1\n"));
    assert_non_null(strstr(text, "\nmeshproof_run_outcome{outcome=\"PASS\"} 0\n"));
    assert_non_null(strstr(text, "\nmeshproof_run_exit_code 1\n"));
    assert_non_null(strstr(text, "\nmeshproof_claims{verdict=\"INCONCLUSIVE\"} 1\n"));
    assert_non_null(
        strstr(text, "claim=\"retry.max\",on=\"client -> payments\",verdict=\"FAIL\"} 1\n"));
    free(text);
    report_fixture_release(&f);
}

static void a_label_cannot_leave_its_quotes_nor_its_line(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    f.judgement.verdicts[0].scenario_name = "x\"} 7\nmeshproof_forged 1\n\\";
    char *text = report_fixture_write(&f, "prometheus");
    assert_null(strstr(text, "\nmeshproof_forged"));
    assert_non_null(strstr(text, "scenario=\"x\\\"} 7?meshproof_forged 1?\\\\\""));
    free(text);
    report_fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_told_in_series),
        cmocka_unit_test(a_label_cannot_leave_its_quotes_nor_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
