/* Whom a fault is for, as a person says it. */
#include "plan/fault_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void told(const char *keys, const char *match, const char *share)
{
    struct text to;
    json_t *json = json_loads(keys, 0, NULL);
    assert_non_null(json);
    text_init(&to, 1024);
    fault_words_match(json, &to);
    assert_string_equal(text_get(&to), match);
    text_clear(&to);
    fault_words_share(json, &to);
    assert_string_equal(text_get(&to), share);
    text_release(&to);
    json_decref(json);
}

static void a_fault_for_all_says_nothing(void **state)
{
    (void)state;
    told("{}", "", "");
    told("{\"match\": {}, \"status\": 503}", "", "");
}

static void requests_are_named_by_what_they_must_have(void **state)
{
    (void)state;
    told("{\"match\": {\"tag\": \"f1:slow\"}}", " for requests tagged f1:slow", "");
    told("{\"match\": {\"method\": \"POST\", \"tag\": [\"a\", \"b\"]}}",
         " for requests tagged a or b with method POST", "");
    told("{\"match\": {\"path\": \"/api/*\", \"attempt\": 1}}",
         " for requests with path /api/*, attempt 1", "");
    told("{\"match\": {\"header\": {\"x-tier\": \"gold\", \"x-a\": \"b\"}}}",
         " for requests with header x-tier gold, x-a b", "");
    told("{\"match\": {\"tag\": \"a\\u001b[2J\"}}", " for requests tagged a?[2J", "");
    told("{\"match\": {\"without\": [\"x-internal\"]}}", " for requests without x-internal", "");
    told("{\"match\": {\"status\": [503, \"4xx\"]}}", " for requests with status 503 or 4xx", "");
}

static void some_of_them_are_counted(void **state)
{
    (void)state;
    told("{\"share\": \"30%\", \"first\": 1}", "", ", 30%, first 1");
    told("{\"first\": 2}", "", ", first 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_for_all_says_nothing),
        cmocka_unit_test(requests_are_named_by_what_they_must_have),
        cmocka_unit_test(some_of_them_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
