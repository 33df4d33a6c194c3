#include "faults/fault_test.h"

static void blackhole_holds_for_ever_at_its_moment_only(void **state)
{
    static const struct {
        const char *json;
        enum side side, other;
    } rows[] = {{"{}", SIDE_REQUEST, SIDE_RESPONSE},
                {"{\"when\":\"response\"}", SIDE_RESPONSE, SIDE_REQUEST}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fault_case c;
        assert_true(fault_case_init(&c, "blackhole", rows[i].json));
        struct answer a = fault_case_head(&c, rows[i].side, 1);
        assert_int_equal(a.act, ACT_HOLD);
        assert_true(a.until_ns == HOLD_FOREVER);
        assert_int_equal(fault_case_head(&c, rows[i].other, 1).act, ACT_PASS);
        assert_int_equal(c.slot.filter->moments(c.slot.params),
                         MOMENT_BIT(MOMENT_HEAD, rows[i].side));
        fault_case_release(&c);
    }
}

static void blackhole_at_accept_never_reads_a_request(void **state)
{
    struct fault_case c;
    (void)state;
    assert_true(fault_case_init(&c, "blackhole", "{\"when\":\"accept\"}"));
    struct filter_context at = fault_case_at(&c, 1);
    struct answer a = c.slot.filter->on_accept(&at, &(struct accept_view){.nth = 1});
    assert_int_equal(a.act, ACT_HOLD);
    assert_true(a.until_ns == HOLD_FOREVER);
    fault_case_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blackhole_holds_for_ever_at_its_moment_only),
        cmocka_unit_test(blackhole_at_accept_never_reads_a_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
