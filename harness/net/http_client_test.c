#include "net/http_client.h"

#include "base/text.h"
#include "net/http_server.h"
#include "net/raw_peer_test.h"

struct fixture {
    struct loop *loop;
    struct http_client *client;
    struct raw_listener listener;
    struct raw_peer peer;
    struct http_call_config config;
    struct http_answer answer;
    char body[4096], server[64];
    unsigned ends, heads;
    bool cancel_at_head;
};

static void on_head(void *cookie, struct http_call *c, uint16_t status, struct fields fields)
{
    struct fixture *f = cookie;
    f->heads++;
    assert_true(status != 0);
    assert_true(fields.count > 0);
    if (f->cancel_at_head) {
        http_call_cancel(c);
        loop_stop(f->loop);
    }
}

static void on_end(void *cookie, struct http_call *c, const struct http_answer *answer)
{
    struct fixture *f = cookie;
    (void)c;
    f->ends++;
    f->answer = *answer;
    snprintf(f->body, sizeof(f->body), "%.*s", (int)answer->body.len,
             (const char *)answer->body.at);
    struct bytes server = fields_find(answer->fields, "server");
    snprintf(f->server, sizeof(f->server), "%.*s", (int)server.len, (const char *)server.at);
    loop_stop(f->loop);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct error err = {0};
    *state = f;
    assert_true(loop_new(&f->loop, &err));
    assert_true(http_client_new(f->loop, 2, &f->client, &err));
    raw_listener_open(&f->listener, f->loop, &f->peer);
    f->config = (struct http_call_config){.address = f->listener.address,
                                          .head = BYTES("GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
                                          .verb = VERB_GET,
                                          .body_most_bytes = 1000,
                                          .keep_alive = true,
                                          .on_head = on_head,
                                          .on_end = on_end,
                                          .cookie = f};
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    raw_peer_close(&f->peer, false);
    raw_listener_close(&f->listener);
    http_client_free(f->client);
    loop_settle(f->loop);
    loop_free(f->loop);
    free(f);
    return 0;
}

/* Starts a call; the raw peer has its request when this returns. */
static struct http_call *begin(struct fixture *f)
{
    unsigned ends = f->ends;
    struct http_call *call = http_client_call(f->client, &f->config);
    assert_int_equal(f->ends, ends);
    f->peer.len = 0;
    if (!f->peer.open)
        raw_run(f->loop);
    raw_peer_wait(&f->peer, "\r\n\r\n");
    return call;
}

static void end_with(struct fixture *f, const char *wire, enum http_end end, uint16_t status)
{
    unsigned ends = f->ends;
    raw_peer_send(&f->peer, wire);
    if (f->ends == ends)
        raw_run(f->loop);
    assert_int_equal(f->ends, ends + 1);
    assert_int_equal(f->answer.end, end);
    assert_int_equal(f->answer.status, status);
}

static void client_reuses_the_connection_of_a_whole_answer(void **state)
{
    struct fixture *f = *state;
    begin(f);
    end_with(f, "HTTP/1.1 200 OK\r\nserver: s1\r\ncontent-length: 2\r\n\r\nhi", HTTP_END_COMPLETE,
             200);
    assert_string_equal(f->body, "hi");
    assert_string_equal(f->server, "s1");
    assert_false(f->answer.connection_reused);
    assert_true(f->answer.request_written);
    const struct http_stamps s = f->answer.stamps;
    assert_true(0 < s.start_ns && s.start_ns <= s.sent_ns && s.sent_ns < s.first_ns &&
                s.first_ns <= s.head_ns);
    assert_int_equal(s.conn, 1);
    begin(f);
    end_with(f,
             "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: "
             "chunked\r\n\r\n"
             "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
             HTTP_END_COMPLETE, 200);
    assert_string_equal(f->body, "abcde");
    assert_true(f->answer.connection_reused);
    assert_int_equal(f->answer.stamps.conn, 1);
    assert_int_equal(f->listener.accepted, 1);
    assert_int_equal(f->heads, 2);
}

static void client_does_not_reuse_what_may_not_be_reused(void **state)
{
    static const char *const wires[] = {
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n",
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi",
    };
    struct fixture *f = *state;
    for (unsigned i = 0; i < COUNT_OF(wires); i++) {
        begin(f);
        end_with(f, wires[i], HTTP_END_COMPLETE, 200);
        assert_string_equal(f->body, "hi");
        assert_int_equal(f->listener.accepted, i + 1);
        raw_peer_close(&f->peer, false);
    }
    f->config.keep_alive = false;
    begin(f);
    end_with(f, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", HTTP_END_COMPLETE, 200);
    raw_peer_wait(&f->peer, NULL);
    assert_true(f->peer.eof);
}

static void client_drops_idle_connections_that_the_peer_ended(void **state)
{
    struct fixture *f = *state;
    for (int reset = 0; reset < 2; reset++) {
        begin(f);
        raw_peer_send(&f->peer, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        /* the FIN or RST comes in the same turn as the answer, or in the next one */
        if (reset == 1)
            raw_run(f->loop);
        raw_peer_close(&f->peer, reset == 1);
        if (reset == 0)
            raw_run(f->loop);
        raw_run_for(f->loop, 2 * NS_PER_MS);
        assert_int_equal(f->answer.end, HTTP_END_COMPLETE);
    }
    begin(f);
    assert_int_equal(f->listener.accepted, 3);
    end_with(f, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", HTTP_END_COMPLETE, 200);
    assert_false(f->answer.connection_reused);
}

static void client_tells_how_it_ended(void **state)
{
    static const struct {
        const char *wire;
        bool by_reset;
        enum http_end end;
        uint16_t status;
        const char *body;
    } rows[] = {
        {"", false, HTTP_END_EOF, 0, ""},
        {"", true, HTTP_END_RESET, 0, ""},
        {"HTTP/1.1 20", false, HTTP_END_EOF, 0, ""},
        {"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", false, HTTP_END_TRUNCATED, 200, "abc"},
        {"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", true, HTTP_END_RESET, 200, "abc"},
        {"HTTP/1.1 200 OK\r\nserver: x\r\n\r\nabc", false, HTTP_END_COMPLETE, 200, "abc"},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", false,
         HTTP_END_TRUNCATED, 200, "abc"},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", false, HTTP_END_TRUNCATED,
         200, ""},
        {"HTTP/1.1 2x0 ?\r\n\r\n", false, HTTP_END_BAD, 0, ""},
        {"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", false,
         HTTP_END_BAD, 0, ""},
        {"\x80\x81\x82\r\n\r\n", false, HTTP_END_BAD, 0, ""},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin(f);
        unsigned ends = f->ends;
        raw_peer_send(&f->peer, rows[i].wire);
        raw_run_for(f->loop, NS_PER_MS); /* the bytes first, then the end */
        raw_peer_close(&f->peer, rows[i].by_reset);
        if (f->ends == ends)
            raw_run(f->loop);
        assert_int_equal(f->answer.end, rows[i].end);
        assert_int_equal(f->answer.status, rows[i].status);
        assert_string_equal(f->body, rows[i].body);
    }
    assert_int_equal(f->ends, COUNT_OF(rows));
}

static void client_limits_the_answer(void **state)
{
    struct fixture *f = *state;
    struct text t;
    text_init(&t, 1 << 20);
    text_add(&t, "HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n%2000d", 1);
    begin(f);
    end_with(f, text_get(&t), HTTP_END_BAD, 200);
    raw_peer_close(&f->peer, false);
    text_clear(&t);
    text_add(&t, "HTTP/1.1 200 OK\r\nx: %70000d", 1);
    begin(f);
    end_with(f, text_get(&t), HTTP_END_BAD, 0);
    text_release(&t);
}

static void client_sees_a_closed_port(void **state)
{
    struct fixture *f = *state;
    raw_listener_close(&f->listener);
    http_client_call(f->client, &f->config);
    assert_int_equal(f->ends, 0);
    raw_run(f->loop);
    assert_int_equal(f->answer.end, HTTP_END_REFUSED);
    assert_false(f->answer.request_written);
    assert_int_equal(f->answer.stamps.start_ns, 0);
    f->config.address = "not an address";
    http_client_call(f->client, &f->config);
    assert_int_equal(f->ends, 1);
    raw_run(f->loop);
    assert_int_equal(f->answer.end, HTTP_END_REFUSED);
    raw_listener_open(&f->listener, f->loop, &f->peer);
}

static void client_cancels_by_reset_and_without_a_callback(void **state)
{
    struct fixture *f = *state;
    struct http_call *call = begin(f);
    assert_true(http_call_stamps(call).sent_ns > 0);
    http_call_cancel(call);
    raw_peer_wait(&f->peer, NULL);
    assert_true(f->peer.reset);
    raw_peer_close(&f->peer, false);
    /* within the head's callback, with the body behind it */
    begin(f);
    f->cancel_at_head = true;
    raw_peer_send(&f->peer, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
    raw_run(f->loop);
    raw_peer_wait(&f->peer, NULL);
    assert_true(f->peer.reset);
    /* while it connects */
    http_call_cancel(http_client_call(f->client, &f->config));
    raw_peer_close(&f->peer, false);
    raw_run_for(f->loop, NS_PER_MS);
    assert_int_equal(f->ends, 0);
}

static void client_heads_have_no_body(void **state)
{
    struct fixture *f = *state;
    f->config.head = BYTES("HEAD / HTTP/1.1\r\nhost: x\r\n\r\n");
    f->config.verb = VERB_HEAD;
    begin(f);
    end_with(f, "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n", HTTP_END_COMPLETE, 200);
    begin(f);
    end_with(f, "HTTP/1.1 304 Not Modified\r\ncontent-length: 20\r\n\r\n", HTTP_END_COMPLETE, 304);
    assert_int_equal(f->listener.accepted, 1);
}

static void client_takes_an_early_answer_and_then_closes(void **state)
{
    struct fixture *f = *state;
    size_t len = (size_t)32 << 20; /* more than the socket buffers take */
    uint8_t *body = calloc(1, len);
    f->config.head = BYTES("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 33554432\r\n\r\n");
    f->config.body = (struct bytes){body, len};
    http_client_call(f->client, &f->config);
    raw_run(f->loop);                  /* accepted */
    loop_watch_remove(&f->peer.watch); /* does not read */
    end_with(f, "HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n", HTTP_END_COMPLETE,
             413);
    close(f->peer.watch.fd);
    f->peer.open = false;
    free(body);
}

static void on_echo(void *cookie, struct http_exchange *x, const struct http_request *r)
{
    (void)cookie;
    http_exchange_answer(x, 200, (struct fields){0}, r->body, false);
}

static void client_and_server_move_large_bodies(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    struct http_server *server;
    size_t len = (size_t)4 << 20;
    uint8_t *body = calloc(1, len);
    for (size_t i = 0; i < len; i++)
        body[i] = (uint8_t)('a' + i % 23);
    struct http_server_config config = {.listen = "127.0.0.1:0",
                                        .body_most_bytes = len,
                                        .connections_most = 4,
                                        .on_request = on_echo};
    assert_true(http_server_open(f->loop, &config, &server, &err));
    f->config.address = http_server_address(server);
    f->config.head = BYTES("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4194304\r\n\r\n");
    f->config.body = (struct bytes){body, len};
    f->config.body_most_bytes = len;
    for (int i = 0; i < 3; i++) {
        http_client_call(f->client, &f->config);
        raw_run(f->loop);
        assert_int_equal(f->answer.end, HTTP_END_COMPLETE);
        assert_int_equal(f->answer.body.len, len);
        assert_memory_equal(f->body, body, sizeof(f->body) - 1);
        assert_int_equal(f->answer.connection_reused, i > 0);
    }
    http_server_free(server);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(client_reuses_the_connection_of_a_whole_answer),
        TEST(client_does_not_reuse_what_may_not_be_reused),
        TEST(client_drops_idle_connections_that_the_peer_ended),
        TEST(client_tells_how_it_ended),
        TEST(client_limits_the_answer),
        TEST(client_sees_a_closed_port),
        TEST(client_cancels_by_reset_and_without_a_callback),
        TEST(client_heads_have_no_body),
        TEST(client_takes_an_early_answer_and_then_closes),
        TEST(client_and_server_move_large_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
