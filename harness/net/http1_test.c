#include "net/http1.h"

#include "base/rng.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static enum http1_result request(const char *text, struct http1_head *ret)
{
    struct error err = {0};
    return http1_parse_request(bytes_of(text), ret, &err);
}

static enum http1_result response(const char *text, enum verb verb, struct http1_head *ret)
{
    struct error err = {0};
    return http1_parse_response(bytes_of(text), verb, ret, &err);
}

static void expect_text(struct bytes seen, const char *wanted)
{
    assert_int_equal(seen.len, strlen(wanted));
    assert_memory_equal(seen.at, wanted, seen.len);
}

static void a_request_head_is_parsed_into_views(void **state)
{
    (void)state;
    struct http1_head h;
    const char *text = "POST /pay?x=1 HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\n"
                       "X-Empty:\r\nX-Space: \t a b \t\r\n\r\nhello";
    assert_int_equal(request(text, &h), HTTP1_DONE);
    assert_int_equal(h.verb, VERB_POST);
    expect_text(h.method, "POST");
    expect_text(h.target, "/pay?x=1");
    assert_int_equal(h.field_count, 4);
    expect_text(h.field[0].name, "Host");
    expect_text(h.field[2].value, "");
    expect_text(h.field[3].value, "a b");
    assert_int_equal(h.framing, HTTP1_LENGTH);
    assert_int_equal(h.length, 5);
    assert_int_equal(h.head_bytes, strlen(text) - 5);
    assert_true(h.keep_alive);
    assert_false(h.expect_continue);
}

static void smuggling_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\n Content-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\n Content-Length: 5\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nX: b\rContent-Length: 5\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX(: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\n",
        "GET / RTSP/1.0\r\nHost: a\r\n\r\n",
        "DESCRIBE / RTSP/1.0\r\nHost: a\r\n\r\n",
        "G@T / HTTP/1.1\r\nHost: a\r\n\r\n",
        "get / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
        "\x16\x03\x01\x02\r\n\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct http1_head h;
        struct error err = {0};
        if (http1_parse_request(bytes_of(wrong[i]), &h, &err) != HTTP1_BAD)
            fail_msg("taken: %s", wrong[i]);
        assert_int_equal(err.kind, ERROR_INPUT);
        assert_true(err.text[0] != '\0');
    }
}

static void a_nul_is_refused_everywhere(void **state)
{
    (void)state;
    static const char good[] = "GET /ab HTTP/1.1\r\nHost: ab\r\nX: b\r\n\r\n";
    for (size_t i = 0; i < sizeof(good) - 1; i++) {
        char text[sizeof(good)];
        struct http1_head h;
        struct error err = {0};
        memcpy(text, good, sizeof(good));
        text[i] = '\0';
        struct bytes in = {(const uint8_t *)text, sizeof(good) - 1};
        assert_int_not_equal(http1_parse_request(in, &h, &err), HTTP1_DONE);
    }
}

static void too_long_and_too_many_name_their_limit(void **state)
{
    (void)state;
    struct text t;
    struct http1_head h;
    struct error err = {0};
    text_init(&t, 1 << 20);
    text_add(&t, "GET / HTTP/1.1\r\nX: ");
    for (size_t i = 0; i < HTTP1_HEAD_MOST_BYTES; i++)
        text_add_bytes(&t, BYTES("y"));
    assert_int_equal(http1_parse_request(bytes_of(text_get(&t)), &h, &err), HTTP1_BAD);
    assert_int_equal(err.kind, ERROR_LIMIT);
    text_add(&t, "\r\n\r\n");
    err = (struct error){0};
    assert_int_equal(http1_parse_request(bytes_of(text_get(&t)), &h, &err), HTTP1_BAD);
    assert_int_equal(err.kind, ERROR_LIMIT);
    text_clear(&t);
    text_add(&t, "GET / HTTP/1.1\r\n");
    for (unsigned i = 0; i < HTTP1_FIELDS_MOST; i++)
        text_add(&t, "x%u: y\r\n", i);
    size_t len = t.len;
    text_add(&t, "\r\n");
    assert_int_equal(http1_parse_request(bytes_of(text_get(&t)), &h, &err), HTTP1_DONE);
    assert_int_equal(h.field_count, HTTP1_FIELDS_MOST);
    t.len = len;
    text_add(&t, "z: y\r\n\r\n");
    err = (struct error){0};
    assert_int_equal(http1_parse_request(bytes_of(text_get(&t)), &h, &err), HTTP1_BAD);
    assert_int_equal(err.kind, ERROR_LIMIT);
    assert_non_null(strstr(err.text, "128"));
    text_release(&t);
}

static void heads_are_found_whatever_the_pieces(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next";
    size_t from = 0, head = sizeof("GET / HTTP/1.1\r\nHost: a\r\n\r\n") - 1;
    for (size_t len = 1; len <= sizeof(text) - 1; len++) {
        struct bytes in = {(const uint8_t *)text, len};
        struct http1_head h;
        struct error err = {0};
        enum http1_result result = http1_parse_request(in, &h, &err);
        assert_int_equal(result, len < head ? HTTP1_MORE : HTTP1_DONE);
        size_t found = http1_find_head(in, &from);
        assert_int_equal(found, len < head ? 0 : head);
        assert_true(from <= len);
    }
}

static void keep_alive_follows_version_and_connection(void **state)
{
    (void)state;
    struct http1_head h;
    assert_int_equal(request("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", &h), HTTP1_DONE);
    assert_false(h.keep_alive);
    assert_int_equal(request("GET / HTTP/1.0\r\n\r\n", &h), HTTP1_DONE);
    assert_false(h.keep_alive);
    assert_true(h.http_1_0);
    assert_int_equal(request("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &h), HTTP1_DONE);
    assert_true(h.keep_alive);
    assert_int_equal(request("GET / HTTP/1.1\r\nConnection: x, Close\r\n\r\n", &h), HTTP1_DONE);
    assert_false(h.keep_alive);
    assert_int_equal(request("GET / HTTP/1.1\r\nExpect: 100-Continue\r\n\r\n", &h), HTTP1_DONE);
    assert_true(h.expect_continue);
    assert_int_equal(
        request("GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", &h),
        HTTP1_DONE);
    assert_true(h.upgrade);
    assert_int_equal(request("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", &h), HTTP1_DONE);
    assert_false(h.upgrade);
    assert_int_equal(request("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", &h), HTTP1_DONE);
    assert_int_equal(h.framing, HTTP1_TUNNEL);
}

static void responses_are_framed_by_status_and_verb(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum verb verb;
        enum http1_framing framing;
        uint64_t length;
        bool informational, keep_alive;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", VERB_GET, HTTP1_LENGTH, 7, false, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", VERB_HEAD, HTTP1_NO_BODY, 0, false, true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", VERB_HEAD, HTTP1_NO_BODY, 0,
         false, true},
        {"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n", VERB_GET, HTTP1_NO_BODY, 0, false,
         false}, /* what it announces may come yet */
        {"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", VERB_GET, HTTP1_NO_BODY, 0, false,
         true},
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", VERB_GET, HTTP1_NO_BODY, 0,
         false, true},
        {"HTTP/1.1 100 Continue\r\n\r\n", VERB_POST, HTTP1_NO_BODY, 0, true, true},
        {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", VERB_POST, HTTP1_NO_BODY, 0, true, true},
        {"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", VERB_GET,
         HTTP1_TUNNEL, 0, false, true},
        {"HTTP/1.1 200 OK\r\n\r\n", VERB_CONNECT, HTTP1_TUNNEL, 0, false, true},
        {"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\n", VERB_CONNECT, HTTP1_LENGTH, 2, false,
         true},
        {"HTTP/1.1 200 OK\r\n\r\n", VERB_GET, HTTP1_UNTIL_CLOSE, 0, false, false},
        {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", VERB_GET, HTTP1_NO_BODY, 0, false, true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", VERB_GET, HTTP1_CHUNKED, 0, false,
         true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", VERB_GET, HTTP1_UNTIL_CLOSE, 0,
         false, false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", VERB_GET, HTTP1_LENGTH, 1, false, false},
        {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n", VERB_GET,
         HTTP1_LENGTH, 1, false, true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http1_head h;
        if (response(rows[i].text, rows[i].verb, &h) != HTTP1_DONE)
            fail_msg("refused: %s", rows[i].text);
        if (h.framing != rows[i].framing || h.length != rows[i].length ||
            h.informational != rows[i].informational || h.keep_alive != rows[i].keep_alive)
            fail_msg("wrong: %s", rows[i].text);
    }
    static const char *const wrong[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 600 High\r\n\r\n",
        "HTTP/1.1 2000 High\r\n\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "HTTP/3.0 200 OK\r\n\r\n",
        "HTTPS/1.1 200 OK\r\n\r\n",
        "200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 1\n\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: \r\nContent-Length: 1\r\n\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct http1_head h;
        if (response(wrong[i], VERB_GET, &h) != HTTP1_BAD)
            fail_msg("taken: %s", wrong[i]);
    }
}

static void add_payload(void *cookie, struct bytes payload)
{
    text_add_bytes(cookie, payload);
}

/* Feeds ${wire} in pieces of random size (${most} at most); returns the result of the last feed. */
static enum http1_result feed(const char *head_text, struct bytes wire, size_t most,
                              struct rng *rng, struct text *payload, size_t *ret_used,
                              size_t *ret_trailers)
{
    struct http1_head head;
    struct http1_body body;
    struct error err = {0};
    enum http1_result result = HTTP1_MORE;
    size_t at = 0;
    assert_int_equal(request(head_text, &head), HTTP1_DONE);
    http1_body_init(&body, &head);
    if (body.done)
        result = HTTP1_DONE;
    while (at < wire.len && result == HTTP1_MORE) {
        size_t piece = 1 + (size_t)rng_below(rng, most), used = 0;
        if (piece > wire.len - at)
            piece = wire.len - at;
        uint8_t *own = check_alloc(piece); /* so that ASan sees a read past the piece */
        memcpy(own, wire.at + at, piece);
        result =
            http1_body_feed(&body, (struct bytes){own, piece}, &used, add_payload, payload, &err);
        free(own);
        assert_true(result == HTTP1_BAD || result == HTTP1_DONE || used == piece);
        at += used;
    }
    assert_int_equal(body.done, result == HTTP1_DONE);
    if (ret_used != NULL)
        *ret_used = at;
    struct fields trailers = http1_body_trailers(&body);
    if (ret_trailers != NULL)
        *ret_trailers = trailers.count;
    if (trailers.count == 2) {
        expect_text(trailers.at[0].name, "Grpc-Status");
        expect_text(trailers.at[0].value, "14");
        expect_text(fields_find(trailers, "x-t"), "a b");
    }
    http1_body_release(&body);
    return result;
}

#define CHUNKED_HEAD "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

static void bodies_are_walked_whatever_the_pieces(void **state)
{
    (void)state;
    struct rng rng = rng_of(3);
    struct bytes chunked =
        BYTES("5\r\nhello\r\n1;ext=\"a\"\r\n \r\n6\r\nworld!\r\n0\r\nGrpc-Status: 14\r\n"
              "x-t: a b\r\n\r\nGET /next HTTP/1.1\r\n\r\n");
    size_t next = sizeof("GET /next HTTP/1.1\r\n\r\n") - 1;
    struct text payload;
    text_init(&payload, 4096);
    for (unsigned round = 0; round < 400; round++) {
        size_t used = 0, trailers = 0;
        text_clear(&payload);
        assert_int_equal(
            feed(CHUNKED_HEAD, chunked, 1 + round % 40, &rng, &payload, &used, &trailers),
            HTTP1_DONE);
        assert_string_equal(text_get(&payload), "hello world!");
        assert_int_equal(used, chunked.len - next);
        assert_int_equal(trailers, 2);
        text_clear(&payload);
        assert_int_equal(feed("POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n",
                              BYTES("hello worldGET"), 1 + round % 20, &rng, &payload, &used, NULL),
                         HTTP1_DONE);
        assert_string_equal(text_get(&payload), "hello world");
        assert_int_equal(used, 11);
    }
    text_release(&payload);
}

static void malformed_chunks_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "x\r\n",
        "5\nhello\r\n",
        "5\r\nhelloo\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "-1\r\n",
        " 5\r\nhello\r\n",
        "5 \r\nhello\r\n",
        "0x5\r\nhello\r\n",
        "fffffffffffffffff\r\n",
        "\r\n",
        "5;a\nb\r\n",
        "5\r\rhello",
        "0\r\nContent-Length: 5\r\n\r\n",
        "0\r\nx y\r\n\r\n",
    };
    struct rng rng = rng_of(5);
    struct text payload;
    text_init(&payload, 4096);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        if (feed(CHUNKED_HEAD, bytes_of(wrong[i]), 1, &rng, &payload, NULL, NULL) != HTTP1_BAD)
            fail_msg("taken in single bytes: %s", wrong[i]);
        if (feed(CHUNKED_HEAD, bytes_of(wrong[i]), 100, &rng, &payload, NULL, NULL) != HTTP1_BAD)
            fail_msg("taken whole: %s", wrong[i]);
    }
    /* framing without end is bounded */
    struct text t;
    text_init(&t, 1 << 20);
    text_add(&t, "1;");
    for (unsigned i = 0; i < 100000; i++)
        text_add(&t, "x");
    assert_int_equal(feed(CHUNKED_HEAD, bytes_of(text_get(&t)), 1000, &rng, &payload, NULL, NULL),
                     HTTP1_BAD);
    text_clear(&t);
    text_add(&t, "0\r\nx: ");
    for (unsigned i = 0; i < 100000; i++)
        text_add(&t, "x");
    assert_int_equal(feed(CHUNKED_HEAD, bytes_of(text_get(&t)), 1000, &rng, &payload, NULL, NULL),
                     HTTP1_BAD);
    text_release(&t);
    text_release(&payload);
}

static void a_body_without_end_is_never_done(void **state)
{
    (void)state;
    struct http1_head head;
    struct http1_body body;
    struct error err = {0};
    size_t used = 0;
    assert_int_equal(response("HTTP/1.1 200 OK\r\n\r\n", VERB_GET, &head), HTTP1_DONE);
    http1_body_init(&body, &head);
    assert_int_equal(http1_body_feed(&body, BYTES("abc"), &used, NULL, NULL, &err), HTTP1_MORE);
    assert_int_equal(used, 3);
    assert_int_equal(body.payload_bytes, 3);
    assert_false(body.done);
    http1_body_release(&body);
    assert_int_equal(response("HTTP/1.1 204 No\r\n\r\n", VERB_GET, &head), HTTP1_DONE);
    http1_body_init(&body, &head);
    assert_true(body.done);
}

static void names_are_known(void **state)
{
    (void)state;
    assert_int_equal(http1_verb(BYTES("PATCH")), VERB_PATCH);
    assert_int_equal(http1_verb(BYTES("PURGE")), VERB_OTHER);
    assert_string_equal(http1_verb_name(VERB_DELETE), "DELETE");
    assert_string_equal(http1_reason(503), "Service Unavailable");
    assert_string_equal(http1_reason(599), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_head_is_parsed_into_views),
        cmocka_unit_test(smuggling_is_refused),
        cmocka_unit_test(a_nul_is_refused_everywhere),
        cmocka_unit_test(too_long_and_too_many_name_their_limit),
        cmocka_unit_test(heads_are_found_whatever_the_pieces),
        cmocka_unit_test(keep_alive_follows_version_and_connection),
        cmocka_unit_test(responses_are_framed_by_status_and_verb),
        cmocka_unit_test(bodies_are_walked_whatever_the_pieces),
        cmocka_unit_test(malformed_chunks_are_refused),
        cmocka_unit_test(a_body_without_end_is_never_done),
        cmocka_unit_test(names_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
