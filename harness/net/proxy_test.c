#include "net/rig_test.h"

#include "base/map.h"
#include "base/text.h"

#define GET "GET /a?b=1 HTTP/1.1\r\nHost: pay\r\n\r\n"
#define OK5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

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

/* Echoes the request's body: what comes out must be what went in, whatever the pieces and the
 * framing. */
static void fill_random(struct rng *rng, uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)rng_next(rng);
}

static void say_in_pieces(struct rng *rng, struct peer *p, struct bytes b, size_t most)
{
    while (b.len > 0) {
        size_t n = 1 + (size_t)rng_below(rng, most);
        n = n > b.len ? b.len : n;
        say_bytes(p, (struct bytes){b.at, n});
        b.at += n;
        b.len -= n;
        if (rng_below(rng, 4) == 0)
            await_ns(p->rig, 1);
    }
}

static void add_message(struct rng *rng, struct buffer *to, const char *first_line,
                        struct bytes body, bool chunked)
{
    struct error err = {0};
    char line[128];
    int n = chunked ? snprintf(line, sizeof(line),
                               "%s\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", first_line)
                    : snprintf(line, sizeof(line), "%s\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
                               first_line, body.len);
    assert_true(buffer_add(to, line, (size_t)n, &err));
    if (!chunked) {
        assert_true(buffer_add(to, body.at, body.len, &err));
        return;
    }
    while (body.len > 0) {
        size_t piece = 1 + (size_t)rng_below(rng, body.len < 5000 ? body.len : 5000);
        n = snprintf(line, sizeof(line), "%zX;x=y\r\n", piece);
        assert_true(buffer_add(to, line, (size_t)n, &err) && buffer_add(to, body.at, piece, &err) &&
                    buffer_add(to, "\r\n", 2, &err));
        body.at += piece;
        body.len -= piece;
    }
    assert_true(buffer_add(to, "0\r\nx-end: 1\r\n\r\n", 15, &err));
}

static void bytes_come_out_as_they_went_in_whatever_the_pieces(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct rng rng = rng_of(99);
    struct peer *c = rig_dial(rig);
    static uint8_t body[100000];
    fill_random(&rng, body, sizeof(body));
    for (unsigned round = 0; round < 60; round++) {
        struct buffer ask, answer;
        size_t len = (size_t)rng_below(&rng, round % 3 == 0 ? sizeof(body) : 300);
        size_t most = 1 + (size_t)rng_below(&rng, round % 3 == 0 ? 30000 : 40);
        buffer_init(&ask, 1 << 20);
        buffer_init(&answer, 1 << 20);
        add_message(&rng, &ask, "POST /x HTTP/1.1", (struct bytes){body, len}, round % 2 == 0);
        add_message(&rng, &answer, "HTTP/1.1 200 OK", (struct bytes){body, len}, round % 4 < 2);
        peer_forget(c);
        say_in_pieces(&rng, c, buffer_view(&ask), most);
        struct peer *s = await_server(rig, 1);
        await_bytes(s, ask.len);
        assert_int_equal(s->in.len, ask.len);
        assert_memory_equal(s->in.at, ask.at, ask.len);
        peer_forget(s);
        say_in_pieces(&rng, s, buffer_view(&answer), most);
        await_bytes(c, answer.len);
        assert_int_equal(c->in.len, answer.len);
        assert_memory_equal(c->in.at, answer.at, answer.len);
        struct attempt_record *a = await_attempt(rig, round + 1);
        assert_int_equal(a->outcome, OUTCOME_ANSWERED);
        assert_int_equal(a->bytes_in, len);
        assert_int_equal(a->bytes_out, len);
        buffer_release(&ask);
        buffer_release(&answer);
    }
    assert_int_equal(rig->accepted, 1);
    rig_close(rig);
}

static void a_slow_reader_stops_the_sender_and_nothing_is_lost(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    size_t len = (size_t)24 * 1024 * 1024;
    uint8_t *body = check_alloc(len);
    struct rng rng = rng_of(5);
    fill_random(&rng, body, len);
    say(c, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    struct peer *s = await_server(rig, 1);
    await_text(s, "\r\n\r\n");
    loop_watch_remove(&c->watch); /* reads nothing for now */
    char head[96];
    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len);
    say(s, head);
    size_t sent = 0;
    unsigned blocked = 0;
    while (sent < len && blocked < 50) {
        ssize_t n = send(s->watch.fd, body + sent, len - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        else
            blocked++;
        await_ns(rig, NS_PER_MS);
    }
    assert_true(sent < len); /* the proxy does not swallow it all */
    struct error err = {0};
    assert_true(loop_watch_add_level(rig->loop, &c->watch, c->watch.fd, rig_on_peer, &err));
    say_bytes(s, (struct bytes){body + sent, len - sent});
    await_bytes(c, strlen(head) + len);
    assert_memory_equal(c->in.at + strlen(head), body, len);
    assert_int_equal(await_attempt(rig, 1)->bytes_out, len);
    /* and the other way */
    peer_forget(c);
    peer_forget(s);
    loop_watch_remove(&s->watch);
    snprintf(head, sizeof(head), "PUT /big HTTP/1.1\r\nContent-Length: %zu\r\n\r\n", len);
    say(c, head);
    for (sent = 0, blocked = 0; sent < len && blocked < 50;) {
        ssize_t n = send(c->watch.fd, body + sent, len - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        else
            blocked++;
        await_ns(rig, NS_PER_MS);
    }
    assert_true(sent < len);
    assert_true(loop_watch_add_level(rig->loop, &s->watch, s->watch.fd, rig_on_peer, &err));
    say_bytes(c, (struct bytes){body + sent, len - sent});
    await_bytes(s, strlen(head) + len);
    assert_memory_equal(s->in.at + strlen(head), body, len);
    say(s, OK5);
    await_text(c, "hello");
    free(body);
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

static void an_upgrade_becomes_a_raw_stream_with_half_closes(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    const char *ask =
        "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    say(c, ask);
    struct peer *s = await_server(rig, 1);
    await_text(s, "\r\n\r\n");
    expect_in(s, ask);
    const char *yes = "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    peer_forget(s);
    say(s, yes);
    say(s, "server first");
    await_text(c, "server first");
    say(c, "client\r\n\r\nnext");
    await_text(s, "next");
    expect_in(s, "client\r\n\r\nnext");
    assert_int_equal(shutdown(c->watch.fd, SHUT_WR), 0);
    await_gone(s);
    assert_true(s->fin);
    say(s, "goodbye");
    await_text(c, "goodbye");
    peer_close(s, false);
    await_gone(c);
    assert_true(c->fin);
    struct attempt_record *a = await_attempt(rig, 1);
    assert_int_equal(a->outcome, OUTCOME_ANSWERED);
    assert_int_equal(a->status, 101);
    assert_int_equal(a->bytes_in, 14);
    assert_int_equal(a->bytes_out, strlen("server first") + strlen("goodbye"));
    rig_close(rig);
}

static void connect_tunnels_after_2xx_only(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    say(c, "CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\nearly");
    struct peer *s = await_server(rig, 1);
    await_text(s, "\r\n\r\n");
    expect_in(s, "CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n");
    say(s, "HTTP/1.1 200 OK\r\n\r\n");
    await_text(s, "early");
    say(s, "back");
    await_text(c, "back");
    peer_close(c, false);
    await_gone(s);
    peer_close(s, false);
    assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_ANSWERED);
    c = rig_dial(rig);
    say(c, "CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n");
    s = await_server(rig, 2);
    await_text(s, "\r\n\r\n");
    say(s, "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno");
    await_gone(c);
    expect_in(c, "HTTP/1.1 403 No\r\nContent-Length: 2\r\nconnection: close\r\n\r\nno");
    rig_close(rig);
}

static void raw_streams_pass_with_their_id_line_taken_out(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_TCP, false);
    struct peer *c = rig_dial(rig);
    say(c, "MP1 0000002a-0003-00000000");
    struct peer *s = await_server(rig, 1);
    await_ns(rig, NS_PER_MS);
    assert_int_equal(s->in.len, 0);
    say(c, "00000007 0012\nselect 1");
    await_text(s, "select 1");
    expect_in(s, "select 1");
    assert_int_equal(shutdown(c->watch.fd, SHUT_WR), 0);
    await_gone(s);
    say(s, "one");
    await_text(c, "one");
    peer_close(s, false);
    await_gone(c);
    assert_true(c->fin);
    struct attempt_record *a = await_attempt(rig, 1);
    assert_int_equal(a->how_tied, TIED_RAW_LINE);
    assert_int_equal(a->id_lo & 0xffff, 7);
    assert_true(a->tag != 0);
    assert_int_equal(a->bytes_in, 8);
    assert_int_equal(a->bytes_out, 3);
    assert_int_equal(a->outcome, OUTCOME_ANSWERED);
    /* a server that speaks first, and no id */
    c = rig_dial(rig);
    s = await_server(rig, 2);
    say(s, "220 ready");
    await_text(c, "220 ready");
    say(c, "MP");
    say(c, "X");
    await_text(s, "MPX");
    peer_close(c, true);
    await_gone(s);
    assert_true(s->rst);
    a = await_attempt(rig, 2);
    assert_int_equal(a->how_tied, TIED_NOT);
    assert_int_equal(a->outcome, OUTCOME_LEFT);
    assert_int_equal(a->left_kind, LEFT_RST);
    rig_close(rig);
}

static void a_client_that_leaves_is_evidence(void **state)
{
    (void)state;
    for (unsigned reset = 0; reset <= 1; reset++) {
        struct rig *rig = rig_open();
        struct peer *c = rig_dial(rig);
        say(c, GET);
        struct peer *s = await_server(rig, 1);
        await_text(s, "\r\n\r\n");
        peer_close(c, reset == 1);
        await_gone(s);
        assert_true(s->rst);
        struct attempt_record *a = await_attempt(rig, 1);
        assert_int_equal(a->outcome, OUTCOME_LEFT);
        assert_int_equal(a->left_kind, reset == 1 ? LEFT_RST : LEFT_FIN);
        assert_true(a->left > a->upstream);
        assert_int_equal(a->status, 0);
        /* within a request body too */
        c = rig_dial(rig);
        say(c, "POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc");
        s = await_server(rig, 2);
        await_text(s, "abc");
        peer_close(c, reset == 1);
        await_gone(s);
        assert_true(s->rst);
        a = await_attempt(rig, 2);
        assert_int_equal(a->outcome, OUTCOME_LEFT);
        assert_int_equal(a->left_kind, reset == 1 ? LEFT_RST : LEFT_FIN);
        assert_int_equal(a->body, 0);
        struct connection_record *r = await_connection(rig, 4);
        assert_int_equal(r->endpoint, 1);
        rig_close(rig);
    }
}

/* Bytes and an RST in one epoll event: libevent does not tell it from bytes alone. */
static void a_reset_behind_the_last_bytes_is_not_missed(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    say(c, GET);
    struct peer *s = await_server(rig, 1);
    await_text(s, "\r\n\r\n");
    say(s, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
    peer_close(s, true);
    await_gone(c);
    assert_true(c->rst);
    assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_UPSTREAM_RESET);
    c = rig_dial(rig);
    say(c, GET);
    peer_close(c, true); /* the backend never answers */
    struct attempt_record *a = await_attempt(rig, 2);
    assert_int_equal(a->outcome, OUTCOME_LEFT);
    assert_int_equal(a->left_kind, LEFT_RST);
    rig_close(rig);
}

static void a_lost_backend_is_mirrored(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    for (unsigned reset = 0; reset <= 1; reset++) {
        struct peer *c = rig_dial(rig); /* before a head */
        say(c, GET);
        struct peer *s = await_server(rig, reset * 2 + 1);
        await_text(s, "\r\n\r\n");
        peer_close(s, reset == 1);
        await_gone(c);
        assert_int_equal(c->rst, reset == 1);
        assert_int_equal(c->in.len, 0);
        struct attempt_record *a = await_attempt(rig, reset * 2 + 1);
        assert_int_equal(a->outcome, reset == 1 ? OUTCOME_UPSTREAM_RESET : OUTCOME_UPSTREAM_CLOSED);
        assert_true(a->out > 0 && a->reply == 0);
        c = rig_dial(rig); /* within the body */
        say(c, GET);
        s = await_server(rig, reset * 2 + 2);
        await_text(s, "\r\n\r\n");
        say(s, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
        await_text(c, "abc");
        peer_close(s, reset == 1);
        await_gone(c);
        assert_int_equal(c->rst, reset == 1);
        a = await_attempt(rig, reset * 2 + 2);
        assert_int_equal(a->outcome, reset == 1 ? OUTCOME_UPSTREAM_RESET : OUTCOME_UPSTREAM_CLOSED);
        assert_int_equal(a->status, 200);
    }
    loop_watch_remove(&rig->backend);
    close(rig->backend.fd);
    struct peer *c = rig_dial(rig);
    say(c, GET);
    await_gone(c);
    assert_true(c->rst);
    assert_int_equal(await_attempt(rig, 5)->outcome, OUTCOME_UPSTREAM_REFUSED);
    rig_close(rig);
}

static void a_pooled_connection_that_died_is_dialled_once_more(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    say(c, GET);
    struct peer *s = await_server(rig, 1);
    await_text(s, "\r\n\r\n");
    say(s, OK5);
    await_text(c, "hello");
    peer_forget(s);
    peer_forget(c);
    say(c, GET);
    await_text(s, "\r\n\r\n"); /* it took the request, and dies without a byte of answer */
    peer_close(s, true);
    s = await_server(rig, 2);
    await_text(s, GET);
    say(s, OK5);
    await_text(c, "hello");
    struct attempt_record *a = await_attempt(rig, 2);
    assert_int_equal(a->outcome, OUTCOME_ANSWERED);
    assert_int_equal(a->flags, ATTEMPT_EFFECT | ATTEMPT_REDIALLED);
    /* not what is not idempotent */
    peer_forget(s);
    say(c, "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx");
    await_text(s, "\r\n\r\nx");
    peer_close(s, true);
    await_gone(c);
    assert_true(c->rst);
    assert_int_equal(await_attempt(rig, 3)->outcome, OUTCOME_UPSTREAM_RESET);
    assert_int_equal(rig->accepted, 2);
    rig_close(rig);
}

static void an_idle_backend_connection_that_speaks_or_ends_is_closed(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    for (unsigned i = 0; i < 2; i++) {
        struct peer *c = rig_dial(rig);
        say(c, GET);
        struct peer *s = await_server(rig, i + 1);
        await_text(s, "\r\n\r\n");
        say(s, OK5);
        await_text(c, "hello");
        (void)await_attempt(rig, i + 1);
        if (i == 0)
            say(s, "HTTP/1.1 408 Timeout\r\n\r\n");
        else
            peer_close(s, false);
        struct connection_record *r = await_connection(rig, i + 1);
        assert_int_equal(r->side, 1);
        assert_int_equal(r->unsolicited, i == 0 ? 24 : 0);
        assert_int_equal(r->closed_by, i == 0 ? 1 : 0);
    }
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

static void refusing_closes_the_port_and_opens_it_again(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct error err = {0};
    assert_true(proxy_refuse(rig->proxy, 1, true, 7, &err));
    int fd = -1;
    if (socket_connect(rig->proxy_address, &fd, &err)) {
        struct peer *c = rig_add(rig, fd);
        await_gone(c);
        assert_true(c->rst);
    }
    assert_true(proxy_refuse(rig->proxy, 1, false, 7, &err));
    struct peer *c = rig_dial(rig);
    say(c, GET);
    await_text(await_server(rig, 1), "\r\n\r\n");
    (void)rig_records(rig);
    assert_int_equal(rig->world_count, 2);
    assert_int_equal(rig->world[0].step, 1);
    assert_int_equal(rig->world[1].step, 2);
    assert_true(rig->world[0].read_back_ok && rig->world[1].read_back_ok);
    assert_int_equal(rig->world[0].fault, 7);
    rig_close(rig);
}

static void draining_ends_what_is_open_and_says_when(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    bool done = false;
    struct peer *idle = rig_dial(rig), *busy = rig_dial(rig);
    say(busy, GET);
    struct peer *s = await_server(rig, 1);
    await_text(s, "\r\n\r\n");
    proxy_drain(rig->proxy, clock_now_ns() + 5 * NS_PER_S, rig_on_done, &done);
    await_gone(idle);
    assert_true(idle->fin);
    peer_close(idle, false);
    assert_false(done);
    say(s, OK5);
    await_gone(busy);
    expect_in(busy, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nconnection: close\r\n\r\nhello");
    peer_close(busy, false);
    rig_await_polling(rig, rig_until_true, &done);
    rig_close(rig);
    /* and past its deadline */
    rig = rig_open();
    done = false;
    busy = rig_dial(rig);
    say(busy, GET);
    s = await_server(rig, 1);
    await_text(s, "\r\n\r\n");
    proxy_drain(rig->proxy, clock_now_ns() + 5 * NS_PER_MS, rig_on_done, &done);
    rig_await_polling(rig, rig_until_true, &done);
    assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_ABANDONED);
    rig_close(rig);
}

static void affinity_ties_one_backend_connection_to_each_client(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP1, true);
    struct peer *c[2] = {rig_dial(rig), rig_dial(rig)};
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 2; i++) {
            peer_forget(c[i]);
            say(c[i], GET);
            struct peer *s = await_server(rig, i + 1);
            await_text(s, "\r\n\r\n");
            peer_forget(s);
            say(s, OK5);
            await_text(c[i], "hello");
        }
    }
    assert_int_equal(rig->accepted, 2);
    peer_close(c[0], false);
    await_gone(rig->server[0]);
    assert_false(rig->server[1]->fin);
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

static void answer_all(struct peer *p)
{
    struct rig *rig = p->rig;
    for (size_t i = 0; i < rig->accepted; i++) {
        if (rig->server[i] == p && p->in.len >= 4 &&
            memcmp(p->in.at + p->in.len - 4, "\r\n\r\n", 4) == 0) {
            peer_forget(p);
            assert_int_equal(send(p->watch.fd, OK5, sizeof(OK5) - 1, MSG_NOSIGNAL),
                             sizeof(OK5) - 1);
        }
    }
}

struct storm {
    struct peer *client[32];
    size_t sent, answered, wanted;
};
static bool until_answered(struct rig *rig, void *cookie)
{
    struct storm *storm = cookie;
    (void)rig;
    for (size_t i = 0; i < COUNT_OF(storm->client); i++) {
        struct peer *c = storm->client[i];
        if (c->in.len < strlen(OK5))
            continue;
        assert_int_equal(c->in.len, strlen(OK5));
        peer_forget(c);
        storm->answered++;
        if (storm->sent < storm->wanted) {
            storm->sent++;
            say(c, GET);
        }
    }
    return storm->answered >= storm->wanted;
}

static void a_relayed_request_costs_four_system_calls(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct storm storm = {.sent = COUNT_OF(storm.client), .wanted = 200};
    rig->on_server = answer_all;
    for (size_t i = 0; i < COUNT_OF(storm.client); i++) {
        storm.client[i] = rig_dial(rig);
        say(storm.client[i], GET);
    }
    rig_await(rig, until_answered, &storm);
    struct loop_counters before = *loop_counters(rig->loop);
    storm.answered = 0;
    storm.sent = COUNT_OF(storm.client);
    storm.wanted = 2000;
    for (size_t i = 0; i < COUNT_OF(storm.client); i++)
        say(storm.client[i], GET);
    rig_await(rig, until_answered, &storm);
    struct loop_counters after = *loop_counters(rig->loop);
    uint64_t io = after.recv + after.send - before.recv - before.send;
    assert_in_range(io, 2000 * 4 - 32 * 4, 2000 * 4 + 32 * 4);
    assert_int_equal(after.epoll_ctl - before.epoll_ctl, 0);
    assert_int_equal(after.accept - before.accept + after.connect - before.connect, 0);
    assert_in_range(after.other - before.other, 0, 2000 / 5);
    rig_close(rig);
}

static void curl_works_through_it(void **state)
{
    (void)state;
    if (access("/usr/bin/curl", X_OK) != 0)
        skip();
    struct rig *rig = rig_open();
    rig->on_server = answer_all;
    char url[64], out[] = "/tmp/net-curl-XXXXXX";
    int fd = mkstemp(out);
    assert_true(fd >= 0);
    snprintf(url, sizeof(url), "http://%s/x", rig->proxy_address);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fd, 1);
        execl("/usr/bin/curl", "curl", "-s", "--max-time", "8", "--noproxy", "*", url, url,
              (char *)NULL);
        _exit(127);
    }
    size_t count = 2;
    rig_await_polling(rig, rig_until_attempts, &count);
    (void)await_connection(rig, 1); /* curl has gone */
    char seen[32] = {0};
    assert_int_equal(pread(fd, seen, sizeof(seen) - 1, 0), 10);
    assert_string_equal(seen, "hellohello");
    close(fd);
    unlink(out);
    rig_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_goes_there_and_back_and_is_recorded),
        cmocka_unit_test(hop_by_hop_lines_do_not_go_on),
        cmocka_unit_test(bytes_come_out_as_they_went_in_whatever_the_pieces),
        cmocka_unit_test(a_slow_reader_stops_the_sender_and_nothing_is_lost),
        cmocka_unit_test(interim_answers_pass_on),
        cmocka_unit_test(answers_without_a_body_end_with_their_head),
        cmocka_unit_test(an_answer_that_ends_with_the_connection_does_so_for_the_client),
        cmocka_unit_test(http_1_0_clients_are_told_what_happens_to_the_connection),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(an_upgrade_becomes_a_raw_stream_with_half_closes),
        cmocka_unit_test(connect_tunnels_after_2xx_only),
        cmocka_unit_test(raw_streams_pass_with_their_id_line_taken_out),
        cmocka_unit_test(a_client_that_leaves_is_evidence),
        cmocka_unit_test(a_reset_behind_the_last_bytes_is_not_missed),
        cmocka_unit_test(a_lost_backend_is_mirrored),
        cmocka_unit_test(a_pooled_connection_that_died_is_dialled_once_more),
        cmocka_unit_test(an_idle_backend_connection_that_speaks_or_ends_is_closed),
        cmocka_unit_test(bytes_that_are_not_http_are_refused),
        cmocka_unit_test(an_answer_before_the_request_is_whole_ends_both_connections),
        cmocka_unit_test(refusing_closes_the_port_and_opens_it_again),
        cmocka_unit_test(draining_ends_what_is_open_and_says_when),
        cmocka_unit_test(affinity_ties_one_backend_connection_to_each_client),
        cmocka_unit_test(ids_tie_by_own_header_then_request_id_then_trace),
        cmocka_unit_test(a_relayed_request_costs_four_system_calls),
        cmocka_unit_test(curl_works_through_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
