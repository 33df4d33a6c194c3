/* Requests and answers through the proxy: what goes on as it came, what is changed, what is
 * recorded and what is refused. */

#include "net/rig_test.h"

#include "base/map.h"
#include "base/text.h"

static void a_request_goes_there_and_back_and_is_recorded(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    const char *request =
        "POST /pay/1?x=2 HTTP/1.1\r\nHost: pay\r\nx-meshproof-id: "
        "0000002a-0003-0000000000000007\r\n"
        "x-meshproof-tag: f1:503\r\nx-meshproof-from: checkout\r\nx-envoy-attempt-count: 2\r\n"
        "x-envoy-expected-rq-timeout-ms: 600\r\nX-Order: 4711\r\nContent-Length: 3\r\n\r\nabc";
    say(c, request);
    struct peer *s = await_server(rig, 1);
    await_text(s, "abc");
    expect_in(s, request);
    say(s, "HTTP/1.1 201 Created\r\nContent-Length: 5\r\nX-A:  b \r\n\r\nhello");
    await_text(c, "hello");
    expect_in(c, "HTTP/1.1 201 Created\r\nContent-Length: 5\r\nX-A:  b \r\n\r\nhello");
    struct attempt_record *a = await_attempt(rig, 1);
    uint64_t hi = 0, lo = 0;
    assert_true(record_id_parse(BYTES("0000002a-0003-0000000000000007"), &hi, &lo));
    assert_int_equal(a->id_hi, hi);
    assert_int_equal(a->id_lo, lo);
    assert_int_equal(a->how_tied, TIED_OWN_ID);
    assert_int_equal(a->k, 1);
    assert_int_equal(a->n_mesh, 2);
    assert_int_equal(a->expected_timeout_ms, 600);
    assert_int_equal(a->key, map_hash("4711", 4));
    assert_int_equal(a->verb, VERB_POST);
    assert_int_equal(a->status, 201);
    assert_int_equal(a->outcome, OUTCOME_ANSWERED);
    assert_int_equal(a->flags, ATTEMPT_EFFECT);
    assert_int_equal(a->bytes_in, 3);
    assert_int_equal(a->bytes_out, 5);
    assert_int_equal(a->endpoint, 1);
    assert_true(a->conn == 1 && a->sequence == 1);
    assert_true(a->tag != 0 && a->path != 0 && a->from != 0 && a->peer != 0);
    assert_true(a->body >= 1 && a->upstream >= a->body && a->reply > a->upstream &&
                a->out >= a->reply);
    assert_true(a->head_out == a->out && a->done == a->out && a->left == 0);
    /* the second try of the same request, on the same two connections */
    peer_forget(c);
    peer_forget(s);
    say(c, request);
    await_text(s, "abc");
    say(s, OK5);
    await_text(c, "hello");
    a = await_attempt(rig, 2);
    assert_int_equal(a->k, 2);
    assert_int_equal(a->sequence, 2);
    assert_int_equal(rig->accepted, 1);
    rig_close(rig);
}

static void hop_by_hop_lines_do_not_go_on(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    say(c,
        "GET / HTTP/1.1\r\nKeep-Alive: 5\r\nHost: pay\r\nConnection: keep-alive, X-Mine, Host, "
        "content-length\r\n"
        "X-Mine: 1\r\nX-Yours: 2\r\nTE: trailers\r\nProxy-Connection: x\r\nUpgrade: h2c\r\n\r\n");
    struct peer *s = await_server(rig, 1);
    await_text(s, "\r\n\r\n");
    expect_in(s, "GET / HTTP/1.1\r\nHost: pay\r\nX-Yours: 2\r\n\r\n");
    say(s, "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\nKeep-Alive: "
           "timeout=5\r\n\r\n");
    await_text(c, "\r\n\r\n");
    expect_in(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    /* so many that the pieces do not fit one send */
    struct text t, wanted;
    text_init(&t, 65536);
    text_init(&wanted, 65536);
    text_add(&t, "GET / HTTP/1.1\r\nHost: pay\r\nConnection: x0");
    text_add(&wanted, "GET / HTTP/1.1\r\nHost: pay\r\n");
    for (unsigned i = 1; i < 40; i++)
        text_add(&t, ", x%u", i);
    text_add(&t, "\r\n");
    for (unsigned i = 0; i < 40; i++) {
        text_add(&t, "x%u: 1\r\ny%u: 2\r\n", i, i);
        text_add(&wanted, "y%u: 2\r\n", i);
    }
    text_add(&t, "\r\n");
    text_add(&wanted, "\r\n");
    peer_forget(s);
    say(c, text_get(&t));
    await_text(s, "\r\n\r\n");
    expect_in(s, text_get(&wanted));
    text_release(&t);
    text_release(&wanted);
    rig_close(rig);
}

static void interim_answers_pass_on(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    say(c, "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    struct peer *s = await_server(rig, 1);
    await_text(s, "\r\n\r\n");
    say(s, "HTTP/1.1 100 Continue\r\n\r\n");
    await_text(c, "\r\n\r\n");
    expect_in(c, "HTTP/1.1 100 Continue\r\n\r\n");
    say(c, "abc");
    await_text(s, "abc");
    say(s, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK5);
    await_text(c, "hello");
    expect_in(c, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK5);
    assert_int_equal(await_attempt(rig, 1)->status, 200);
    rig_close(rig);
}

static void answers_without_a_body_end_with_their_head(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    static const char *const rows[][2] = {
        {"HEAD / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"},
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"},
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"},
        {"GET / HTTP/1.1\r\n\r\n", OK5},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        peer_forget(c);
        say(c, rows[i][0]);
        struct peer *s = await_server(rig, 1);
        await_text(s, "\r\n\r\n");
        peer_forget(s);
        say(s, rows[i][1]);
        await_bytes(c, strlen(rows[i][1]));
        expect_in(c, rows[i][1]);
        assert_int_equal(await_attempt(rig, i + 1)->outcome, OUTCOME_ANSWERED);
    }
    rig_close(rig);
}

static void an_answer_that_ends_with_the_connection_does_so_for_the_client(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    say(c, GET);
    struct peer *s = await_server(rig, 1);
    await_text(s, "\r\n\r\n");
    say(s, "HTTP/1.1 200 OK\r\n\r\nsome");
    await_text(c, "some");
    say(s, "more");
    peer_close(s, false);
    await_gone(c);
    assert_true(c->fin && !c->rst);
    expect_in(c, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nsomemore");
    assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_ANSWERED);
    assert_int_equal(rig->attempt[0].bytes_out, 8);
    rig_close(rig);
}

static void http_1_0_clients_are_told_what_happens_to_the_connection(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    say(c, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    struct peer *s = await_server(rig, 1);
    await_text(s, "\r\n\r\n");
    say(s, "HTTP/1.1 103 Early\r\n\r\n" OK5);
    await_text(c, "hello");
    expect_in(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nconnection: keep-alive\r\n\r\nhello");
    peer_forget(c);
    peer_forget(s);
    say(c, "GET / HTTP/1.0\r\n\r\n");
    await_text(s, "\r\n\r\n");
    say(s, OK5);
    await_gone(c);
    assert_true(c->fin);
    expect_in(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nconnection: close\r\n\r\nhello");
    rig_close(rig);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    say(c, "POST /1 HTTP/1.1\r\nContent-Length: 2\r\n\r\nabGET /2 HTTP/1.1\r\n\r\nGET /3 "
           "HTTP/1.1\r\n\r\nGET /4");
    for (unsigned i = 1; i <= 3; i++) {
        char answer[80], path[8];
        struct peer *s = await_server(rig, 1);
        snprintf(path, sizeof(path), " /%u ", i);
        await_text(s, path);
        assert_null(memmem(s->in.at, s->in.len, "GET /4", 6));
        peer_forget(s);
        snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n#%u", i);
        say(s, answer);
        await_text(c, answer);
    }
    say(c, " HTTP/1.1\r\n\r\n");
    await_text(rig->server[0], "GET /4 HTTP/1.1\r\n\r\n");
    say(rig->server[0], OK5);
    await_text(c, "hello");
    assert_int_equal(await_attempt(rig, 4)->sequence, 4);
    rig_close(rig);
}

static void bytes_that_are_not_http_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *status;
    } rows[] = {
        {"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
        {"GET / HTTP/1.1\nHost: a\n\n", "400"},
        {"\x16\x03\x01", "400"},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"},
        {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "400"},
    };
    struct rig *rig = rig_open();
    size_t i = 0;
    for (; i < COUNT_OF(rows); i++) {
        struct peer *c = rig_dial(rig);
        say(c, rows[i].text);
        await_gone(c);
        assert_true(c->fin);
        assert_non_null(memmem(c->in.at, c->in.len, "HTTP/1.1 400 ", 13));
        struct attempt_record *a = await_attempt(rig, i + 1);
        assert_int_equal(a->outcome, OUTCOME_BAD_REQUEST);
        assert_int_equal(a->status, 400);
    }
    assert_int_equal(rig->accepted, 0);
    struct peer *c = rig_dial(rig);
    say(c, "GET / HTTP/1.1\r\nx: ");
    char *filler = check_alloc(70000);
    memset(filler, 'x', 70000);
    say_bytes(c, (struct bytes){(const uint8_t *)filler, 70000});
    free(filler);
    await_text(c, "HTTP/1.1 431 ");
    (void)await_attempt(rig, i + 1);
    /* what a backend says */
    static const char *const wrong[] = {
        "HTTP/1.1 2x0\r\n\r\n", "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"};
    for (size_t j = 0; j < COUNT_OF(wrong); j++) {
        c = rig_dial(rig);
        say(c, GET);
        struct peer *s = await_server(rig, j + 1);
        await_text(s, "\r\n\r\n");
        say(s, wrong[j]);
        await_gone(c);
        assert_true(c->fin);
        assert_int_equal(c->in.len, 0);
        assert_int_equal(await_attempt(rig, i + 2 + j)->outcome, OUTCOME_BAD_RESPONSE);
    }
    rig_close(rig);
}

static void an_answer_before_the_request_is_whole_ends_both_connections(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    say(c, "POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc");
    struct peer *s = await_server(rig, 1);
    await_text(s, "abc");
    say(s, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
    await_gone(c);
    assert_true(c->fin);
    expect_in(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nconnection: close\r\n\r\nno");
    await_gone(s);
    struct attempt_record *a = await_attempt(rig, 1);
    assert_int_equal(a->status, 413);
    assert_int_equal(a->flags & ATTEMPT_EFFECT, 0);
    rig_close(rig);
}

static void ids_tie_by_own_header_then_request_id_then_trace(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    static const struct {
        const char *fields;
        uint8_t tied;
        uint16_t k;
    } rows[] = {
        {"x-request-id: 6ba7b810-9dad-11d1-80b4-00c04fd430c8\r\n", TIED_REQUEST_ID, 1},
        {"x-request-id: 6ba7b810-9dad-11d1-80b4-00c04fd430c8\r\ntraceparent: x\r\n",
         TIED_REQUEST_ID, 2},
        {"x-request-id: free text\r\n", TIED_REQUEST_ID, 1},
        {"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n", TIED_TRACE, 1},
        {"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-1111111111111111-01\r\n", TIED_TRACE, 2},
        {"x-meshproof-id: nonsense\r\n", TIED_NOT, 1},
        {"x-meshproof-id: nonsense\r\nx-request-id: free text\r\n", TIED_REQUEST_ID, 2},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        say(c, "GET / HTTP/1.1\r\n");
        say(c, rows[i].fields);
        say(c, "\r\n");
        struct peer *s = await_server(rig, 1);
        await_text(s, "\r\n\r\n");
        peer_forget(s);
        peer_forget(c);
        say(s, OK5);
        await_text(c, "hello");
        struct attempt_record *a = await_attempt(rig, i + 1);
        assert_int_equal(a->how_tied, rows[i].tied);
        assert_int_equal(a->k, rows[i].k);
    }
    rig_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_goes_there_and_back_and_is_recorded),
        cmocka_unit_test(hop_by_hop_lines_do_not_go_on),
        cmocka_unit_test(interim_answers_pass_on),
        cmocka_unit_test(answers_without_a_body_end_with_their_head),
        cmocka_unit_test(an_answer_that_ends_with_the_connection_does_so_for_the_client),
        cmocka_unit_test(http_1_0_clients_are_told_what_happens_to_the_connection),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(bytes_that_are_not_http_are_refused),
        cmocka_unit_test(an_answer_before_the_request_is_whole_ends_both_connections),
        cmocka_unit_test(ids_tie_by_own_header_then_request_id_then_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
