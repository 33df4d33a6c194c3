/* Hostile requests. */

#include "net/http1_hostile_fixture_test.h"

#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static bool has(const struct peer *p, const char *text)
{
    return p->in.len > 0 && memmem(p->in.at, p->in.len, text, strlen(text)) != NULL;
}

/* The client is gone, or the backend hears of it. */
static bool until_judged(struct rig *rig, void *cookie)
{
    const struct peer *p = cookie;
    return p->fin || p->rst || rig->accepted > 0;
}

/* Heads, and bodies whose first bytes came with them, that no two parsers need to agree on. */
static const struct form refused[] = {
    FORM("CL and TE", POST "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" EVIL,
         "Transfer-Encoding can't be present with Content-Length"),
    FORM("TE and CL", POST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" EVIL,
         "Content-Length can't be present with Transfer-Encoding"),
    FORM("CL twice", POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello" EVIL,
         "Duplicate Content-Length"),
    FORM("CL differing", POST "Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello" EVIL,
         "Duplicate Content-Length"),
    FORM("CL list", POST "Content-Length: 5, 5\r\n\r\nhello" EVIL,
         "Invalid character in Content-Length"),
    FORM("CL plus", POST "Content-Length: +5\r\n\r\nhello" EVIL,
         "Invalid character in Content-Length"),
    FORM("CL minus", POST "Content-Length: -5\r\n\r\nhello" EVIL,
         "Invalid character in Content-Length"),
    FORM("CL hex", POST "Content-Length: 0x5\r\n\r\nhello" EVIL,
         "Invalid character in Content-Length"),
    FORM("CL spaced inside", POST "Content-Length: 1 0\r\n\r\nhello" EVIL,
         "Invalid character in Content-Length"),
    FORM("CL empty", POST "Content-Length:\r\n\r\nhello" EVIL, "Empty Content-Length"),
    FORM("CL text", POST "Content-Length: five\r\n\r\nhello" EVIL,
         "Invalid character in Content-Length"),
    FORM("CL fraction", POST "Content-Length: 5.0\r\n\r\nhello" EVIL,
         "Invalid character in Content-Length"),
    FORM("CL of 2^64 + 5", POST "Content-Length: 18446744073709551621\r\n\r\nhello" EVIL,
         "Content-Length overflow"),
    FORM("CL before a NUL", POST "Content-Length: 5\0\r\n\r\nhello" EVIL,
         "Invalid character in Content-Length"),
    FORM("CL after a tab before the colon", POST "Content-Length\t: 5\r\n\r\nhello" EVIL,
         "Invalid header token"),
    FORM("CL behind a space", POST " Content-Length: 5\r\n\r\nhello" EVIL,
         "Unexpected whitespace after header value"),
    FORM("space before the colon", POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" EVIL,
         "Invalid header field char"),
    FORM("TE identity last", POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" EVIL,
         "Invalid `Transfer-Encoding` header value"),
    FORM("TE second identity",
         POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" EVIL,
         "Invalid `Transfer-Encoding` header value"),
    FORM("TE gzip", POST "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n" EVIL,
         "a transfer-encoding whose last coding is not chunked"),
    FORM("TE xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" EVIL,
         "a transfer-encoding whose last coding is not chunked"),
    FORM("TE chunkedx", POST "Transfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n" EVIL,
         "a transfer-encoding whose last coding is not chunked"),
    FORM("TE quoted", POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" EVIL,
         "a transfer-encoding whose last coding is not chunked"),
    FORM("TE vertical tab",
         POST "Transfer-Encoding: \x0b"
              "chunked\r\n\r\n0\r\n\r\n" EVIL,
         "Invalid header value char"),
    FORM("TE with a parameter", POST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n" EVIL,
         "a transfer-encoding whose last coding is not chunked"),
    FORM("TE empty", POST "Transfer-Encoding:\r\n\r\n0\r\n\r\n" EVIL, "an empty transfer-encoding"),
    FORM("TE empty and CL", POST "Transfer-Encoding:\r\nContent-Length: 5\r\n\r\nhello" EVIL,
         "an empty transfer-encoding"),
    FORM("TE chunked twice", POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" EVIL,
         "Invalid `Transfer-Encoding` header value"),
    FORM("TE chunked in two lines",
         POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" EVIL,
         "Invalid `Transfer-Encoding` header value"),
    FORM("TE behind a bare CR", POST "X: b\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" EVIL,
         "Missing expected LF after header value"),
    FORM("TE behind a bare LF", POST "X: b\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" EVIL,
         "Missing expected CR after header value"),
    FORM("TE folded", POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" EVIL,
         "Invalid header value char"),
    FORM("TE in HTTP/1.0",
         "POST /p HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" EVIL,
         "transfer-encoding in HTTP/1.0"),
    FORM("bare LF all over", "GET / HTTP/1.1\nHost: a\n\n" EVIL, "Expected CRLF after version"),
    FORM("bare LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n" EVIL, "Invalid header field char"),
    FORM("bare CR in the line", "GET /a\rb HTTP/1.1\r\nHost: a\r\n\r\n" EVIL, "Expected CRLF"),
    FORM("bare CR as a line end", "GET / HTTP/1.1\rHost: a\r\r\n\r\n" EVIL,
         "Expected CRLF after version"),
    FORM("folded line", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n" EVIL,
         "Unexpected whitespace after header value"),
    FORM("folded by a tab", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n" EVIL,
         "Unexpected whitespace after header value"),
    FORM("NUL in a name", "GET / HTTP/1.1\r\nHo\0st: a\r\n\r\n" EVIL, "Invalid header token"),
    FORM("NUL in a value", "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n" EVIL,
         "Invalid header value char"),
    FORM("NUL in the target", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n" EVIL,
         "Invalid char in url path"),
    FORM("no colon", "GET / HTTP/1.1\r\nHost a\r\n\r\n" EVIL, "Invalid header token"),
    FORM("no name", "GET / HTTP/1.1\r\n: a\r\n\r\n" EVIL, "Invalid header token"),
    FORM("name with a space", "GET / HTTP/1.1\r\nX Y: a\r\n\r\n" EVIL, "Invalid header token"),
    FORM("name with high bytes", "GET / HTTP/1.1\r\nX\xff: a\r\n\r\n" EVIL, "Invalid header token"),
    FORM("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" EVIL, "two host fields"),
    FORM("two hosts alike", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n" EVIL, "two host fields"),
    FORM("HTTP/0.9", "GET /\r\n\r\n" EVIL, "a version other than HTTP/1.0 and HTTP/1.1"),
    FORM("HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n" EVIL, "Invalid HTTP version"),
    FORM("HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n" EVIL,
         "a version other than HTTP/1.0 and HTTP/1.1"),
    FORM("HTTP/01.1", "GET / HTTP/01.1\r\nHost: a\r\n\r\n" EVIL, "Expected dot"),
    FORM("http/1.1", "GET / http/1.1\r\nHost: a\r\n\r\n" EVIL, "Expected HTTP/, RTSP/ or ICE/"),
    FORM("a space behind the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n" EVIL,
         "Expected CRLF after version"),
    FORM("no version number", "GET / HTTP/\r\nHost: a\r\n\r\n" EVIL, "Invalid major version"),
    FORM("two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n" EVIL,
         "a request line that is not METHOD SP TARGET SP HTTP/1.x"),
    FORM("a tab for the space", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n" EVIL,
         "Expected space after method"),
    FORM("a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n" EVIL,
         "Expected HTTP/, RTSP/ or ICE/"),
    FORM("a second request in the target", "GET / HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n" EVIL,
         "Expected CRLF after version"),
    FORM("lower-case method", "get / HTTP/1.1\r\nHost: a\r\n\r\n" EVIL,
         "Invalid method encountered"),
    FORM("method with a sign", "G@T / HTTP/1.1\r\nHost: a\r\n\r\n" EVIL,
         "Invalid method encountered"),
    FORM("empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n" EVIL,
         "an empty line before the message"),
    FORM("RTSP", "DESCRIBE / RTSP/1.0\r\nHost: a\r\n\r\n" EVIL,
         "a request line that is not METHOD SP TARGET SP HTTP/1.x"),
    FORM("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" EVIL,
         "an HTTP/2 preface where HTTP/1.1 is spoken"),
    FORM("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
         "a TLS record where plain HTTP is spoken"),
    FORM("an answer", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" EVIL,
         "Invalid method encountered"),
    FORM("CONNECT with CL",
         "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" EVIL,
         "a CONNECT with a body"),
    FORM("CONNECT chunked",
         "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" EVIL,
         "a CONNECT with a body"),
    FORM("chunk size text", CHUNKED "five\r\nhello\r\n0\r\n\r\n" EVIL,
         "Invalid character in chunk size"),
    FORM("chunk size empty", CHUNKED "\r\nhello\r\n0\r\n\r\n" EVIL,
         "Invalid character in chunk size"),
    FORM("chunk size minus", CHUNKED "-5\r\nhello\r\n0\r\n\r\n" EVIL,
         "Invalid character in chunk size"),
    FORM("chunk size plus", CHUNKED "+5\r\nhello\r\n0\r\n\r\n" EVIL,
         "Invalid character in chunk size"),
    FORM("chunk size 0x", CHUNKED "0x5\r\nhello\r\n0\r\n\r\n" EVIL,
         "Invalid character in chunk size"),
    FORM("chunk size underscored", CHUNKED "1_0\r\nhello\r\n0\r\n\r\n" EVIL,
         "Invalid character in chunk size"),
    FORM("chunk size of 2^64 + 5", CHUNKED "10000000000000005\r\nhello\r\n0\r\n\r\n" EVIL,
         "Chunk size overflow"),
    FORM("chunk size behind a space", CHUNKED " 5\r\nhello\r\n0\r\n\r\n" EVIL,
         "Invalid character in chunk size"),
    FORM("chunk size before a space", CHUNKED "5 \r\nhello\r\n0\r\n\r\n" EVIL,
         "Invalid character in chunk size"),
    FORM("chunk size with a bare LF", CHUNKED "5\nhello\r\n0\r\n\r\n" EVIL,
         "Missing expected CR after chunk size"),
    FORM("chunk size with a bare CR", CHUNKED "5\rhello\r\n0\r\n\r\n" EVIL,
         "Expected LF after chunk size"),
    FORM("chunk longer than it says", CHUNKED "5\r\nhelloworld\r\n0\r\n\r\n" EVIL,
         "Expected LF after chunk data"),
    FORM("chunk shorter than it says", CHUNKED "7\r\nhello\r\n0\r\n\r\n" EVIL,
         "Expected LF after chunk data"),
    FORM("chunk ended by a bare LF", CHUNKED "5\r\nhello\n0\r\n\r\n" EVIL,
         "Missing expected CR after chunk data"),
    FORM("chunk extension with a bare LF", CHUNKED "5;a\nb\r\nhello\r\n0\r\n\r\n" EVIL,
         "Missing expected CR after chunk extension name"),
    FORM("chunk extension with a NUL", CHUNKED "5;a\0b\r\nhello\r\n0\r\n\r\n" EVIL,
         "Invalid character in chunk extensions name"),
    FORM("no last CRLF", CHUNKED "5\r\nhello\r\n0\r\n" EVIL, "Invalid header token"),
    FORM("CL as a trailer", CHUNKED "0\r\nContent-Length: 50\r\n\r\n" EVIL,
         "Content-Length can't be present with Transfer-Encoding"),
    FORM("TE as a trailer", CHUNKED "0\r\nTransfer-Encoding: chunked\r\n\r\n" EVIL,
         "Invalid `Transfer-Encoding` header value"),
    FORM("folded trailer", CHUNKED "0\r\nX: a\r\n b\r\n\r\n" EVIL,
         "Unexpected whitespace after header value"),
    FORM("trailer without a colon", CHUNKED "0\r\nX a\r\n\r\n" EVIL, "Invalid header token"),
};

static void what_two_parsers_may_read_differently_is_refused(void **state)
{
    (void)state;
    assert_true(COUNT_OF(refused) > 70);
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct rig *rig = rig_open();
        struct peer *c = rig_dial(rig);
        say_bytes(c, bytes_in_form(&refused[i]));
        rig_await(rig, until_judged, c);
        if (rig->accepted != 0)
            fail_msg("%s: the backend was dialled", refused[i].name);
        struct attempt_record *a = await_attempt(rig, 1);
        if (!c->fin || c->in.len < 13 || memcmp(c->in.at, "HTTP/1.1 400 ", 13) != 0)
            fail_msg("%s: the client saw \"%.*s\"", refused[i].name, (int)c->in.len,
                     (const char *)c->in.at);
        if (has(c, "\r\n\r\nHTTP") || a->outcome != OUTCOME_BAD_REQUEST || a->status != 400 ||
            rig->attempt_count != 1)
            fail_msg("%s: outcome %u, status %u, %zu attempts", refused[i].name, a->outcome,
                     a->status, rig->attempt_count);
        expect_reason(rig, refused[i].name, refused[i].reason);
        expect_served(rig, refused[i].name);
        rig_close(rig);
    }
}

/* Bodies whose head went on before the wrong bytes came: the backend gets a part of one request,
 * and a reset; never an end. */
static const struct form late[] = {
    FORM("text for a size", "five\r\n" EVIL, "Invalid character in chunk size"),
    FORM("a size of 2^64", "10000000000000000\r\n" EVIL, "Chunk size overflow"),
    FORM("hex prefix", "0x0\r\n\r\n" EVIL, "Invalid character in chunk size"),
    FORM("no CRLF behind the data", "2\r\nabXX0\r\n\r\n" EVIL, "Expected LF after chunk data"),
    FORM("bare LF", "0\n\n" EVIL, "Missing expected CR after chunk size"),
    FORM("no last CRLF", "0\r\n" EVIL, "Invalid header token"),
    FORM("TE as a trailer", "0\r\nTransfer-Encoding: chunked\r\n\r\n" EVIL,
         "Invalid `Transfer-Encoding` header value"),
    FORM("NUL as a trailer", "0\r\nX: \0\r\n\r\n" EVIL, "Invalid header value char"),
};

static void chunks_that_go_wrong_later_end_both_connections(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(late); i++) {
        struct rig *rig = rig_open();
        struct peer *c = rig_dial(rig);
        say(c, CHUNKED "5\r\nhello\r\n");
        struct peer *s = await_server(rig, 1);
        await_text(s, "hello\r\n");
        say_bytes(c, bytes_in_form(&late[i]));
        await_gone(c);
        await_gone(s);
        struct attempt_record *a = await_attempt(rig, 1);
        if (!c->fin || c->in.len < 13 || memcmp(c->in.at, "HTTP/1.1 400 ", 13) != 0 ||
            a->outcome != OUTCOME_BAD_REQUEST || a->status != 400 || rig->attempt_count != 1)
            fail_msg("%s: outcome %u, the client saw \"%.*s\"", late[i].name, a->outcome,
                     (int)c->in.len, (const char *)c->in.at);
        if (!s->rst || has(s, "0\r\n\r\n") || has(s, "evil"))
            fail_msg("%s: the backend saw \"%.*s\"", late[i].name, (int)s->in.len,
                     (const char *)s->in.at);
        expect_reason(rig, late[i].name, late[i].reason);
        expect_served(rig, late[i].name);
        rig_close(rig);
    }
}

/* Odd, and the same message for every parser: it goes on as it came, as one request. ${after} of
 * its bytes follow as the next one of the connection. */
static const struct {
    const char *name, *text;
    size_t after;
} passed[] = {
    {"no host", "GET /x HTTP/1.1\r\n\r\n", 0},
    {"an empty host", "GET /x HTTP/1.1\r\nHost:\r\n\r\n", 0},
    {"absolute form and another host", "GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"unknown method", "PURGE /x HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"GET with a body", "GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 32\r\n\r\n" EVIL "x", 0},
    {"leading zeros", POST "Content-Length: 0005\r\n\r\nhello", 0},
    {"upper-case coding", POST "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", 0},
    {"a coding and chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0},
    {"chunk size in zeros", CHUNKED "0000005\r\nhello\r\n000\r\n\r\n", 0},
    {"chunk extensions", CHUNKED "5;a=b;c=\"d e\"\r\nhello\r\n0;z\r\n\r\n", 0},
    {"trailers", CHUNKED "5\r\nhello\r\n0\r\nX-T: a\r\nHost: evil\r\n\r\n", 0},
    {"underscores", POST "Content_Length: 7\r\nTransfer_Encoding: chunked\r\n\r\n", 0},
    {"a field named as a listed one",
     POST "Content-Length: 5\r\nX-Connection: Content-Length\r\n\r\nhello", 0},
    {"a request in the body", POST "Content-Length: 31\r\n\r\n" EVIL, 0},
    {"a request behind it", "GET /x HTTP/1.1\r\nHost: a\r\n\r\n" EVIL, sizeof(EVIL) - 1},
    {"a request behind chunks", CHUNKED "0\r\n\r\n" EVIL, sizeof(EVIL) - 1},
    {"a request behind a length", POST "Content-Length: 2\r\n\r\nab" EVIL, sizeof(EVIL) - 1},
};

static void what_is_only_odd_goes_on_unchanged(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(passed); i++) {
        struct rig *rig = rig_open();
        struct peer *c = rig_dial(rig);
        size_t first = strlen(passed[i].text) - passed[i].after;
        say(c, passed[i].text);
        struct peer *s = await_server(rig, 1);
        await_bytes(s, first);
        if (s->in.len != first || memcmp(s->in.at, passed[i].text, first) != 0)
            fail_msg("%s: the backend saw \"%.*s\"", passed[i].name, (int)s->in.len,
                     (const char *)s->in.at);
        peer_forget(s);
        say(s, OK5);
        await_text(c, OK5);
        if (await_attempt(rig, 1)->outcome != OUTCOME_ANSWERED || rig->attempt[0].status != 200)
            fail_msg("%s: outcome %u", passed[i].name, rig->attempt[0].outcome);
        if (passed[i].after > 0) {
            await_bytes(s, passed[i].after);
            expect_in(s, EVIL);
            say(s, OK5);
            assert_int_equal(await_attempt(rig, 2)->sequence, 2);
        }
        assert_int_equal(rig->attempt_count, passed[i].after > 0 ? 2 : 1);
        rig_close(rig);
    }
}

/* A peer may not talk us out of the field that frames its message. */
static void a_framing_field_that_connection_lists_stays(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    say(c,
        POST "Connection: Content-Length, X-A, Host\r\nX-A: 1\r\nContent-Length: 5\r\n\r\nhello");
    struct peer *s = await_server(rig, 1);
    await_text(s, "hello");
    expect_in(s, POST "Content-Length: 5\r\n\r\nhello");
    say(s, OK5);
    await_text(c, "hello");
    rig_close(rig);
}

static const struct {
    const char *head, *more;
    size_t count;
    const char *answer; /* its status line's start */
    const char *reason;
} large[] = {
    {"GET / HTTP/1.1\r\nX: ", "yyyyyyyyyy", 6600, "HTTP/1.1 431 ",
     "a head of more than 65536 bytes"},
    {"GET /", "yyyyyyyyyy", 6600, "HTTP/1.1 431 ", "a head of more than 65536 bytes"},
    {"GET / HTTP/1.1\r\n", "X: y\r\n", 11000, "HTTP/1.1 431 ",
     "a head of more than 65536 bytes"}, /* without an end */
    {CHUNKED "5;", "yyyyyyyyyy", 6600, "HTTP/1.1 400 ",
     "more than 65536 bytes of chunk framing in a row"},
    {CHUNKED "0000000000", "0000000000", 6600, "HTTP/1.1 400 ",
     "more than 65536 bytes of chunk framing in a row"},
    {CHUNKED "0\r\nX: ", "yyyyyyyyyy", 6600, "HTTP/1.1 400 ", "more than 16384 bytes of trailers"},
    {CHUNKED "0\r\n", "X: y\r\n", 40, "HTTP/1.1 400 ", "more than 32 trailers"},
};

static void what_is_too_large_ends_with_its_limit(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(large); i++) {
        struct rig *rig = rig_open();
        struct peer *c = rig_dial(rig);
        struct text t = many(large[i].head, large[i].more, large[i].count);
        size_t accepted = i >= 3 && t.len > 4096 ? 1 : 0; /* the first part went on */
        say(c, text_get(&t));
        await_gone(c);
        struct attempt_record *a = await_attempt(rig, 1);
        if (c->in.len < 13 || memcmp(c->in.at, large[i].answer, 13) != 0 ||
            a->outcome != OUTCOME_BAD_REQUEST || rig->attempt_count != 1 ||
            rig->accepted > accepted)
            fail_msg("row %zu: outcome %u, \"%.*s\"", i, a->outcome, (int)c->in.len,
                     (const char *)c->in.at);
        text_release(&t);
        expect_reason(rig, large[i].head, large[i].reason);
        expect_served(rig, large[i].head);
        rig_close(rig);
    }
}

/* Who says that it closes has said its last: what follows is not a request. */
static void a_request_behind_a_close_is_not_read(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig *rig = rig_open();
        struct peer *c = rig_dial(rig);
        char both[256];
        snprintf(both, sizeof(both), "%s%s", rows[i], EVIL);
        say(c, both);
        struct peer *s = await_server(rig, 1);
        await_text(s, "\r\n\r\n");
        say(s, OK5);
        await_gone(c);
        assert_true(c->fin && !has(s, "evil"));
        (void)await_attempt(rig, 1);
        assert_int_equal(rig->attempt_count, 1);
        rig_close(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_two_parsers_may_read_differently_is_refused),
        cmocka_unit_test(chunks_that_go_wrong_later_end_both_connections),
        cmocka_unit_test(what_is_only_odd_goes_on_unchanged),
        cmocka_unit_test(a_framing_field_that_connection_lists_stays),
        cmocka_unit_test(what_is_too_large_ends_with_its_limit),
        cmocka_unit_test(a_request_behind_a_close_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
