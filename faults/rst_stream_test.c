#include "faults/fault_test.h"

static void rst_stream_refuses_a_stream_before_the_backend_runs(void **state)
{
    struct fault_case c;
    char text[64];
    (void)state;
    assert_true(fault_case_init(&c, "rst_stream", "{}"));
    assert_int_equal(fault_case_head(&c, SIDE_REQUEST, 1).act, ACT_PASS); /* HTTP/1 has none */
    c.call.is_h2 = true;
    struct answer a = fault_case_head(&c, SIDE_REQUEST, 1);
    assert_int_equal(a.act, ACT_RESET);
    assert_int_equal(a.scope, SCOPE_STREAM);
    assert_int_equal(a.code, 7);
    assert_int_equal(fault_case_head(&c, SIDE_RESPONSE, 1).act, ACT_PASS);
    assert_string_equal(fault_use_print(&c.use, text, sizeof(text)),
                        "rst_stream REFUSED_STREAM at head");
    fault_case_release(&c);
}

static void rst_stream_cuts_a_body(void **state)
{
    struct fault_case c;
    (void)state;
    assert_true(fault_case_init(&c, "rst_stream", "{\"code\":\"CANCEL\",\"when\":\"body\"}"));
    c.call.is_h2 = true;
    assert_int_equal(fault_case_head(&c, SIDE_REQUEST, 1).act, ACT_PASS);
    assert_int_equal(fault_case_data(&c, SIDE_REQUEST, 0, 5, true).act, ACT_PASS);
    struct answer a = fault_case_data(&c, SIDE_RESPONSE, 0, 5, true);
    assert_int_equal(a.act, ACT_RESET);
    assert_int_equal(a.take, 0);
    assert_int_equal(a.code, 8);
    c.call.is_h2 = false;
    assert_int_equal(fault_case_data(&c, SIDE_RESPONSE, 0, 5, true).act, ACT_PASS);
    fault_case_release(&c);
    assert_false(fault_case_init(&c, "rst_stream", "{\"code\":\"NOPE\"}"));
    assert_true(strstr(c.err.text, "fault.rst_stream: code is \"NOPE\"; it is one of NO_ERROR, ") ==
                c.err.text);
    fault_case_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rst_stream_refuses_a_stream_before_the_backend_runs),
        cmocka_unit_test(rst_stream_cuts_a_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
