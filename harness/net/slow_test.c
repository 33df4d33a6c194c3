/* Clients that never come to the end of what they began, and those that are too many. */

#include "net/script_test.h"

#define LIMIT_NS (300 * NS_PER_MS)
#define CHUNKED "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

static struct rig *rig_open_limited(enum proxy_protocol protocol)
{
    struct rig_options options = {.protocol = protocol, .head_limit_ns = LIMIT_NS};
    return rig_open_with(&options);
}

static void expect_408(struct rig *rig, struct peer *c, size_t attempts)
{
    await_gone(c);
    assert_true(c->fin);
    assert_non_null(memmem(c->in.at, c->in.len, "HTTP/1.1 408 ", 13));
    struct attempt_record *a = await_attempt(rig, attempts);
    assert_int_equal(a->outcome, OUTCOME_BAD_REQUEST);
    assert_int_equal(a->status, 408);
    const char *reason = rig_reason(rig, a);
    assert_true(reason != NULL &&
                strstr(reason, " that is not complete 300 ms after its first byte") != NULL);
}

static void a_head_without_an_end_is_timed_out_from_its_first_byte(void **state)
{
    (void)state;
    static const enum proxy_protocol protocols[] = {PROXY_HTTP1, PROXY_HTTP};
    for (size_t i = 0; i < COUNT_OF(protocols); i++) {
        struct rig *rig = rig_open_limited(protocols[i]);
        struct peer *c = rig_dial(rig);
        uint64_t from_ns = clock_now_ns();
        say(c, i == 0 ? "GET / HT" : "PR"); /* the start of a preface is one, too */
        expect_408(rig, c, 1);
        assert_true(c->fin_ns - from_ns >= LIMIT_NS);
        assert_int_equal(rig->accepted, 0);
        rig_close(rig);
    }
}

struct drip {
    struct hold hold;
    struct peer *peer;
    const char *text;
};
static void on_drip(struct hold *h, uint64_t now_ns)
{
    struct drip *drip = (struct drip *)(void *)h;
    if (drip->peer->fin || drip->peer->rst ||
        send(drip->peer->watch.fd, drip->text, strlen(drip->text), MSG_NOSIGNAL) < 0)
        return;
    loop_hold_add(drip->peer->rig->loop, h, now_ns + 20 * NS_PER_MS, on_drip);
}

/* Each byte is progress, and none of them brings the end nearer. */
static void dripping_does_not_help(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"GET / HTTP/1.1\r\nX: ", "y"},        {CHUNKED "5\r\nhello\r\n", "0"},
        {CHUNKED "5\r\nhello\r\n5;ext=", "y"}, {CHUNKED "5\r\nhello\r\n0\r\nX: ", "y"},
        {CHUNKED "0\r\n", "X: y\r\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig *rig = rig_open_limited(PROXY_HTTP1);
        struct peer *c = rig_dial(rig);
        struct drip drip = {.peer = c, .text = rows[i][1]};
        say(c, rows[i][0]);
        loop_hold_add(rig->loop, &drip.hold, clock_now_ns(), on_drip);
        expect_408(rig, c, 1);
        loop_hold_remove(rig->loop, &drip.hold);
        if (i > 0) {
            await_gone(rig->server[0]);
            assert_true(rig->server[0]->rst); /* not an end */
        }
        rig_close(rig);
    }
}

/* Silence before a head, between requests and within payload is a mesh's own affair. */
static void silence_is_never_timed_out(void **state)
{
    (void)state;
    struct rig *rig = rig_open_limited(PROXY_HTTP1);
    struct peer *mute = rig_dial(rig), *idle = rig_dial(rig), *body = rig_dial(rig),
                *chunk = rig_dial(rig), *between = rig_dial(rig), *waits = rig_dial(rig);
    say(idle, GET);
    struct peer *s = await_server(rig, 1);
    await_text(s, "\r\n\r\n");
    peer_forget(s);
    say(s, OK5);
    await_text(idle, "hello");
    peer_forget(idle);
    say(body, "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhe");
    await_text(s, "he");
    say(chunk, CHUNKED "5\r\nhe");
    await_text(await_server(rig, 2), "he");
    say(between, CHUNKED "5\r\nhello\r\n");
    await_text(await_server(rig, 3), "hello\r\n");
    say(waits, GET); /* for an answer that is slow */
    await_text(await_server(rig, 4), "\r\n\r\n");
    await_ns(rig, 3 * LIMIT_NS);
    struct peer *all[] = {mute, idle, body, chunk, between, waits};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        assert_true(!all[i]->fin && !all[i]->rst && all[i]->in.len == 0);
    say(chunk, "llo\r\n0\r\n\r\n");
    await_text(rig->server[1], "llo\r\n0\r\n\r\n");
    say(rig->server[1], OK5);
    await_text(chunk, "hello");
    rig_close(rig);
}

/* The time runs anew for each head. */
static void one_head_after_another_is_not_one_that_is_slow(void **state)
{
    (void)state;
    struct rig *rig = rig_open_limited(PROXY_HTTP1);
    struct peer *c = rig_dial(rig);
    uint64_t until_ns = clock_now_ns() + 3 * LIMIT_NS;
    size_t requests = 0;
    say(c, "GET / HT");
    while (clock_now_ns() < until_ns) {
        await_ns(rig, 10 * NS_PER_MS);
        say(c, "TP/1.1\r\nHost: a\r\n\r\nGET / HT"); /* never at a head's start */
        struct peer *s = await_server(rig, 1);
        await_text(s, "\r\n\r\n");
        peer_forget(s);
        say(s, OK5);
        await_text(c, "hello");
        peer_forget(c);
        requests++;
    }
    assert_int_equal(await_attempt(rig, requests)->status, 200);
    expect_408(rig, c, requests + 1);
    rig_close(rig);
}

/* An answer that has begun is not followed by another one. */
static void a_slow_chunk_behind_an_answer_that_has_begun_is_a_close(void **state)
{
    (void)state;
    struct rig *rig = rig_open_limited(PROXY_HTTP1);
    struct peer *c = rig_dial(rig);
    say(c, CHUNKED "5\r\nhello\r\n5");
    struct peer *s = await_server(rig, 1);
    await_text(s, "hello\r\n5");
    say(s, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
    await_text(c, "he");
    await_gone(c);
    assert_true(c->fin);
    expect_in(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nconnection: close\r\n\r\nhe");
    assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_BAD_REQUEST);
    rig_close(rig);
}

/* While a fault holds the request, nobody reads what the client sends: it is not the client's
 * time that runs. */
static void a_fault_that_holds_is_not_the_clients_slowness(void **state)
{
    (void)state;
    struct script s = {
        .moment = MOMENT_DATA, .side = SIDE_REQUEST, .act = ACT_HOLD, .hold_ns = 3 * LIMIT_NS};
    struct rig *rig = rig_open_limited(PROXY_HTTP1);
    arm_one(rig, &s);
    struct peer *c = rig_dial(rig);
    say(c, CHUNKED "5\r\nhello\r\n5");
    struct peer *server = await_server(rig, 1);
    await_text(server, "\r\n\r\n");
    say(c, "\r\nworld\r\n0\r\n\r\n");
    await_text(server, "0\r\n\r\n");
    say(server, OK5);
    await_text(c, "hello");
    assert_int_equal(await_attempt(rig, 1)->status, 200);
    assert_true(rig->attempt[0].reply >= 3 * LIMIT_NS);
    rig_close(rig);
}

/* Many at once: each is ended, and who has nothing to do with them does not wait. */
static void many_slow_clients_are_ended_and_others_are_served(void **state)
{
    (void)state;
    enum { SLOW = 120 };
    struct rig *rig = rig_open_limited(PROXY_HTTP1);
    struct peer *slow[SLOW];
    for (size_t i = 0; i < SLOW; i++) {
        slow[i] = rig_dial(rig);
        say(slow[i], "GET / HTTP/1.1\r\n");
    }
    struct peer *c = rig_dial(rig);
    exchange(rig, c, 1, GET, OK5);
    for (size_t i = 0; i < SLOW; i++) {
        await_gone(slow[i]);
        assert_true(slow[i]->fin);
        assert_non_null(memmem(slow[i]->in.at, slow[i]->in.len, "HTTP/1.1 408 ", 13));
    }
    (void)await_attempt(rig, SLOW + 1);
    peer_forget(c);
    exchange(rig, c, 1, GET, OK5);
    rig_close(rig);
}

static void one_connection_too_many_is_reset_and_said_so(void **state)
{
    (void)state;
    struct rig_options options = {.protocol = PROXY_HTTP1, .connections_most = 2};
    struct rig *rig = rig_open_with(&options);
    struct peer *first = rig_dial(rig), *second = rig_dial(rig);
    say(first, GET);
    say(second, GET);
    await_text(await_server(rig, 1), "\r\n\r\n");
    await_text(await_server(rig, 2), "\r\n\r\n");
    struct peer *third = rig_dial(rig);
    await_gone(third);
    assert_true(third->rst);
    struct connection_record *r = await_connection(rig, 1);
    assert_int_equal(r->closed_by, CONN_BY_LIMIT);
    assert_string_equal(record_enum_name("closed_by", r->closed_by), "limit");
    assert_int_equal(r->reset, 1);
    assert_int_equal(r->bytes_in, 0);
    assert_string_equal(rig_reason_of_conn(rig, r->conn), "more than 2 connections at once");
    say(rig->server[0], OK5); /* the others do not notice */
    await_text(first, "hello");
    peer_close(first, false);
    (void)await_connection(rig, 2);
    struct peer *fourth = rig_dial(rig);
    say(fourth, GET);
    await_text(rig->server[0], GET GET);
    rig_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_without_an_end_is_timed_out_from_its_first_byte),
        cmocka_unit_test(dripping_does_not_help),
        cmocka_unit_test(silence_is_never_timed_out),
        cmocka_unit_test(one_head_after_another_is_not_one_that_is_slow),
        cmocka_unit_test(a_slow_chunk_behind_an_answer_that_has_begun_is_a_close),
        cmocka_unit_test(a_fault_that_holds_is_not_the_clients_slowness),
        cmocka_unit_test(many_slow_clients_are_ended_and_others_are_served),
        cmocka_unit_test(one_connection_too_many_is_reset_and_said_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
