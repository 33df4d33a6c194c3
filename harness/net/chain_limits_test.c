/* guard.limits at each firing. */

#include "net/chain_fixture_test.h"

static void what_is_over_the_share_passes_and_is_told(void **state)
{
    (void)state;
    struct fire_limits limits = {.share_ppm = 200000};
    struct filter_chain *chain = chain_of(1000000, SELECT_PER_REQUEST, 0);
    unsigned chosen = 0, limited = 0;
    chain->limits = &limits;
    for (unsigned i = 0; i < 1000; i++) {
        struct tried t;
        tried_begin(&t, chain, (struct call_view){.id_lo = i + 1, .attempt = 1});
        chosen += t.run.chosen != 0;
        limited += t.run.limited != 0;
        t.run.acted = t.run.chosen; /* as if it had done something */
        tried_end(&t);
    }
    assert_int_equal(chosen + limited, 1000);
    assert_in_range(chosen, 200, 260);  /* 20 %, and four deviations of chance */
    for (unsigned i = 0; i < 10; i++) { /* chosen, and nothing was done: it does not count */
        struct tried t;
        uint64_t before = limits.chosen[0];
        tried_begin(&t, chain, (struct call_view){.id_lo = 2000 + i, .attempt = 1});
        tried_end(&t);
        assert_int_equal(limits.chosen[0], before);
    }
    chain_release(chain);
}

static struct answer holds_long(struct filter_context *at, const struct head_view *seen)
{
    (void)seen;
    const uint64_t *for_ns = at->params;
    return (struct answer){.act = ACT_HOLD,
                           .until_ns = *for_ns == HOLD_FOREVER ? *for_ns : at->now_ns + *for_ns};
}
static const struct stream_filter hold_filter = {.on_head = holds_long};

static void a_hold_longer_than_the_limit_is_none(void **state)
{
    static const struct {
        uint64_t for_ns;
        bool limited;
    } rows[] = {{500, false}, {501, true}, {HOLD_FOREVER, false}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fire_limits limits = {.share_ppm = 1000000, .delay_most_ns = 500};
        struct filter_slot slot = {.filter = &hold_filter,
                                   .params = &rows[i].for_ns,
                                   .fault = 5,
                                   .when = {.share_ppm = 1000000, .expires_ns = UINT64_MAX}};
        struct filter_chain *chain = chain_new(&slot, 1, 1, NULL);
        struct tried t;
        chain->limits = &limits;
        tried_begin(&t, chain, (struct call_view){.id_lo = 1, .attempt = 1});
        struct head_view head = {.side = SIDE_REQUEST};
        struct halt halt = chain_run_head(&t.run, 0, &head, 1000, NULL, NULL);
        assert_int_equal(halt.answer.act, rows[i].limited ? ACT_PASS : ACT_HOLD);
        assert_int_equal(t.run.limited != 0, rows[i].limited);
        assert_int_equal(t.run.fired != 0, !rows[i].limited);
        tried_end(&t);
        chain_release(chain);
    }
}

static struct answer paces(struct filter_context *at, const struct data_view *seen)
{
    (void)seen;
    return (struct answer){.act = ACT_HOLD, .until_ns = at->now_ns + 501};
}
static const struct stream_filter pace_filter = {.on_data = paces};

/* bandwidth at 1 B/s: seconds for each chunk. */
static void the_pace_of_a_body_is_no_delay(void **state)
{
    struct fire_limits limits = {.share_ppm = 1000000, .delay_most_ns = 500};
    struct filter_slot slot = {.filter = &pace_filter,
                               .fault = 5,
                               .when = {.share_ppm = 1000000, .expires_ns = UINT64_MAX}};
    struct filter_chain *chain = chain_new(&slot, 1, 1, NULL);
    struct tried t;
    (void)state;
    chain->limits = &limits;
    tried_begin(&t, chain, (struct call_view){.id_lo = 1, .attempt = 1});
    struct data_view data = {.side = SIDE_RESPONSE, .chunk = bytes_of("abc")};
    struct answer answer = chain_run_ask_data(&t.run, 0, &data, 1000);
    assert_int_equal(answer.act, ACT_HOLD);
    assert_int_equal(answer.until_ns, 1501);
    assert_int_equal(t.run.limited, 0);
    tried_end(&t);
    chain_release(chain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_over_the_share_passes_and_is_told),
        cmocka_unit_test(a_hold_longer_than_the_limit_is_none),
        cmocka_unit_test(the_pace_of_a_body_is_no_delay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
