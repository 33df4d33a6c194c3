#include "faults/fault_test.h"

static void reset_by_default_is_at_the_request_head_only(void **state)
{
    struct fault_case c;
    (void)state;
    assert_true(fault_case_init(&c, "reset", "{}"));
    assert_int_equal(c.slot.filter->moments(c.slot.params), MOMENT_BIT(MOMENT_HEAD, SIDE_REQUEST));
    assert_int_equal(fault_case_head(&c, SIDE_REQUEST, 1).act, ACT_RESET);
    assert_int_equal(fault_case_head(&c, SIDE_RESPONSE, 1).act, ACT_PASS);
    fault_case_release(&c);
}

static void reset_lets_exactly_the_bytes_before_it_out(void **state)
{
    struct fault_case c;
    (void)state;
    assert_true(fault_case_init(&c, "reset", "{\"when\":\"response_body\",\"after\":\"3B\"}"));
    assert_int_equal(c.slot.filter->moments(c.slot.params), MOMENT_BIT(MOMENT_DATA, SIDE_RESPONSE));
    struct answer whole = fault_case_data(&c, SIDE_RESPONSE, 0, 100, true);
    assert_int_equal(whole.act, ACT_RESET);
    assert_int_equal(whole.take, 3);
    assert_int_equal(fault_case_data(&c, SIDE_RESPONSE, 0, 2, false).act, ACT_PASS);
    struct answer rest = fault_case_data(&c, SIDE_RESPONSE, 2, 98, true);
    assert_int_equal(rest.act, ACT_RESET);
    assert_int_equal(rest.take, 1);
    struct answer exact = fault_case_data(&c, SIDE_RESPONSE, 0, 3, true);
    assert_int_equal(exact.act, ACT_RESET);
    assert_int_equal(exact.take, 3);
    assert_int_equal(fault_case_data(&c, SIDE_REQUEST, 0, 100, true).act, ACT_PASS);
    fault_case_release(&c);
}

static void reset_in_a_body_without_after_lets_nothing_of_it_out(void **state)
{
    struct fault_case c;
    (void)state;
    assert_true(fault_case_init(&c, "reset", "{\"when\":\"request_body\"}"));
    struct answer a = fault_case_data(&c, SIDE_REQUEST, 0, 10, false);
    assert_int_equal(a.act, ACT_RESET);
    assert_int_equal(a.take, 0);
    fault_case_release(&c);
}

static void reset_at_accept_sees_no_request(void **state)
{
    struct fault_case c;
    (void)state;
    assert_true(fault_case_init(&c, "reset", "{\"when\":\"accept\"}"));
    struct filter_context at = fault_case_at(&c, 1);
    assert_int_equal(c.slot.filter->on_accept(&at, &(struct accept_view){.nth = 1}).act, ACT_RESET);
    assert_int_equal(c.slot.filter->moments(c.slot.params),
                     MOMENT_BIT(MOMENT_ACCEPT, SIDE_REQUEST));
    assert_int_equal(fault_case_head(&c, SIDE_REQUEST, 1).act, ACT_PASS);
    fault_case_release(&c);
}

static void reset_refuses_what_cannot_be(void **state)
{
    (void)state;
    fault_case_refused(
        "reset", "{\"when\":\"headers\"}",
        "fault.reset: when is \"headers\"; it is one of accept, request_head, request_body, "
        "response_head, response_body");
    fault_case_refused(
        "reset", "{\"after\":\"3B\"}",
        "fault.reset: after counts bytes of a body; write when = \"request_body\" or "
        "when = \"response_body\"");
    fault_case_refused("reset", "{\"when\":\"response_body\",\"after\":3}",
                       "fault.reset: after is 3; it must be a size such as \"64KiB\"");
}

static void reset_prints_its_moment(void **state)
{
    struct fault_case c;
    char text[64];
    (void)state;
    assert_true(fault_case_init(&c, "reset", "{\"when\":\"response_body\",\"after\":\"3B\"}"));
    assert_string_equal(fault_use_print(&c.use, text, sizeof(text)),
                        "reset at response_body after 3B");
    fault_case_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reset_by_default_is_at_the_request_head_only),
        cmocka_unit_test(reset_lets_exactly_the_bytes_before_it_out),
        cmocka_unit_test(reset_in_a_body_without_after_lets_nothing_of_it_out),
        cmocka_unit_test(reset_at_accept_sees_no_request),
        cmocka_unit_test(reset_refuses_what_cannot_be),
        cmocka_unit_test(reset_prints_its_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
