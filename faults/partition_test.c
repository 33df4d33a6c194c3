/* fault.partition as the proxies play it. On a kernel: suites/selftest/netem. */

#include "faults/netem.h"

#include "faults/fault_test.h"

static void silence_is_towards_from_or_both(void **state)
{
    static const struct {
        const char *keys;
        bool request, response; /* heads that are held */
    } rows[] = {
        {"{\"on\": \"b\"}", true, true},
        {"{\"on\": \"b\", \"direction\": \"to\"}", true, false},
        {"{\"on\": \"a -> b\", \"direction\": \"from\"}", false, true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct arena arena;
        struct fault_use use;
        struct error err = {0};
        json_t *keys = json_loads(rows[i].keys, 0, NULL);
        arena_init(&arena, 1024 * 1024);
        assert_true(fault_use_from_json("partition", keys, (struct source){"s.lua", 2, 0}, &arena,
                                        &use, &err));
        json_decref(keys);
        assert_null(use.stream); /* a world fault, unless the proxies are asked to play it */
        assert_true(fault_use_in_proxy(&use));
        struct filter_context at = {.params = use.params};
        struct answer open = use.stream->on_accept(&at, &(struct accept_view){.nth = 1});
        assert_int_equal(open.act, ACT_HOLD);
        for (int side = SIDE_REQUEST; side <= SIDE_RESPONSE; side++) {
            bool held = side == SIDE_REQUEST ? rows[i].request : rows[i].response;
            struct head_view head = {.side = (enum side)side};
            struct answer answer = use.stream->on_head(&at, &head);
            assert_int_equal(answer.act, held ? ACT_HOLD : ACT_PASS);
            uint32_t bit = MOMENT_BIT(MOMENT_HEAD, side);
            assert_int_equal((use.stream->moments(use.params) & bit) != 0, held);
            if (held)
                assert_int_equal(answer.until_ns, HOLD_FOREVER);
        }
        arena_release(&arena);
    }
}

static void what_no_proxy_can_play_is_refused(void **state)
{
    struct arena arena;
    struct fault_use use;
    struct error err = {0};
    json_t *keys = json_loads("{\"on\": \"b\", \"delay\": \"1ms\"}", 0, NULL);
    (void)state;
    arena_init(&arena, 1024 * 1024);
    assert_true(
        fault_use_from_json("netem", keys, (struct source){"s.lua", 2, 0}, &arena, &use, &err));
    assert_false(fault_use_in_proxy(&use));
    json_decref(keys);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_is_towards_from_or_both),
        cmocka_unit_test(what_no_proxy_can_play_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
