#ifndef NET_H2_PEER_TEST_H
#define NET_H2_PEER_TEST_H

/* Both ends of HTTP/2 for the tests, as raw frames: what is said is said byte by byte (fields as
 * literals without indexing, RFC 7541 6.2.2), so that it may be wrong; what comes is split into
 * frames, heads decoded by nghttp2's own HPACK. And a filter that answers what its test says. */

#include "net/rig_test.h"

#include "net/h2_call.h"

#define FRAMES_MOST 4096
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

struct seen_frame {
    uint8_t type, flags;
    int32_t stream;
    uint32_t code;    /* RST_STREAM, GOAWAY; WINDOW_UPDATE: increment */
    int32_t last;     /* GOAWAY */
    size_t at, len;   /* payload in peer.in */
    char fields[600]; /* HEADERS: "name: value\n" each */
};
struct h2_peer {
    struct peer *peer;
    nghttp2_hd_inflater *hpack;
    size_t parsed;
    struct seen_frame frame[FRAMES_MOST];
    size_t count, cursor;
    size_t data[64]; /* payload bytes of DATA by stream */
};

static inline uint32_t h2_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void h2_decode(struct h2_peer *p, struct seen_frame *f, const uint8_t *at, size_t len)
{
    size_t used = 0;
    int flags = 0;
    do {
        nghttp2_nv nv;
        ssize_t n = nghttp2_hd_inflate_hd2(p->hpack, &nv, &flags, at, len, 1);
        assert_true(n >= 0);
        at += n;
        len -= (size_t)n;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0 && used + nv.namelen + nv.valuelen + 4 < 600)
            used += (size_t)snprintf(f->fields + used, sizeof(f->fields) - used, "%.*s: %.*s\n",
                                     (int)nv.namelen, (const char *)nv.name, (int)nv.valuelen,
                                     (const char *)nv.value);
    } while ((flags & NGHTTP2_HD_INFLATE_FINAL) == 0);
    nghttp2_hd_inflate_end_headers(p->hpack);
}

/* Splits what has come since. */
static inline void h2_parse(struct h2_peer *p)
{
    const struct buffer *in = &p->peer->in;
    if (p->parsed == 0 && in->len >= 3 && memcmp(in->at, "PRI", 3) == 0) { /* we are the backend */
        if (in->len < sizeof(PREFACE) - 1)
            return;
        p->parsed = sizeof(PREFACE) - 1;
    }
    while (in->len - p->parsed >= 9) {
        const uint8_t *at = in->at + p->parsed;
        size_t len = (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2];
        if (in->len - p->parsed < 9 + len)
            return;
        assert_true(p->count < FRAMES_MOST);
        struct seen_frame *f = &p->frame[p->count++];
        *f = (struct seen_frame){.type = at[3], .flags = at[4], .at = p->parsed + 9, .len = len};
        f->stream = (int32_t)(h2_u32(at + 5) & INT32_MAX);
        if (f->type == NGHTTP2_HEADERS)
            h2_decode(p, f, at + 9, len);
        else if (f->type == NGHTTP2_RST_STREAM || f->type == NGHTTP2_WINDOW_UPDATE)
            f->code = h2_u32(at + 9);
        else if (f->type == NGHTTP2_GOAWAY) {
            f->last = (int32_t)h2_u32(at + 9);
            f->code = h2_u32(at + 13);
        } else if (f->type == NGHTTP2_DATA && f->stream < 64)
            p->data[f->stream] += len;
        p->parsed += 9 + len;
    }
}

static inline void h2_frame(struct h2_peer *p, uint8_t type, uint8_t flags, int32_t stream,
                            const void *payload, size_t len)
{
    uint8_t head[9] = {(uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len, type, flags};
    uint32_t id = (uint32_t)stream;
    for (size_t i = 0; i < 4; i++)
        head[5 + i] = (uint8_t)(id >> (24 - 8 * i));
    say_bytes(p->peer, (struct bytes){head, 9});
    if (len > 0)
        say_bytes(p->peer, (struct bytes){payload, len});
}

static inline size_t h2_put_text(uint8_t *to, const char *text, size_t len)
{
    size_t used = 0, rest = len;
    if (len < 127) {
        to[used++] = (uint8_t)len;
    } else { /* RFC 7541 5.1 */
        to[used++] = 127;
        for (rest -= 127; rest >= 128; rest /= 128)
            to[used++] = (uint8_t)(rest % 128 + 128);
        to[used++] = (uint8_t)rest;
    }
    memcpy(to + used, text, len);
    return used + len;
}

/* "name: value\n" lines as an HPACK block. */
static inline size_t h2_block(uint8_t *to, const char *lines)
{
    size_t used = 0;
    while (*lines != '\0') {
        const char *end = strchr(lines, '\n'), *colon = strstr(lines + 1, ": ");
        to[used++] = 0;
        used += h2_put_text(to + used, lines, (size_t)(colon - lines));
        used += h2_put_text(to + used, colon + 2, (size_t)(end - colon - 2));
        lines = end + 1;
    }
    return used;
}

static inline void h2_head(struct h2_peer *p, int32_t stream, const char *lines, bool ends)
{
    static uint8_t block[256 * 1024];
    size_t len = h2_block(block, lines);
    h2_frame(p, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | (ends ? NGHTTP2_FLAG_END_STREAM : 0),
             stream, block, len);
}
#define H2_GET ":method: GET\n:scheme: http\n:path: /a?b=1\n:authority: pay\n"
#define H2_POST ":method: POST\n:scheme: http\n:path: /a\n:authority: pay\n"
#define H2_RPC \
    ":method: POST\n:scheme: http\n:path: /shop.Payments/Pay\n:authority: pay\n" \
    "content-type: application/grpc\nte: trailers\n"
#define H2_OK ":status: 200\n"

static inline void h2_data(struct h2_peer *p, int32_t stream, const char *text, bool ends)
{
    h2_frame(p, NGHTTP2_DATA, ends ? NGHTTP2_FLAG_END_STREAM : 0, stream, text, strlen(text));
}
static inline void h2_number(struct h2_peer *p, uint8_t type, int32_t stream, uint32_t value)
{
    uint8_t b[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                    (uint8_t)value};
    h2_frame(p, type, 0, stream, b, 4);
}
static inline void h2_rst(struct h2_peer *p, int32_t stream, uint32_t code)
{
    h2_number(p, NGHTTP2_RST_STREAM, stream, code);
}
static inline void h2_goaway(struct h2_peer *p, int32_t last, uint32_t code)
{
    uint8_t b[8] = {(uint8_t)((uint32_t)last >> 24),
                    (uint8_t)(last >> 16),
                    (uint8_t)(last >> 8),
                    (uint8_t)last,
                    0,
                    0,
                    0,
                    (uint8_t)code};
    h2_frame(p, NGHTTP2_GOAWAY, 0, 0, b, 8);
}

static inline struct h2_peer *h2_peer_of(struct peer *peer)
{
    struct h2_peer *p = check_alloc_zero(1, sizeof(*p));
    p->peer = peer;
    assert_int_equal(nghttp2_hd_inflate_new(&p->hpack), 0);
    return p;
}
static inline void h2_done(struct h2_peer *p)
{
    nghttp2_hd_inflate_del(p->hpack);
    free(p);
}
/* A client: preface and SETTINGS said. */
static inline struct h2_peer *h2_dial(struct rig *rig)
{
    struct h2_peer *p = h2_peer_of(rig_dial(rig));
    say_bytes(p->peer, BYTES(PREFACE));
    h2_frame(p, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    return p;
}
/* The backend's end of the proxy's ${n}-th connection: SETTINGS said. */
static inline struct h2_peer *h2_serve(struct rig *rig, size_t n)
{
    struct h2_peer *p = h2_peer_of(await_server(rig, n));
    h2_frame(p, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    return p;
}

struct h2_want {
    struct h2_peer *p;
    uint8_t type;
    int32_t stream; /* -1: any */
};
static inline bool h2_until_frame(struct rig *rig, void *cookie)
{
    struct h2_want *want = cookie;
    struct h2_peer *p = want->p;
    (void)rig;
    h2_parse(p);
    for (; p->cursor < p->count; p->cursor++) {
        const struct seen_frame *f = &p->frame[p->cursor];
        if (f->type == want->type && (want->stream < 0 || f->stream == want->stream))
            return true;
    }
    return p->peer->fin || p->peer->rst;
}
/* The next such frame, past all that were awaited before. */
static inline struct seen_frame *h2_await(struct h2_peer *p, uint8_t type, int32_t stream)
{
    struct h2_want want = {p, type, stream};
    rig_await(p->peer->rig, h2_until_frame, &want);
    if (p->cursor == p->count)
        fail_msg("the connection ended before a frame of type %u came", type);
    return &p->frame[p->cursor++];
}
/* Any such frame so far? */
static inline const struct seen_frame *h2_find(struct h2_peer *p, uint8_t type, int32_t stream)
{
    h2_parse(p);
    for (size_t i = 0; i < p->count; i++) {
        if (p->frame[i].type == type && (stream < 0 || p->frame[i].stream == stream))
            return &p->frame[i];
    }
    return NULL;
}
static inline void h2_expect_fields(const struct seen_frame *f, const char *part)
{
    if (strstr(f->fields, part) == NULL)
        fail_msg("no \"%s\" in:\n%s", part, f->fields);
}
static inline bool h2_ends(const struct seen_frame *f)
{
    return (f->flags & NGHTTP2_FLAG_END_STREAM) != 0;
}

/* A filter for one moment. HOLD: until hold_ns after it was first asked, then PASS. */
struct h2_script {
    enum moment moment;
    enum side side;
    struct answer answer;
    uint64_t hold_ns, after; /* after: bytes of DATA that pass first */
    struct reply reply;
};
static inline struct answer h2_script_answer(struct filter_context *at)
{
    const struct h2_script *s = at->params;
    uint64_t *until_ns = at->state;
    struct answer answer = s->answer;
    answer.reply = &s->reply;
    if (answer.act != ACT_HOLD)
        return answer;
    if (*until_ns == 0)
        *until_ns = s->hold_ns == HOLD_FOREVER ? HOLD_FOREVER : at->now_ns + s->hold_ns;
    if (at->now_ns >= *until_ns)
        return ANSWER_PASS;
    answer.until_ns = *until_ns;
    return answer;
}
static inline struct answer h2_script_head(struct filter_context *at, const struct head_view *seen)
{
    const struct h2_script *s = at->params;
    return s->moment == MOMENT_HEAD && s->side == seen->side ? h2_script_answer(at) : ANSWER_PASS;
}
static inline struct answer h2_script_data(struct filter_context *at, const struct data_view *seen)
{
    const struct h2_script *s = at->params;
    if (s->moment != MOMENT_DATA || s->side != seen->side)
        return ANSWER_PASS;
    if (seen->offset < s->after)
        return (struct answer){.act = ACT_PASS, .take = (uint32_t)(s->after - seen->offset)};
    return h2_script_answer(at);
}
static inline struct answer h2_script_end(struct filter_context *at, const struct end_view *seen)
{
    const struct h2_script *s = at->params;
    return s->moment == MOMENT_END && s->side == seen->side ? h2_script_answer(at) : ANSWER_PASS;
}
static inline uint32_t h2_script_moments(const void *params)
{
    const struct h2_script *s = params;
    return MOMENT_BIT(s->moment, s->side);
}
static const struct stream_filter h2_script_filter = {.state_bytes = sizeof(uint64_t),
                                                      .on_head = h2_script_head,
                                                      .on_data = h2_script_data,
                                                      .on_end = h2_script_end,
                                                      .moments = h2_script_moments};

static const char *const h2_slow_paths[] = {"/slow"};
/* Armed as fault ${fault}; for requests to /slow alone when ${slow}. */
static inline void h2_arm(struct rig *rig, const struct h2_script *s, bool slow)
{
    uint64_t at_ns = 0;
    struct filter_slot slot = {
        .filter = &h2_script_filter,
        .params = s,
        .fault = 9,
        .when = {.share_ppm = 1000000, .expires_ns = UINT64_MAX, .seed = 42}};
    if (slow) {
        slot.when.match.paths = h2_slow_paths;
        slot.when.match.path_count = 1;
    }
    (void)proxy_arm(rig->proxy, 1, chain_new(&slot, 1, 3, NULL), &at_ns);
}
#define H2_SLOW ":method: GET\n:scheme: http\n:path: /slow\n:authority: pay\n"

/* The rest of every test: nothing is left, and no memory. */
static inline void h2_close(struct rig *rig, struct h2_peer *c, struct h2_peer *s)
{
    if (c != NULL)
        h2_done(c);
    if (s != NULL)
        h2_done(s);
    rig_close(rig);
}

#endif
