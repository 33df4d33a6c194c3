#include "faults/fault_test.h"

static void goaway_says_which_calls_it_covers(void **state)
{
    struct fault_case c;
    char text[64];
    (void)state;
    assert_true(fault_case_init(&c, "goaway", "{}"));
    assert_int_equal(fault_case_head(&c, SIDE_REQUEST, 1).act, ACT_PASS); /* HTTP/1 has none */
    c.call.is_h2 = true;
    struct answer a = fault_case_head(&c, SIDE_REQUEST, 1);
    assert_int_equal(a.act, ACT_CLOSE);
    assert_int_equal(a.scope, SCOPE_CONNECTION);
    assert_int_equal(a.code, 0);
    assert_int_equal(fault_case_head(&c, SIDE_RESPONSE, 1).act, ACT_PASS);
    fault_case_release(&c);
    assert_true(
        fault_case_init(&c, "goaway", "{\"last\":\"none\",\"code\":\"ENHANCE_YOUR_CALM\"}"));
    c.call.is_h2 = true;
    a = fault_case_head(&c, SIDE_REQUEST, 1);
    assert_int_equal(a.scope, SCOPE_UNPROCESSED);
    assert_int_equal(a.code, 11);
    assert_string_equal(fault_use_print(&c.use, text, sizeof(text)),
                        "goaway ENHANCE_YOUR_CALM, last stream none");
    fault_case_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goaway_says_which_calls_it_covers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
