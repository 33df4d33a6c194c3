#include "net/http_server.h"

#include "base/clock.h"
#include "base/rng.h"
#include "base/text.h"
#include "net/raw_peer_test.h"

#define BIG_BYTES ((size_t)1 << 20) /* more than a receive window: it waits in the send queue */

/* The handler under test echoes "METHOD target body", or does what the target says. */
struct fixture {
    struct loop *loop;
    struct http_server *server;
    struct raw_peer peer;
    struct http_exchange *waiting;
    unsigned requests, gone;
    bool gone_by_reset, answered_in_gone;
};

static void echo(struct http_exchange *x, const struct http_request *r)
{
    struct text t;
    struct field field = {BYTES("x-peer"), bytes_of(r->peer)};
    text_init(&t, 1 << 20);
    text_add_bytes(&t, r->method);
    text_add(&t, " ");
    text_add_bytes(&t, r->target);
    text_add(&t, " ");
    text_add_bytes(&t, r->body);
    http_exchange_answer(x, 200, (struct fields){&field, 1}, bytes_of(text_get(&t)), false);
    text_release(&t);
}

static void on_request(void *cookie, struct http_exchange *x, const struct http_request *r)
{
    struct fixture *f = cookie;
    f->requests++;
    assert_true(r->body_ns >= r->head_ns);
    assert_null(http_exchange_get(x));
    if (bytes_equal(r->target, BYTES("/parts"))) {
        http_exchange_set(x, f);
        f->waiting = x;
        http_exchange_begin(x, 200, (struct fields){0});
        http_exchange_part(x, BYTES("one"));
    } else if (bytes_equal(r->target, BYTES("/later"))) {
        http_exchange_set(x, f);
        f->waiting = x;
        loop_stop(f->loop);
    } else if (bytes_equal(r->target, BYTES("/cut"))) {
        http_exchange_raw(x, BYTES("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"), true);
    } else if (bytes_equal(r->target, BYTES("/bigcut"))) {
        struct bytes wire = {calloc(1, BIG_BYTES), BIG_BYTES};
        http_exchange_raw(x, wire, true);
        free((void *)(uintptr_t)wire.at);
    } else if (bytes_equal(r->target, BYTES("/raw"))) {
        http_exchange_raw(x, BYTES("nonsense"), false);
    } else if (bytes_equal(r->target, BYTES("/close"))) {
        http_exchange_answer(x, 200, (struct fields){0}, BYTES("bye"), true);
    } else if (bytes_equal(r->target, BYTES("/204"))) {
        http_exchange_answer(x, 204, (struct fields){0}, (struct bytes){0}, false);
    } else {
        echo(x, r);
    }
}

static void on_gone(void *cookie, struct http_exchange *x, bool by_reset)
{
    struct fixture *f = cookie;
    assert_ptr_equal(x, f->waiting);
    assert_ptr_equal(http_exchange_get(x), f);
    f->gone++;
    f->gone_by_reset = by_reset;
    loop_stop(f->loop);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct error err = {0};
    *state = f;
    assert_true(loop_new(&f->loop, &err));
    struct http_server_config config = {.listen = "127.0.0.1:0",
                                        .body_most_bytes = 100000,
                                        .connections_most = 2,
                                        .on_request = on_request,
                                        .on_gone = on_gone,
                                        .cookie = f};
    assert_true(http_server_open(f->loop, &config, &f->server, &err));
    raw_peer_open(&f->peer, f->loop, http_server_address(f->server));
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    raw_peer_close(&f->peer, false);
    http_server_free(f->server);
    loop_settle(f->loop);
    loop_free(f->loop);
    free(f);
    return 0;
}

/* How often ${word} is in the peer's bytes. */
static unsigned count_of(const struct fixture *f, const char *word)
{
    unsigned n = 0;
    for (const char *at = f->peer.got; (at = strstr(at, word)) != NULL; at++)
        n++;
    return n;
}

static void server_answers_with_length_and_keeps_the_connection(void **state)
{
    struct fixture *f = *state;
    raw_peer_send(&f->peer, "GET /a?b HTTP/1.1\r\nhost: x\r\n\r\n");
    const char *got = raw_peer_wait(&f->peer, "GET /a?b ");
    assert_non_null(strstr(got, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(got, "content-length: 9\r\n"));
    assert_non_null(strstr(got, "x-peer: 127.0.0.1:"));
    assert_null(strstr(got, "connection:"));
    raw_peer_send(&f->peer, "POST /b HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello");
    raw_peer_wait(&f->peer, "POST /b hello");
    assert_int_equal(f->requests, 2);
}

static void server_takes_pipelined_requests_in_order(void **state)
{
    struct fixture *f = *state;
    struct text t;
    char last[32];
    enum { N = 50 }; /* more than are taken in one turn */
    text_init(&t, 1 << 20);
    for (int i = 0; i < N; i++)
        text_add(&t, "POST /%d HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n%02d", i, i);
    raw_peer_send(&f->peer, text_get(&t));
    text_release(&t);
    snprintf(last, sizeof(last), "POST /%d %02d", N - 1, N - 1);
    const char *at = raw_peer_wait(&f->peer, last);
    for (int i = 0; i < N; i++) {
        char line[32];
        snprintf(line, sizeof(line), "POST /%d %02d", i, i);
        at = strstr(at, line);
        assert_non_null(at);
    }
    assert_int_equal(f->requests, N);
}

static void server_goes_on_with_what_waited_behind_a_late_answer(void **state)
{
    struct fixture *f = *state;
    raw_peer_send(&f->peer,
                  "GET /later HTTP/1.1\r\nhost: x\r\n\r\nGET /2 HTTP/1.1\r\nhost: x\r\n\r\n");
    raw_run(f->loop);
    assert_int_equal(f->requests, 1);
    raw_run_for(f->loop, NS_PER_MS);
    assert_int_equal(f->requests, 1);
    http_exchange_answer(f->waiting, 200, (struct fields){0}, BYTES("late"), false);
    const char *got = raw_peer_wait(&f->peer, "GET /2 ");
    assert_true(strstr(got, "late") < strstr(got, "GET /2 "));
}

static void server_reads_chunked_bodies_byte_by_byte(void **state)
{
    struct fixture *f = *state;
    static const char wire[] = "POST /c HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
                               "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\ntrailer: t\r\n\r\n";
    for (size_t i = 0; i < sizeof(wire) - 1; i++) {
        raw_peer_send_bytes(&f->peer, wire + i, 1);
        raw_run_for(f->loop, 20 * NS_PER_US);
    }
    raw_peer_wait(&f->peer, "POST /c hello world");
    raw_peer_send(&f->peer, "GET /again HTTP/1.1\r\nhost: x\r\n\r\n");
    raw_peer_wait(&f->peer, "GET /again ");
}

static void server_sends_no_body_where_there_is_none(void **state)
{
    struct fixture *f = *state;
    raw_peer_send(&f->peer, "HEAD /h HTTP/1.1\r\nhost: x\r\n\r\n");
    const char *got = raw_peer_wait(&f->peer, "\r\n\r\n");
    assert_non_null(strstr(got, "content-length: 8\r\n"));
    raw_peer_send(&f->peer,
                  "GET /204 HTTP/1.1\r\nhost: x\r\n\r\nGET /n HTTP/1.1\r\nhost: x\r\n\r\n");
    got = raw_peer_wait(&f->peer, "GET /n ");
    assert_non_null(strstr(got, "204 No Content\r\n\r\nHTTP/1.1 200"));
    assert_null(strstr(got, "HEAD /h"));
}

static void server_closes_when_asked_by_either_side(void **state)
{
    struct fixture *f = *state;
    raw_peer_send(&f->peer, "GET /close HTTP/1.1\r\nhost: x\r\n\r\n");
    const char *got = raw_peer_wait(&f->peer, NULL);
    assert_non_null(strstr(got, "connection: close\r\n\r\nbye"));
    assert_true(f->peer.eof);
    raw_peer_close(&f->peer, false);
    raw_peer_open(&f->peer, f->loop, http_server_address(f->server));
    raw_peer_send(&f->peer, "GET /x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    got = raw_peer_wait(&f->peer, NULL);
    assert_non_null(strstr(got, "connection: close\r\n\r\nGET /x "));
    assert_true(f->peer.eof);
    raw_peer_close(&f->peer, false);
    raw_peer_open(&f->peer, f->loop, http_server_address(f->server));
    raw_peer_send(&f->peer, "GET /x HTTP/1.0\r\n\r\n");
    raw_peer_wait(&f->peer, NULL);
    assert_true(f->peer.eof);
}

static void server_lets_the_promised_bytes_out_before_a_reset(void **state)
{
    struct fixture *f = *state;
    raw_peer_send(&f->peer, "GET /cut HTTP/1.1\r\nhost: x\r\n\r\n");
    const char *got = raw_peer_wait(&f->peer, NULL);
    assert_true(f->peer.reset);
    assert_non_null(strstr(got, "content-length: 9\r\n\r\nabc"));
    raw_peer_close(&f->peer, false);
    raw_peer_open(&f->peer, f->loop, http_server_address(f->server));
    raw_peer_send(&f->peer, "GET /bigcut HTTP/1.1\r\nhost: x\r\n\r\n");
    raw_peer_wait(&f->peer, NULL);
    assert_true(f->peer.reset);
    assert_int_equal(f->peer.len, BIG_BYTES);
    raw_peer_close(&f->peer, false);
    raw_peer_open(&f->peer, f->loop, http_server_address(f->server));
    raw_peer_send(&f->peer, "GET /raw HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_string_equal(raw_peer_wait(&f->peer, NULL), "nonsense");
    assert_true(f->peer.eof);
}

static void server_tells_of_clients_that_leave(void **state)
{
    struct fixture *f = *state;
    for (int reset = 0; reset < 2; reset++) {
        raw_peer_send(&f->peer, "GET /later HTTP/1.1\r\nhost: x\r\n\r\n");
        raw_run(f->loop);
        raw_peer_close(&f->peer, reset == 1);
        raw_run(f->loop);
        assert_int_equal(f->gone, reset + 1);
        assert_int_equal(f->gone_by_reset, reset);
        raw_peer_open(&f->peer, f->loop, http_server_address(f->server));
    }
}

static void server_refuses_hostile_bytes_and_ends(void **state)
{
    struct fixture *f = *state;
    char *huge = calloc(1, 80000);
    snprintf(huge, 80000, "GET / HTTP/1.1\r\nhost: x\r\nx: ");
    memset(huge + strlen(huge), 'a', 70000);
    const struct {
        const char *wire, *status;
    } rows[] = {
        {"\x16\x03\x01\r\n\r\n", "HTTP/1.1 400 "},
        {"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
         "HTTP/1.1 400 "},
        {"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400 "},
        {"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100001\r\n\r\n", "HTTP/1.1 413 "},
        {"CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n", "HTTP/1.1 501 "},
        {huge, "HTTP/1.1 431 "},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        raw_peer_send(&f->peer, rows[i].wire);
        const char *got = raw_peer_wait(&f->peer, NULL);
        assert_memory_equal(got, rows[i].status, strlen(rows[i].status));
        assert_true(f->peer.eof);
        raw_peer_close(&f->peer, false);
        raw_peer_open(&f->peer, f->loop, http_server_address(f->server));
    }
    assert_int_equal(f->requests, 0);
    free(huge);
}

static void server_limits_chunked_bodies_too(void **state)
{
    struct fixture *f = *state;
    char *chunk = calloc(1, 60001);
    memset(chunk, 'b', 60000);
    raw_peer_send(&f->peer,
                  "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nEA60\r\n");
    raw_peer_send(&f->peer, chunk);
    raw_peer_send(&f->peer, "\r\nEA60\r\n");
    raw_peer_send(&f->peer, chunk);
    const char *got = raw_peer_wait(&f->peer, NULL);
    assert_memory_equal(got, "HTTP/1.1 413 ", 13);
    free(chunk);
}

static void server_asks_for_a_body_that_waits_to_be_asked(void **state)
{
    struct fixture *f = *state;
    raw_peer_send(
        &f->peer,
        "POST /e HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n");
    raw_peer_wait(&f->peer, "HTTP/1.1 100 Continue\r\n\r\n");
    raw_peer_send(&f->peer, "ok");
    raw_peer_wait(&f->peer, "POST /e ok");
    assert_int_equal(count_of(f, "100 Continue"), 1);
}

static void server_leaves_more_clients_than_its_limit_waiting(void **state)
{
    struct fixture *f = *state;
    struct raw_peer *more = calloc(2, sizeof(*more));
    raw_peer_open(&more[0], f->loop, http_server_address(f->server));
    raw_run_for(f->loop, 5 * NS_PER_MS);
    raw_peer_open(&more[1], f->loop, http_server_address(f->server));
    raw_peer_send(&more[1], "GET /third HTTP/1.1\r\nhost: x\r\n\r\n");
    raw_run_for(f->loop, 5 * NS_PER_MS);
    assert_int_equal(f->requests, 0);
    raw_peer_close(&more[0], false);
    raw_peer_wait(&more[1], "GET /third ");
    raw_peer_close(&more[1], false);
    free(more);
}

/* Random cuts of a valid stream, and random bytes: whatever comes, it answers or ends, and frees
 * all. */
static void server_survives_random_bytes(void **state)
{
    struct fixture *f = *state;
    struct rng rng = rng_of(11);
    for (int round = 0; round < 200; round++) {
        char wire[300];
        size_t len = rng_below(&rng, sizeof(wire));
        for (size_t i = 0; i < len; i++)
            wire[i] = (char)rng_next(&rng);
        if (round % 2 == 0) {
            static const char good[] = "POST /f HTTP/1.1\r\nhost: x\r\ncontent-length: 20\r\n\r\n";
            size_t cut = rng_below(&rng, sizeof(good));
            memcpy(wire, good, cut);
            len = cut > len ? cut : len;
        }
        raw_peer_send_bytes(&f->peer, wire, len);
        raw_run_for(f->loop, 50 * NS_PER_US);
        raw_peer_close(&f->peer, round % 3 == 0);
        raw_peer_open(&f->peer, f->loop, http_server_address(f->server));
    }
    raw_peer_send(&f->peer, "GET /alive HTTP/1.1\r\nhost: x\r\n\r\n");
    raw_peer_wait(&f->peer, "GET /alive ");
}

/* A head that never ends, and a client that has read its answer and stays, are both let go. */
static void server_lets_slow_clients_go(void **state)
{
    struct fixture *f = *state;
    struct http_server *patient = f->server;
    struct error err = {0};
    struct http_server_config config = {.listen = "127.0.0.1:0",
                                        .body_most_bytes = 100,
                                        .connections_most = 2,
                                        .idle_most_ns = 20 * NS_PER_MS,
                                        .on_request = on_request,
                                        .cookie = f};
    assert_true(http_server_open(f->loop, &config, &f->server, &err));
    raw_peer_close(&f->peer, false);
    for (int answered = 0; answered < 2; answered++) {
        uint64_t from_ns = clock_now_ns();
        raw_peer_open(&f->peer, f->loop, http_server_address(f->server));
        raw_peer_send(&f->peer, "GET /x HTTP/1.1\r\nhost: x\r\n");
        if (answered == 1)
            raw_peer_send(&f->peer, "\r\n");
        while (!f->peer.eof && !f->peer.reset)
            raw_run_for(f->loop, NS_PER_MS);
        assert_true(clock_now_ns() - from_ns >= 20 * NS_PER_MS);
        assert_int_equal(count_of(f, "GET /x"), answered);
        raw_peer_close(&f->peer, false);
    }
    http_server_free(f->server);
    f->server = patient;
    raw_peer_open(&f->peer, f->loop, http_server_address(f->server));
}

static void server_answers_in_parts(void **state)
{
    struct fixture *f = *state;
    raw_peer_send(&f->peer, "GET /parts HTTP/1.1\r\nhost: x\r\n\r\n");
    const char *got = raw_peer_wait(&f->peer, "one");
    assert_non_null(strstr(got, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\none"));
    assert_true(http_exchange_part(f->waiting, BYTES("two")));
    raw_peer_wait(&f->peer, "two");
    assert_true(http_exchange_part(f->waiting, BYTES("three")));
    http_exchange_end(f->waiting);
    got = raw_peer_wait(&f->peer, NULL);
    assert_non_null(strstr(got, "onetwothree"));
    assert_true(f->peer.eof);
    assert_int_equal(f->gone, 0);
    raw_peer_close(&f->peer, false);
    raw_peer_open(&f->peer, f->loop, http_server_address(f->server));
    raw_peer_send(&f->peer, "GET /parts HTTP/1.1\r\nhost: x\r\n\r\n");
    raw_peer_wait(&f->peer, "one");
    raw_peer_close(&f->peer, true);
    raw_run(f->loop);
    assert_int_equal(f->gone, 1);
}

/* Never more than one part waits, and a client that does not read is dropped. */
static void server_drops_readers_that_do_not_read(void **state)
{
    struct fixture *f = *state;
    struct http_server *patient = f->server;
    struct error err = {0};
    static uint8_t part[64 * 1024];
    struct http_server_config config = {.listen = "127.0.0.1:0",
                                        .body_most_bytes = 100,
                                        .connections_most = 2,
                                        .idle_most_ns = 50 * NS_PER_MS,
                                        .on_request = on_request,
                                        .on_gone = on_gone,
                                        .cookie = f};
    assert_true(http_server_open(f->loop, &config, &f->server, &err));
    raw_peer_close(&f->peer, false);
    raw_peer_open(&f->peer, f->loop, http_server_address(f->server));
    raw_peer_send(&f->peer, "GET /parts HTTP/1.1\r\nhost: x\r\n\r\n");
    raw_peer_wait(&f->peer, "one");
    raw_run_for(f->loop, 100 * NS_PER_MS);
    assert_int_equal(f->gone, 0); /* it has read everything */
    loop_watch_remove(&f->peer.watch);
    unsigned taken = 0;
    while (http_exchange_part(f->waiting, (struct bytes){part, sizeof(part)}))
        assert_true(++taken < 1000); /* else the kernel's buffers have no end */
    assert_false(http_exchange_part(f->waiting, (struct bytes){part, sizeof(part)}));
    raw_run(f->loop);
    assert_int_equal(f->gone, 1);
    assert_false(f->gone_by_reset);
    close(f->peer.watch.fd);
    f->peer.open = false;
    http_server_free(f->server);
    f->server = patient;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(server_answers_with_length_and_keeps_the_connection),
        TEST(server_takes_pipelined_requests_in_order),
        TEST(server_goes_on_with_what_waited_behind_a_late_answer),
        TEST(server_reads_chunked_bodies_byte_by_byte),
        TEST(server_sends_no_body_where_there_is_none),
        TEST(server_closes_when_asked_by_either_side),
        TEST(server_lets_the_promised_bytes_out_before_a_reset),
        TEST(server_tells_of_clients_that_leave),
        TEST(server_refuses_hostile_bytes_and_ends),
        TEST(server_limits_chunked_bodies_too),
        TEST(server_asks_for_a_body_that_waits_to_be_asked),
        TEST(server_leaves_more_clients_than_its_limit_waiting),
        TEST(server_survives_random_bytes),
        TEST(server_lets_slow_clients_go),
        TEST(server_answers_in_parts),
        TEST(server_drops_readers_that_do_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
