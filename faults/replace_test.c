#include "faults/fault_test.h"

static struct answer at_status(struct fault_case *c, uint16_t status)
{
    struct filter_context at = fault_case_at(c, 1);
    struct head_view seen = {.call = &c->call, .side = SIDE_RESPONSE, .status = status};
    return c->slot.filter->on_head(&at, &seen);
}

static void replace_sets_drops_and_rewrites(void **state)
{
    struct fault_case c;
    char text[64];
    (void)state;
    assert_true(fault_case_init(&c, "replace",
                                "{\"status\":418,\"headers\":{\"x-a\":\"1\"},"
                                "\"drop\":[\"etag\",\"server\"],\"body\":\"tea\"}"));
    assert_int_equal(fault_case_head(&c, SIDE_REQUEST, 1).act, ACT_PASS);
    struct answer a = at_status(&c, 200);
    assert_int_equal(a.act, ACT_REPLACE);
    assert_int_equal(a.reply->status, 418);
    assert_int_equal(a.reply->fields.count, 3);
    assert_memory_equal(a.reply->fields.at[0].value.at, "1", 1);
    assert_memory_equal(a.reply->fields.at[1].name.at, "etag", 4);
    assert_int_equal(a.reply->fields.at[1].value.len, 0);
    assert_memory_equal(a.reply->fields.at[2].name.at, "server", 6);
    assert_memory_equal(a.reply->body.at, "tea", 3);
    assert_int_equal(at_status(&c, 101).act, ACT_PASS);
    assert_string_equal(fault_use_print(&c.use, text, sizeof(text)),
                        "replace status 418 headers body");
    fault_case_release(&c);
    assert_true(fault_case_init(&c, "replace", "{\"drop\":\"etag\"}")); /* a list of one */
    a = at_status(&c, 200);
    assert_int_equal(a.reply->status, 0);
    assert_int_equal(a.reply->fields.count, 1);
    assert_null(a.reply->body.at);
    fault_case_release(&c);
}

static void replace_keeps_the_framing_true(void **state)
{
    struct fault_case c;
    (void)state;
    /* none where one was, one where none was: an empty body is said */
    assert_true(fault_case_init(&c, "replace", "{\"status\":204}"));
    struct answer a = at_status(&c, 200);
    assert_non_null(a.reply->body.at);
    assert_int_equal(a.reply->body.len, 0);
    assert_null(at_status(&c, 204).reply->body.at);
    fault_case_release(&c);
    assert_true(fault_case_init(&c, "replace", "{\"status\":200}"));
    assert_non_null(at_status(&c, 304).reply->body.at);
    assert_null(at_status(&c, 500).reply->body.at);
    fault_case_release(&c);
    assert_true(fault_case_init(&c, "replace", "{\"body\":\"x\"}"));
    assert_int_equal(at_status(&c, 204).reply->body.len, 0);
    assert_int_equal(at_status(&c, 200).reply->body.len, 1);
    fault_case_release(&c);
}

static void replace_refuses_what_cannot_be(void **state)
{
    (void)state;
    fault_case_refused("replace", "{}",
                       "fault.replace needs one of status, headers, drop and body");
    fault_case_refused("replace", "{\"status\":204,\"body\":\"x\"}",
                       "fault.replace: an answer of status 204 has no body");
    fault_case_refused("replace", "{\"drop\":[\"a b\"]}",
                       "fault.replace: drop must be names of headers, such as {\"x-a\", \"x-b\"}");
    fault_case_refused("replace", "{\"drop\":[1]}",
                       "fault.replace: drop must be names of headers, such as {\"x-a\", \"x-b\"}");
    fault_case_refused("replace", "{\"status\":101}",
                       "fault.replace: status is 101, less than the 200 allowed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replace_sets_drops_and_rewrites),
        cmocka_unit_test(replace_keeps_the_framing_true),
        cmocka_unit_test(replace_refuses_what_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
