#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "reports/report_fixture_test.h"

/* What the policy says and no phase asked stands in every report that people read: a PASS says
 * nothing of it. The texts are a journal's, and so hostile. */

static void has(const char *writer, bool unasked, const char *wanted)
{
    struct report_fixture f;
    static const char *claims[] = {"retry.max", "retry.<must>"};
    static struct unasked u = {"so few failures\x1b <b>eject</b>", claims, 2};
    report_fixture_make(&f);
    if (unasked) {
        f.plan->scenarios[0].unasked = &u;
        f.plan->scenarios[0].unasked_count = 1;
    }
    char *text = report_fixture_write(&f, writer);
    if ((strstr(text, wanted) != NULL) != unasked)
        fail_msg("%s, %s: %s", writer, unasked ? "unasked" : "all asked", text);
    assert_null(strchr(text, '\x1b'));
    free(text);
    report_fixture_release(&f);
}

static void every_report_names_what_no_phase_asked(void **state)
{
    static const char *const rows[][2] = {
        {"text", "\n not asked: retry.max, retry.<must>\n"},
        {"text", "so few failures? <b>eject</b>"},
        {"markdown", "\nNot asked in policy: client -&gt; payments: retry.max, "
                     "retry.&lt;must&gt;: so few failures? &lt;b&gt;eject&lt;/b&gt;\n"},
        {"html", "Not asked in policy: client -&gt; payments: <span "
                 "class=\"m\">retry.max, retry.&lt;must&gt;</span>: so few failures"},
        {"html", "&lt;b&gt;eject&lt;/b&gt;</p>"},
        {"json", "\"retry.<must>\""},
        {"json", "\"why\": \"so few failures? <b>eject</b>\""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        has(rows[i][0], true, rows[i][1]);
        has(rows[i][0], false, rows[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_report_names_what_no_phase_asked),
    };
    return cmocka_run_group_tests_name("reports/unasked", tests, NULL, NULL);
}
