#include "faults/fault_test.h"

static void abort_answers_instead_of_the_backend(void **state)
{
    struct fault_case c;
    (void)state;
    assert_true(fault_case_init(&c, "abort",
                                "{\"status\":503,\"body\":\"no\",\"retry_after\":\"1500ms\","
                                "\"headers\":{\"x-why\":\"test\"}}"));
    struct answer a = fault_case_head(&c, SIDE_REQUEST, 1);
    assert_int_equal(a.act, ACT_RESPOND);
    assert_int_equal(a.reply->status, 503);
    assert_int_equal(a.reply->body.len, 2);
    assert_int_equal(a.reply->fields.count, 2);
    assert_memory_equal(a.reply->fields.at[0].name.at, "x-why", 5);
    assert_memory_equal(a.reply->fields.at[0].value.at, "test", 4);
    assert_memory_equal(a.reply->fields.at[1].name.at, "retry-after", 11);
    assert_int_equal(a.reply->fields.at[1].value.len, 1);
    assert_int_equal(a.reply->fields.at[1].value.at[0], '2');
    assert_int_equal(a.reply->raw.len, 0);
    assert_int_equal(fault_case_head(&c, SIDE_RESPONSE, 1).act, ACT_PASS);
    fault_case_release(&c);
}

static void abort_after_lets_the_backend_run_first(void **state)
{
    struct fault_case c;
    char text[64];
    (void)state;
    assert_true(fault_case_init(&c, "abort", "{\"status\":500,\"reply\":\"after\"}"));
    assert_int_equal(fault_case_head(&c, SIDE_REQUEST, 1).act, ACT_PASS);
    assert_int_equal(fault_case_head(&c, SIDE_RESPONSE, 1).act, ACT_RESPOND);
    assert_int_equal(c.slot.filter->moments(c.slot.params), MOMENT_BIT(MOMENT_HEAD, SIDE_RESPONSE));
    assert_string_equal(fault_use_print(&c.use, text, sizeof(text)), "abort 500 after the backend");
    fault_case_release(&c);
}

static void abort_outlives_the_plan_that_it_came_from(void **state)
{
    struct fault_case c;
    struct arena chain;
    struct filter_slot slot;
    (void)state;
    arena_init(&chain, FAULT_SLOT_MOST_BYTES);
    assert_true(
        fault_case_init(&c, "abort",
                        "{\"status\":503,\"body\":\"gone\",\"headers\":{\"a\":\"b\"},"
                        "\"match\":{\"path\":\"/x\",\"header\":{\"k\":\"v\"}},\"first\":2}"));
    fault_use_slot(&c.use, 9, 77, NULL, &chain, &slot);
    fault_case_release(&c);
    struct filter_context at = {.params = slot.params, .arena = &chain};
    struct answer a = slot.filter->on_head(&at, &(struct head_view){.side = SIDE_REQUEST});
    assert_memory_equal(a.reply->body.at, "gone", 4);
    assert_memory_equal(a.reply->fields.at[0].value.at, "b", 1);
    assert_string_equal(slot.when.match.paths[0], "/x");
    assert_string_equal(slot.when.match.headers[0].glob, "v");
    assert_int_equal(slot.when.first, 2);
    assert_int_equal(slot.when.expires_ns, 77);
    assert_int_equal(slot.when.seed, 9);
    assert_int_equal(slot.fault, 7);
    arena_release(&chain);
}

static void abort_grpc_is_a_good_http_answer_with_a_status(void **state)
{
    struct fault_case c;
    char text[64];
    (void)state;
    assert_true(fault_case_init(&c, "abort", "{\"grpc\":\"UNAVAILABLE\",\"body\":\"down\"}"));
    struct answer a = fault_case_head(&c, SIDE_REQUEST, 1);
    assert_int_equal(a.act, ACT_RESPOND);
    assert_int_equal(a.reply->status, 200);
    assert_int_equal(a.reply->grpc_status, 15);
    assert_false(a.reply->in_trailers);
    assert_memory_equal(a.reply->body.at, "down", 4);
    assert_string_equal(fault_use_print(&c.use, text, sizeof(text)), "abort grpc UNAVAILABLE");
    fault_case_release(&c);
    assert_true(fault_case_init(&c, "abort", "{\"grpc\":\"INTERNAL\",\"where\":\"trailers\"}"));
    a = fault_case_head(&c, SIDE_REQUEST, 1);
    assert_true(a.reply->in_trailers);
    assert_int_equal(a.reply->grpc_status, 14);
    fault_case_release(&c);
}

static void abort_refuses_what_cannot_be(void **state)
{
    static const char one[] = "fault.abort needs exactly one of status and grpc";
    (void)state;
    fault_case_refused("abort", "{}", one);
    fault_case_refused("abort", "{\"status\":503,\"grpc\":\"UNAVAILABLE\"}", one);
    fault_case_refused(
        "abort", "{\"grpc\":\"UNAVAILBLE\"}",
        "fault.abort: grpc is \"UNAVAILBLE\" (did you mean \"UNAVAILABLE\"?); it is a "
        "gRPC status name such as UNAVAILABLE");
    fault_case_refused("abort", "{\"grpc\":\"17\"}",
                       "fault.abort: grpc is \"17\"; it is a gRPC status name such as UNAVAILABLE");
    fault_case_refused("abort", "{\"status\":503,\"where\":\"trailers\"}",
                       "fault.abort: where = \"trailers\" is for grpc");
    fault_case_refused("abort", "{\"status\":99}",
                       "fault.abort: status is 99, less than the 200 allowed");
    fault_case_refused("abort", "{\"status\":\"503\"}",
                       "fault.abort: status is \"503\"; it must be a count such as 3");
    fault_case_refused(
        "abort", "{\"status\":503,\"headers\":{\"a\":\"b\\r\\nc: d\"}}",
        "fault.abort: headers has \"a\", which is no header with a text of one line");
    fault_case_refused("abort", "{\"status\":503,\"match\":{\"status\":200}}",
                       "fault.abort: match.status is for faults that act on the response");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(abort_answers_instead_of_the_backend),
        cmocka_unit_test(abort_after_lets_the_backend_run_first),
        cmocka_unit_test(abort_outlives_the_plan_that_it_came_from),
        cmocka_unit_test(abort_grpc_is_a_good_http_answer_with_a_status),
        cmocka_unit_test(abort_refuses_what_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
