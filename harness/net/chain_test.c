#include "net/chain_run.h"
#include "net/pipe.h"
#include "net/tries.h"

#include "base/clock.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const get[] = {"GET", "HEAD"};
static const char *const api[] = {"/api/*", "/v2/**"};
static const char *const gold[] = {"gold*"};
static const char *const secret[] = {"x-internal"};
static const struct match_pair tier = {"X-Tier", "go*"};
static const struct match_pair query = {"k", "v*"};

static void matches_hold_when_all_their_keys_do(void **state)
{
    (void)state;
    struct field fields[] = {{BYTES("x-tier"), BYTES("silver")}, {BYTES("X-TIER"), BYTES("gold")}};
    struct select_view base = {.method = BYTES("GET"),
                               .target = BYTES("/api/a?z=1&k=v1&k2"),
                               .authority = BYTES("pay.shop"),
                               .tag = BYTES("gold:1"),
                               .from = BYTES("checkout"),
                               .fields = {fields, 2},
                               .attempt = 2};
    struct match m = {0};
    assert_true(select_request(&m, &base) && select_is_open(&m));
    m = (struct match){.methods = get,
                       .method_count = 2,
                       .paths = api,
                       .path_count = 2,
                       .tags = gold,
                       .tag_count = 1,
                       .without = secret,
                       .without_count = 1,
                       .headers = &tier,
                       .header_count = 1,
                       .queries = &query,
                       .query_count = 1,
                       .attempt_least = 2,
                       .attempt_most = 3};
    assert_true(select_request(&m, &base));
    assert_false(select_is_open(&m));
    struct select_view v = base;
    v.method = BYTES("POST");
    assert_false(select_request(&m, &v));
    v = base;
    v.target = BYTES("/api/a/b?k=v1");
    assert_false(select_request(&m, &v));
    v.target = BYTES("/v2/a/b?k=v1");
    assert_true(select_request(&m, &v));
    v.target = BYTES("/v2/a/b?kk=v1&k=w");
    assert_false(select_request(&m, &v));
    v.target = BYTES("/v2/a/b");
    assert_false(select_request(&m, &v));
    v = base;
    v.tag = BYTES("");
    assert_false(select_request(&m, &v));
    v = base;
    v.fields.count = 1;
    assert_false(select_request(&m, &v));
    v = base;
    fields[0].name = BYTES("X-Internal");
    assert_false(select_request(&m, &v));
    fields[0].name = BYTES("x-tier");
    for (uint32_t attempt = 0; attempt < 6; attempt++) {
        v.attempt = attempt;
        assert_int_equal(select_request(&m, &v), attempt == 2 || attempt == 3);
    }
    m = (struct match){.status_least = 503};
    assert_true(select_status(&m, 503) && !select_status(&m, 502) && !select_is_open(&m));
    m = (struct match){.status_least = 500, .status_most = 599};
    assert_true(select_status(&m, 500) && select_status(&m, 599) && !select_status(&m, 499));
    m = (struct match){0};
    assert_true(select_status(&m, 200));
}

static struct answer pass(struct filter_context *at, const struct head_view *seen)
{
    (void)at;
    (void)seen;
    return ANSWER_PASS;
}
static const struct stream_filter head_filter = {.on_head = pass};

static struct filter_chain *chain_of(uint32_t share_ppm, uint8_t per, uint32_t streak)
{
    struct filter_slot slot = {.filter = &head_filter,
                               .fault = 5,
                               .when = {.share_ppm = share_ppm,
                                        .per = per,
                                        .streak = streak,
                                        .expires_ns = UINT64_MAX,
                                        .seed = 77}};
    return chain_new(&slot, 1, 1, NULL);
}

static bool chooses(struct filter_chain *chain, struct call_view view, struct streak *streak)
{
    struct arena arena;
    struct chain_run run;
    struct select_view seen = {.attempt = view.attempt};
    arena_init(&arena, 1 << 20);
    chain_run_init(&run, chain, &arena, &arena);
    run.view = view;
    chain_run_select(&run, &seen, streak, NULL, 1);
    bool chosen = run.chosen != 0;
    assert_int_equal(chosen, run.fired != 0);
    if (run.counted_open) {
        INVARIANT(streak != NULL);
        streak->open--;
    }
    chain_run_release(&run, false, 1);
    arena_release(&arena);
    return chosen;
}

static void a_share_is_drawn_by_request_and_never_by_order(void **state)
{
    (void)state;
    struct filter_chain *chain = chain_of(300000, SELECT_PER_REQUEST, 0);
    bool first[1000];
    unsigned count = 0;
    for (unsigned i = 0; i < 1000; i++) {
        first[i] = chooses(
            chain, (struct call_view){.id_hi = 1, .id_lo = i + 1, .attempt = 1, .conn = i}, NULL);
        count += first[i];
    }
    assert_in_range(count, 240, 360);
    for (unsigned i = 1000; i-- > 0;) /* backwards, other tries, other connections: the same */
        assert_int_equal(
            first[i],
            chooses(chain, (struct call_view){.id_hi = 1, .id_lo = i + 1, .attempt = 3, .conn = 9},
                    NULL));
    chain_release(chain);
    chain = chain_of(300000, SELECT_PER_CONNECTION, 0);
    for (unsigned conn = 1; conn < 50; conn++) {
        bool chosen =
            chooses(chain, (struct call_view){.id_lo = 1, .attempt = 1, .conn = conn}, NULL);
        for (unsigned i = 2; i < 10; i++)
            assert_int_equal(
                chosen,
                chooses(chain, (struct call_view){.id_lo = i, .attempt = 1, .conn = conn}, NULL));
    }
    chain_release(chain);
}

static void the_guard_counts_ended_failures_and_open_tries(void **state)
{
    (void)state;
    struct streak s = {0};
    assert_false(streak_withholds(&s, 3, 0));
    assert_false(streak_withholds(&s, 3, 1));
    assert_true(streak_withholds(&s, 3, 2)); /* two holds are open: this would be the third */
    streak_end(&s, true);
    assert_false(streak_withholds(&s, 3, 0));
    assert_true(streak_withholds(&s, 3, 1));
    streak_end(&s, false); /* a run of one: ended by one success */
    streak_end(&s, true);
    assert_false(streak_withholds(&s, 3, 0));
    streak_end(&s, true);
    assert_true(streak_withholds(&s, 3, 0));
    streak_end(&s, false); /* a run of streak - 1: one success may have been reordered before it */
    assert_true(streak_withholds(&s, 3, 0));
    streak_end(&s, false);
    assert_false(streak_withholds(&s, 3, 0));
    streak_end(&s, true);
    streak_end(&s, true);
    streak_end(&s, false);
    streak_end(&s, true); /* goes on where it was */
    streak_end(&s, false);
    assert_true(streak_withholds(&s, 3, 0));
    assert_true(streak_withholds(&s, 1, 0));
    for (unsigned i = 0; i < 1000; i++)
        streak_end(&s, true);
    assert_true(streak_withholds(&s, 1001, 0));
    assert_false(streak_withholds(&s, 1010, 0));
    struct filter_chain *chain = chain_of(1000000, SELECT_PER_REQUEST, 3);
    struct streak fresh = {.open = 1};
    assert_true(chooses(chain, (struct call_view){.id_lo = 1, .attempt = 1}, &fresh));
    fresh.open = 2;
    assert_false(chooses(chain, (struct call_view){.id_lo = 1, .attempt = 1}, &fresh));
    chain_release(chain);
}

static void tries_are_counted_and_the_oldest_forgotten(void **state)
{
    (void)state;
    struct tries *t = tries_new(1024);
    for (uint64_t i = 0; i < 1024; i++)
        assert_int_equal(tries_next(t, i * 7919, i), 1);
    for (uint64_t i = 0; i < 1024; i++)
        assert_int_equal(tries_next(t, i * 7919, i), 2);
    for (uint64_t i = 1024; i < 5000; i++) {
        assert_int_equal(tries_next(t, i * 7919, i), 1);
        assert_int_equal(tries_next(t, (i - 1000) * 7919, i - 1000), i - 1000 < 1024 ? 3 : 2);
    }
    assert_int_equal(tries_next(t, 0, 0), 1); /* long gone */
    for (unsigned i = 0; i < 70000; i++)
        (void)tries_next(t, 5, 5);
    assert_int_equal(tries_next(t, 5, 5), UINT16_MAX);
    tries_free(t);
}

static void a_chain_lives_as_long_as_its_last_call(void **state)
{
    (void)state;
    struct arena arena, empty;
    arena_init(&arena, 4096);
    struct filter_slot slot = {.filter = &head_filter, .params = arena_take(&arena, 100)};
    struct filter_chain *chain = chain_new(&slot, 1, 1, &arena);
    assert_null(arena.blocks);
    assert_true(chain_wants(chain, MOMENT_HEAD, SIDE_REQUEST));
    assert_false(chain_wants(chain, MOMENT_DATA, SIDE_REQUEST));
    assert_false(chain_wants(NULL, MOMENT_HEAD, SIDE_REQUEST));
    struct chain_run run;
    arena_init(&empty, 4096);
    chain_run_init(&run, chain, &empty, &empty);
    chain_release(chain);
    assert_int_equal(run.chain->calls, 1);
    chain_run_release(&run, true, 1); /* ASan sees a leak or a second free */
}

/* Three slots that take, double, hold and pass in pieces: every byte once, in order, in any piece.
 */
struct piecewise {
    uint32_t piece;
    bool twice, holds;
};
struct piecewise_state {
    bool held;
    uint64_t seen;
};
static struct answer piecewise_on_data(struct filter_context *at, const struct data_view *seen)
{
    const struct piecewise *p = at->params;
    struct piecewise_state *state = at->state;
    assert_int_equal(seen->offset, state->seen);
    if (p->holds && !state->held) {
        state->held = true;
        return (struct answer){.act = ACT_HOLD, .until_ns = at->now_ns + 1};
    }
    state->held = false;
    uint32_t take = p->piece < seen->chunk.len ? p->piece : (uint32_t)seen->chunk.len;
    state->seen += take;
    if (!p->twice)
        return (struct answer){.act = ACT_PASS, .take = take};
    uint8_t *out = arena_take(at->arena, (size_t)take * 2);
    for (uint32_t i = 0; i < take; i++)
        out[i * 2] = out[i * 2 + 1] = seen->chunk.at[i];
    return (struct answer){.act = ACT_REPLACE, .take = take, .bytes = {out, (size_t)take * 2}};
}
static const struct stream_filter piecewise_filter = {.state_bytes = sizeof(struct piecewise_state),
                                                      .on_data = piecewise_on_data};

static void add(void *cookie, struct bytes payload)
{
    text_add_bytes(cookie, payload);
}

static void pipes_pass_every_byte_once_and_in_order(void **state)
{
    (void)state;
    struct rng rng = rng_of(31);
    for (unsigned round = 0; round < 500; round++) {
        struct piecewise params[3];
        struct filter_slot slots[3];
        struct arena arena, chunk;
        struct chain_run run;
        struct pipe pipe;
        struct text out, wanted;
        size_t times = 1;
        text_init(&out, 1 << 20);
        text_init(&wanted, 1 << 20);
        arena_init(&arena, 1 << 20);
        arena_init(&chunk, 1 << 20);
        for (unsigned i = 0; i < 3; i++) {
            params[i] = (struct piecewise){.piece = 1 + (uint32_t)rng_below(&rng, 9),
                                           .twice = rng_below(&rng, 3) == 0,
                                           .holds = rng_below(&rng, 2) == 0};
            times *= params[i].twice ? 2 : 1;
            slots[i] =
                (struct filter_slot){.filter = &piecewise_filter,
                                     .params = &params[i],
                                     .fault = 1,
                                     .when = {.share_ppm = 1000000, .expires_ns = UINT64_MAX}};
        }
        struct filter_chain *chain = chain_new(slots, 3, 1, NULL);
        chain_run_init(&run, chain, &arena, &chunk);
        chain_run_select(&run, &(struct select_view){0}, NULL, NULL, 1);
        pipe_init(&pipe, &run, SIDE_RESPONSE, add, &out);
        uint64_t now_ns = 1;
        for (unsigned n = 0; n < 6; n++) {
            char bytes[40];
            size_t len = 1 + (size_t)rng_below(&rng, sizeof(bytes) - 1);
            for (size_t i = 0; i < len; i++) {
                bytes[i] = (char)('a' + rng_below(&rng, 26));
                for (size_t j = 0; j < times; j++)
                    text_add(&wanted, "%c", bytes[i]);
            }
            (void)pipe_feed(&pipe, (struct bytes){(const uint8_t *)bytes, len}, n == 5, now_ns);
            /* a second feed while it is held waits its turn */
            while (n % 2 == 1 && pipe.halted) {
                assert_int_equal(pipe.halt.answer.act, ACT_HOLD);
                (void)pipe_resume(&pipe, ++now_ns);
            }
        }
        assert_string_equal(text_get(&out), text_get(&wanted));
        pipe_release(&pipe);
        chain_run_release(&run, true, now_ns);
        chain_release(chain);
        arena_release(&arena);
        arena_release(&chunk);
        text_release(&out);
        text_release(&wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_hold_when_all_their_keys_do),
        cmocka_unit_test(a_share_is_drawn_by_request_and_never_by_order),
        cmocka_unit_test(the_guard_counts_ended_failures_and_open_tries),
        cmocka_unit_test(tries_are_counted_and_the_oldest_forgotten),
        cmocka_unit_test(a_chain_lives_as_long_as_its_last_call),
        cmocka_unit_test(pipes_pass_every_byte_once_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
