/* The newest verdict of a namespace, from the list of its result ConfigMaps: bytes of a cluster. */
#include "cli/serve_cluster.h"

#include "cli/command.h"

#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

static const char *text(const json_t *told, const char *key)
{
    const char *value = json_string_value(json_object_get(told, key));
    return value == NULL ? "" : value;
}

static json_t *result(const char *made, const char *run, const char *verdict)
{
    return json_pack("{s{ss} s{ss ss}}", "metadata", "creationTimestamp", made, "data", "run", run,
                     "verdict", verdict);
}

static json_t *newest(json_t *take_list)
{
    assert_non_null(take_list);
    json_t *told = serve_cluster_newest(take_list);
    json_decref(take_list);
    return told;
}

static void the_newest_is_told_with_its_outcome(void **state)
{
    (void)state;
    json_t *last = result("2026-11-26T14:00:02Z", "0ca0a002", "FAIL");
    json_object_set_new(json_object_get(last, "data"), "outcome.json",
                        json_string("{\"exit\": 1, \"fail\": 2, \"run\": \"x\"}"));
    json_t *told =
        newest(json_pack("{s[ooo]}", "items", result("2026-11-26T14:00:00Z", "0ca0a001", "PASS"),
                         last, result("2026-11-26T14:00:01Z", "0ca0a003", "PASS")));
    assert_string_equal(text(told, "run"), "0ca0a002");
    assert_string_equal(text(told, "verdict"), "FAIL");
    assert_string_equal(text(told, "state"), "done");
    assert_string_equal(text(told, "made"), "2026-11-26T14:00:02Z");
    assert_int_equal(json_integer_value(json_object_get(told, "exit")), 1);
    assert_int_equal(json_integer_value(json_object_get(told, "fail")), 2);
    json_decref(told);
}

static void a_guardians_word_has_no_outcome(void **state)
{
    (void)state;
    json_t *lost = result("2026-11-26T14:00:00Z", "0ca0a001", "INCONCLUSIVE");
    json_object_set_new(json_object_get(lost, "data"), "why", json_string("conductor lost"));
    json_t *told = newest(json_pack("{s[o]}", "items", lost));
    assert_string_equal(text(told, "verdict"), "INCONCLUSIVE");
    assert_int_equal(json_integer_value(json_object_get(told, "exit")), EXIT_INCONCLUSIVE);
    assert_string_equal(text(told, "first"), "conductor lost");
    json_decref(told);
}

static void what_is_no_result_is_no_verdict(void **state)
{
    (void)state;
    assert_null(newest(json_object()));
    assert_null(newest(json_pack("{s[]}", "items")));
    assert_null(newest(json_pack("{si}", "items", 3)));
    /* Somebody else's, with our label: told, and nothing of it is a PASS. */
    json_t *told = newest(json_pack("{s[{s{ss}}]}", "items", "data", "outcome.json", "[]"));
    assert_string_equal(text(told, "verdict"), "");
    assert_int_equal(json_integer_value(json_object_get(told, "exit")), EXIT_INCONCLUSIVE);
    json_decref(told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_is_told_with_its_outcome),
        cmocka_unit_test(a_guardians_word_has_no_outcome),
        cmocka_unit_test(what_is_no_result_is_no_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
