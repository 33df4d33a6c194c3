#ifndef NET_SCRIPT_TEST_H
#define NET_SCRIPT_TEST_H

/* A filter that does what its test says, so that the relay's acts are tested and not the faults;
 * and how it is armed. */

#include "net/rig_test.h"

#include "net/relay.h"

#define POST "POST /a HTTP/1.1\r\nHost: pay\r\nContent-Length: 5\r\n\r\nabcde"
#define OK_CHUNKED \
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nx-t: " \
    "1\r\n\r\n"

/* One filter for all: what to answer at which moment. */
struct script {
    enum moment moment;
    enum side side;
    enum act act;
    uint64_t hold_ns;   /* HOLD: then PASS; HOLD_FOREVER */
    uint64_t after;     /* DATA: bytes that pass first */
    uint32_t piece;     /* DATA: hold hold_ns after each so many bytes */
    struct bytes bytes; /* REPLACE at DATA */
    struct reply reply;
    unsigned closes; /* counted */
};
struct script_state {
    uint64_t until_ns;
    bool between;
};

static inline struct answer act_on(struct filter_context *at, const struct script *s)
{
    struct script_state *state = at->state;
    if (s->act != ACT_HOLD)
        return (struct answer){
            .act = s->act, .reply = &s->reply, .bytes = s->bytes, .take = TAKE_ALL};
    if (state->until_ns == 0)
        state->until_ns = s->hold_ns == HOLD_FOREVER ? HOLD_FOREVER : at->now_ns + s->hold_ns;
    if (at->now_ns >= state->until_ns)
        return ANSWER_PASS;
    return (struct answer){.act = ACT_HOLD, .until_ns = state->until_ns};
}

static inline struct answer script_on_accept(struct filter_context *at,
                                             const struct accept_view *seen)
{
    const struct script *s = at->params;
    assert_true(seen->nth > 0);
    return s->moment == MOMENT_ACCEPT ? act_on(at, s) : ANSWER_PASS;
}

static inline struct answer script_on_head(struct filter_context *at, const struct head_view *seen)
{
    const struct script *s = at->params;
    return s->moment == MOMENT_HEAD && seen->side == s->side ? act_on(at, s) : ANSWER_PASS;
}

static inline struct answer script_on_data(struct filter_context *at, const struct data_view *seen)
{
    const struct script *s = at->params;
    struct script_state *state = at->state;
    if (s->moment != MOMENT_DATA || seen->side != s->side)
        return ANSWER_PASS;
    assert_true(seen->chunk.len > 0);
    if (s->piece > 0) {
        if (state->between && state->until_ns == 0)
            state->until_ns = at->now_ns + s->hold_ns;
        if (state->between && at->now_ns < state->until_ns)
            return (struct answer){.act = ACT_HOLD, .until_ns = state->until_ns};
        state->between = true;
        state->until_ns = 0;
        return (struct answer){.act = ACT_PASS, .take = s->piece};
    }
    if (seen->offset < s->after)
        return (struct answer){.act = ACT_PASS, .take = (uint32_t)(s->after - seen->offset)};
    struct answer answer = act_on(at, s);
    if (answer.act != ACT_PASS && answer.act != ACT_REPLACE)
        answer.take = 0;
    return answer;
}

static inline struct answer script_on_end(struct filter_context *at, const struct end_view *seen)
{
    const struct script *s = at->params;
    return s->moment == MOMENT_END && seen->side == s->side ? act_on(at, s) : ANSWER_PASS;
}

static inline void script_on_close(struct filter_context *at)
{
    union {
        const void *in;
        struct script *out;
    } params = {at->params};
    params.out->closes++;
}

static inline uint32_t script_moments(const void *params)
{
    const struct script *s = params;
    return MOMENT_BIT(s->moment, s->side);
}

static const struct stream_filter script_filter = {
    .state_bytes = sizeof(struct script_state),
    .on_accept = script_on_accept,
    .on_head = script_on_head,
    .on_data = script_on_data,
    .on_end = script_on_end,
    .on_close = script_on_close,
    .moments = script_moments,
};

static inline struct filter_slot slot_of(const struct script *s, uint16_t fault)
{
    return (struct filter_slot){
        .filter = &script_filter,
        .params = s,
        .fault = fault,
        .when = {.share_ppm = 1000000, .expires_ns = UINT64_MAX, .seed = 42},
    };
}

static inline uint32_t arm(struct rig *rig, const struct filter_slot *slots, size_t count)
{
    uint64_t at_ns = 0;
    uint32_t released =
        proxy_arm(rig->proxy, 1, count == 0 ? NULL : chain_new(slots, count, 3, NULL), &at_ns);
    assert_true(at_ns > 0);
    return released;
}

static inline void arm_one(struct rig *rig, const struct script *s)
{
    struct filter_slot slot = slot_of(s, 9);
    arm(rig, &slot, 1);
}

/* One request through the proxy, answered by the backend's ${n}-th connection. */
static inline void exchange(struct rig *rig, struct peer *c, size_t n, const char *ask,
                            const char *answer)
{
    say(c, ask);
    struct peer *s = await_server(rig, n);
    await_text(s, ask);
    peer_forget(s);
    say(s, answer);
    await_text(c, "hello");
    (void)rig;
}

static inline bool until_fired(struct rig *rig, void *cookie)
{
    return proxy_fired(rig->proxy, *(uint16_t *)cookie) > 0;
}

#endif
