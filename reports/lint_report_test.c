#include "reports/lint_report.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* What each format makes of the same findings, hostile text among them. The published SARIF schema
 * is asked by suites/selftest/lint/run. */

static const struct exception_entry exception = {
    .name = "istio.mirror",
    .on = "k8s/*.yaml",
    .owner = "payments",
    .reason = "copies are wanted",
    .ticket = "PAY-12",
    .until = 20261231,
    .source = {"exceptions.yaml", 1, 3},
};

static struct lint_result rows[] = {
    {{"ejection.inert",
      SEVERITY_WARNING,
      {"./k8s/pay ments.yaml", 13, 27},
      "maxEjectionPercent 30 of 3 endpoints is 0 (line 9)",
      "raise it"},
     NULL},
    {{"ejection.inert",
      SEVERITY_WARNING,
      {"./k8s/pay ments.yaml", 30, 27},
      "maxEjectionPercent 30 of 3 endpoints is 0 (line 26)",
      "raise it"},
     NULL},
    {{"istio.mirror", SEVERITY_WARNING, {"k8s/b.yaml", 20, 5}, "sends copies", ""}, &exception},
    {{"istio.unknown_kind",
      SEVERITY_ERROR,
      {"/abs/a,b:c.yaml", 2, 7},
      "no API has kind \x1b[31mA\n::error::100%\r",
      "see"},
     NULL},
    {{"suite.load", SEVERITY_ERROR, {"suites/a.lua", 4, 0}, "there is no fault.delay", "correct"},
     NULL},
    {{"policy.not_judged", SEVERITY_NOTE, {NULL, 0, 0}, "a note without a place", ""}, NULL},
};

/* The writer's output; the caller's to free. */
static char *written(const char *format)
{
    char *at = NULL;
    size_t len = 0;
    struct error err = {0};
    struct lint_report report = {
        .results = {rows, COUNT_OF(rows)}, .target = "istio@1.31", .version = "0.1.0"};
    FILE *to = open_memstream(&at, &len);
    assert_true(lint_writer_find(format)->write(&report, to, &err));
    fclose(to);
    return at;
}

static void counts_leave_accepted_ones_out(void **state)
{
    (void)state;
    struct lint_results r = {rows, COUNT_OF(rows)};
    struct lint_tally n = lint_report_tally(&r);
    assert_int_equal(n.errors, 2);
    assert_int_equal(n.warnings, 2);
    assert_int_equal(n.notes, 1);
    assert_int_equal(n.accepted, 1);
    assert_null(lint_writer_find("xml"));
}

static void text_is_a_line_a_finding(void **state)
{
    (void)state;
    char *text = written("text");
    assert_non_null(strstr(text, "./k8s/pay ments.yaml:13:27: warning ejection.inert: maxEj"));
    assert_non_null(strstr(text, "suites/a.lua:4: error there is no fault.delay\n"));
    assert_non_null(strstr(text, "2 errors, 2 warnings, 1 note, 1 accepted\n"));
    assert_null(strstr(text, "istio.mirror"));
    assert_null(strchr(text, '\x1b'));
    assert_null(strstr(text, "\n::error"));
    free(text);
}

static void github_commands_cannot_be_forged(void **state)
{
    (void)state;
    char *text = written("github");
    assert_non_null(strstr(text, "::warning file=k8s/pay ments.yaml,line=13,col=27,"
                                 "title=ejection.inert::maxEjectionPercent 30"));
    assert_non_null(strstr(text, "::error file=/abs/a%2Cb%3Ac.yaml,line=2,col=7,"
                                 "title=istio.unknown_kind::no API has kind ?[31mA%0A::error::100"
                                 "%25%0D%0Afix: see\n"));
    assert_non_null(strstr(text, "::notice title=policy.not_judged::a note without a place\n"));
    assert_null(strstr(text, "istio.mirror"));
    size_t lines = 0;
    for (const char *at = text; *at != '\0'; at++)
        lines += *at == '\n';
    assert_int_equal(lines, 5);
    free(text);
}

static void json_has_each_finding_and_who_answers_for_it(void **state)
{
    (void)state;
    char *text = written("json");
    json_t *all = json_loads(text, 0, NULL), *list = json_object_get(all, "findings");
    assert_int_equal(json_array_size(list), COUNT_OF(rows));
    assert_int_equal(json_integer_value(json_object_get(all, "errors")), 2);
    json_t *accepted = json_object_get(json_array_get(list, 2), "accepted");
    assert_string_equal(json_string_value(json_object_get(accepted, "until")), "2026-12-31");
    assert_string_equal(json_string_value(json_object_get(accepted, "owner")), "payments");
    assert_null(json_object_get(json_array_get(list, 0), "accepted"));
    json_decref(all);
    free(text);
}

static const char *print_of(const json_t *result)
{
    return json_string_value(
        json_object_get(json_object_get(result, "partialFingerprints"), "meshproofFinding/v1"));
}

static void sarif_has_places_rules_and_suppressions(void **state)
{
    (void)state;
    char *text = written("sarif");
    json_t *all = json_loads(text, 0, NULL);
    json_t *run = json_array_get(json_object_get(all, "runs"), 0);
    json_t *results = json_object_get(run, "results");
    json_t *rules =
        json_object_get(json_object_get(json_object_get(run, "tool"), "driver"), "rules");
    size_t count = 0;
    lint_rules(&count);
    assert_string_equal(json_string_value(json_object_get(all, "version")), "2.1.0");
    assert_int_equal(json_array_size(rules), count);
    assert_int_equal(json_array_size(results), COUNT_OF(rows));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        json_t *r = json_array_get(results, i),
               *rule = json_array_get(rules,
                                      (size_t)json_integer_value(json_object_get(r, "ruleIndex")));
        assert_string_equal(json_string_value(json_object_get(r, "ruleId")),
                            json_string_value(json_object_get(rule, "id")));
    }
    const char *uri = NULL, *base = NULL;
    int line = 0, column = 0;
    assert_int_equal(json_unpack(json_array_get(results, 0), "{s:[{s:{s:{s:s,s:s},s:{s:i,s:i}}}]}",
                                 "locations", "physicalLocation", "artifactLocation", "uri", &uri,
                                 "uriBaseId", &base, "region", "startLine", &line, "startColumn",
                                 &column),
                     0);
    assert_string_equal(uri, "k8s/pay%20ments.yaml");
    assert_string_equal(base, "%SRCROOT%");
    assert_int_equal(line, 13);
    assert_int_equal(column, 27);
    assert_non_null(json_object_get(json_array_get(results, 2), "suppressions"));
    assert_non_null(strstr(text, "file:///abs/a%2Cb%3Ac.yaml"));
    assert_null(json_object_get(json_array_get(results, 5), "locations"));
    json_decref(all);
    free(text);
}

/* A finding that moved is the same one; two alike in one file are two. */
static void fingerprints_outlive_moved_lines(void **state)
{
    (void)state;
    char *before = written("sarif");
    rows[0].finding.source.line += 40;
    rows[0].finding.text = "maxEjectionPercent 30 of 3 endpoints is 0 (line 49)";
    char *after = written("sarif");
    rows[0].finding.source.line -= 40;
    json_t *a = json_loads(before, 0, NULL), *b = json_loads(after, 0, NULL);
    json_t *x = json_object_get(json_array_get(json_object_get(a, "runs"), 0), "results"),
           *y = json_object_get(json_array_get(json_object_get(b, "runs"), 0), "results");
    assert_string_equal(print_of(json_array_get(x, 0)), print_of(json_array_get(y, 0)));
    assert_string_not_equal(print_of(json_array_get(x, 0)), print_of(json_array_get(x, 1)));
    assert_string_not_equal(print_of(json_array_get(x, 0)), print_of(json_array_get(x, 3)));
    json_decref(a);
    json_decref(b);
    free(before);
    free(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_leave_accepted_ones_out),
        cmocka_unit_test(text_is_a_line_a_finding),
        cmocka_unit_test(github_commands_cannot_be_forged),
        cmocka_unit_test(json_has_each_finding_and_who_answers_for_it),
        cmocka_unit_test(sarif_has_places_rules_and_suppressions),
        cmocka_unit_test(fingerprints_outlive_moved_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
