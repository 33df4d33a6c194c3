/* What faults do to calls: filters written here, so that the relay's acts are tested and not the
 * faults. */

#include "net/rig_test.h"

#include "net/relay.h"

#define GET "GET /a?b=1 HTTP/1.1\r\nHost: pay\r\n\r\n"
#define POST "POST /a HTTP/1.1\r\nHost: pay\r\nContent-Length: 5\r\n\r\nabcde"
#define OK5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
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

static struct answer act_on(struct filter_context *at, const struct script *s)
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

static struct answer script_on_accept(struct filter_context *at, const struct accept_view *seen)
{
    const struct script *s = at->params;
    assert_true(seen->nth > 0);
    return s->moment == MOMENT_ACCEPT ? act_on(at, s) : ANSWER_PASS;
}

static struct answer script_on_head(struct filter_context *at, const struct head_view *seen)
{
    const struct script *s = at->params;
    return s->moment == MOMENT_HEAD && seen->side == s->side ? act_on(at, s) : ANSWER_PASS;
}

static struct answer script_on_data(struct filter_context *at, const struct data_view *seen)
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

static struct answer script_on_end(struct filter_context *at, const struct end_view *seen)
{
    const struct script *s = at->params;
    return s->moment == MOMENT_END && seen->side == s->side ? act_on(at, s) : ANSWER_PASS;
}

static void script_on_close(struct filter_context *at)
{
    union {
        const void *in;
        struct script *out;
    } params = {at->params};
    params.out->closes++;
}

static uint32_t script_moments(const void *params)
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

static struct filter_slot slot_of(const struct script *s, uint16_t fault)
{
    return (struct filter_slot){
        .filter = &script_filter,
        .params = s,
        .fault = fault,
        .when = {.share_ppm = 1000000, .expires_ns = UINT64_MAX, .seed = 42},
    };
}

static uint32_t arm(struct rig *rig, const struct filter_slot *slots, size_t count)
{
    uint64_t at_ns = 0;
    uint32_t released =
        proxy_arm(rig->proxy, 1, count == 0 ? NULL : chain_new(slots, count, 3, NULL), &at_ns);
    assert_true(at_ns > 0);
    return released;
}

static void arm_one(struct rig *rig, const struct script *s)
{
    struct filter_slot slot = slot_of(s, 9);
    arm(rig, &slot, 1);
}

/* One request through the proxy, answered by the backend's ${n}-th connection. */
static void exchange(struct rig *rig, struct peer *c, size_t n, const char *ask, const char *answer)
{
    say(c, ask);
    struct peer *s = await_server(rig, n);
    await_text(s, ask);
    peer_forget(s);
    say(s, answer);
    await_text(c, "hello");
    (void)rig;
}

static bool until_fired(struct rig *rig, void *cookie)
{
    return proxy_fired(rig->proxy, *(uint16_t *)cookie) > 0;
}

static void a_hold_lasts_at_least_as_long_and_then_the_call_goes_on(void **state)
{
    (void)state;
    for (unsigned side = SIDE_REQUEST; side <= SIDE_RESPONSE; side++) {
        struct script s = {
            .moment = MOMENT_HEAD, .side = side, .act = ACT_HOLD, .hold_ns = 20 * NS_PER_MS};
        struct rig *rig = rig_open();
        arm_one(rig, &s);
        struct peer *c = rig_dial(rig);
        uint64_t start_ns = clock_now_ns();
        exchange(rig, c, 1, POST, OK5);
        assert_true(clock_now_ns() - start_ns >= 20 * NS_PER_MS);
        struct attempt_record *a = await_attempt(rig, 1);
        assert_int_equal(a->outcome, OUTCOME_ANSWERED);
        assert_int_equal(a->fired, UINT32_C(1) << 9);
        assert_int_equal(a->fault, 0);
        assert_int_equal(a->generation, 3);
        if (side == SIDE_REQUEST)
            assert_true(a->upstream >= 20 * NS_PER_MS);
        else
            assert_true(a->out - a->reply >= 20 * NS_PER_MS);
        assert_int_equal(proxy_fired(rig->proxy, 9), 1);
        assert_int_equal(s.closes, 1);
        rig_close(rig);
    }
}

static void who_leaves_during_a_hold_is_seen_at_once(void **state)
{
    (void)state;
    for (unsigned reset = 0; reset <= 1; reset++) {
        struct script s = {.moment = MOMENT_HEAD, .act = ACT_HOLD, .hold_ns = HOLD_FOREVER};
        struct rig *rig = rig_open();
        arm_one(rig, &s);
        struct peer *c = rig_dial(rig);
        say(c, POST);
        rig_await_polling(rig, until_fired, &(uint16_t){9});
        assert_int_equal(proxy_counts(rig->proxy).calls_active, 1);
        peer_close(c, reset == 1);
        struct attempt_record *a = await_attempt(rig, 1);
        assert_int_equal(a->outcome, OUTCOME_LEFT);
        assert_int_equal(a->left_kind, reset == 1 ? LEFT_RST : LEFT_FIN);
        assert_int_equal(a->upstream, 0);
        assert_int_equal(rig->accepted, 0); /* a held request occupies no backend connection */
        rig_close(rig);
    }
}

static void disarming_releases_the_holds_of_that_fault_only(void **state)
{
    (void)state;
    struct script s = {.moment = MOMENT_HEAD, .act = ACT_HOLD, .hold_ns = HOLD_FOREVER};
    struct filter_slot slots[2] = {slot_of(&s, 1), slot_of(&s, 2)};
    static const char *const gold = "gold";
    slots[0].when.match.tags = &gold;
    slots[0].when.match.tag_count = 1;
    static const char *const iron = "iron";
    slots[1].when.match.tags = &iron;
    slots[1].when.match.tag_count = 1;
    struct rig *rig = rig_open();
    arm(rig, slots, 2);
    struct peer *a = rig_dial(rig), *b = rig_dial(rig);
    say(a, "GET / HTTP/1.1\r\nx-meshproof-tag: gold\r\n\r\n");
    say(b, "GET / HTTP/1.1\r\nx-meshproof-tag: iron\r\n\r\n");
    rig_await_polling(rig, until_fired, &(uint16_t){1});
    rig_await_polling(rig, until_fired, &(uint16_t){2});
    assert_int_equal(arm(rig, &slots[1], 1), 1);
    struct peer *server = await_server(rig, 1);
    await_text(server, "gold");
    say(server, OK5);
    await_text(a, "hello");
    assert_int_equal(await_attempt(rig, 1)->flags, ATTEMPT_EFFECT | ATTEMPT_RELEASED);
    assert_int_equal(b->in.len, 0);
    assert_int_equal(proxy_counts(rig->proxy).calls_active, 1);
    assert_int_equal(arm(rig, NULL, 0), 1);
    await_text(rig->server[0], "iron");
    rig_close(rig);
}

/* A call keeps the chain that it began with, and may come to a hold of it when that is long over:
 * then nobody would end it. */
static void a_hold_that_begins_after_its_disarm_is_none(void **state)
{
    static const struct {
        enum moment moment;
        enum side side;
        const char *ask, *ask_more, *answer, *answer_more;
    } rows[] = {
        {MOMENT_HEAD, SIDE_RESPONSE, GET, "", "", OK5},
        {MOMENT_DATA, SIDE_RESPONSE, GET, "", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe",
         "llo"},
        {MOMENT_END, SIDE_RESPONSE, GET, "",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "0\r\n\r\n"},
        {MOMENT_DATA, SIDE_REQUEST, "POST /a HTTP/1.1\r\nHost: pay\r\nContent-Length: 5\r\n\r\nab",
         "cde", "", OK5},
        {MOMENT_END, SIDE_REQUEST, "POST /a HTTP/1.1\r\nHost: pay\r\nContent-Length: 5\r\n\r\nab",
         "cde", "", OK5},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct script s = {.moment = rows[i].moment,
                           .side = rows[i].side,
                           .act = ACT_HOLD,
                           .hold_ns = HOLD_FOREVER,
                           .after = 2};
        struct rig *rig = rig_open();
        arm_one(rig, &s);
        struct peer *c = rig_dial(rig);
        say(c, rows[i].ask);
        struct peer *server = await_server(rig, 1);
        await_bytes(server, strlen(rows[i].ask));
        say(server, rows[i].answer);
        await_bytes(c, strlen(rows[i].answer));
        assert_int_equal(arm(rig, NULL, 0), 0);
        say(c, rows[i].ask_more);
        await_bytes(server, strlen(rows[i].ask) + strlen(rows[i].ask_more));
        say(server, rows[i].answer_more);
        await_bytes(c, strlen(rows[i].answer) + strlen(rows[i].answer_more));
        const struct attempt_record *a = await_attempt(rig, 1);
        assert_int_equal(a->outcome, OUTCOME_ANSWERED);
        assert_int_equal(a->flags & ATTEMPT_RELEASED, ATTEMPT_RELEASED);
        rig_close(rig);
    }
}

static void disarming_two_holds_at_accept_releases_both(void **state)
{
    struct script s = {.moment = MOMENT_ACCEPT, .act = ACT_HOLD, .hold_ns = HOLD_FOREVER};
    struct filter_slot slots[2] = {slot_of(&s, 1), slot_of(&s, 2)};
    (void)state;
    struct rig *rig = rig_open();
    arm(rig, slots, 2);
    struct peer *c = rig_dial(rig);
    say(c, GET);
    rig_await_polling(rig, until_fired, &(uint16_t){1});
    assert_int_equal(arm(rig, NULL, 0), 1);
    struct peer *server = await_server(rig, 1);
    await_text(server, GET);
    say(server, OK5);
    await_text(c, "hello");
    rig_close(rig);
}

static void an_answer_of_a_fault_never_dials_and_keeps_the_connection(void **state)
{
    (void)state;
    struct field field = {BYTES("retry-after"), BYTES("1")};
    struct script s = {.moment = MOMENT_HEAD,
                       .act = ACT_RESPOND,
                       .reply = {.status = 503, .fields = {&field, 1}, .body = BYTES("no")}};
    struct rig *rig = rig_open();
    arm_one(rig, &s);
    struct peer *c = rig_dial(rig);
    const char *wanted =
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 2\r\n\r\nno";
    say(c, GET);
    await_bytes(c, strlen(wanted));
    expect_in(c, wanted);
    struct attempt_record *a = await_attempt(rig, 1);
    assert_int_equal(a->status, 503);
    assert_int_equal(a->outcome, OUTCOME_ANSWERED);
    assert_int_equal(a->fault, 9);
    assert_int_equal(a->action, ACT_RESPOND);
    assert_int_equal(a->upstream, 0);
    assert_int_equal(a->flags, 0);
    /* a body that comes late is thrown away, and the next request is read */
    peer_forget(c);
    say(c, "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
    await_bytes(c, strlen(wanted));
    say(c, "defghij" GET);
    await_bytes(c, strlen(wanted) * 2);
    assert_int_equal(await_attempt(rig, 3)->sequence, 3);
    /* one that is too long ends it: the client is told so where that is known from the head, and
     * must not take the connection for its next request */
    char *filler = check_alloc_zero(1, 100000);
    peer_forget(c);
    say(c, "POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\nabc");
    await_text(c, "connection: close\r\n\r\nno");
    say_bytes(c, (struct bytes){(const uint8_t *)filler, 100000});
    await_gone(c);
    c = rig_dial(rig);
    say(c, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n");
    await_bytes(c, strlen(wanted));
    expect_in(c, wanted);
    say_bytes(c, (struct bytes){(const uint8_t *)filler, 100000});
    await_gone(c);
    free(filler);
    assert_int_equal(rig->accepted, 0);
    /* HEAD has no body, and who asked for a close gets one */
    c = rig_dial(rig);
    say(c, "HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n");
    await_gone(c);
    expect_in(c, "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 2\r\n"
                 "connection: close\r\n\r\n");
    rig_close(rig);
}

static void an_answer_after_the_backend_counts_its_effect(void **state)
{
    (void)state;
    struct script s = {
        .moment = MOMENT_HEAD, .side = SIDE_RESPONSE, .act = ACT_RESPOND, .reply = {.status = 503}};
    struct rig *rig = rig_open();
    arm_one(rig, &s);
    struct peer *c = rig_dial(rig);
    for (unsigned i = 1; i <= 2; i++) {
        say(c, GET);
        struct peer *server = await_server(rig, 1); /* its answer is drained, and it serves again */
        await_text(server, "\r\n\r\n");
        peer_forget(server);
        say(server, OK5);
        await_text(c, "content-length: 0\r\n\r\n");
        assert_null(memmem(c->in.at, c->in.len, "hello", 5));
        peer_forget(c);
        struct attempt_record *a = await_attempt(rig, i);
        assert_int_equal(a->status, 503);
        assert_int_equal(a->flags, ATTEMPT_EFFECT);
        assert_true(a->reply > 0 && a->out >= a->reply);
    }
    rig_close(rig);
}

static void resets_and_closes_at_heads_reach_the_client(void **state)
{
    (void)state;
    size_t attempts = 0;
    struct rig *rig = rig_open();
    for (unsigned side = SIDE_REQUEST; side <= SIDE_RESPONSE; side++) {
        for (unsigned act = ACT_CLOSE; act <= ACT_RESET; act++) {
            struct script s = {.moment = MOMENT_HEAD, .side = side, .act = act};
            arm_one(rig, &s);
            struct peer *c = rig_dial(rig);
            say(c, GET);
            if (side == SIDE_RESPONSE) {
                struct peer *server = await_server(rig, act == ACT_CLOSE ? 1 : 2);
                await_text(server, "\r\n\r\n");
                say(server, OK5);
            }
            await_gone(c);
            assert_int_equal(c->rst, act == ACT_RESET);
            assert_int_equal(c->in.len, 0);
            struct attempt_record *a = await_attempt(rig, ++attempts);
            assert_int_equal(a->outcome,
                             act == ACT_RESET ? OUTCOME_RESET_BY_FAULT : OUTCOME_CLOSED_BY_FAULT);
            assert_int_equal(a->fault, 9);
            assert_int_equal(a->action, act);
            assert_int_equal(a->flags, side == SIDE_RESPONSE ? ATTEMPT_EFFECT : 0);
            assert_true(a->out > 0 && a->head_out == 0);
            arm(rig, NULL, 0); /* params live here */
        }
    }
    rig_close(rig);
}

static void bytes_that_were_promised_arrive_before_the_cut(void **state)
{
    (void)state;
    static const char *const answers[] = {OK5, OK_CHUNKED};
    static const char *const wanted[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n"};
    size_t attempts = 0;
    struct rig *rig = rig_open();
    for (unsigned act = ACT_CLOSE; act <= ACT_RESET; act++) {
        for (unsigned i = 0; i < 2; i++) {
            struct script s = {
                .moment = MOMENT_DATA, .side = SIDE_RESPONSE, .act = act, .after = 3};
            arm_one(rig, &s);
            struct peer *c = rig_dial(rig);
            say(c, GET);
            struct peer *server = await_server(rig, ++attempts);
            await_text(server, "\r\n\r\n");
            say(server, answers[i]);
            await_gone(c);
            assert_int_equal(c->rst, act == ACT_RESET);
            expect_in(c, wanted[i]);
            struct attempt_record *a = await_attempt(rig, attempts);
            assert_int_equal(a->outcome,
                             act == ACT_RESET ? OUTCOME_RESET_BY_FAULT : OUTCOME_CLOSED_BY_FAULT);
            assert_int_equal(a->status, 200);
            assert_int_equal(a->bytes_out, 3);
            assert_int_equal(a->flags, ATTEMPT_EFFECT);
            arm(rig, NULL, 0);
        }
    }
    /* and of a request's body */
    struct script s = {.moment = MOMENT_DATA, .side = SIDE_REQUEST, .act = ACT_RESET, .after = 3};
    arm_one(rig, &s);
    struct peer *c = rig_dial(rig);
    say(c, POST);
    await_gone(c);
    assert_true(c->rst);
    assert_int_equal(await_attempt(rig, attempts + 1)->flags & ATTEMPT_EFFECT, 0);
    arm(rig, NULL, 0);
    rig_close(rig);
}

static void a_reader_that_never_reads_does_not_hold_a_reset_for_ever(void **state)
{
    (void)state;
    size_t len = (size_t)16 * 1024 * 1024;
    struct script s = {
        .moment = MOMENT_DATA, .side = SIDE_RESPONSE, .act = ACT_RESET, .after = 100};
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    int small = 4096;
    assert_int_equal(setsockopt(c->watch.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    loop_watch_remove(&c->watch);
    s.after = len - 10;
    arm_one(rig, &s);
    say(c, GET);
    struct peer *server = await_server(rig, 1);
    await_text(server, "\r\n\r\n");
    char head[80];
    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len);
    say(server, head);
    s.after = 200000; /* enough to fill the client's window, not the proxy's memory */
    arm(rig, NULL, 0);
    arm_one(rig, &s);
    peer_close(c, true);
    struct attempt_record *a = await_attempt(rig, 1);
    assert_int_equal(a->outcome, OUTCOME_LEFT);
    c = rig_dial(rig);
    assert_int_equal(setsockopt(c->watch.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    loop_watch_remove(&c->watch);
    say(c, GET);
    server = await_server(rig, 2);
    await_text(server, "\r\n\r\n");
    say(server, head);
    uint8_t *body = check_alloc_zero(1, 400000);
    uint64_t start_ns = clock_now_ns();
    for (size_t sent = 0; sent < 400000 && rig_records(rig) < 2;) {
        ssize_t n = send(server->watch.fd, body + sent, 400000 - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        if (n < 0 && errno != EAGAIN)
            break;
        await_ns(rig, NS_PER_MS);
    }
    free(body);
    if (clock_now_ns() - start_ns < 5 * NS_PER_S) {
        a = await_attempt(rig, 2);
        assert_int_equal(a->outcome, OUTCOME_RESET_BY_FAULT);
        assert_true(a->bytes_out <= 200000);
    }
    rig_close(rig);
}

static void slices_arrive_whole_and_no_faster(void **state)
{
    (void)state;
    struct script s = {
        .moment = MOMENT_DATA, .side = SIDE_RESPONSE, .piece = 2, .hold_ns = 3 * NS_PER_MS};
    struct script also = {
        .moment = MOMENT_DATA, .side = SIDE_RESPONSE, .piece = 3, .hold_ns = NS_PER_MS};
    struct filter_slot slots[2] = {slot_of(&s, 1), slot_of(&also, 2)};
    struct rig *rig = rig_open();
    arm(rig, slots, 2);
    struct peer *c = rig_dial(rig);
    say(c, GET);
    struct peer *server = await_server(rig, 1);
    await_text(server, "\r\n\r\n");
    say(server, OK_CHUNKED);
    uint64_t start_ns = clock_now_ns();
    await_text(c, "0\r\nx-t: 1\r\n\r\n");
    assert_true(clock_now_ns() - start_ns >= 5 * 3 * NS_PER_MS); /* 11 bytes: at least six slices */
    struct http1_head head;
    struct http1_body body;
    struct error err = {0};
    size_t used = 0;
    assert_int_equal(http1_parse_response(buffer_view(&c->in), VERB_GET, &head, &err), HTTP1_DONE);
    http1_body_init(&body, &head);
    assert_int_equal(
        http1_body_feed(&body,
                        (struct bytes){c->in.at + head.head_bytes, c->in.len - head.head_bytes},
                        &used, NULL, NULL, &err),
        HTTP1_DONE);
    assert_int_equal(body.payload_bytes, 11);
    http1_body_release(&body);
    assert_int_equal(await_attempt(rig, 1)->bytes_out, 11);
    /* the client leaves between two slices */
    say(c, GET);
    server = await_server(rig, 2); /* a filtered answer's connection is not pooled */
    await_text(server, "\r\n\r\n");
    say(server, OK_CHUNKED);
    peer_forget(c);
    await_text(c, "he");
    peer_close(c, true);
    assert_int_equal(await_attempt(rig, 2)->outcome, OUTCOME_LEFT);
    rig_close(rig);
}

static void heads_and_bodies_are_rewritten(void **state)
{
    (void)state;
    struct field fields[] = {{BYTES("X-New"), BYTES("1")}, {BYTES("x-old"), {NULL, 0}}};
    struct script edit = {.moment = MOMENT_HEAD,
                          .side = SIDE_RESPONSE,
                          .act = ACT_REPLACE,
                          .reply = {.status = 418, .fields = {fields, 2}}};
    struct script body = {.moment = MOMENT_HEAD,
                          .side = SIDE_RESPONSE,
                          .act = ACT_REPLACE,
                          .reply = {.body = BYTES("mine")}};
    struct script data = {
        .moment = MOMENT_DATA, .side = SIDE_RESPONSE, .act = ACT_REPLACE, .bytes = BYTES("HELLO")};
    struct script ask = {.moment = MOMENT_HEAD,
                         .side = SIDE_REQUEST,
                         .act = ACT_REPLACE,
                         .reply = {.fields = {fields, 1}}};
    struct script trailer = {.moment = MOMENT_END,
                             .side = SIDE_RESPONSE,
                             .act = ACT_REPLACE,
                             .reply = {.fields = {fields, 1}}};
    struct filter_slot slots[] = {slot_of(&edit, 1), slot_of(&data, 2), slot_of(&ask, 3)};
    struct rig *rig = rig_open();
    arm(rig, slots, 3);
    struct peer *c = rig_dial(rig);
    say(c, GET);
    struct peer *server = await_server(rig, 1);
    await_text(server, "\r\n\r\n");
    expect_in(server, "GET /a?b=1 HTTP/1.1\r\nHost: pay\r\nX-New: 1\r\n\r\n");
    say(server, "HTTP/1.1 200 OK\r\nX-Old: 1\r\nContent-Length: 5\r\n\r\nhello");
    await_text(c, "HELLO");
    expect_in(c, "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 5\r\nX-New: 1\r\n\r\nHELLO");
    assert_int_equal(await_attempt(rig, 1)->status, 418);
    struct filter_slot whole = slot_of(&body, 4);
    arm(rig, &whole, 1);
    peer_forget(c);
    say(c, GET);
    server = await_server(rig, 2); /* a filtered answer's connection is not pooled */
    await_text(server, "\r\n\r\n");
    say(server, OK_CHUNKED);
    await_text(c, "mine");
    expect_in(c, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nmine");
    assert_int_equal(await_attempt(rig, 2)->bytes_out, 4);
    struct filter_slot end = slot_of(&trailer, 5);
    arm(rig, &end, 1);
    peer_forget(c);
    peer_forget(server);
    say(c, GET);
    await_text(server, "\r\n\r\n");
    say(server, OK_CHUNKED);
    await_text(c, "X-New: 1\r\n\r\n");
    assert_non_null(memmem(c->in.at, c->in.len, "0\r\nx-t: 1\r\nX-New: 1\r\n\r\n", 23));
    rig_close(rig);
}

static void raw_bytes_go_out_as_they_are_and_end_the_connection(void **state)
{
    (void)state;
    struct script s = {.moment = MOMENT_HEAD,
                       .act = ACT_RESPOND,
                       .reply = {.raw = BYTES("HTTP/1.1 2x0 ?\r\n\r\n")}};
    struct rig *rig = rig_open();
    arm_one(rig, &s);
    struct peer *c = rig_dial(rig);
    say(c, GET);
    await_gone(c);
    assert_true(c->fin);
    expect_in(c, "HTTP/1.1 2x0 ?\r\n\r\n");
    assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_CLOSED_BY_FAULT);
    rig_close(rig);
}

static void faults_at_accept_reset_close_and_hold(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    for (unsigned act = ACT_CLOSE; act <= ACT_RESET; act++) {
        struct script s = {.moment = MOMENT_ACCEPT, .act = act};
        arm_one(rig, &s);
        struct peer *c = rig_dial(rig);
        await_gone(c);
        assert_int_equal(c->rst, act == ACT_RESET);
        peer_close(c, false);
        struct connection_record *r = await_connection(rig, act == ACT_CLOSE ? 1 : 2);
        assert_int_equal(r->fault, 9);
        assert_int_equal(r->closed_by, CONN_BY_FAULT);
        assert_int_equal(r->reset, act == ACT_RESET);
        assert_int_equal(r->requests, 0);
        arm(rig, NULL, 0);
    }
    struct script s = {.moment = MOMENT_ACCEPT, .act = ACT_HOLD, .hold_ns = 10 * NS_PER_MS};
    arm_one(rig, &s);
    struct peer *c = rig_dial(rig);
    uint64_t start_ns = clock_now_ns();
    exchange(rig, c, 1, GET, OK5);
    assert_true(clock_now_ns() - start_ns >= 9 * NS_PER_MS);
    s.hold_ns = HOLD_FOREVER;
    struct peer *first = rig_dial(rig), *second = rig_dial(rig);
    say(first, GET);
    await_ns(rig, 2 * NS_PER_MS);
    assert_int_equal(rig->server[0]->in.len, 0);
    peer_close(second, true);
    (void)await_connection(rig, 3);
    assert_int_equal(rig->connection[2].fault, 9);
    assert_int_equal(arm(rig, NULL, 0), 1);
    await_text(rig->server[0], "\r\n\r\n");
    rig_close(rig);
}

static void first_times_and_ttl_end_a_fault(void **state)
{
    (void)state;
    struct script s = {.moment = MOMENT_HEAD,
                       .act = ACT_RESPOND,
                       .reply = {.status = 503, .body = BYTES("hello")}};
    struct filter_slot slot = slot_of(&s, 4);
    struct fire_budget budget = {.left = 2};
    struct rig *rig = rig_open();
    slot.when.times = &budget;
    arm(rig, &slot, 1);
    struct peer *c = rig_dial(rig);
    for (unsigned i = 0; i < 2; i++) {
        say(c, GET);
        await_text(c, "hello");
        peer_forget(c);
        assert_int_equal(await_attempt(rig, i + 1)->status, 503);
    }
    exchange(rig, c, 1, GET, OK5);
    assert_int_equal(await_attempt(rig, 3)->status, 200);
    assert_int_equal(proxy_fired(rig->proxy, 4), 2);
    /* the first try of each request */
    slot = slot_of(&s, 5);
    slot.when.first = 1;
    arm(rig, &slot, 1);
    peer_forget(c);
    const char *tied = "GET / HTTP/1.1\r\nx-request-id: one\r\n\r\n";
    say(c, tied);
    await_text(c, "hello");
    assert_int_equal(await_attempt(rig, 4)->status, 503);
    peer_forget(c);
    exchange(rig, c, 1, tied, OK5);
    assert_int_equal(await_attempt(rig, 5)->status, 200);
    assert_int_equal(rig->attempt[4].k, 2);
    /* TTL: holds end with it, and a record says so */
    struct script hold = {.moment = MOMENT_HEAD, .act = ACT_HOLD, .hold_ns = HOLD_FOREVER};
    slot = slot_of(&hold, 6);
    uint64_t expires_ns = clock_now_ns() + 15 * NS_PER_MS;
    slot.when.expires_ns = expires_ns;
    arm(rig, &slot, 1);
    peer_forget(c);
    exchange(rig, c, 1, GET, OK5);
    assert_true(clock_now_ns() >= expires_ns);
    (void)await_attempt(rig, 6);
    await_ns(rig, 2 * NS_PER_MS);
    (void)rig_records(rig);
    assert_int_equal(rig->fault_count, 1);
    assert_int_equal(rig->fault[0].what, 2);
    assert_int_equal(rig->fault[0].fault, 6);
    assert_true(rig->fault[0].at >= expires_ns);
    rig_close(rig);
}

static void later_faults_are_shadowed_and_earlier_edits_are_seen(void **state)
{
    (void)state;
    struct script hold = {.moment = MOMENT_HEAD, .act = ACT_HOLD, .hold_ns = 5 * NS_PER_MS};
    struct script no = {.moment = MOMENT_HEAD, .act = ACT_RESPOND, .reply = {.status = 503}};
    struct script cut = {.moment = MOMENT_HEAD, .act = ACT_RESET};
    struct filter_slot slots[] = {slot_of(&hold, 1), slot_of(&no, 2), slot_of(&cut, 3)};
    struct rig *rig = rig_open();
    arm(rig, slots, 3);
    struct peer *c = rig_dial(rig);
    say(c, GET);
    await_text(c, "503");
    struct attempt_record *a = await_attempt(rig, 1);
    assert_int_equal(a->fault, 2);
    assert_int_equal(a->flags, ATTEMPT_SHADOWED);
    assert_int_equal(a->fired, 2 | 4 | 8);
    assert_true(a->out >= 5 * NS_PER_MS);
    rig_close(rig);
}

static void a_status_match_is_known_at_the_answer(void **state)
{
    (void)state;
    struct script s = {.moment = MOMENT_HEAD, .side = SIDE_RESPONSE, .act = ACT_RESET};
    struct filter_slot slot = slot_of(&s, 1);
    slot.when.match.status_least = 500;
    slot.when.match.status_most = 599;
    struct rig *rig = rig_open();
    arm(rig, &slot, 1);
    struct peer *c = rig_dial(rig);
    exchange(rig, c, 1, GET, OK5);
    assert_int_equal(await_attempt(rig, 1)->fired, 0);
    say(c, GET);
    await_text(rig->server[0], "\r\n\r\n");
    say(rig->server[0], "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
    await_gone(c);
    assert_true(c->rst);
    assert_int_equal(await_attempt(rig, 2)->fired, 2);
    rig_close(rig);
}

static void the_streak_guard_withholds_and_says_so(void **state)
{
    (void)state;
    struct script s = {.moment = MOMENT_HEAD,
                       .act = ACT_RESPOND,
                       .reply = {.status = 503, .body = BYTES("hello")}};
    struct filter_slot slot = slot_of(&s, 1);
    slot.when.streak = 3;
    struct rig *rig = rig_open();
    arm(rig, &slot, 1);
    struct peer *c = rig_dial(rig);
    rig->accepted = 0;
    unsigned run = 0, withheld = 0;
    for (unsigned i = 0; i < 20; i++) {
        peer_forget(c);
        say(c, GET);
        struct rig_want want = {c, "hello", 5};
        while (!rig_until_text(rig, &want)) {
            if (rig->accepted > 0 && rig->server[0]->in.len > 0) {
                peer_forget(rig->server[0]);
                say(rig->server[0], OK5);
            }
            await_ns(rig, NS_PER_MS / 4);
        }
        struct attempt_record *a = await_attempt(rig, i + 1);
        run = a->status == 503 ? run + 1 : 0;
        assert_true(run < 3);
        assert_int_equal(a->guarded, a->status == 503 ? 0 : 2);
        withheld += a->guarded != 0;
    }
    assert_true(withheld >= 5 && withheld <= 11);
    rig_close(rig);
}

static void existing_connections_are_drained_or_reset(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *idle = rig_dial(rig), *busy = rig_dial(rig);
    exchange(rig, idle, 1, GET, OK5);
    say(busy, GET);
    await_text(rig->server[0], "\r\n\r\n");
    proxy_existing(rig->proxy, 1, EXISTING_DRAIN);
    await_gone(idle);
    assert_true(idle->fin);
    say(rig->server[0], OK5);
    await_gone(busy);
    expect_in(busy, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nconnection: close\r\n\r\nhello");
    busy = rig_dial(rig);
    peer_forget(rig->server[0]);
    say(busy, GET);
    await_text(rig->server[0], "\r\n\r\n");
    proxy_existing(rig->proxy, 1, EXISTING_RESET);
    await_gone(busy);
    assert_true(busy->rst);
    rig_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hold_lasts_at_least_as_long_and_then_the_call_goes_on),
        cmocka_unit_test(who_leaves_during_a_hold_is_seen_at_once),
        cmocka_unit_test(disarming_releases_the_holds_of_that_fault_only),
        cmocka_unit_test(a_hold_that_begins_after_its_disarm_is_none),
        cmocka_unit_test(disarming_two_holds_at_accept_releases_both),
        cmocka_unit_test(an_answer_of_a_fault_never_dials_and_keeps_the_connection),
        cmocka_unit_test(an_answer_after_the_backend_counts_its_effect),
        cmocka_unit_test(resets_and_closes_at_heads_reach_the_client),
        cmocka_unit_test(bytes_that_were_promised_arrive_before_the_cut),
        cmocka_unit_test(a_reader_that_never_reads_does_not_hold_a_reset_for_ever),
        cmocka_unit_test(slices_arrive_whole_and_no_faster),
        cmocka_unit_test(heads_and_bodies_are_rewritten),
        cmocka_unit_test(raw_bytes_go_out_as_they_are_and_end_the_connection),
        cmocka_unit_test(faults_at_accept_reset_close_and_hold),
        cmocka_unit_test(first_times_and_ttl_end_a_fault),
        cmocka_unit_test(later_faults_are_shadowed_and_earlier_edits_are_seen),
        cmocka_unit_test(a_status_match_is_known_at_the_answer),
        cmocka_unit_test(the_streak_guard_withholds_and_says_so),
        cmocka_unit_test(existing_connections_are_drained_or_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
