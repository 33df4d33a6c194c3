#include "cli/proxy_fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void is(const char *text, const char *wanted)
{
    json_t *fault = NULL;
    struct error err = {0};
    if (!proxy_fault_parse(text, &fault, &err))
        fail_msg("%s: %s", text, err.text);
    char *got = json_dumps(fault, JSON_COMPACT);
    assert_string_equal(got, wanted);
    free(got);
    json_decref(fault);
}

static void fails(const char *text, const char *words)
{
    json_t *fault = NULL;
    struct error err = {0};
    assert_false(proxy_fault_parse(text, &fault, &err));
    if (strstr(err.text, words) == NULL)
        fail_msg("%s: \"%s\" has no \"%s\"", text, err.text, words);
}

static void a_word_and_its_keys_become_an_object(void **state)
{
    (void)state;
    is("refuse", "{\"word\":\"refuse\"}");
    is("abort status=503 share=30%", "{\"word\":\"abort\",\"status\":503,\"share\":\"30%\"}");
    is("  latency  add=200ms  ", "{\"word\":\"latency\",\"add\":\"200ms\"}");
}

static void quotes_keep_spaces_commas_and_digits_as_text(void **state)
{
    (void)state;
    is("abort body=\"so sorry, \\\"you\\\" \\\\\"",
       "{\"word\":\"abort\",\"body\":\"so sorry, \\\"you\\\" \\\\\"}");
    is("abort body=\"12\"", "{\"word\":\"abort\",\"body\":\"12\"}");
    is("abort body=\"\"", "{\"word\":\"abort\",\"body\":\"\"}");
}

static void commas_make_a_list(void **state)
{
    (void)state;
    is("reset match.method=GET,POST",
       "{\"word\":\"reset\",\"match\":{\"method\":[\"GET\",\"POST\"]}}");
    is("reset match.status=503,5xx", "{\"word\":\"reset\",\"match\":{\"status\":[503,\"5xx\"]}}");
}

static void dots_fill_tables_and_header_names_keep_theirs(void **state)
{
    (void)state;
    is("abort headers.x-n=5 headers.x.y=b match.attempt=1 match.header.x-tier=7",
       "{\"word\":\"abort\",\"headers\":{\"x-n\":\"5\",\"x.y\":\"b\"},\"match\":{\"attempt\":1,"
       "\"header\":{\"x-tier\":\"7\"}}}");
}

static void an_error_names_the_column(void **state)
{
    (void)state;
    fails("", "column 1: expected the word of a fault, such as abort, found the end");
    fails("status=3", "column 1: expected the word");
    fails("abort status", "column 7: expected key=value, found \"status\"");
    fails("abort =3", "column 7: expected key=value");
    fails("abort status= share=3%", "column 14: expected a value");
    fails("abort body=\"x", "column 12: expected a closing \"");
    fails("abort body=\"x\"y", "column 15: expected a space");
    fails("abort status=1 status=2", "column 16: status is given twice");
    fails("abort a=1 a.b=2", "column 11: a is a value already");
    fails("abort a.=2", "ends with a dot");
    fails("abort m=GET,,POST", "column 13: expected a value");
    fails("abort m=GET,", "expected a value");
    fails("abort body=\xff", "expected UTF-8");
    fails("\xff", "column 1");
    fails("abort body=\"\xff\"", "column 12: the text is not UTF-8");
}

static void a_text_that_is_too_long_names_its_maximum(void **state)
{
    char text[PROXY_FAULT_MOST_BYTES + 10];
    (void)state;
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    fails(text, "8192");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_and_its_keys_become_an_object),
        cmocka_unit_test(quotes_keep_spaces_commas_and_digits_as_text),
        cmocka_unit_test(commas_make_a_list),
        cmocka_unit_test(dots_fill_tables_and_header_names_keep_theirs),
        cmocka_unit_test(an_error_names_the_column),
        cmocka_unit_test(a_text_that_is_too_long_names_its_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
