#include "engine/steer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct run {
    unsigned aborts;
    char why[256];
};

static bool on_abort(void *cookie, const struct error *why, struct error *err)
{
    struct run *r = cookie;
    (void)err;
    r->aborts++;
    snprintf(r->why, sizeof(r->why), "%s", why->text);
    return true;
}

static const struct steer_acts acts = {.abort = on_abort};

static void expect_answer(struct steer *s, const char *ask, const char *want)
{
    json_t *request = json_loads(ask, JSON_DECODE_ANY, NULL);
    json_t *answer = steer_ask(s, request);
    char *text = json_dumps(answer, JSON_SORT_KEYS | JSON_COMPACT);
    assert_non_null(request);
    assert_string_equal(text, want);
    free(text);
    json_decref(answer);
    json_decref(request);
}

static json_t *count(void *cookie, const json_t *ask)
{
    unsigned *n = cookie;
    *n += (unsigned)json_integer_value(json_object_get(ask, "by"));
    return json_pack("{sI}", "n", (json_int_t)*n);
}

static void a_verb_that_was_added_is_asked(void **state)
{
    struct run run = {0};
    struct steer *s = steer_new(&acts, &run);
    unsigned n = 1;
    (void)state;
    expect_answer(s, "{\"verb\":\"count\"}",
                  "{\"error\":\"this run does not know the verb \\\"count\\\"\",\"ok\":false}");
    steer_serve(s, "count", count, &n);
    expect_answer(s, "{\"verb\":\"count\",\"by\":4}", "{\"n\":5,\"ok\":true}");
    steer_free(s);
}

static void what_is_no_request_is_refused_and_does_nothing(void **state)
{
    static const char *const none[] = {"[]", "\"abort\"", "7", "null", "{}", "{\"verb\":7}"};
    struct run run = {0};
    struct steer *s = steer_new(&acts, &run);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(none); i++)
        expect_answer(s, none[i],
                      "{\"error\":\"a request is an object with a \\\"verb\\\"\",\"ok\":false}");
    expect_answer(s, "{\"verb\":\"abort\"}", "{\"error\":\"who asks is not said\",\"ok\":false}");
    expect_answer(s, "{\"verb\":\"abort\",\"who\":\"a\\u001b[2J\"}",
                  "{\"error\":\"who has a control character\",\"ok\":false}");
    assert_int_equal(run.aborts, 0);
    steer_free(s);
}

static void a_long_text_is_refused_with_its_limit(void **state)
{
    struct run run = {0};
    struct error err = {0};
    struct steer *s = steer_new(&acts, &run);
    char who[STEER_WHO_BYTES + 2], why[STEER_WHY_BYTES + 1];
    (void)state;
    memset(who, 'a', sizeof(who));
    memset(why, 'b', sizeof(why));
    who[sizeof(who) - 1] = why[sizeof(why) - 1] = '\0';
    assert_false(steer_abort(s, who, NULL, &err));
    assert_string_equal(err.text, "who has 65 bytes; it must have at most 64");
    who[STEER_WHO_BYTES] = '\0';
    assert_true(steer_abort(s, who, why, &err)); /* the longest fits whole */
    assert_int_equal(strlen(run.why), strlen("stopped by : ") + STEER_WHO_BYTES + STEER_WHY_BYTES);
    assert_int_equal(run.aborts, 1);
    steer_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_verb_that_was_added_is_asked),
        cmocka_unit_test(what_is_no_request_is_refused_and_does_nothing),
        cmocka_unit_test(a_long_text_is_refused_with_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
