#include "faults/fault_test.h"

#include "base/clock.h"

/* Walks a body of ${len} as relay does; returns the slices, and the time that it took. */
static size_t walk(struct fault_case *c, size_t len, uint32_t *takes, size_t most, uint64_t *ret_ns)
{
    static const uint8_t body[4096];
    size_t at = 0, count = 0;
    uint64_t now_ns = 1000;
    while (at < len) {
        struct filter_context context = fault_case_at(c, now_ns);
        struct data_view seen = {
            .side = SIDE_RESPONSE, .chunk = {body + at, len - at}, .offset = at, .last = true};
        struct answer a = c->slot.filter->on_data(&context, &seen);
        if (a.act == ACT_HOLD) {
            assert_true(a.until_ns > now_ns);
            now_ns = a.until_ns;
            continue;
        }
        assert_int_equal(a.act, ACT_PASS);
        uint32_t take = a.take == TAKE_ALL || a.take > len - at ? (uint32_t)(len - at) : a.take;
        assert_true(take > 0 && count < most);
        takes[count++] = take;
        at += take;
    }
    *ret_ns = now_ns - 1000;
    return count;
}

static void slicer_cuts_and_waits_between(void **state)
{
    struct fault_case c;
    uint32_t takes[4096];
    uint64_t ns;
    (void)state;
    assert_true(fault_case_init(&c, "slicer", "{\"size\":\"10B\",\"delay\":\"2ms\"}"));
    assert_int_equal(walk(&c, 95, takes, 4096, &ns), 10);
    assert_int_equal(takes[0], 10);
    assert_int_equal(takes[9], 5);
    assert_int_equal(ns, 9 * 2 * NS_PER_MS);
    fault_case_release(&c);
    assert_true(fault_case_init(&c, "slicer", "{\"size\":\"10B\",\"vary\":\"9B\"}"));
    c.rng = rng_of(5);
    size_t count = walk(&c, 4000, takes, 4096, &ns);
    assert_int_equal(ns, 0);
    assert_in_range(count, 330, 480);
    for (size_t i = 0; i < count; i++)
        assert_in_range(takes[i], 1, 19);
    fault_case_release(&c);
    fault_case_refused("slicer", "{\"size\":\"5B\",\"vary\":\"5B\"}",
                       "fault.slicer: vary 5B is not less than size 5B");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(slicer_cuts_and_waits_between)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
