/* HTTP/2 through the proxy without faults: what one end says is what the other hears. */

#include "net/h2_peer_test.h"

static void a_get_and_its_answer_go_through(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP, false);
    struct h2_peer *c = h2_dial(rig);
    h2_head(c, 1, H2_GET "cookie: a=1\ncookie: b=2\nx-request-id: r1\n", true);
    struct h2_peer *s = h2_serve(rig, 1);
    struct seen_frame *ask = h2_await(s, NGHTTP2_HEADERS, 1);
    assert_true(h2_ends(ask));
    assert_string_equal(ask->fields, H2_GET "cookie: a=1\ncookie: b=2\nx-request-id: r1\n");
    h2_head(s, 1, H2_OK "x-a: 1\n", false);
    h2_data(s, 1, "hello", true);
    struct seen_frame *head = h2_await(c, NGHTTP2_HEADERS, 1);
    assert_string_equal(head->fields, H2_OK "x-a: 1\n");
    assert_false(h2_ends(head));
    struct seen_frame *body = h2_await(c, NGHTTP2_DATA, 1);
    assert_int_equal(body->len, 5);
    assert_true(h2_ends(body));
    struct attempt_record *r = await_attempt(rig, 1);
    assert_int_equal(r->outcome, OUTCOME_ANSWERED);
    assert_int_equal(r->status, 200);
    assert_int_equal(r->stream, 1);
    assert_int_equal(r->verb, VERB_GET);
    assert_int_equal(r->bytes_out, 5);
    assert_int_equal(r->how_tied, TIED_REQUEST_ID);
    assert_true(r->body > 0 && r->upstream > 0 && r->reply > 0);
    assert_true(r->upstream <= r->reply && r->reply <= r->out);
    assert_true(r->out == r->head_out && r->head_out <= r->done);
    assert_int_equal(r->flags & ATTEMPT_EFFECT, ATTEMPT_EFFECT);
    h2_close(rig, c, s);
}

static void http_1_goes_through_the_same_port(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP, false);
    struct peer *c = rig_dial(rig);
    say(c, "P"); /* may be the preface */
    await_ns(rig, 5 * NS_PER_MS);
    say(c, "OST /a HTTP/1.1\r\nHost: pay\r\nContent-Length: 1\r\n\r\nx");
    struct peer *s = await_server(rig, 1);
    await_text(s, "\r\n\r\nx");
    say(s, OK5);
    await_text(c, "hello");
    assert_int_equal(await_attempt(rig, 1)->stream, 0);
    rig_close(rig);
}

static void a_preface_in_pieces_is_one(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP, false);
    struct h2_peer *c = h2_peer_of(rig_dial(rig));
    struct bytes preface = BYTES(PREFACE);
    for (size_t i = 0; i < preface.len; i++) {
        say_bytes(c->peer, (struct bytes){preface.at + i, 1});
        await_ns(rig, NS_PER_MS);
    }
    h2_frame(c, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    h2_await(c, NGHTTP2_SETTINGS, 0);
    h2_close(rig, c, NULL);
}

static void request_trailers_and_answer_trailers_go_through(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_dial(rig);
    h2_head(c, 1, H2_RPC, false);
    h2_data(c, 1, "abc", false);
    h2_head(c, 1, "x-sum: 7\n", true);
    struct h2_peer *s = h2_serve(rig, 1);
    h2_await(s, NGHTTP2_HEADERS, 1);
    h2_await(s, NGHTTP2_DATA, 1);
    struct seen_frame *t = h2_await(s, NGHTTP2_HEADERS, 1);
    assert_true(h2_ends(t));
    assert_string_equal(t->fields, "x-sum: 7\n");
    h2_head(s, 1, H2_OK "content-type: application/grpc\n", false);
    h2_data(s, 1, "answer", false);
    h2_head(s, 1, "grpc-status: 0\ngrpc-message: fine\n", true);
    h2_await(c, NGHTTP2_HEADERS, 1);
    struct seen_frame *data = h2_await(c, NGHTTP2_DATA, 1);
    assert_false(h2_ends(data));
    t = h2_await(c, NGHTTP2_HEADERS, 1);
    assert_true(h2_ends(t));
    assert_string_equal(t->fields, "grpc-status: 0\ngrpc-message: fine\n");
    struct attempt_record *r = await_attempt(rig, 1);
    assert_int_equal(r->grpc_status, 1);
    assert_int_equal(r->grpc_where, 2);
    assert_int_equal(r->bytes_in, 3);
    assert_int_equal(r->bytes_out, 6);
    h2_close(rig, c, s);
}

static void a_trailers_only_answer_stays_one(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_dial(rig);
    h2_head(c, 1, H2_RPC, true);
    struct h2_peer *s = h2_serve(rig, 1);
    h2_await(s, NGHTTP2_HEADERS, 1);
    h2_head(s, 1, H2_OK "content-type: application/grpc\ngrpc-status: 14\n", true);
    struct seen_frame *head = h2_await(c, NGHTTP2_HEADERS, 1);
    assert_true(h2_ends(head));
    h2_expect_fields(head, "grpc-status: 14\n");
    struct attempt_record *r = await_attempt(rig, 1);
    assert_int_equal(r->grpc_status, 15);
    assert_int_equal(r->grpc_where, 1);
    h2_close(rig, c, s);
}

static void early_hints_come_before_the_answer(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_dial(rig);
    h2_head(c, 1, H2_GET, true);
    struct h2_peer *s = h2_serve(rig, 1);
    h2_await(s, NGHTTP2_HEADERS, 1);
    h2_head(s, 1, ":status: 103\nlink: </a.css>\n", false);
    struct seen_frame *hints = h2_await(c, NGHTTP2_HEADERS, 1);
    h2_expect_fields(hints, ":status: 103\nlink: </a.css>\n");
    h2_head(s, 1, ":status: 404\n", true);
    struct seen_frame *head = h2_await(c, NGHTTP2_HEADERS, 1);
    h2_expect_fields(head, ":status: 404\n");
    assert_true(h2_ends(head));
    assert_int_equal(await_attempt(rig, 1)->status, 404);
    h2_close(rig, c, s);
}

static void a_head_request_has_a_length_and_no_body(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_dial(rig);
    h2_head(c, 1, ":method: HEAD\n:scheme: http\n:path: /\n:authority: pay\n", true);
    struct h2_peer *s = h2_serve(rig, 1);
    h2_await(s, NGHTTP2_HEADERS, 1);
    h2_head(s, 1, H2_OK "content-length: 12345\n", true);
    struct seen_frame *head = h2_await(c, NGHTTP2_HEADERS, 1);
    h2_expect_fields(head, "content-length: 12345\n");
    assert_true(h2_ends(head));
    assert_int_equal(await_attempt(rig, 1)->verb, VERB_HEAD);
    h2_close(rig, c, s);
}

static void streams_of_a_connection_share_one_backend_connection(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_dial(rig);
    for (int32_t id = 1; id <= 9; id += 2)
        h2_head(c, id, H2_GET, true);
    struct h2_peer *s = h2_serve(rig, 1);
    h2_await(s, NGHTTP2_HEADERS, 9);
    for (int32_t id = 9; id >= 1; id -= 2)
        h2_head(s, id, ":status: 204\n", true);
    h2_await(c, NGHTTP2_HEADERS, 1);
    await_attempt(rig, 5);
    assert_int_equal(rig->accepted, 1);
    assert_int_equal(rig->attempt[0].stream, 9); /* the first that ended */
    assert_int_equal(rig->attempt[4].sequence, 1);
    h2_close(rig, c, s);
}

static void settings_of_the_backend_reach_the_client(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_dial(rig);
    h2_head(c, 1, H2_GET, true);
    struct h2_peer *s = h2_peer_of(await_server(rig, 1));
    static const uint8_t settings[] = {0, 3, 0, 0, 0, 7, 0, 4, 0, 0, 0x10, 0, 0, 6, 0, 0, 0x20, 0};
    h2_frame(s, NGHTTP2_SETTINGS, 0, 0, settings, sizeof(settings));
    h2_await(c, NGHTTP2_SETTINGS, 0); /* ours at first */
    const struct seen_frame *f = NULL;
    do {
        f = h2_await(c, NGHTTP2_SETTINGS, 0);
    } while ((f->flags & NGHTTP2_FLAG_ACK) != 0);
    uint32_t seen[8] = {0};
    for (size_t i = 0; i + 6 <= f->len; i += 6) {
        const uint8_t *at = c->peer->in.at + f->at + i;
        assert_true(at[1] < 8);
        seen[at[1]] = h2_u32(at + 2);
    }
    assert_int_equal(seen[NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS], 7);
    assert_int_equal(seen[NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE], 4096);
    assert_int_equal(seen[NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE], 8192);
    h2_close(rig, c, s);
}

static void a_request_that_waits_for_its_turn_can_be_taken_back(void **state)
{
    (void)state;
    static const uint8_t one[] = {0, 3, 0, 0, 0, 1}; /* MAX_CONCURRENT_STREAMS 1 */
    struct h2_script hold = {
        .moment = MOMENT_HEAD, .answer = {.act = ACT_HOLD}, .hold_ns = 50 * NS_PER_MS};
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    h2_arm(rig, &hold, true); /* the limit comes while they are held */
    struct h2_peer *c = h2_dial(rig);
    h2_head(c, 1, H2_GET, true);
    h2_head(c, 3, H2_SLOW, true);
    h2_head(c, 5, H2_SLOW, true);
    struct h2_peer *s = h2_peer_of(await_server(rig, 1));
    h2_frame(s, NGHTTP2_SETTINGS, 0, 0, one, sizeof(one));
    h2_await(s, NGHTTP2_HEADERS, 1);
    while ((h2_await(s, NGHTTP2_SETTINGS, 0)->flags & NGHTTP2_FLAG_ACK) == 0)
        ;
    await_ns(rig, 100 * NS_PER_MS);
    h2_rst(c, 3, NGHTTP2_CANCEL);
    struct attempt_record *r = await_attempt(rig, 1);
    assert_int_equal(r->stream, 3);
    assert_int_equal(r->outcome, OUTCOME_LEFT);
    assert_int_equal(r->upstream, 0);
    assert_ptr_equal(h2_find(s, NGHTTP2_HEADERS, -1), h2_find(s, NGHTTP2_HEADERS, 1));
    h2_head(s, 1, ":status: 204\n", true);
    h2_await(c, NGHTTP2_HEADERS, 1);
    struct seen_frame *next = h2_await(s, NGHTTP2_HEADERS, -1);
    h2_expect_fields(next, ":path: /slow\n");
    h2_head(s, next->stream, ":status: 204\n", true);
    h2_await(c, NGHTTP2_HEADERS, 5);
    await_attempt(rig, 3);
    assert_null(rig->proxy->endpoints[0].calls);
    h2_close(rig, c, s);
}

static void a_ping_is_answered_by_the_backend_when_there_is_one(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_dial(rig);
    h2_frame(c, NGHTTP2_PING, 0, 0, "12345678", 8);
    struct seen_frame *pong = h2_await(c, NGHTTP2_PING, 0); /* by us */
    assert_int_equal(pong->flags, NGHTTP2_FLAG_ACK);
    h2_head(c, 1, H2_GET, true);
    struct h2_peer *s = h2_serve(rig, 1);
    h2_await(s, NGHTTP2_HEADERS, 1);
    h2_frame(c, NGHTTP2_PING, 0, 0, "abcdefgh", 8);
    struct seen_frame *ping = h2_await(s, NGHTTP2_PING, 0);
    assert_int_equal(ping->flags, 0);
    assert_null(h2_find(c, NGHTTP2_GOAWAY, 0));
    h2_frame(s, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, "abcdefgh", 8);
    pong = h2_await(c, NGHTTP2_PING, 0);
    assert_int_equal(pong->flags, NGHTTP2_FLAG_ACK);
    assert_memory_equal(c->peer->in.at + pong->at, "abcdefgh", 8);
    h2_close(rig, c, s);
}

static bool until_data(struct rig *rig, void *cookie)
{
    struct h2_peer *p = cookie;
    (void)rig;
    h2_parse(p);
    return p->data[3] >= 5;
}

static void a_stream_that_nobody_reads_does_not_stall_the_others(void **state)
{
    (void)state;
    static char block[16385];
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_dial(rig);
    memset(block, 'x', sizeof(block) - 1);
    h2_head(c, 1, H2_GET, true);
    h2_head(c, 3, H2_GET, true);
    struct h2_peer *s = h2_serve(rig, 1);
    h2_await(s, NGHTTP2_HEADERS, 3);
    h2_head(s, 1, H2_OK, false);
    for (size_t i = 0; i < 3; i++) /* the client's windows take it, and open no more */
        h2_data(s, 1, block, false);
    h2_await(c, NGHTTP2_HEADERS, 1);
    h2_number(c, NGHTTP2_WINDOW_UPDATE, 0, 1000000); /* the connection's, not the stream's */
    h2_data(s, 1, block, false);                     /* 65 536 > 65 535: one byte waits here */
    h2_head(s, 3, H2_OK, false);
    h2_data(s, 3, "hello", true);
    rig_await_polling(rig, until_data, c);
    assert_int_equal(c->data[1], 65535);
    h2_number(c, NGHTTP2_WINDOW_UPDATE, 1, 1000);
    h2_data(s, 1, "end", true);
    while (!h2_ends(h2_await(c, NGHTTP2_DATA, 1)))
        ;
    assert_int_equal(c->data[1], 65536 + 3);
    h2_close(rig, c, s);
}

static void a_window_opens_only_as_bytes_leave_the_other_side(void **state)
{
    (void)state;
    static char block[16385];
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_dial(rig);
    memset(block, 'x', sizeof(block) - 1);
    h2_head(c, 1, H2_POST, false);
    struct h2_peer *s = h2_peer_of(await_server(rig, 1));
    static const uint8_t none[] = {0, 4, 0, 0, 0, 0}; /* INITIAL_WINDOW_SIZE 0 */
    h2_frame(s, NGHTTP2_SETTINGS, 0, 0, none, sizeof(none));
    h2_await(s, NGHTTP2_HEADERS, 1);
    while ((h2_await(s, NGHTTP2_SETTINGS, 0)->flags & NGHTTP2_FLAG_ACK) == 0)
        ;
    for (size_t i = 0; i < 3; i++)
        h2_data(c, 1, block, false);
    await_ns(rig, 20 * NS_PER_MS);
    assert_null(h2_find(c, NGHTTP2_WINDOW_UPDATE, 1));
    assert_null(h2_find(s, NGHTTP2_DATA, 1));
    h2_number(s, NGHTTP2_WINDOW_UPDATE, 1, 1000000);
    h2_await(s, NGHTTP2_DATA, 1);
    assert_true(h2_await(c, NGHTTP2_WINDOW_UPDATE, 1)->code >= 32768);
    h2_close(rig, c, s);
}

static void extended_connect_waits_for_the_backends_word(void **state)
{
    (void)state;
    static const char ask[] = ":method: CONNECT\n:protocol: websocket\n:scheme: http\n:path: /ws\n"
                              ":authority: pay\n";
    static const uint8_t yes[] = {0, 8, 0, 0, 0, 1};
    for (int willing = 0; willing < 2; willing++) {
        struct rig *rig = rig_open_as(PROXY_HTTP2, false);
        struct h2_peer *c = h2_dial(rig);
        h2_head(c, 1, ask, false);
        struct h2_peer *s = h2_peer_of(await_server(rig, 1));
        h2_frame(s, NGHTTP2_SETTINGS, 0, 0, yes, willing == 1 ? sizeof(yes) : 0);
        if (willing == 1) {
            h2_expect_fields(h2_await(s, NGHTTP2_HEADERS, 1), ":protocol: websocket\n");
            h2_head(s, 1, H2_OK, false);
            h2_await(c, NGHTTP2_HEADERS, 1);
            h2_data(c, 1, "ping", false);
            h2_await(s, NGHTTP2_DATA, 1);
            h2_data(s, 1, "pong", true);
            h2_await(c, NGHTTP2_DATA, 1);
            h2_data(c, 1, "", true);
            assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_ANSWERED);
        } else {
            assert_int_equal(h2_await(c, NGHTTP2_RST_STREAM, 1)->code, NGHTTP2_PROTOCOL_ERROR);
            assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_BAD_REQUEST);
            assert_null(h2_find(s, NGHTTP2_HEADERS, 1));
        }
        h2_close(rig, c, s);
    }
}

static void finished_streams_leave_nothing_behind(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_dial(rig), *s = NULL;
    for (int32_t id = 1; id < 600; id += 2) {
        h2_head(c, id, id % 3 == 0 ? H2_POST : H2_GET, id % 3 != 0);
        if (s == NULL)
            s = h2_serve(rig, 1);
        h2_await(s, NGHTTP2_HEADERS, id);
        if (id % 3 == 0) {
            h2_rst(c, id, NGHTTP2_CANCEL);
            h2_await(s, NGHTTP2_RST_STREAM, id);
        } else if (id % 3 == 1) {
            h2_rst(s, id, NGHTTP2_INTERNAL_ERROR);
            h2_await(c, NGHTTP2_RST_STREAM, id);
        } else {
            h2_head(s, id, ":status: 204\n", true);
            h2_await(c, NGHTTP2_HEADERS, id);
        }
        await_attempt(rig, (size_t)id / 2 + 1);
    }
    const struct endpoint *e = &rig->proxy->endpoints[0];
    assert_null(e->calls);
    for (const struct conn *conn = e->conns; conn != NULL; conn = conn->next)
        assert_null(((const struct h2_link *)conn->session)->calls);
    h2_close(rig, c, s);
}

static void a_drain_sends_goaway_and_lets_calls_end(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    bool done = false;
    struct h2_peer *c = h2_dial(rig);
    h2_head(c, 1, H2_GET, true);
    struct h2_peer *s = h2_serve(rig, 1);
    h2_await(s, NGHTTP2_HEADERS, 1);
    proxy_drain(rig->proxy, clock_now_ns() + 10 * NS_PER_S, rig_on_done, &done);
    struct seen_frame *bye = h2_await(c, NGHTTP2_GOAWAY, 0);
    assert_int_equal(bye->code, NGHTTP2_NO_ERROR);
    assert_int_equal(bye->last, 1);
    h2_head(s, 1, ":status: 204\n", true);
    h2_await(c, NGHTTP2_HEADERS, 1);
    await_gone(c->peer);
    peer_close(c->peer, false);
    rig_await_polling(rig, rig_until_true, &done);
    assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_ANSWERED);
    h2_close(rig, c, s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_get_and_its_answer_go_through),
        cmocka_unit_test(http_1_goes_through_the_same_port),
        cmocka_unit_test(a_preface_in_pieces_is_one),
        cmocka_unit_test(request_trailers_and_answer_trailers_go_through),
        cmocka_unit_test(a_trailers_only_answer_stays_one),
        cmocka_unit_test(early_hints_come_before_the_answer),
        cmocka_unit_test(a_head_request_has_a_length_and_no_body),
        cmocka_unit_test(streams_of_a_connection_share_one_backend_connection),
        cmocka_unit_test(settings_of_the_backend_reach_the_client),
        cmocka_unit_test(a_request_that_waits_for_its_turn_can_be_taken_back),
        cmocka_unit_test(a_ping_is_answered_by_the_backend_when_there_is_one),
        cmocka_unit_test(a_stream_that_nobody_reads_does_not_stall_the_others),
        cmocka_unit_test(a_window_opens_only_as_bytes_leave_the_other_side),
        cmocka_unit_test(extended_connect_waits_for_the_backends_word),
        cmocka_unit_test(finished_streams_leave_nothing_behind),
        cmocka_unit_test(a_drain_sends_goaway_and_lets_calls_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
