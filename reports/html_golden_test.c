#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "embed/report_css.h"
#include "embed/report_js.h"
#include "reports/good_file_test.h"
#include "reports/html.h"
#include "reports/report_fixture_test.h"

#include <unistd.h>

/* Same journal, same bytes: the page of one stored journal, but for its style and its script, which
 * are files themselves, is reports/html.good. UPDATE_GOOD=1 writes it anew: look at the
 * difference. */

#define GOOD SOURCE_ROOT "/reports/html.good"

static void cut(char *page, const char *part)
{
    char *at = strstr(page, part);
    assert_non_null(at);
    memmove(at, at + strlen(part), strlen(at + strlen(part)) + 1);
}

static void the_page_of_a_stored_journal_is_the_stored_page(void **state)
{
    struct report_fixture f;
    struct error err = {0};
    struct journal *stored = NULL, *made;
    char path[] = "/tmp/meshproof-golden-XXXXXX";
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
    report_fixture_make(&f);
    f.journal->plan = json_object();
    if (!journal_save(f.journal, path, &err) || !journal_open(path, &stored, &err))
        fail_msg("%s", err.text);
    made = f.journal;
    f.report.journal = f.journal = stored;
    char *page = report_fixture_write(&f, "html");
    f.journal = made;
    cut(page, (const char *)embed_report_css);
    cut(page, (const char *)embed_report_js);
    cut(page, embed_report_css_sha256);
    cut(page, embed_report_js_sha256);
    good_file_is(GOOD, page);
    free(page);
    journal_free(stored);
    unlink(path);
    report_fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_of_a_stored_journal_is_the_stored_page),
    };
    return cmocka_run_group_tests_name("html_golden", tests, NULL, NULL);
}
