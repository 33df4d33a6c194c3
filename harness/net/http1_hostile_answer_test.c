/* Hostile answers. */

#include "net/http1_hostile_fixture_test.h"

#define OK "HTTP/1.1 200 OK\r\n"
#define FORGED "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"

/* What a backend may not say in the place of a head: the client gets nothing but its end. */
static const struct form bad_heads[] = {
    FORM("CL and TE", OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" FORGED,
         "Transfer-Encoding can't be present with Content-Length"),
    FORM("TE and CL", OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello" FORGED,
         "Content-Length can't be present with Transfer-Encoding"),
    FORM("CL twice", OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello" FORGED,
         "Duplicate Content-Length"),
    FORM("CL differing", OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello" FORGED,
         "Duplicate Content-Length"),
    FORM("CL list", OK "Content-Length: 5, 5\r\n\r\nhello" FORGED,
         "Invalid character in Content-Length"),
    FORM("CL minus", OK "Content-Length: -1\r\n\r\nhello" FORGED,
         "Invalid character in Content-Length"),
    FORM("CL of 2^64", OK "Content-Length: 18446744073709551616\r\n\r\n" FORGED,
         "Content-Length overflow"),
    FORM("TE empty", OK "Transfer-Encoding:\r\nContent-Length: 5\r\n\r\nhello" FORGED,
         "an empty transfer-encoding"),
    FORM("TE in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" FORGED,
         "transfer-encoding in HTTP/1.0"),
    FORM("bare CR in a value: a split", OK "X: a\rContent-Length: 0\r\n\r\n" FORGED,
         "Missing expected LF after header value"),
    FORM("bare LF in a value: a split", OK "X: a\nContent-Length: 0\r\n\r\n" FORGED,
         "Missing expected CR after header value"),
    FORM("NUL in a value", OK "X: a\0b\r\nContent-Length: 0\r\n\r\n" FORGED,
         "Invalid header value char"),
    FORM("NUL in the reason", "HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n" FORGED,
         "a NUL in the status line"),
    FORM("bare LF all over", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
         "a line that ends without a carriage return"),
    FORM("bare CR in the line", "HTTP/1.1 200 O\rK\r\nContent-Length: 0\r\n\r\n" FORGED,
         "Expected LF after CR"),
    FORM("folded line", OK "X: a\r\n b\r\nContent-Length: 0\r\n\r\n" FORGED,
         "Unexpected whitespace after header value"),
    FORM("space before the colon", OK "Content-Length : 5\r\n\r\nhello" FORGED,
         "Invalid header field char"),
    FORM("no colon", OK "X\r\nContent-Length: 0\r\n\r\n" FORGED, "Invalid header token"),
    FORM("status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n" FORGED,
         "Invalid status code"),
    FORM("status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n" FORGED,
         "Invalid response status"),
    FORM("status 099", "HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n" FORGED,
         "a status outside of 100 to 599"),
    FORM("status 999", "HTTP/1.1 999 High\r\nContent-Length: 0\r\n\r\n" FORGED,
         "a status outside of 100 to 599"),
    FORM("no status", "HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n" FORGED, "Invalid status code"),
    FORM("HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n" FORGED,
         "a version other than HTTP/1.0 and HTTP/1.1"),
    FORM("HTTP/1.2", "HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n" FORGED, "Invalid HTTP version"),
    FORM("HTTP/0.9", "hello", "an answer that does not begin with HTTP/"),
    FORM("ICY", "ICY 200 OK\r\nContent-Length: 0\r\n\r\n" FORGED, "Expected HTTP/, RTSP/ or ICE/"),
    FORM("a request", EVIL, "Expected HTTP/, RTSP/ or ICE/"),
    FORM("SSH", "SSH-2.0-OpenSSH_9.2\r\n", "an answer that does not begin with HTTP/"),
    FORM("TLS", "\x15\x03\x01\x00\x02\x02\x0a", "a line that ends without a carriage return"),
    FORM("101 that nobody asked for",
         "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" FORGED,
         "a status 101 that nobody has asked for"),
    FORM("100 with CL and TE",
         "HTTP/1.1 100 C\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" FORGED,
         "Transfer-Encoding can't be present with Content-Length"),
    FORM("chunk size text", OK "Transfer-Encoding: chunked\r\n\r\nfive\r\nhello" FORGED,
         "Invalid character in chunk size"),
    FORM("chunk size of 2^64", OK "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n" FORGED,
         "Chunk size overflow"),
    FORM("chunk ended by a bare LF", OK "Transfer-Encoding: chunked\r\n\r\n2\r\nab\n0\r\n\r\n",
         "Missing expected CR after chunk data"),
    FORM("CL as a trailer", OK "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 9\r\n\r\n",
         "Content-Length can't be present with Transfer-Encoding"),
};

static void answers_that_are_not_http_are_a_close_for_the_client(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad_heads); i++) {
        struct rig *rig = rig_open();
        struct peer *c = rig_dial(rig);
        say(c, GET GET); /* nothing may pass for the second one's answer */
        struct peer *s = await_server(rig, 1);
        await_text(s, "\r\n\r\n");
        say_bytes(s, bytes_in_form(&bad_heads[i]));
        await_gone(c);
        await_gone(s);
        if (!c->fin || c->in.len > 0)
            fail_msg("%s: the client saw \"%.*s\"", bad_heads[i].name, (int)c->in.len,
                     (const char *)c->in.at);
        if (s->in.len != sizeof(GET) - 1)
            fail_msg("%s: the backend got more", bad_heads[i].name);
        if (await_attempt(rig, 1)->outcome != OUTCOME_BAD_RESPONSE || rig->attempt_count != 1)
            fail_msg("%s: outcome %u", bad_heads[i].name, rig->attempt[0].outcome);
        expect_reason(rig, bad_heads[i].name, bad_heads[i].reason);
        expect_served(rig, bad_heads[i].name);
        rig_close(rig);
    }
}

/* Answers that end where their framing says, with more behind: the rest reaches nobody, and the
 * connection is not used again. */
static const struct {
    const char *name, *request, *text;
    size_t answer; /* bytes that the client gets */
} longer[] = {
    {"more than its length", GET, OK5 FORGED, sizeof(OK5) - 1},
    {"HEAD with a body", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", OK5, sizeof(OK5) - 6},
    {"204 with a length", GET, "HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello", 38},
    {"204 with a body", GET, "HTTP/1.1 204 No\r\n\r\nhello", 19},
    {"304 with a body", GET, "HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\nhello", 38},
    {"chunks and more", GET, OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" FORGED,
     sizeof(OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n") - 1},
    {"two answers", GET, "HTTP/1.1 204 No\r\n\r\n" FORGED, 19},
};

static void what_follows_an_answer_is_nobodys(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(longer); i++) {
        struct rig *rig = rig_open();
        struct peer *c = rig_dial(rig);
        say(c, longer[i].request);
        struct peer *s = await_server(rig, 1);
        await_text(s, "\r\n\r\n");
        say(s, longer[i].text);
        await_bytes(c, longer[i].answer);
        await_gone(s);
        assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_ANSWERED);
        say(c, GET); /* the client's own goes on */
        struct peer *next = await_server(rig, 2);
        await_text(next, "\r\n\r\n");
        if (c->in.len != longer[i].answer || memcmp(c->in.at, longer[i].text, c->in.len) != 0)
            fail_msg("%s: the client saw \"%.*s\"", longer[i].name, (int)c->in.len,
                     (const char *)c->in.at);
        peer_forget(c);
        say(next, OK5);
        await_text(c, "hello");
        expect_in(c, OK5);
        rig_close(rig);
    }
}

/* A 204 that announces a body will send it later, perhaps: as the answer to somebody else. */
static void a_204_that_announces_a_body_is_not_pooled(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        struct rig *rig = rig_open();
        struct peer *c = rig_dial(rig);
        say(c, GET);
        struct peer *s = await_server(rig, 1);
        await_text(s, "\r\n\r\n");
        say(s, heads[i]);
        await_text(c, heads[i]);
        await_gone(s);
        expect_served(rig, heads[i]);
        rig_close(rig);
    }
}

/* Interim answers without end, each of which has to be written anew: the call's memory is bounded,
 * and so is their number. */
static void interim_answers_without_end_are_cut(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    struct text hints;
    struct error err = {0};
    text_init(&hints, 1 << 20);
    text_add(&hints, "HTTP/1.1 103 Early Hints\r\n");
    for (unsigned i = 0; i < 60; i++)
        text_add(&hints, "Keep-Alive: x\r\nX-%u: %0500u\r\n", i, i);
    text_add(&hints, "\r\n");
    say(c, GET);
    struct peer *s = await_server(rig, 1);
    await_text(s, "\r\n\r\n");
    struct buffer flood;
    buffer_init(&flood, (size_t)64 * 1024 * 1024);
    for (unsigned i = 0; i < HTTP1_INTERIM_MOST + 1; i++)
        assert_true(buffer_add(&flood, text_get(&hints), hints.len, &err));
    for (size_t at = 0; at < flood.len && !s->rst && !s->fin;) {
        ssize_t n = send(s->watch.fd, flood.at + at, flood.len - at, MSG_NOSIGNAL);
        if (n > 0)
            at += (size_t)n;
        else if (errno == EAGAIN)
            await_ns(rig, NS_PER_MS);
        else
            break;
    }
    await_gone(c);
    assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_BAD_RESPONSE);
    expect_reason(rig, "interims", "more than 1000 interim answers");
    expect_served(rig, "after a flood");
    buffer_release(&flood);
    text_release(&hints);
    rig_close(rig);
}

static void an_answer_that_is_too_large_is_cut(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {OK "X: ", "yyyyyyyyyy", "a head of more than 65536 bytes"},
        {OK, "X: y\r\n", "a head of more than 65536 bytes"},
        {OK "Transfer-Encoding: chunked\r\n\r\n5;", "yyyyyyyyyy",
         "more than 65536 bytes of chunk framing in a row"},
        {OK "Transfer-Encoding: chunked\r\n\r\n0\r\nX: ", "yyyyyyyyyy",
         "more than 16384 bytes of trailers"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig *rig = rig_open();
        struct peer *c = rig_dial(rig);
        struct text t = many(rows[i][0], rows[i][1], 14000);
        say(c, GET);
        struct peer *s = await_server(rig, 1);
        await_text(s, "\r\n\r\n");
        (void)!send(s->watch.fd, text_get(&t), t.len, MSG_NOSIGNAL);
        await_gone(c);
        assert_true(c->fin);
        assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_BAD_RESPONSE);
        text_release(&t);
        expect_reason(rig, rows[i][0], rows[i][2]);
        expect_served(rig, rows[i][0]);
        rig_close(rig);
    }
}

/* After an answer that came before the request was whole, neither connection can be trusted. */
static void an_early_answer_with_more_behind_is_all_that_is_heard(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    say(c, POST "Content-Length: 100\r\n\r\n" EVIL);
    struct peer *s = await_server(rig, 1);
    await_text(s, EVIL);
    say(s, OK5 FORGED);
    await_gone(c);
    await_gone(s);
    expect_in(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nconnection: close\r\n\r\nhello");
    assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_ANSWERED);
    assert_int_equal(rig->attempt_count, 1);
    expect_served(rig, "after an early answer");
    rig_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_that_are_not_http_are_a_close_for_the_client),
        cmocka_unit_test(what_follows_an_answer_is_nobodys),
        cmocka_unit_test(a_204_that_announces_a_body_is_not_pooled),
        cmocka_unit_test(interim_answers_without_end_are_cut),
        cmocka_unit_test(an_answer_that_is_too_large_is_cut),
        cmocka_unit_test(an_early_answer_with_more_behind_is_all_that_is_heard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
