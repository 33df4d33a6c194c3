#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "reports/report_fixture_test.h"

static json_t *spans_of(struct report_fixture *f, json_t **ret_all)
{
    char *text = report_fixture_write(f, "otlp-traces");
    *ret_all = json_loads(text, 0, NULL);
    free(text);
    assert_non_null(*ret_all);
    json_t *resource = json_array_get(json_object_get(*ret_all, "resourceSpans"), 0);
    json_t *scope = json_array_get(json_object_get(resource, "scopeSpans"), 0);
    return json_object_get(scope, "spans");
}

static const char *name_of(const json_t *span)
{
    return json_string_value(json_object_get(span, "name"));
}

static void the_same_journal_gives_the_same_trace(void **state)
{
    struct report_fixture f;
    (void)state;
    report_fixture_make(&f);
    char *one = report_fixture_write(&f, "otlp-traces"),
         *two = report_fixture_write(&f, "otlp-traces");
    assert_string_equal(one, two);
    free(one);
    free(two);
    report_fixture_release(&f);
}

static void the_witness_of_a_failure_has_its_tries_below_it(void **state)
{
    struct report_fixture f;
    json_t *all, *span, *witness = NULL;
    size_t i, tries = 0;
    (void)state;
    report_fixture_make(&f);
    json_t *spans = spans_of(&f, &all);
    json_array_foreach(spans, i, span) if (strcmp(name_of(span), "c-18f2") == 0) witness = span;
    assert_non_null(witness);
    const char *id = json_string_value(json_object_get(witness, "spanId"));
    json_array_foreach(spans, i, span)
    {
        const char *parent = json_string_value(json_object_get(span, "parentSpanId"));
        tries += strncmp(name_of(span), "try ", 4) == 0 && strcmp(parent, id) == 0;
    }
    assert_true(tries >= 2);
    json_decref(all);
    report_fixture_release(&f);
}

/* One request proves two claims: told twice, under ids of their own. */
static void no_span_has_the_id_of_another(void **state)
{
    struct report_fixture f;
    static struct judged twice[2];
    json_t *all, *one, *other;
    size_t i, k;
    (void)state;
    report_fixture_make(&f);
    twice[0] = f.judgement.verdicts[0];
    twice[1] = f.judgement.verdicts[0];
    twice[1].ordinal = UINT32_MAX; /* over the whole scenario */
    f.judgement.verdicts = twice;
    f.judgement.verdict_count = 2;
    json_t *spans = spans_of(&f, &all);
    size_t witnesses = 0;
    json_array_foreach(spans, i, one)
    {
        const char *id = json_string_value(json_object_get(one, "spanId"));
        witnesses += strcmp(name_of(one), "c-18f2") == 0;
        json_array_foreach(spans, k, other) if (k > i)
            assert_string_not_equal(id, json_string_value(json_object_get(other, "spanId")));
    }
    assert_int_equal(witnesses, 2);
    json_decref(all);
    report_fixture_release(&f);
}

static void bytes_that_are_no_text_do_not_spoil_it(void **state)
{
    struct report_fixture f;
    json_t *all;
    (void)state;
    report_fixture_make(&f);
    f.judgement.verdicts[0].verdict.text = "\xff\x1b";
    f.judgement.verdicts[0].on = "\xc3\xc3";
    assert_true(json_array_size(spans_of(&f, &all)) > 2);
    json_decref(all);
    char *text = report_fixture_write(&f, "otlp-metrics");
    all = json_loads(text, 0, NULL);
    assert_non_null(all);
    json_decref(all);
    free(text);
    report_fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_journal_gives_the_same_trace),
        cmocka_unit_test(the_witness_of_a_failure_has_its_tries_below_it),
        cmocka_unit_test(no_span_has_the_id_of_another),
        cmocka_unit_test(bytes_that_are_no_text_do_not_spoil_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
