#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "reports/report_fixture_test.h"

static json_t *log_of(struct report_fixture *f)
{
    char *text = report_fixture_write(f, "sarif");
    json_t *log = json_loads(text, 0, NULL);
    assert_non_null(log);
    free(text);
    return log;
}

static json_t *results_of(json_t *log)
{
    return json_object_get(json_array_get(json_object_get(log, "runs"), 0), "results");
}

static const char *text_at(const json_t *from, const char *key)
{
    return json_string_value(json_object_get(from, key));
}

static void a_failure_is_an_error_at_its_policy_line(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    json_t *log = log_of(&f), *fail = json_array_get(results_of(log), 0);
    assert_int_equal(json_array_size(results_of(log)), 2); /* PASS is no result */
    assert_string_equal(text_at(fail, "ruleId"), "retry.max");
    assert_string_equal(text_at(fail, "level"), "error");
    json_t *place =
        json_object_get(json_array_get(json_object_get(fail, "locations"), 0), "physicalLocation");
    assert_string_equal(text_at(json_object_get(place, "artifactLocation"), "uri"),
                        "k8s/pay%3Cments%3E.yaml");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(place, "region"), "startLine")), 14);
    json_t *open = json_array_get(results_of(log), 1);
    assert_string_equal(text_at(open, "kind"), "open");
    assert_string_equal(text_at(open, "level"), "none");
    json_decref(log);
    report_fixture_release(&f);
}

static void bytes_that_are_no_text_do_not_spoil_the_log(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    f.judgement.verdicts[0].verdict.text = "a\xff\"\\</script>\x1b[31m";
    f.judgement.verdicts[0].on = "\xc3";
    json_t *log = log_of(&f);
    const char *said =
        text_at(json_object_get(json_array_get(results_of(log), 0), "message"), "text");
    assert_non_null(strstr(said, "a?\"\\</script>?[31m"));
    json_decref(log);
    report_fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_is_an_error_at_its_policy_line),
        cmocka_unit_test(bytes_that_are_no_text_do_not_spoil_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
