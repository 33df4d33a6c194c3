/* The order of events, at random (engine.md rule 3): clients, backends and arming do what they
 * like, and the proxy must neither crash, leak, lose a record nor forget a connection. */

#include "net/rig_test.h"

#define CLIENTS 12

static struct answer chaos_answer(struct filter_context *at, size_t len)
{
    static const struct reply reply = {.status = 503, .body = {(const uint8_t *)"no", 2}};
    static const struct reply edit = {.status = 500};
    struct answer a = ANSWER_PASS;
    switch (rng_below(at->rng, 12)) {
    case 0:
        a = (struct answer){.act = ACT_HOLD, .until_ns = at->now_ns + rng_below(at->rng, 2000000)};
        break;
    case 1:
        a = (struct answer){.act = ACT_HOLD, .until_ns = HOLD_FOREVER};
        break;
    case 2:
        a = (struct answer){.act = ACT_RESPOND, .reply = &reply};
        break;
    case 3:
        a = (struct answer){.act = ACT_CLOSE, .take = (uint32_t)rng_below(at->rng, len + 1)};
        break;
    case 4:
        a = (struct answer){.act = ACT_RESET, .take = (uint32_t)rng_below(at->rng, len + 1)};
        break;
    case 5:
        a = (struct answer){
            .act = ACT_REPLACE, .take = TAKE_ALL, .reply = &edit, .bytes = BYTES("other")};
        break;
    case 6:
        a.take = 1 + (uint32_t)rng_below(at->rng, len + 1);
        break;
    default:
        break;
    }
    return a;
}

static struct answer chaos_on_accept(struct filter_context *at, const struct accept_view *seen)
{
    (void)seen;
    return rng_below(at->rng, 4) != 0 ? ANSWER_PASS : chaos_answer(at, 0);
}
static struct answer chaos_on_head(struct filter_context *at, const struct head_view *seen)
{
    (void)seen;
    return chaos_answer(at, 0);
}
static struct answer chaos_on_data(struct filter_context *at, const struct data_view *seen)
{
    return chaos_answer(at, seen->chunk.len);
}
static struct answer chaos_on_end(struct filter_context *at, const struct end_view *seen)
{
    (void)seen;
    return chaos_answer(at, 0);
}
static uint32_t chaos_moments(const void *params)
{
    return *(const uint32_t *)params;
}
static const struct stream_filter chaos_filter = {.on_accept = chaos_on_accept,
                                                  .on_head = chaos_on_head,
                                                  .on_data = chaos_on_data,
                                                  .on_end = chaos_on_end,
                                                  .moments = chaos_moments};

static void arm_some(struct rig *rig, struct rng *rng, uint16_t generation)
{
    struct filter_slot slots[4];
    struct arena arena;
    size_t count = (size_t)rng_below(rng, 4);
    arena_init(&arena, 4096);
    for (size_t i = 0; i < count; i++) {
        uint32_t *bits = arena_take(&arena, sizeof(*bits));
        *bits = (uint32_t)rng_next(rng) & (uint32_t)rng_next(rng);
        slots[i] = (struct filter_slot){.filter = &chaos_filter,
                                        .params = bits,
                                        .fault = (uint16_t)(1 + rng_below(rng, 3)),
                                        .when = {.share_ppm = 600000,
                                                 .per = (uint8_t)rng_below(rng, 2),
                                                 .streak = rng_below(rng, 2) == 0 ? 0 : 4,
                                                 .expires_ns = rng_below(rng, 4) == 0
                                                                   ? clock_now_ns() + 3 * NS_PER_MS
                                                                   : UINT64_MAX,
                                                 .seed = rng_next(rng)}};
    }
    (void)proxy_arm(rig->proxy, 1, count == 0 ? NULL : chain_new(slots, count, generation, &arena),
                    NULL);
    arena_release(&arena);
}

/* Without waiting: a full socket or a dead peer is part of the game. */
static void blurt(struct peer *p, struct rng *rng, const char *text)
{
    size_t len = strlen(text);
    if (rng_below(rng, 3) == 0)
        len = (size_t)rng_below(rng, len + 1);
    if (p->open)
        (void)send(p->watch.fd, text, len, MSG_NOSIGNAL);
}

static const char *const requests[] = {
    "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /a HTTP/1.1\r\nHost: a\r\nx-request-id: one\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
    "POST /a HTTP/1.1\r\nContent-Length: 10\r\n\r\n0123456789",
    "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5\r\ndefgh\r\n0\r\n\r\n",
    "HEAD /a HTTP/1.1\r\nConnection: close\r\n\r\n",
    "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "CONNECT a:1 HTTP/1.1\r\n\r\n",
    "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
    "not http\r\n\r\n",
    "more",
};
static const char *const answers[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\n\r\nuntil the end",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nraw",
    "HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nnoextra",
    "HTTP/1.1 204 No\r\n\r\n",
    "garbage\r\n\r\n",
};

static void act_at_random(struct rig *rig, struct rng *rng, struct peer *clients[CLIENTS])
{
    struct peer **c = &clients[rng_below(rng, CLIENTS)];
    struct peer *s = rig->accepted == 0 ? NULL : rig->server[rng_below(rng, rig->accepted)];
    switch (rng_below(rng, 10)) {
    case 0:
    case 1:
    case 2:
        if (*c == NULL && rig->peer_count + CLIENTS < RIG_PEERS)
            *c = rig_dial(rig);
        if (*c != NULL)
            blurt(*c, rng, requests[rng_below(rng, COUNT_OF(requests))]);
        break;
    case 3:
        if (*c != NULL)
            peer_close(*c, rng_below(rng, 2) == 0);
        *c = NULL;
        break;
    case 4:
        if (*c != NULL && (*c)->open)
            (void)shutdown((*c)->watch.fd, SHUT_WR);
        break;
    case 5:
    case 6:
    case 7:
        for (size_t i = 0; i < rig->accepted; i++)
            blurt(rig->server[i], rng, answers[rng_below(rng, COUNT_OF(answers))]);
        break;
    case 8:
        if (s != NULL)
            peer_close(s, rng_below(rng, 2) == 0);
        break;
    default:
        arm_some(rig, rng, (uint16_t)rng_below(rng, 100));
        break;
    }
}

static void whatever_the_order_every_call_gets_its_record(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 120; seed++) {
        struct rng rng = rng_of(seed);
        struct rig *rig = rig_open_as(seed % 5 == 0 ? PROXY_TCP : PROXY_HTTP1, seed % 3 == 0);
        struct peer *clients[CLIENTS] = {NULL};
        for (unsigned step = 0; step < 150 && rig->peer_count + CLIENTS < RIG_PEERS; step++) {
            act_at_random(rig, &rng, clients);
            if (rng_below(&rng, 3) == 0)
                await_ns(rig, rng_below(&rng, 300000));
            struct proxy_counts counts = proxy_counts(rig->proxy);
            assert_int_equal(counts.calls_begun, counts.records + counts.calls_active);
        }
        (void)proxy_arm(rig->proxy, 1, NULL, NULL);
        if (seed % 2 == 0) { /* everyone goes: nothing may be left */
            for (size_t i = 0; i < rig->peer_count; i++)
                peer_close(&rig->peers[i], i % 3 == 0);
            bool done = false;
            rig->closing = true;
            uint64_t deadline_ns = clock_now_ns() + 9 * NS_PER_S;
            proxy_drain(rig->proxy, deadline_ns, rig_on_done, &done);
            rig_await_polling(rig, rig_until_true, &done);
            assert_true(clock_now_ns() < deadline_ns); /* none was forgotten */
            struct proxy_counts counts = proxy_counts(rig->proxy);
            assert_int_equal(counts.calls_active, 0);
            assert_int_equal(counts.connections, 0);
        }
        rig_close(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_the_order_every_call_gets_its_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
