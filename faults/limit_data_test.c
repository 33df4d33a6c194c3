#include "faults/fault_test.h"

static void limit_data_ends_after_exactly_its_bytes(void **state)
{
    struct fault_case c;
    (void)state;
    assert_true(fault_case_init(&c, "limit_data", "{\"bytes\":\"100B\"}"));
    assert_int_equal(fault_case_data(&c, SIDE_RESPONSE, 0, 99, false).act, ACT_PASS);
    struct answer a = fault_case_data(&c, SIDE_RESPONSE, 99, 50, true);
    assert_int_equal(a.act, ACT_CLOSE);
    assert_int_equal(a.take, 1);
    a = fault_case_data(&c, SIDE_RESPONSE, 100, 50, true);
    assert_int_equal(a.act, ACT_CLOSE);
    assert_int_equal(a.take, 0);
    assert_int_equal(fault_case_data(&c, SIDE_REQUEST, 0, 500, true).act, ACT_PASS);
    fault_case_release(&c);
    assert_true(fault_case_init(&c, "limit_data",
                                "{\"bytes\":\"0B\",\"ends\":\"reset\",\"side\":\"request\"}"));
    a = fault_case_data(&c, SIDE_REQUEST, 0, 5, true);
    assert_int_equal(a.act, ACT_RESET);
    assert_int_equal(a.take, 0);
    assert_int_equal(c.slot.filter->moments(c.slot.params), MOMENT_BIT(MOMENT_DATA, SIDE_REQUEST));
    fault_case_release(&c);
    fault_case_refused("limit_data", "{}", "fault.limit_data needs bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(limit_data_ends_after_exactly_its_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
