#include "net/chain_fixture_test.h"
#include "net/pipe.h"
#include "net/tries.h"

#include "base/clock.h"
#include "base/text.h"

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
    assert_int_equal(run.fired, 0); /* chosen is not fired */
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

/* What a try does at its DATA: cuts after so many bytes, or draws. */
struct cutter {
    uint64_t after;
};
static struct answer cutter_on_data(struct filter_context *at, const struct data_view *seen)
{
    const struct cutter *p = at->params;
    if (p->after > seen->offset + seen->chunk.len)
        return ANSWER_PASS;
    return (struct answer){.act = ACT_RESET, .take = 0};
}
static const struct stream_filter cutter_filter = {.on_data = cutter_on_data};

static struct answer tried_data(struct tried *t, uint16_t slot, size_t len)
{
    static const uint8_t chunk[256];
    struct data_view seen = {
        .call = &t->run.view, .side = SIDE_RESPONSE, .chunk = {chunk, len}, .last = true};
    return chain_run_ask_data(&t->run, slot, &seen, 1);
}

static void a_fault_that_did_nothing_has_not_fired(void **state)
{
    (void)state;
    struct cutter cutter = {.after = 100};
    struct fire_budget budget = {.left = 1};
    struct filter_slot slot = {
        .filter = &cutter_filter,
        .params = &cutter,
        .fault = 5,
        .when = {.share_ppm = 1000000, .expires_ns = UINT64_MAX, .times = &budget}};
    struct filter_chain *chain = chain_new(&slot, 1, 1, NULL);
    struct tried one, two;
    tried_begin(&one, chain, (struct call_view){.id_lo = 1, .attempt = 1});
    assert_int_equal(one.run.chosen, 1);
    assert_int_equal(tried_data(&one, 0, 99).act, ACT_PASS);
    assert_int_equal(one.run.fired, 0);
    assert_int_equal(chain->slots[0].fired, 0);
    /* its firing is spoken for while it runs, and nobody else's */
    tried_begin(&two, chain, (struct call_view){.id_lo = 2, .attempt = 1});
    assert_int_equal(two.run.chosen, 0);
    tried_end(&two);
    tried_end(&one);
    assert_int_equal(budget.left, 1); /* given back */
    tried_begin(&one, chain, (struct call_view){.id_lo = 3, .attempt = 1});
    assert_int_equal(tried_data(&one, 0, 100).act, ACT_RESET);
    assert_int_equal(tried_data(&one, 0, 100).act, ACT_RESET); /* once is once */
    assert_int_equal(one.run.fired, 1 << 5);
    assert_int_equal(one.run.fresh, 1);
    assert_int_equal(chain->slots[0].fired, 1);
    tried_end(&one);
    assert_int_equal(budget.left, 0);
    /* of a chain that is no longer in force nothing is given back: the budget may be gone */
    budget.left = 1;
    tried_begin(&one, chain, (struct call_view){.id_lo = 4, .attempt = 1});
    chain->retired = true;
    tried_end(&one);
    assert_int_equal(budget.left, 0);
    chain_release(chain);
}

static struct answer drawing_on_data(struct filter_context *at, const struct data_view *seen)
{
    (void)seen;
    return (struct answer){.act = ACT_HOLD, .until_ns = 2 + rng_below(at->rng, 1000000)};
}
static const struct stream_filter drawing_filter = {.on_data = drawing_on_data};

struct decision {
    uint64_t chosen;
    uint64_t drawn[2][2]; /* by slot, by question */
};
enum { REPLAYED = 400, TRIES = 3 };

/* All tries of all requests, begun in the order that ${seed} shuffles, ${open} at a time, each
 * asked twice, the questions of those that are open interleaved. */
static void replay(struct filter_chain *chain, uint64_t seed, size_t open,
                   struct decision ret[REPLAYED][TRIES])
{
    unsigned order[REPLAYED * TRIES];
    struct tried *tried = check_alloc_zero(open, sizeof(*tried));
    struct rng rng = rng_of(seed);
    for (unsigned i = 0; i < COUNT_OF(order); i++)
        order[i] = i;
    rng_shuffle(&rng, order, COUNT_OF(order), sizeof(*order));
    for (size_t from = 0; from < COUNT_OF(order); from += open) {
        size_t count = COUNT_OF(order) - from < open ? COUNT_OF(order) - from : open;
        for (size_t i = 0; i < count; i++) {
            unsigned request = order[from + i] / TRIES, k = order[from + i] % TRIES;
            tried_begin(&tried[i], chain,
                        (struct call_view){.id_hi = 9,
                                           .id_lo = request + 1,
                                           .attempt = k + 1,
                                           .conn = (uint32_t)(from + i),
                                           .sequence = (uint32_t)seed});
            ret[request][k].chosen = tried[i].run.chosen;
        }
        for (unsigned question = 0; question < 2; question++) {
            for (size_t i = count; i-- > 0;) {
                struct decision *d = &ret[order[from + i] / TRIES][order[from + i] % TRIES];
                for (uint16_t slot = 0; slot < 2; slot++) {
                    struct answer a = tried_data(&tried[i], slot, 9);
                    d->drawn[slot][question] = a.act == ACT_HOLD ? a.until_ns : 0;
                }
            }
        }
        for (size_t i = 0; i < count; i++)
            tried_end(&tried[i]);
    }
    free(tried);
}

static void decisions_are_the_same_in_any_order_and_interleaving(void **state)
{
    static struct decision first[REPLAYED][TRIES], again[REPLAYED][TRIES];
    struct filter_slot slots[2];
    unsigned one = 0, both = 0;
    (void)state;
    for (uint16_t i = 0; i < 2; i++)
        slots[i] = (struct filter_slot){.filter = &drawing_filter,
                                        .fault = (uint16_t)(i + 1),
                                        .when = {.share_ppm = 300000,
                                                 .expires_ns = UINT64_MAX,
                                                 .seed = 11,
                                                 .first = i == 0 ? 0 : 2}};
    struct filter_chain *chain = chain_new(slots, 2, 1, NULL);
    replay(chain, 1, 1, first);
    for (unsigned i = 0; i < REPLAYED; i++) {
        assert_int_equal(first[i][0].chosen, first[i][1].chosen); /* all tries of a request alike */
        assert_int_equal(first[i][2].chosen, first[i][0].chosen & 1);
        one += (first[i][0].chosen & 1) != 0;
        both += first[i][0].chosen == 3;
        if ((first[i][0].chosen & 1) != 0) { /* but what they draw is each its own */
            assert_int_not_equal(first[i][0].drawn[0][0], first[i][1].drawn[0][0]);
            assert_int_not_equal(first[i][0].drawn[0][0], first[i][0].drawn[0][1]);
        }
    }
    assert_in_range(one, 80, 160);
    assert_in_range(both, 15, 65); /* two faults draw apart */
    for (uint64_t seed = 2; seed < 5; seed++) {
        memset(again, 0, sizeof(again));
        replay(chain, seed, seed * 37, again);
        assert_memory_equal(first, again, sizeof(first));
    }
    chain_release(chain);
}

static struct answer reset_on_request(struct filter_context *at, const struct head_view *seen)
{
    (void)at;
    assert_null(seen->path.at);
    return seen->side == SIDE_RESPONSE ? (struct answer){.act = ACT_RESET} : ANSWER_PASS;
}
static struct answer respond(struct filter_context *at, const struct head_view *seen)
{
    (void)at;
    (void)seen;
    return (struct answer){.act = ACT_RESPOND};
}

static void a_raw_stream_has_its_head_at_its_first_byte(void **state)
{
    static const struct stream_filter filters[] = {
        {.on_head = reset_on_request, .head_on_raw = true},
        {.on_head = respond, .head_on_raw = true},
        {.on_head = reset_on_request},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(filters); i++) {
        struct filter_slot slot = {.filter = &filters[i],
                                   .fault = 5,
                                   .when = {.share_ppm = 1000000, .expires_ns = UINT64_MAX}};
        struct filter_chain *chain = chain_new(&slot, 1, 1, NULL);
        struct tried raw, http;
        tried_begin(&raw, chain, (struct call_view){.is_raw = true});
        assert_int_equal(chain_run_wants(&raw.run, MOMENT_DATA, SIDE_RESPONSE), i < 2);
        assert_int_equal(tried_data(&raw, 0, 5).act, i == 0 ? ACT_RESET : ACT_PASS);
        assert_int_equal(raw.run.fired != 0, i == 0);
        tried_end(&raw);
        tried_begin(&http, chain, (struct call_view){.id_lo = 1});
        assert_false(chain_run_wants(&http.run, MOMENT_DATA, SIDE_RESPONSE));
        assert_int_equal(tried_data(&http, 0, 5).act, ACT_PASS);
        tried_end(&http);
        chain_release(chain);
    }
}

static struct answer shake(struct filter_context *at, const struct handshake_view *seen)
{
    const uint32_t *code = at->params;
    if (seen->message != TLS_CERTIFICATE)
        return ANSWER_PASS;
    return (struct answer){.act = *code == 0 ? ACT_REPLACE : ACT_CLOSE, .code = *code};
}

static void handshakes_are_asked_in_order_and_chosen_with_the_connection(void **state)
{
    static const struct stream_filter filter = {.on_handshake = shake};
    static const uint32_t codes[] = {0, 46};
    struct filter_slot slots[2];
    struct arena arena;
    struct chain_run run;
    (void)state;
    for (uint16_t i = 0; i < 2; i++)
        slots[i] = (struct filter_slot){.filter = &filter,
                                        .params = &codes[i],
                                        .fault = (uint16_t)(i + 1),
                                        .when = {.share_ppm = 1000000, .expires_ns = UINT64_MAX}};
    struct filter_chain *chain = chain_new(slots, 2, 1, NULL);
    arena_init(&arena, 1 << 20);
    chain_run_init(&run, chain, &arena, &arena);
    chain_run_select_accept(&run, 1, NULL, 1);
    assert_int_equal(run.chosen, 3);
    assert_true(chain_run_wants(&run, MOMENT_HANDSHAKE, SIDE_REQUEST));
    struct handshake_view seen = {.side = SIDE_REQUEST, .message = TLS_SERVER_HELLO};
    assert_int_equal(chain_run_handshake(&run, 0, &seen, 1).answer.act, ACT_PASS);
    assert_int_equal(run.fired, 0);
    seen.message = TLS_CERTIFICATE;
    struct halt halt = chain_run_handshake(&run, 0, &seen, 1);
    assert_int_equal(halt.answer.act, ACT_REPLACE);
    assert_int_equal(halt.slot, 0);
    halt = chain_run_handshake(&run, 1, &seen, 1);
    assert_int_equal(halt.answer.act, ACT_CLOSE);
    assert_int_equal(halt.answer.code, 46);
    assert_int_equal(run.fired, 2 | 4);
    chain_run_release(&run, true, 1);
    chain_release(chain);
    arena_release(&arena);
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
        cmocka_unit_test(a_share_is_drawn_by_request_and_never_by_order),
        cmocka_unit_test(a_fault_that_did_nothing_has_not_fired),
        cmocka_unit_test(decisions_are_the_same_in_any_order_and_interleaving),
        cmocka_unit_test(a_raw_stream_has_its_head_at_its_first_byte),
        cmocka_unit_test(handshakes_are_asked_in_order_and_chosen_with_the_connection),
        cmocka_unit_test(the_guard_counts_ended_failures_and_open_tries),
        cmocka_unit_test(tries_are_counted_and_the_oldest_forgotten),
        cmocka_unit_test(a_chain_lives_as_long_as_its_last_call),
        cmocka_unit_test(pipes_pass_every_byte_once_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
