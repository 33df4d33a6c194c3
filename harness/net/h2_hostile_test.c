/* Clients that break HTTP/2's rules, after the cases of h2spec (RFC 9113, sections in the names):
 * each ends its own stream or its own connection with the code that the RFC gives, is journalled,
 * and disturbs no other connection. */

#define RIG_RECORDS 40000 /* a flood of resets is one of calls */
#include "net/h2_peer_test.h"

#define FIN NGHTTP2_FLAG_END_STREAM
#define ALL NGHTTP2_FLAG_END_HEADERS

struct breach {
    const char *name;
    void (*say)(struct h2_peer *p);
    uint32_t code;
    bool stream;        /* RST_STREAM, else GOAWAY */
    const char *reason; /* a part of it */
};

static void frame(struct h2_peer *p, uint8_t type, uint8_t flags, int32_t id, struct bytes payload)
{
    h2_frame(p, type, flags, id, payload.at, payload.len);
}
#define NOTHING ((struct bytes){NULL, 0})

static void headers_first(struct h2_peer *p)
{
    h2_head(p, 1, H2_POST, false);
}
static void data_on_0(struct h2_peer *p)
{
    frame(p, NGHTTP2_DATA, 0, 0, BYTES("x"));
}
static void headers_on_0(struct h2_peer *p)
{
    h2_head(p, 0, H2_GET, true);
}
static void headers_on_even(struct h2_peer *p)
{
    h2_head(p, 2, H2_GET, true);
}
static void data_on_idle(struct h2_peer *p)
{
    h2_data(p, 1, "x", true);
}
static void rst_on_idle(struct h2_peer *p)
{
    h2_rst(p, 1, NGHTTP2_CANCEL);
}
static void window_on_idle(struct h2_peer *p)
{
    h2_number(p, NGHTTP2_WINDOW_UPDATE, 1, 1);
}
static void window_of_0(struct h2_peer *p)
{
    h2_number(p, NGHTTP2_WINDOW_UPDATE, 0, 0);
}
static void window_overflow(struct h2_peer *p)
{
    h2_number(p, NGHTTP2_WINDOW_UPDATE, 0, INT32_MAX);
}
static void window_of_3_bytes(struct h2_peer *p)
{
    frame(p, NGHTTP2_WINDOW_UPDATE, 0, 0, BYTES("\0\0\1"));
}
static void settings_of_3_bytes(struct h2_peer *p)
{
    frame(p, NGHTTP2_SETTINGS, 0, 0, BYTES("\0\3\0"));
}
static void settings_ack_with_payload(struct h2_peer *p)
{
    frame(p, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, BYTES("\0\3\0\0\0\1"));
}
static void settings_on_stream(struct h2_peer *p)
{
    frame(p, NGHTTP2_SETTINGS, 0, 1, BYTES("\0\3\0\0\0\1"));
}
static void settings_push_2(struct h2_peer *p)
{
    frame(p, NGHTTP2_SETTINGS, 0, 0, BYTES("\0\2\0\0\0\2"));
}
static void settings_window_too_large(struct h2_peer *p)
{
    frame(p, NGHTTP2_SETTINGS, 0, 0, BYTES("\0\4\x80\0\0\0"));
}
static void settings_frame_size_1(struct h2_peer *p)
{
    frame(p, NGHTTP2_SETTINGS, 0, 0, BYTES("\0\5\0\0\0\1"));
}
static void ping_of_7_bytes(struct h2_peer *p)
{
    frame(p, NGHTTP2_PING, 0, 0, BYTES("1234567"));
}
static void ping_on_stream(struct h2_peer *p)
{
    frame(p, NGHTTP2_PING, 0, 1, BYTES("12345678"));
}
static void goaway_on_stream(struct h2_peer *p)
{
    frame(p, NGHTTP2_GOAWAY, 0, 1, BYTES("\0\0\0\0\0\0\0\0"));
}
static void rst_of_3_bytes(struct h2_peer *p)
{
    h2_head(p, 1, H2_POST, false);
    frame(p, NGHTTP2_RST_STREAM, 0, 1, BYTES("\0\0\1"));
}
static void rst_on_0(struct h2_peer *p)
{
    h2_rst(p, 0, NGHTTP2_CANCEL);
}
static void priority_of_4_bytes(struct h2_peer *p)
{
    frame(p, NGHTTP2_PRIORITY, 0, 1, BYTES("\0\0\0\0"));
}
static void frame_too_large(struct h2_peer *p)
{
    static const uint8_t zeros[16385];
    h2_head(p, 1, H2_POST, false);
    h2_frame(p, NGHTTP2_DATA, 0, 1, zeros, sizeof(zeros));
}
static void continuation_alone(struct h2_peer *p)
{
    frame(p, NGHTTP2_CONTINUATION, ALL, 1, NOTHING);
}
static void data_within_headers(struct h2_peer *p)
{
    frame(p, NGHTTP2_HEADERS, 0, 1, NOTHING);
    h2_data(p, 1, "x", false);
}
static void continuation_of_another(struct h2_peer *p)
{
    frame(p, NGHTTP2_HEADERS, 0, 1, NOTHING);
    frame(p, NGHTTP2_CONTINUATION, ALL, 3, NOTHING);
}
static void hpack_index_out_of_range(struct h2_peer *p)
{
    frame(p, NGHTTP2_HEADERS, ALL | FIN, 1, BYTES("\xff\xff\xff\x0f"));
}
static void data_padded_beyond_its_end(struct h2_peer *p)
{
    h2_head(p, 1, H2_POST, false);
    frame(p, NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, BYTES("\5x"));
}
static void headers_padded_beyond_their_end(struct h2_peer *p)
{
    frame(p, NGHTTP2_HEADERS, ALL | NGHTTP2_FLAG_PADDED, 1, BYTES("\xffx"));
}
static void push_promise(struct h2_peer *p)
{
    h2_head(p, 1, H2_POST, false);
    frame(p, NGHTTP2_PUSH_PROMISE, ALL, 1, BYTES("\0\0\0\2"));
}
static void data_on_half_closed(struct h2_peer *p)
{
    h2_head(p, 1, H2_GET, true);
    h2_data(p, 1, "x", true);
}
static void headers_on_half_closed(struct h2_peer *p)
{
    h2_head(p, 1, H2_GET, true);
    h2_head(p, 1, "x: y\n", true);
}
static void list_too_large(struct h2_peer *p)
{
    static char lines[72 * 1024];
    size_t used = (size_t)snprintf(lines, sizeof(lines), "%s", H2_GET);
    static uint8_t block[80 * 1024];
    for (char name = 'a'; used < 68 * 1024; name++) {
        used += (size_t)snprintf(lines + used, sizeof(lines) - used, "x-%c: ", name);
        memset(lines + used, 'v', 8000);
        lines[used + 8000] = '\n';
        used += 8001;
    }
    lines[used] = '\0';
    size_t len = h2_block(block, lines), at = 0;
    for (; len - at > 16384; at += 16384)
        h2_frame(p, at == 0 ? NGHTTP2_HEADERS : NGHTTP2_CONTINUATION, at == 0 ? FIN : 0, 1,
                 block + at, 16384);
    h2_frame(p, NGHTTP2_CONTINUATION, ALL, 1, block + at, len - at);
}
static void continuation_flood(struct h2_peer *p)
{
    frame(p, NGHTTP2_HEADERS, 0, 1, NOTHING);
    for (size_t i = 0; i < 20; i++)
        frame(p, NGHTTP2_CONTINUATION, 0, 1, NOTHING);
}
static void say_many(struct h2_peer *p, struct bytes once, size_t times)
{
    struct buffer all;
    struct error err = {0};
    buffer_init(&all, (size_t)64 * 1024 * 1024);
    for (size_t i = 0; i < times; i++)
        assert_true(buffer_add(&all, once.at, once.len, &err));
    for (size_t at = 0; at < all.len;) {
        ssize_t n = send(p->peer->watch.fd, all.at + at, all.len - at, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            break; /* it has heard enough */
        at += n > 0 ? (size_t)n : 0;
        if (n < 0)
            await_ns(p->peer->rig, NS_PER_MS);
    }
    buffer_release(&all);
}
static void settings_flood(struct h2_peer *p)
{
    say_many(p, BYTES("\0\0\0\4\0\0\0\0\0"), 5000);
}
static void ping_flood(struct h2_peer *p)
{
    say_many(p, BYTES("\0\0\x08\6\0\0\0\0\0\0\0\0\0\0\0\0\0"), 300000);
}
static void empty_data_flood(struct h2_peer *p)
{
    h2_head(p, 1, H2_POST, false);
    say_many(p, BYTES("\0\0\0\0\0\0\0\0\1"), 300000);
}
static void rapid_reset(struct h2_peer *p)
{
    struct buffer all;
    struct error err = {0};
    uint8_t block[512];
    size_t len = h2_block(block, H2_GET);
    buffer_init(&all, (size_t)64 * 1024 * 1024);
    for (uint32_t id = 1; id < 60000; id += 2) {
        uint8_t head[9] = {0, 0, (uint8_t)len,       NGHTTP2_HEADERS, ALL | FIN,
                           0, 0, (uint8_t)(id >> 8), (uint8_t)id};
        uint8_t rst[13] = {0, 0, 4, NGHTTP2_RST_STREAM, 0, 0, 0, (uint8_t)(id >> 8), (uint8_t)id,
                           0, 0, 0, NGHTTP2_CANCEL};
        assert_true(buffer_add(&all, head, 9, &err) && buffer_add(&all, block, len, &err) &&
                    buffer_add(&all, rst, 13, &err));
    }
    say_many(p, buffer_view(&all), 1);
    buffer_release(&all);
}

static void upper_case_name(struct h2_peer *p)
{
    h2_head(p, 1, H2_GET "X-A: 1\n", true);
}
static void connection_field(struct h2_peer *p)
{
    h2_head(p, 1, H2_GET "connection: keep-alive\n", true);
}
static void te_gzip(struct h2_peer *p)
{
    h2_head(p, 1, H2_GET "te: gzip\n", true);
}
static void no_method(struct h2_peer *p)
{
    h2_head(p, 1, ":scheme: http\n:path: /\n:authority: a\n", true);
}
static void no_path(struct h2_peer *p)
{
    h2_head(p, 1, ":method: GET\n:scheme: http\n:authority: a\n", true);
}
static void two_paths(struct h2_peer *p)
{
    h2_head(p, 1, H2_GET ":path: /b\n", true);
}
static void empty_path(struct h2_peer *p)
{
    h2_head(p, 1, ":method: GET\n:scheme: http\n:path: \n:authority: a\n", true);
}
static void unknown_pseudo(struct h2_peer *p)
{
    h2_head(p, 1, H2_GET ":x: y\n", true);
}
static void status_in_request(struct h2_peer *p)
{
    h2_head(p, 1, H2_GET ":status: 200\n", true);
}
static void pseudo_behind_fields(struct h2_peer *p)
{
    h2_head(p, 1, ":method: GET\n:scheme: http\nx: y\n:path: /\n:authority: a\n", true);
}
static void length_too_short(struct h2_peer *p)
{
    h2_head(p, 1, H2_POST "content-length: 1\n", false);
    h2_data(p, 1, "xy", true);
}
static void length_too_long(struct h2_peer *p)
{
    h2_head(p, 1, H2_POST "content-length: 3\n", false);
    h2_data(p, 1, "xy", true);
}
static void trailers_that_do_not_end(struct h2_peer *p)
{
    h2_head(p, 1, H2_POST, false);
    h2_head(p, 1, "x: y\n", false);
}
static void pseudo_in_trailers(struct h2_peer *p)
{
    h2_head(p, 1, H2_POST, false);
    h2_head(p, 1, ":method: GET\n", true);
}
static void stream_window_of_0(struct h2_peer *p)
{
    h2_head(p, 1, H2_POST, false);
    h2_number(p, NGHTTP2_WINDOW_UPDATE, 1, 0);
}
static void stream_window_overflow(struct h2_peer *p)
{
    h2_head(p, 1, H2_POST, false);
    h2_number(p, NGHTTP2_WINDOW_UPDATE, 1, INT32_MAX);
}

static const struct breach breaches[] = {
    {"5.1 DATA on an idle stream", data_on_idle, NGHTTP2_PROTOCOL_ERROR, false,
     "DATA: stream in idle"},
    {"5.1 RST_STREAM on an idle stream", rst_on_idle, NGHTTP2_PROTOCOL_ERROR, false,
     "RST_STREAM: stream in idle"},
    {"5.1 WINDOW_UPDATE on an idle stream", window_on_idle, NGHTTP2_PROTOCOL_ERROR, false,
     "WINDOW_UPDATE to idle stream"},
    {"5.1 DATA after the stream was ended", data_on_half_closed, NGHTTP2_STREAM_CLOSED, false,
     "stream in half-closed(remote)"},
    {"5.1 HEADERS after the stream was ended", headers_on_half_closed, NGHTTP2_STREAM_CLOSED, false,
     "HEADERS: Stream was already closed"},
    {"5.1.1 an even stream", headers_on_even, NGHTTP2_PROTOCOL_ERROR, false, "invalid stream_id"},
    {"6.1 DATA on stream 0", data_on_0, NGHTTP2_PROTOCOL_ERROR, false, "DATA: stream_id == 0"},
    {"6.1 padding beyond DATA's end", data_padded_beyond_its_end, NGHTTP2_PROTOCOL_ERROR, false,
     "DATA: invalid padding"},
    {"6.2 HEADERS on stream 0", headers_on_0, NGHTTP2_PROTOCOL_ERROR, false,
     "HEADERS: stream_id == 0"},
    {"6.2 padding beyond HEADERS' end", headers_padded_beyond_their_end, NGHTTP2_PROTOCOL_ERROR,
     false, "HEADERS: invalid padding"},
    {"6.2 DATA within a header block", data_within_headers, NGHTTP2_PROTOCOL_ERROR, false,
     "unexpected non-CONTINUATION frame"},
    {"6.3 PRIORITY of 4 bytes", priority_of_4_bytes, NGHTTP2_FRAME_SIZE_ERROR, false,
     "a frame of a wrong length"},
    {"6.4 RST_STREAM on stream 0", rst_on_0, NGHTTP2_PROTOCOL_ERROR, false,
     "RST_STREAM: stream_id == 0"},
    {"6.4 RST_STREAM of 3 bytes", rst_of_3_bytes, NGHTTP2_FRAME_SIZE_ERROR, false,
     "a frame of a wrong length"},
    {"6.5 SETTINGS of 3 bytes", settings_of_3_bytes, NGHTTP2_FRAME_SIZE_ERROR, false,
     "a frame of a wrong length"},
    {"6.5 a SETTINGS ack with payload", settings_ack_with_payload, NGHTTP2_FRAME_SIZE_ERROR, false,
     "a frame of a wrong length"},
    {"6.5 SETTINGS on a stream", settings_on_stream, NGHTTP2_PROTOCOL_ERROR, false,
     "SETTINGS: stream_id != 0"},
    {"6.5.2 ENABLE_PUSH of 2", settings_push_2, NGHTTP2_PROTOCOL_ERROR, false,
     "SETTINGS: invalid SETTINGS_EN"},
    {"6.5.2 a window too large", settings_window_too_large, NGHTTP2_FLOW_CONTROL_ERROR, false,
     "too large SETTINGS_INITIAL_WINDOW_SIZE"},
    {"6.5.2 MAX_FRAME_SIZE of 1", settings_frame_size_1, NGHTTP2_PROTOCOL_ERROR, false,
     "invalid SETTINGS_MAX_FRAME_SIZE"},
    {"6.6 PUSH_PROMISE of a client", push_promise, NGHTTP2_PROTOCOL_ERROR, false, "PUSH_PROMISE: "},
    {"6.7 PING of 7 bytes", ping_of_7_bytes, NGHTTP2_FRAME_SIZE_ERROR, false,
     "a frame of a wrong length"},
    {"6.7 PING on a stream", ping_on_stream, NGHTTP2_PROTOCOL_ERROR, false, "PING: stream_id != 0"},
    {"6.8 GOAWAY on a stream", goaway_on_stream, NGHTTP2_PROTOCOL_ERROR, false,
     "GOAWAY: stream_id != 0"},
    {"6.9 WINDOW_UPDATE of 3 bytes", window_of_3_bytes, NGHTTP2_FRAME_SIZE_ERROR, false,
     "a frame of a wrong length"},
    {"6.9 WINDOW_UPDATE by 0", window_of_0, NGHTTP2_PROTOCOL_ERROR, false,
     "window_size_increment == 0"},
    {"6.9.1 the connection's window overflows", window_overflow, NGHTTP2_FLOW_CONTROL_ERROR, false,
     "a window that overflows"},
    {"6.10 CONTINUATION alone", continuation_alone, NGHTTP2_PROTOCOL_ERROR, false,
     "CONTINUATION: unexpected"},
    {"6.10 CONTINUATION of another stream", continuation_of_another, NGHTTP2_PROTOCOL_ERROR, false,
     "unexpected non-CONTINUATION frame"},
    {"4.2 a frame too large", frame_too_large, NGHTTP2_FRAME_SIZE_ERROR, false,
     "too large frame size"},
    {"4.3 an HPACK index out of range", hpack_index_out_of_range, NGHTTP2_COMPRESSION_ERROR, false,
     "a header block that is no HPACK"},
    {"10.5.1 a header list too large", list_too_large, NGHTTP2_ENHANCE_YOUR_CALM, false,
     "a header list of more than 65536 bytes"},
    {"10.5 a flood of CONTINUATION", continuation_flood, UINT32_MAX, false, "CONTINUATION"},
    {"10.5 a flood of SETTINGS", settings_flood, NGHTTP2_ENHANCE_YOUR_CALM, false,
     "more than 20000 frames at once"},
    {"10.5 a flood of PING", ping_flood, NGHTTP2_ENHANCE_YOUR_CALM, false,
     "more than 20000 frames at once"},
    {"10.5 a flood of empty DATA", empty_data_flood, NGHTTP2_ENHANCE_YOUR_CALM, false,
     "more than 20000 frames at once"},
    {"10.5 rapid reset", rapid_reset, UINT32_MAX, false, "more than 10000 RST_STREAM at once"},
    {"6.9 WINDOW_UPDATE of a stream by 0", stream_window_of_0, NGHTTP2_PROTOCOL_ERROR, false,
     "WINDOW_UPDATE: "},
    {"6.9.1 a stream's window overflows", stream_window_overflow, NGHTTP2_FLOW_CONTROL_ERROR, true,
     "WINDOW_UPDATE: Flow control error"},
    {"8.1 trailers that do not end the stream", trailers_that_do_not_end, NGHTTP2_PROTOCOL_ERROR,
     true, "trailers that do not end the stream"},
    {"8.1 a pseudo-field in trailers", pseudo_in_trailers, NGHTTP2_PROTOCOL_ERROR, true,
     "received: :method"},
    {"8.1.1 content-length too short", length_too_short, NGHTTP2_PROTOCOL_ERROR, true,
     H2_WHY_LENGTH},
    {"8.1.1 content-length too long", length_too_long, NGHTTP2_PROTOCOL_ERROR, true, H2_WHY_LENGTH},
    {"8.2.1 a name in upper case", upper_case_name, NGHTTP2_PROTOCOL_ERROR, true, "received: X-A"},
    {"8.2.2 a connection field", connection_field, NGHTTP2_PROTOCOL_ERROR, true,
     "received: connection"},
    {"8.2.2 te that is not trailers", te_gzip, NGHTTP2_PROTOCOL_ERROR, true, "received: te"},
    {"8.3 an unknown pseudo-field", unknown_pseudo, NGHTTP2_PROTOCOL_ERROR, true, "received: :x"},
    {"8.3 a pseudo-field of answers", status_in_request, NGHTTP2_PROTOCOL_ERROR, true,
     "received: :status"},
    {"8.3 a pseudo-field behind fields", pseudo_behind_fields, NGHTTP2_PROTOCOL_ERROR, true,
     "received: :path"},
    {"8.3.1 no :method", no_method, NGHTTP2_PROTOCOL_ERROR, true, "a request without :method"},
    {"8.3.1 no :path", no_path, NGHTTP2_PROTOCOL_ERROR, true, "a request without :path"},
    {"8.3.1 two :path", two_paths, NGHTTP2_PROTOCOL_ERROR, true, "received: :path"},
    {"8.3.1 an empty :path", empty_path, NGHTTP2_PROTOCOL_ERROR, true, "received: :path"},
};

static bool until_over(struct rig *rig, void *cookie)
{
    struct h2_peer *p = cookie;
    (void)rig;
    return p->peer->fin || p->peer->rst;
}

/* Some reason of the journal's has these words: one of a stream may stand before the connection's.
 */
static void expect_reason(const struct rig *rig, const struct breach *b)
{
    for (size_t i = 0; i < rig->refusal_count; i++) {
        if (strstr(rig->name[rig->refusal[i].reason], b->reason) != NULL)
            return;
    }
    fail_msg("no \"%s\" among %zu reasons, the first is \"%s\"", b->reason, rig->refusal_count,
             rig->refusal_count > 0 ? rig->name[rig->refusal[0].reason] : "");
}

/* The last GOAWAY or RST_STREAM that came, past what a flood brought back. */
static void expect_end(struct h2_peer *c, const struct breach *b)
{
    const struct seen_frame *f;
    if (b->stream) {
        f = h2_await(c, NGHTTP2_RST_STREAM, 1);
        assert_int_equal(f->code, b->code);
        return;
    }
    rig_await(c->peer->rig, until_over, c);
    assert_true(c->peer->fin);
    const uint8_t *in = c->peer->in.at;
    size_t at = 0, last = 0;
    while (c->peer->in.len - at >= 9) { /* floods bring more frames back than h2_parse keeps */
        size_t len = (size_t)in[at] << 16 | (size_t)in[at + 1] << 8 | in[at + 2];
        if (in[at + 3] == NGHTTP2_GOAWAY)
            last = at;
        at += 9 + len;
    }
    assert_true(last > 0);
    if (b->code != UINT32_MAX) /* which code nghttp2 takes for a flood is its own affair */
        assert_int_equal(h2_u32(in + last + 13), b->code);
}

static void breach_ends_its_own(void **state)
{
    const struct breach *b = *state;
    struct rig *rig = rig_open_as(PROXY_HTTP, false);
    struct h2_peer *other = h2_dial(rig), *c = h2_dial(rig);
    h2_await(c, NGHTTP2_SETTINGS, 0);
    b->say(c);
    expect_end(c, b);
    await_attempt(rig, 1);
    await_ns(rig, NS_PER_MS);
    size_t before = rig_records(rig), bad = 0;
    for (size_t i = 0; i < before; i++) {
        const struct attempt_record *r = &rig->attempt[i];
        if (r->outcome == OUTCOME_BAD_REQUEST) {
            bad++;
            assert_true(b->code == UINT32_MAX || r->left_code == b->code);
        } else { /* of rapid reset: those that were let through */
            assert_int_equal(r->outcome, OUTCOME_LEFT);
        }
    }
    assert_int_equal(bad, 1);
    expect_reason(rig, b);
    if (b->say == rapid_reset)
        assert_in_range(before, H2_RESETS_AT_ONCE, 2 * H2_RESETS_AT_ONCE);
    size_t accepted = rig->accepted;
    if (b->stream) { /* the connection lives on */
        h2_head(c, 3, H2_GET, true);
        struct h2_peer *s = h2_serve(rig, accepted > 0 ? accepted : 1);
        h2_await(s, NGHTTP2_HEADERS, -1);
        accepted = rig->accepted;
        h2_done(s);
    }
    h2_head(other, 1, H2_GET, true); /* and so does everybody else's */
    struct h2_peer *s = h2_serve(rig, accepted + 1);
    h2_await(s, NGHTTP2_HEADERS, 1);
    h2_head(s, 1, ":status: 204\n", true);
    h2_await(other, NGHTTP2_HEADERS, 1);
    await_attempt(rig, before + 1);
    h2_done(other);
    h2_close(rig, c, s);
}

static void a_connection_that_is_no_http_2_gets_a_goaway(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_peer_of(rig_dial(rig));
    say(c->peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(h2_await(c, NGHTTP2_GOAWAY, 0)->code, NGHTTP2_PROTOCOL_ERROR);
    await_gone(c->peer);
    struct attempt_record *r = await_attempt(rig, 1);
    assert_int_equal(r->outcome, OUTCOME_BAD_REQUEST);
    assert_int_equal(r->left_code, NGHTTP2_PROTOCOL_ERROR);
    h2_close(rig, c, NULL);
}

static void the_first_frame_must_be_settings(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP, false);
    struct h2_peer *c = h2_peer_of(rig_dial(rig));
    say_bytes(c->peer, BYTES(PREFACE));
    headers_first(c);
    assert_int_equal(h2_await(c, NGHTTP2_GOAWAY, 0)->code, NGHTTP2_PROTOCOL_ERROR);
    await_gone(c->peer);
    assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_BAD_REQUEST);
    h2_close(rig, c, NULL);
}

static void what_is_not_known_is_ignored(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP, false);
    struct h2_peer *c = h2_dial(rig);
    frame(c, 0x77, 0xff, 0, BYTES("anything"));                  /* 4.1 */
    frame(c, NGHTTP2_SETTINGS, 0, 0, BYTES("\x77\x77\0\0\0\1")); /* 6.5.2 */
    frame(c, NGHTTP2_PING, 0xfe, 0, BYTES("12345678"));          /* flags without a meaning */
    frame(c, NGHTTP2_PRIORITY, 0, 5, BYTES("\0\0\0\0\1"));       /* on an idle stream: 5.1 */
    h2_head(c, 1, H2_GET, true);
    struct h2_peer *s = h2_serve(rig, 1);
    h2_await(s, NGHTTP2_HEADERS, 1);
    frame(s, 0x77, 0xff, 1, BYTES("anything"));
    h2_head(s, 1, ":status: 204\n", true);
    h2_await(c, NGHTTP2_HEADERS, 1);
    assert_null(h2_find(c, NGHTTP2_GOAWAY, 0));
    h2_close(rig, c, s);
}

static void a_client_that_sends_beyond_its_window_is_cut(void **state)
{
    (void)state;
    static char block[16385];
    struct rig *rig = rig_open_as(PROXY_HTTP, false);
    struct h2_peer *c = h2_dial(rig);
    h2_head(c, 1, H2_POST, false);
    struct h2_peer *s = h2_peer_of(await_server(rig, 1));
    static const uint8_t none[] = {0, 4, 0, 0, 0, 0}; /* so that nothing leaves */
    h2_frame(s, NGHTTP2_SETTINGS, 0, 0, none, sizeof(none));
    while ((h2_await(s, NGHTTP2_SETTINGS, 0)->flags & NGHTTP2_FLAG_ACK) == 0)
        ;
    memset(block, 'x', sizeof(block) - 1);
    for (size_t i = 0; i < 5; i++) /* 80 KiB into 64 */
        h2_data(c, 1, block, false);
    struct attempt_record *r = await_attempt(rig, 1);
    assert_int_equal(r->outcome, OUTCOME_BAD_REQUEST);
    assert_int_equal(r->left_code, NGHTTP2_FLOW_CONTROL_ERROR);
    h2_close(rig, c, s);
}

int main(void)
{
    const struct CMUnitTest others[] = {
        cmocka_unit_test(a_connection_that_is_no_http_2_gets_a_goaway),
        cmocka_unit_test(the_first_frame_must_be_settings),
        cmocka_unit_test(what_is_not_known_is_ignored),
        cmocka_unit_test(a_client_that_sends_beyond_its_window_is_cut),
    };
    struct CMUnitTest tests[COUNT_OF(breaches)];
    for (size_t i = 0; i < COUNT_OF(breaches); i++) {
        const struct breach *b = &breaches[i];
        tests[i] = (struct CMUnitTest){.name = b->name, .test_func = breach_ends_its_own};
        memcpy(&tests[i].initial_state, &b, sizeof(void *)); /* cmocka has no const */
    }
    int failed = cmocka_run_group_tests(others, NULL, NULL);
    return failed + _cmocka_run_group_tests("breaches", tests, COUNT_OF(tests), NULL, NULL);
}
