#include "faults/fault_test.h"

#include "base/clock.h"

static void bandwidth_lets_the_burst_and_then_the_rate_through(void **state)
{
    static const uint8_t body[65536];
    struct fault_case c;
    size_t at = 0;
    uint64_t start_ns = NS_PER_S, now_ns = start_ns;
    unsigned holds = 0;
    (void)state;
    assert_true(fault_case_init(&c, "bandwidth", "{\"rate\":\"10kB/s\",\"burst\":\"5kB\"}"));
    while (at < 55000) {
        struct filter_context context = fault_case_at(&c, now_ns);
        struct data_view seen = {
            .side = SIDE_RESPONSE, .chunk = {body + at, 55000 - at}, .offset = at, .last = true};
        struct answer a = c.slot.filter->on_data(&context, &seen);
        if (a.act == ACT_HOLD) {
            /* asked too early, it holds to the same time */
            context.now_ns = now_ns + 1;
            assert_in_range(c.slot.filter->on_data(&context, &seen).until_ns, a.until_ns - 2,
                            a.until_ns + 200000);
            now_ns = a.until_ns;
            holds++;
            continue;
        }
        at += a.take;
        /* never more than the law allows, at any moment */
        assert_true(at <= 5000 + (now_ns - start_ns) / 100000 + 1);
    }
    /* 55 kB less the burst of 5 kB at 10 kB/s */
    assert_in_range(now_ns - start_ns, 5 * NS_PER_S, 5 * NS_PER_S + NS_PER_MS);
    assert_in_range(holds, 40, 60);
    fault_case_release(&c);
}

static void bandwidth_bursts_again_after_a_rest(void **state)
{
    struct fault_case c;
    (void)state;
    assert_true(fault_case_init(&c, "bandwidth", "{\"rate\":\"1kB/s\",\"burst\":\"2kB\"}"));
    static const uint8_t body[8000];
    struct data_view seen = {.side = SIDE_RESPONSE, .chunk = {body, sizeof(body)}};
    struct filter_context at = fault_case_at(&c, NS_PER_S);
    assert_int_equal(c.slot.filter->on_data(&at, &seen).take, 2000);
    assert_int_equal(c.slot.filter->on_data(&at, &seen).act, ACT_HOLD);
    at.now_ns = 100 * NS_PER_S;
    assert_int_equal(c.slot.filter->on_data(&at, &seen).take, 2000);
    seen.side = SIDE_REQUEST;
    assert_int_equal(c.slot.filter->on_data(&at, &seen).act, ACT_PASS);
    fault_case_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bandwidth_lets_the_burst_and_then_the_rate_through),
        cmocka_unit_test(bandwidth_bursts_again_after_a_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
