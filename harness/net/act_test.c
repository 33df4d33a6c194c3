/* What the relay does when a fault answers, cuts, slices or rewrites. */

#include "net/script_test.h"

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
     * must not take the connection for its next request; where it is not, more of it is read */
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
    peer_forget(c);
    say(c, "\r\n0\r\n\r\n" GET);
    await_bytes(c, strlen(wanted));
    peer_forget(c);
    say(c, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n");
    await_bytes(c, strlen(wanted));
    for (unsigned i = 0; i < 12 && !c->fin; i++)
        say_bytes(c, (struct bytes){(const uint8_t *)filler, 100000});
    await_gone(c);
    assert_true(c->fin);
    expect_in(c, wanted);
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
        cmocka_unit_test(an_answer_of_a_fault_never_dials_and_keeps_the_connection),
        cmocka_unit_test(an_answer_after_the_backend_counts_its_effect),
        cmocka_unit_test(resets_and_closes_at_heads_reach_the_client),
        cmocka_unit_test(bytes_that_were_promised_arrive_before_the_cut),
        cmocka_unit_test(a_reader_that_never_reads_does_not_hold_a_reset_for_ever),
        cmocka_unit_test(slices_arrive_whole_and_no_faster),
        cmocka_unit_test(heads_and_bodies_are_rewritten),
        cmocka_unit_test(raw_bytes_go_out_as_they_are_and_end_the_connection),
        cmocka_unit_test(faults_at_accept_reset_close_and_hold),
        cmocka_unit_test(existing_connections_are_drained_or_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
