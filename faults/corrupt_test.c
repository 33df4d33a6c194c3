#include "faults/fault_test.h"

/* What becomes of ${len} zero bytes in chunks of ${piece}. */
static void run(struct fault_case *c, uint8_t *to, size_t len, size_t piece)
{
    for (size_t at = 0; at < len; at += piece) {
        size_t take = len - at < piece ? len - at : piece;
        struct answer a = fault_case_data(c, SIDE_RESPONSE, at, take, at + take == len);
        memset(to + at, 0, take);
        if (a.act == ACT_PASS)
            continue;
        assert_int_equal(a.act, ACT_REPLACE);
        assert_int_equal(a.take, take);
        assert_int_equal(a.bytes.len, take);
        memcpy(to + at, a.bytes.at, take);
    }
}

static unsigned bits_of(const uint8_t *at, size_t len)
{
    unsigned count = 0;
    for (size_t i = 0; i < len; i++)
        count += (unsigned)__builtin_popcount(at[i]);
    return count;
}

static void corrupt_flips_the_same_bits_whatever_the_chunks(void **state)
{
    static const size_t pieces[] = {1, 3, 7, 100, 1000, 1001, 65536};
    static uint8_t first[20000], again[20000];
    struct fault_case c;
    (void)state;
    assert_true(fault_case_init(&c, "corrupt", "{\"bits\":3,\"every\":\"1000B\"}"));
    c.rng = rng_of(5);
    run(&c, first, sizeof(first), 20000);
    assert_int_equal(bits_of(first, sizeof(first)), 3 * 20);
    for (size_t at = 0; at < sizeof(first); at += 1000) /* one hit in each block */
        assert_int_equal(bits_of(first + at, 1000), 3);
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        run(&c, again, sizeof(again), pieces[i]);
        assert_memory_equal(first, again, sizeof(first));
    }
    c.rng = rng_of(6);
    run(&c, again, sizeof(again), 4096);
    assert_memory_not_equal(first, again, sizeof(first));
    fault_case_release(&c);
}

static void corrupt_leaves_the_other_side_alone(void **state)
{
    struct fault_case c;
    char text[64];
    (void)state;
    assert_true(fault_case_init(&c, "corrupt", "{\"every\":\"1B\",\"side\":\"request\"}"));
    assert_int_equal(fault_case_data(&c, SIDE_RESPONSE, 0, 9, true).act, ACT_PASS);
    struct answer a = fault_case_data(&c, SIDE_REQUEST, 0, 9, true);
    assert_int_equal(a.act, ACT_REPLACE);
    assert_int_equal(bits_of(a.bytes.at, 9), 9);
    assert_int_equal(c.slot.filter->moments(c.slot.params), MOMENT_BIT(MOMENT_DATA, SIDE_REQUEST));
    assert_string_equal(fault_use_print(&c.use, text, sizeof(text)), "corrupt 1 bit every 1B");
    fault_case_release(&c);
    fault_case_refused("corrupt", "{\"bits\":9,\"every\":\"1B\"}",
                       "fault.corrupt: a hit of 9 bits does not fit into every = \"1B\"");
    fault_case_refused("corrupt", "{\"bits\":0}",
                       "fault.corrupt: bits is 0, less than the 1 allowed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(corrupt_flips_the_same_bits_whatever_the_chunks),
        cmocka_unit_test(corrupt_leaves_the_other_side_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
