#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "reports/report_fixture_test.h"

#include <sys/wait.h>
#include <unistd.h>

/* Runs a program on a file; 127 where it is not installed. */
static int run_on(const char *const *argv)
{
    pid_t pid = fork();
    if (pid == 0) {
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void write_file(const char *text, char *path)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void keeps_to_its_schema(bool accepted)
{
    struct report_fixture f;
    char path[] = "/tmp/meshproof-report-XXXXXX";
    report_fixture_make(&f);
    if (accepted)
        report_fixture_accept(&f, true);
    char *text = report_fixture_write(&f, "json");
    write_file(text, path);
    const char *argv[] = {
        "python3",
        "-c",
        "import json,sys\ntry:\n import jsonschema\nexcept ImportError:\n sys.exit(127)\n"
        "jsonschema.validate(json.load(open(sys.argv[1])), json.load(open(sys.argv[2])))",
        path,
        SOURCE_ROOT "/reports/report.schema.json",
        NULL};
    int code = run_on(argv);
    unlink(path);
    free(text);
    report_fixture_release(&f);
    if (code == 127) {
        print_message("python3-jsonschema is not installed: skipped\n");
        skip();
    }
    assert_int_equal(code, 0);
}

static void the_json_report_keeps_to_its_published_schema(void **state)
{
    (void)state;
    keeps_to_its_schema(false);
    keeps_to_its_schema(true);
}

static void what_is_accepted_is_told_and_not_counted_as_a_failure(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    report_fixture_accept(&f, true);
    char *text = report_fixture_write(&f, "json");
    json_t *j = json_loads(text, 0, NULL);
    assert_non_null(j);
    json_t *first = json_array_get(json_object_get(j, "verdicts"), 0),
           *accepted = json_object_get(first, "accepted");
    assert_string_equal(json_string_value(json_object_get(accepted, "until")), "2026-12-31");
    assert_string_equal(json_string_value(json_object_get(accepted, "ticket")), "PAY-12");
    assert_true(json_is_true(json_object_get(accepted, "stands")));
    assert_string_equal(json_string_value(json_object_get(first, "note")),
                        "one layer alone retries");
    first = json_array_get(json_object_get(j, "verdicts"), 1);
    assert_true(json_is_null(json_object_get(first, "accepted")));
    json_decref(j);
    free(text);
    text = report_fixture_write(&f, "junit");
    assert_non_null(strstr(text, "tests=\"3\" failures=\"0\" errors=\"1\" skipped=\"1\""));
    assert_non_null(strstr(
        text, "<skipped message=\"FAIL (accepted until 2026-12-31, ticket PAY-12), payments: "));
    assert_null(strstr(text, "<failure"));
    free(text);
    text = report_fixture_write(&f, "markdown");
    assert_non_null(strstr(text, "| FAIL (accepted until 2026-12-31, ticket PAY-12) | "));
    free(text);
    report_fixture_release(&f);
}

static void the_json_report_names_the_witness_and_the_policy_line(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    char *text = report_fixture_write(&f, "json");
    json_t *j = json_loads(text, 0, NULL);
    assert_non_null(j);
    json_t *first = json_array_get(json_object_get(j, "verdicts"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "witness")), "c-18f2");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(first, "policy_line"), "line")), 14);
    assert_int_equal(json_integer_value(json_object_get(j, "exit")), 1);
    json_decref(j);
    free(text);
    report_fixture_release(&f);
}

static void the_junit_report_is_well_formed_whatever_the_text_is(void **state)
{
    struct report_fixture f;
    char path[] = "/tmp/meshproof-junit-XXXXXX";
    (void)state;
    report_fixture_make(&f);
    char *text = report_fixture_write(&f, "junit");
    assert_non_null(strstr(text, "tests=\"3\" failures=\"1\" errors=\"1\""));
    assert_null(strstr(text, "<script>"));
    write_file(text, path);
    const char *argv[] = {"xmllint", "--noout", path, NULL};
    int code = run_on(argv);
    unlink(path);
    free(text);
    report_fixture_release(&f);
    if (code == 127) {
        print_message("xmllint is not installed: skipped\n");
        skip();
    }
    assert_int_equal(code, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_json_report_keeps_to_its_published_schema),
        cmocka_unit_test(what_is_accepted_is_told_and_not_counted_as_a_failure),
        cmocka_unit_test(the_json_report_names_the_witness_and_the_policy_line),
        cmocka_unit_test(the_junit_report_is_well_formed_whatever_the_text_is),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
