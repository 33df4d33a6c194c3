/* How one side's end, of a stream or of the connection, reaches the other over HTTP/2. */

#include "net/h2_peer_test.h"

static void a_reset_of_the_client_reaches_the_backend_with_its_code(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_dial(rig);
    h2_head(c, 1, H2_GET, true);
    struct h2_peer *s = h2_serve(rig, 1);
    h2_await(s, NGHTTP2_HEADERS, 1);
    h2_rst(c, 1, NGHTTP2_CANCEL);
    assert_int_equal(h2_await(s, NGHTTP2_RST_STREAM, 1)->code, NGHTTP2_CANCEL);
    struct attempt_record *r = await_attempt(rig, 1);
    assert_int_equal(r->outcome, OUTCOME_LEFT);
    assert_int_equal(r->left_kind, LEFT_RST_STREAM);
    assert_int_equal(r->left_code, NGHTTP2_CANCEL);
    assert_true(r->left > 0);
    h2_head(c, 3, H2_GET, true); /* the connection lives on */
    h2_await(s, NGHTTP2_HEADERS, 3);
    h2_close(rig, c, s);
}

static void a_reset_of_the_backend_reaches_the_client_with_its_code(void **state)
{
    (void)state;
    static const uint32_t codes[] = {NGHTTP2_REFUSED_STREAM, NGHTTP2_INTERNAL_ERROR,
                                     NGHTTP2_HTTP_1_1_REQUIRED};
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_dial(rig), *s = NULL;
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        int32_t id = (int32_t)(2 * i + 1);
        h2_head(c, id, H2_GET, true);
        if (s == NULL)
            s = h2_serve(rig, 1);
        h2_await(s, NGHTTP2_HEADERS, id);
        h2_rst(s, id, codes[i]);
        assert_int_equal(h2_await(c, NGHTTP2_RST_STREAM, id)->code, codes[i]);
        struct attempt_record *r = await_attempt(rig, i + 1);
        assert_int_equal(r->outcome, OUTCOME_UPSTREAM_RESET);
        assert_true(r->out > 0 && r->head_out == 0);
    }
    h2_close(rig, c, s);
}

static void what_came_before_a_reset_of_the_backend_is_delivered(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_dial(rig);
    h2_head(c, 1, H2_GET, true);
    struct h2_peer *s = h2_serve(rig, 1);
    h2_await(s, NGHTTP2_HEADERS, 1);
    h2_head(s, 1, H2_OK, false);
    h2_data(s, 1, "part", false);
    h2_rst(s, 1, NGHTTP2_INTERNAL_ERROR);
    h2_await(c, NGHTTP2_HEADERS, 1);
    assert_int_equal(h2_await(c, NGHTTP2_DATA, 1)->len, 4);
    assert_int_equal(h2_await(c, NGHTTP2_RST_STREAM, 1)->code, NGHTTP2_INTERNAL_ERROR);
    assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_UPSTREAM_RESET);
    h2_close(rig, c, s);
}

static void no_error_behind_a_whole_answer_stops_the_upload(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_dial(rig);
    h2_head(c, 1, H2_POST, false);
    h2_data(c, 1, "first", false);
    struct h2_peer *s = h2_serve(rig, 1);
    h2_await(s, NGHTTP2_DATA, 1);
    h2_head(s, 1, ":status: 413\n", true);
    h2_rst(s, 1, NGHTTP2_NO_ERROR);
    assert_true(h2_ends(h2_await(c, NGHTTP2_HEADERS, 1)));
    assert_int_equal(h2_await(c, NGHTTP2_RST_STREAM, 1)->code, NGHTTP2_NO_ERROR);
    struct attempt_record *r = await_attempt(rig, 1);
    assert_int_equal(r->outcome, OUTCOME_ANSWERED);
    assert_int_equal(r->status, 413);
    assert_int_equal(r->flags & ATTEMPT_EFFECT, 0);
    h2_close(rig, c, s);
}

static void a_goaway_of_the_backend_says_which_streams_it_will_not_answer(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_dial(rig);
    for (int32_t id = 1; id <= 7; id += 2)
        h2_head(c, id, H2_GET, true);
    struct h2_peer *s = h2_serve(rig, 1);
    h2_await(s, NGHTTP2_HEADERS, 7);
    h2_goaway(s, 3, NGHTTP2_ENHANCE_YOUR_CALM);
    struct seen_frame *bye = h2_await(c, NGHTTP2_GOAWAY, 0);
    assert_int_equal(bye->last, 3);
    assert_int_equal(bye->code, NGHTTP2_ENHANCE_YOUR_CALM);
    await_attempt(rig, 2); /* 5 and 7 */
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(rig->attempt[i].outcome, OUTCOME_UPSTREAM_RESET);
        assert_true(rig->attempt[i].stream >= 5 && rig->attempt[i].out > 0);
    }
    h2_head(s, 1, ":status: 204\n", true);
    h2_head(s, 3, ":status: 204\n", true);
    h2_await(c, NGHTTP2_HEADERS, 3);
    await_attempt(rig, 4);
    assert_int_equal(rig->attempt[3].outcome, OUTCOME_ANSWERED);
    assert_null(h2_find(c, NGHTTP2_RST_STREAM, -1));
    peer_close(s->peer, false);
    await_gone(c->peer);
    assert_true(c->peer->fin);
    h2_close(rig, c, s);
}

static void a_notice_of_the_backend_lets_what_is_under_way_end(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_dial(rig);
    h2_head(c, 1, H2_GET, true);
    struct h2_peer *s = h2_serve(rig, 1);
    h2_await(s, NGHTTP2_HEADERS, 1);
    h2_goaway(s, INT32_MAX, NGHTTP2_NO_ERROR);
    assert_int_equal(h2_await(c, NGHTTP2_GOAWAY, 0)->last, INT32_MAX);
    h2_head(c, 3, H2_GET, true); /* too late for the backend: safe to try again elsewhere */
    assert_int_equal(h2_await(c, NGHTTP2_RST_STREAM, 3)->code, NGHTTP2_REFUSED_STREAM);
    assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_UPSTREAM_RESET);
    h2_head(s, 1, ":status: 204\n", true);
    h2_await(c, NGHTTP2_HEADERS, 1);
    peer_close(s->peer, false);
    assert_int_equal(h2_await(c, NGHTTP2_GOAWAY, 0)->last, 3);
    await_gone(c->peer);
    assert_true(c->peer->fin);
    h2_close(rig, c, s);
}

static void a_goaway_of_the_client_reaches_the_backend(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_dial(rig);
    h2_head(c, 1, H2_GET, true);
    struct h2_peer *s = h2_serve(rig, 1);
    h2_await(s, NGHTTP2_HEADERS, 1);
    h2_goaway(c, 0, NGHTTP2_ENHANCE_YOUR_CALM);
    struct seen_frame *bye = h2_await(s, NGHTTP2_GOAWAY, 0);
    assert_int_equal(bye->last, 0); /* no stream of the backend's own */
    assert_int_equal(bye->code, NGHTTP2_ENHANCE_YOUR_CALM);
    h2_head(s, 1, ":status: 204\n", true); /* what is under way ends */
    h2_await(c, NGHTTP2_HEADERS, 1);
    peer_close(c->peer, false);
    await_gone(s->peer);
    struct connection_record *first = await_connection(rig, 2);
    assert_int_equal(first->requests, 1);
    assert_int_equal(rig->connection[0].requests, 1);
    h2_close(rig, c, s);
}

static void a_backend_that_ends_early_is_mirrored(void **state)
{
    (void)state;
    for (int reset = 0; reset < 2; reset++) {
        struct rig *rig = rig_open_as(PROXY_HTTP2, false);
        struct h2_peer *c = h2_dial(rig);
        h2_head(c, 1, H2_GET, true);
        h2_head(c, 3, H2_GET, true);
        struct h2_peer *s = h2_serve(rig, 1);
        h2_await(s, NGHTTP2_HEADERS, 3);
        h2_head(s, 3, ":status: 204\n", true);
        h2_await(c, NGHTTP2_HEADERS, 3);
        peer_close(s->peer, reset == 1);
        await_gone(c->peer);
        assert_int_equal(c->peer->rst, reset == 1);
        await_attempt(rig, 2);
        assert_int_equal(rig->attempt[0].outcome, OUTCOME_ANSWERED);
        assert_int_equal(rig->attempt[1].outcome,
                         reset == 1 ? OUTCOME_UPSTREAM_RESET : OUTCOME_UPSTREAM_CLOSED);
        h2_close(rig, c, s);
    }
}

static void a_client_that_leaves_takes_all_its_streams_along(void **state)
{
    (void)state;
    for (int reset = 0; reset < 2; reset++) {
        struct rig *rig = rig_open_as(PROXY_HTTP2, false);
        struct h2_peer *c = h2_dial(rig);
        h2_head(c, 1, H2_GET, true);
        h2_head(c, 3, H2_GET, true);
        struct h2_peer *s = h2_serve(rig, 1);
        h2_await(s, NGHTTP2_HEADERS, 3);
        if (reset == 1)
            peer_close(c->peer, true);
        else
            assert_int_equal(shutdown(c->peer->watch.fd, SHUT_WR), 0);
        await_gone(s->peer);
        assert_true(s->peer->rst); /* under way: not as if it were done */
        await_attempt(rig, 2);
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(rig->attempt[i].outcome, OUTCOME_LEFT);
            assert_int_equal(rig->attempt[i].left_kind, reset == 1 ? LEFT_RST : LEFT_FIN);
        }
        h2_close(rig, c, s);
    }
}

static void a_reset_that_comes_with_the_last_bytes_is_seen(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_dial(rig);
    h2_head(c, 1, H2_GET, true);
    peer_close(c->peer, true); /* before the proxy has read a byte */
    size_t one = 1;
    rig_await_polling(rig, rig_until_connections, &one);
    assert_true(rig_records(rig) <= 1);
    h2_close(rig, c, NULL);
}

static void a_backend_that_refuses_is_mirrored_as_a_reset(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    loop_watch_remove(&rig->backend);
    close(rig->backend.fd);
    struct h2_peer *c = h2_dial(rig);
    h2_head(c, 1, H2_GET, true);
    await_gone(c->peer);
    assert_true(c->peer->rst);
    assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_UPSTREAM_REFUSED);
    struct error err = {0};
    uint16_t port = 0;
    int fd = -1;
    assert_true(socket_listen("127.0.0.1:0", &fd, &port, &err)); /* for the rig to close */
    assert_true(loop_watch_add_level(rig->loop, &rig->backend, fd, rig_on_accept, &err));
    h2_close(rig, c, NULL);
}

static void a_backend_of_http_1_is_a_bad_response(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_dial(rig);
    h2_head(c, 1, H2_GET, true);
    struct peer *s = await_server(rig, 1);
    say(s, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert_int_equal(h2_await(c, NGHTTP2_GOAWAY, 0)->code, NGHTTP2_INTERNAL_ERROR);
    await_gone(c->peer);
    assert_true(c->peer->fin);
    assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_BAD_RESPONSE);
    h2_close(rig, c, NULL);
}

static void an_answer_that_breaks_the_rules_is_a_bad_response_of_its_stream(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_dial(rig);
    h2_head(c, 1, H2_GET, true);
    h2_head(c, 3, H2_GET, true);
    struct h2_peer *s = h2_serve(rig, 1);
    h2_await(s, NGHTTP2_HEADERS, 3);
    h2_head(s, 1, H2_OK "connection: close\n", true); /* RFC 9113 8.2.2 */
    assert_int_equal(h2_await(c, NGHTTP2_RST_STREAM, 1)->code, NGHTTP2_INTERNAL_ERROR);
    assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_BAD_RESPONSE);
    h2_head(s, 3, ":status: 204\n", true);
    h2_await(c, NGHTTP2_HEADERS, 3);
    h2_close(rig, c, s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reset_of_the_client_reaches_the_backend_with_its_code),
        cmocka_unit_test(a_reset_of_the_backend_reaches_the_client_with_its_code),
        cmocka_unit_test(what_came_before_a_reset_of_the_backend_is_delivered),
        cmocka_unit_test(no_error_behind_a_whole_answer_stops_the_upload),
        cmocka_unit_test(a_goaway_of_the_backend_says_which_streams_it_will_not_answer),
        cmocka_unit_test(a_notice_of_the_backend_lets_what_is_under_way_end),
        cmocka_unit_test(a_goaway_of_the_client_reaches_the_backend),
        cmocka_unit_test(a_backend_that_ends_early_is_mirrored),
        cmocka_unit_test(a_client_that_leaves_takes_all_its_streams_along),
        cmocka_unit_test(a_reset_that_comes_with_the_last_bytes_is_seen),
        cmocka_unit_test(a_backend_that_refuses_is_mirrored_as_a_reset),
        cmocka_unit_test(a_backend_of_http_1_is_a_bad_response),
        cmocka_unit_test(an_answer_that_breaks_the_rules_is_a_bad_response_of_its_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
