#include "faults/fault_test.h"

static void slow_close_holds_the_fin_and_nothing_else(void **state)
{
    struct fault_case c;
    char text[64];
    (void)state;
    assert_true(fault_case_init(&c, "slow_close", "{\"delay\":\"2s\"}"));
    struct filter_context at = fault_case_at(&c, 7);
    struct fin_view seen = {.call = &c.call, .side = SIDE_RESPONSE};
    struct answer a = c.slot.filter->on_fin(&at, &seen);
    assert_int_equal(a.act, ACT_HOLD);
    assert_int_equal(a.until_ns, UINT64_C(2000000007));
    struct filter_chain *chain = chain_new(&c.slot, 1, 1, NULL);
    assert_int_equal(chain->live,
                     MOMENT_BIT(MOMENT_FIN, SIDE_REQUEST) | MOMENT_BIT(MOMENT_FIN, SIDE_RESPONSE));
    chain_release(chain);
    assert_int_equal(c.use.common.existing, EXISTING_KEEP);
    assert_string_equal(fault_use_print(&c.use, text, sizeof(text)), "slow_close +2s");
    fault_case_release(&c);
    fault_case_refused("slow_close", "{}", "fault.slow_close needs delay");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_close_holds_the_fin_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
