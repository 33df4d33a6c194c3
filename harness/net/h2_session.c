#include "net/h2_session.h"

#include "base/clock.h"
#include "net/h2_call.h"
#include "net/h2_link.h"
#include "net/refusal.h"

#define BATCH_BYTES ((size_t)32 * 1024)
#define FORWARDED_PINGS_MOST 64

/* Debian 12 has it at 1.52, upstream from 1.57 on; without it nghttp2 has no such limit at all, and
 * the bucket in on_frame_recv is the only one. Weak, so that the linker says which it is. */
extern __attribute__((weak)) void
nghttp2_option_set_stream_reset_rate_limit(nghttp2_option *option, uint64_t burst, uint64_t rate);
extern __attribute__((weak)) void nghttp2_option_set_max_continuations(nghttp2_option *option,
                                                                       size_t val);

struct h2_call *h2_session_call(const struct h2_session *s, int32_t id)
{
    return s->ng == NULL ? NULL : nghttp2_session_get_stream_user_data(s->ng, id);
}

/* False: too many frames that bring nothing. */
static bool spend(struct h2_session *s, uint64_t cost)
{
    uint64_t now_ns = s->conn->read_ns > s->tokens_ns ? s->conn->read_ns : s->tokens_ns;
    uint64_t gained = (now_ns - s->tokens_ns) / (NS_PER_S / H2_IDLE_FRAMES_A_SECOND);
    if (gained > 0) {
        s->tokens = s->tokens + gained > H2_IDLE_FRAMES_AT_ONCE ? H2_IDLE_FRAMES_AT_ONCE
                                                                : s->tokens + gained;
        s->tokens_ns = now_ns;
    }
    if (s->tokens < cost) {
        char why[H2_WHY_BYTES];
        snprintf(why, sizeof(why),
                 "more than %d frames at once or %d a second that bring nothing (SETTINGS are %d)",
                 H2_IDLE_FRAMES_AT_ONCE, H2_IDLE_FRAMES_A_SECOND, H2_SETTINGS_COST);
        h2_session_fail(s, NGHTTP2_ENHANCE_YOUR_CALM, REFUSAL_LIMIT, why);
        return false;
    }
    s->tokens -= cost;
    return true;
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *cookie)
{
    struct h2_session *s = cookie;
    (void)ng;
    h2_block_begin(&s->block);
    if (s->side == SIDE_REQUEST && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        h2_call_begin(s->link, frame->hd.stream_id);
    return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *cookie)
{
    struct h2_session *s = cookie;
    (void)ng;
    (void)frame;
    h2_block_add(&s->block, (struct bytes){name, name_len}, (struct bytes){value, value_len},
                 flags);
    return 0;
}

static void on_headers(struct h2_session *s, const nghttp2_frame *frame)
{
    struct h2_call *h = h2_session_call(s, frame->hd.stream_id);
    struct h2_head head = h2_block_head(&s->block);
    bool ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    char why[H2_WHY_BYTES];
    if (s->block.too_large)
        snprintf(why, sizeof(why), "a header list of more than %zu bytes", H2_HEAD_MOST_BYTES);
    if (s->block.too_large && s->side == SIDE_REQUEST) {
        h2_session_fail(s, NGHTTP2_ENHANCE_YOUR_CALM, REFUSAL_LIMIT, why);
        return;
    }
    if (h == NULL)
        return;
    if (s->block.too_large)
        h2_call_bad_answer(h, REFUSAL_LIMIT, why);
    else
        h2_call_on_head(h, s->side, &head, ended);
}

static void on_ping(struct h2_session *s, const nghttp2_frame *frame)
{
    struct h2_session *other = h2_link_other(s);
    const uint8_t *text = frame->ping.opaque_data;
    bool ack = (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
    if (ack) {
        if (other->ng != NULL && other->forwarded_pings > 0) {
            other->forwarded_pings--;
            (void)nghttp2_submit_ping(other->ng, NGHTTP2_FLAG_ACK, text);
        }
        return;
    }
    if (!spend(s, 1))
        return;
    if (other->ng == NULL || other->conn->connecting || other->failed ||
        s->forwarded_pings >= FORWARDED_PINGS_MOST) {
        (void)nghttp2_submit_ping(s->ng, NGHTTP2_FLAG_ACK, text);
        return;
    }
    s->forwarded_pings++;
    (void)nghttp2_submit_ping(other->ng, NGHTTP2_FLAG_NONE, text);
}

static int on_frame_recv(nghttp2_session *ng, const nghttp2_frame *frame, void *cookie)
{
    struct h2_session *s = cookie;
    struct h2_call *h = frame->hd.stream_id == 0 ? NULL : h2_session_call(s, frame->hd.stream_id);
    (void)ng;
    if (s->failed)
        return 0;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        on_headers(s, frame);
        break;
    case NGHTTP2_DATA:
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) {
            if (frame->hd.length == 0)
                (void)spend(s, 1);
        } else if (h != NULL) {
            h2_call_on_end(h, s->side, NULL);
        }
        break;
    case NGHTTP2_RST_STREAM:
        s->resets++;
        if (h != NULL)
            h2_call_on_reset(h, s->side, frame->rst_stream.error_code);
        break;
    case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0 && spend(s, H2_SETTINGS_COST))
            h2_link_on_settings(s);
        break;
    case NGHTTP2_PING:
        on_ping(s, frame);
        break;
    case NGHTTP2_GOAWAY:
        h2_link_on_goaway(s, frame->goaway.last_stream_id, frame->goaway.error_code,
                          (struct bytes){frame->goaway.opaque_data, frame->goaway.opaque_data_len});
        break;
    default:
        break;
    }
    return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *at, size_t len,
                   void *cookie)
{
    struct h2_session *s = cookie;
    struct h2_call *h = h2_session_call(s, id);
    (void)flags;
    (void)nghttp2_session_consume_connection(ng, len);
    if (h != NULL && !s->failed)
        h2_call_on_data(h, s->side, (struct bytes){at, len});
    else
        (void)nghttp2_session_consume_stream(ng, id, len);
    return 0;
}

/* nghttp2's own words, "... : frame type: 1, stream: 1, name: [X-A], value: [1]" where they are of
 * a field: of those only the name is kept, for its bytes are the peer's. */
static int on_error(nghttp2_session *ng, int error, const char *text, size_t len, void *cookie)
{
    struct h2_session *s = cookie;
    struct bytes said = {(const uint8_t *)text, len};
    (void)ng;
    (void)error;
    if (bytes_starts(said, BYTES("Ignoring")))
        return 0;
    const char *numbers = memmem(text, len, ": frame type", 12),
               *name = memmem(text, len, "name: [", 7);
    size_t fixed = numbers != NULL ? (size_t)(numbers - text) : len;
    int used = snprintf(s->detail, sizeof(s->detail), "%.*s", (int)fixed, text);
    if (name == NULL || (size_t)used + 4 >= sizeof(s->detail) ||
        !refusal_may_quote(s->link->endpoint->proxy))
        return 0;
    name += 7;
    const char *end = memmem(name, len - (size_t)(name - text), "], value", 8);
    size_t name_len = end != NULL ? (size_t)(end - name) : 0;
    (void)snprintf(s->detail + used, sizeof(s->detail) - (size_t)used, ": %.*s",
                   name_len < H2_QUOTED_MOST_BYTES ? (int)name_len : H2_QUOTED_MOST_BYTES, name);
    return 0;
}

static const char *type_name(uint8_t type)
{
    static const char *const names[] = {"DATA",          "HEADERS",      "PRIORITY", "RST_STREAM",
                                        "SETTINGS",      "PUSH_PROMISE", "PING",     "GOAWAY",
                                        "WINDOW_UPDATE", "CONTINUATION"};
    return type < COUNT_OF(names) ? names[type] : "a frame of an unknown type";
}

/* What is wrong with a message: nghttp2 has one error for all that RFC 9113 8.1 forbids. */
static const char *why_message(struct h2_session *s, const nghttp2_frame *frame)
{
    struct h2_head head = h2_block_head(&s->block);
    if (frame->hd.type != NGHTTP2_HEADERS)
        return H2_WHY_LENGTH;
    if (frame->headers.cat == NGHTTP2_HCAT_HEADERS)
        return (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0
                   ? "trailers that do not end the stream"
                   : H2_WHY_LENGTH;
    if (s->side == SIDE_RESPONSE)
        return head.status == 0 ? "an answer without :status" : "fields that no answer has";
    return head.method.at == NULL   ? "a request without :method"
           : head.scheme.at == NULL ? "a request without :scheme"
           : head.path.at == NULL   ? "a request without :path"
                                    : "fields that no request has";
}

static void invalid_why(struct h2_session *s, const nghttp2_frame *frame, int error,
                        char why[H2_WHY_BYTES])
{
    if (s->detail[0] != '\0')
        snprintf(why, H2_WHY_BYTES, "%s", s->detail);
    else if (error == NGHTTP2_ERR_HTTP_MESSAGING)
        snprintf(why, H2_WHY_BYTES, "%s", why_message(s, frame));
    else
        snprintf(why, H2_WHY_BYTES, "%s: %s", type_name(frame->hd.type), nghttp2_strerror(error));
    s->detail[0] = '\0';
}

static int on_invalid(nghttp2_session *ng, const nghttp2_frame *frame, int error, void *cookie)
{
    struct h2_session *s = cookie;
    struct h2_call *h = frame->hd.stream_id == 0 ? NULL : h2_session_call(s, frame->hd.stream_id);
    (void)ng;
    char why[H2_WHY_BYTES];
    if (h == NULL)
        return 0;
    invalid_why(s, frame, error, why);
    h2_call_on_invalid(h, s->side, why);
    return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code, void *cookie)
{
    struct h2_session *s = cookie;
    struct h2_call *h = h2_session_call(s, id);
    (void)ng;
    if (h != NULL)
        h2_call_on_close(h, s->side, code);
    return 0;
}

/* What nghttp2 ends a session for without a word of its own. */
static const char *code_words(uint32_t code)
{
    switch (code) {
    case NGHTTP2_FRAME_SIZE_ERROR:
        return "a frame of a wrong length";
    case NGHTTP2_FLOW_CONTROL_ERROR:
        return "a window that overflows, or more than it lets through";
    case NGHTTP2_COMPRESSION_ERROR:
        return "a header block that is no HPACK";
    default:
        return "a breach of the protocol";
    }
}

/* nghttp2 itself found a fault with what came: its words are in its GOAWAY. */
static void note_failure(struct h2_session *s, const nghttp2_goaway *goaway)
{
    uint32_t code = goaway->error_code;
    bool resets = code == NGHTTP2_INTERNAL_ERROR && s->resets > H2_RESETS_AT_ONCE;
    s->failed = true;
    s->error_code = code;
    s->about = resets ? REFUSAL_LIMIT : REFUSAL_HTTP2;
    if (resets)
        snprintf(s->why, sizeof(s->why), "more than %d RST_STREAM at once or %d a second",
                 H2_RESETS_AT_ONCE, H2_RESETS_A_SECOND);
    else if (goaway->opaque_data_len > 0)
        snprintf(s->why, sizeof(s->why), "%.*s", (int)goaway->opaque_data_len,
                 (const char *)goaway->opaque_data);
    else if (s->detail[0] != '\0')
        snprintf(s->why, sizeof(s->why), "%s", s->detail);
    else
        snprintf(s->why, sizeof(s->why), "%s (%s)", code_words(code), nghttp2_http2_strerror(code));
}

static int before_frame_send(nghttp2_session *ng, const nghttp2_frame *frame, void *cookie)
{
    struct h2_session *s = cookie;
    (void)ng;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        struct h2_call *h = h2_session_call(s, frame->hd.stream_id);
        if (h != NULL)
            h2_call_on_head_out(h, s->side, (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0);
    } else if (frame->hd.type == NGHTTP2_GOAWAY) {
        if (s->goaways_ours > 0) {
            s->goaways_ours--;
        } else if (!s->failed) {
            note_failure(s, &frame->goaway);
        }
    }
    return 0;
}

static nghttp2_session_callbacks *callbacks_new(void)
{
    nghttp2_session_callbacks *c = NULL;
    INVARIANT(nghttp2_session_callbacks_new(&c) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(c, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(c, on_invalid);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
    nghttp2_session_callbacks_set_before_frame_send_callback(c, before_frame_send);
    nghttp2_session_callbacks_set_error_callback2(c, on_error);
    return c;
}

static nghttp2_option *option_new(void)
{
    nghttp2_option *o = NULL;
    INVARIANT(nghttp2_option_new(&o) == 0);
    nghttp2_option_set_no_auto_window_update(o, 1);
    nghttp2_option_set_no_auto_ping_ack(o, 1);
    nghttp2_option_set_no_closed_streams(o, 1);
    nghttp2_option_set_peer_max_concurrent_streams(o, H2_STREAMS_MOST);
    /* what goes out has been judged when it came in, or is a fault's own */
    nghttp2_option_set_max_send_header_block_length(o, 4 * H2_HEAD_MOST_BYTES);
    if (nghttp2_option_set_stream_reset_rate_limit != NULL)
        nghttp2_option_set_stream_reset_rate_limit(o, H2_RESETS_AT_ONCE, H2_RESETS_A_SECOND);
    if (nghttp2_option_set_max_continuations != NULL)
        nghttp2_option_set_max_continuations(o, H2_CONTINUATIONS_MOST);
    return o;
}

const nghttp2_settings_entry *h2_session_settings(enum side side, size_t *ret_count)
{
    static const nghttp2_settings_entry server[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, H2_STREAMS_MOST},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_HEAD_MOST_BYTES},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
    };
    static const nghttp2_settings_entry client[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_HEAD_MOST_BYTES},
    };
    *ret_count = side == SIDE_REQUEST ? COUNT_OF(server) : COUNT_OF(client);
    return side == SIDE_REQUEST ? server : client;
}

static void submit_first_settings(struct h2_session *s)
{
    size_t count;
    const nghttp2_settings_entry *entries = h2_session_settings(s->side, &count);
    INVARIANT(nghttp2_submit_settings(s->ng, 0, entries, count) == 0);
    INVARIANT(nghttp2_session_set_local_window_size(s->ng, 0, 0, H2_CONNECTION_WINDOW_BYTES) == 0);
}

void h2_session_open(struct h2_session *s, struct h2_link *link, struct conn *c, enum side side)
{
    nghttp2_session_callbacks *callbacks = callbacks_new();
    nghttp2_option *option = option_new();
    *s = (struct h2_session){.link = link,
                             .conn = c,
                             .side = side,
                             .tokens = H2_IDLE_FRAMES_AT_ONCE,
                             .tokens_ns = clock_now_ns()};
    h2_block_init(&s->block);
    if (side == SIDE_REQUEST)
        INVARIANT(nghttp2_session_server_new2(&s->ng, callbacks, s, option) == 0);
    else
        INVARIANT(nghttp2_session_client_new2(&s->ng, callbacks, s, option) == 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    submit_first_settings(s);
}

void h2_session_close(struct h2_session *s)
{
    if (s->ng == NULL)
        return;
    nghttp2_session_del(s->ng);
    s->ng = NULL;
    h2_block_release(&s->block);
}

void h2_session_feed(struct h2_session *s, struct bytes in)
{
    if (s->ng == NULL || s->failed)
        return;
    ssize_t n = nghttp2_session_mem_recv(s->ng, in.at, in.len);
    if (n >= 0)
        return;
    bool flooded = n == NGHTTP2_ERR_FLOODED;
    h2_session_fail(s, flooded ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR,
                    flooded ? REFUSAL_LIMIT : REFUSAL_HTTP2,
                    s->detail[0] != '\0' ? s->detail : nghttp2_strerror((int)n));
}

void h2_session_fail(struct h2_session *s, uint32_t code, enum refusal_about about, const char *why)
{
    if (s->failed || s->ng == NULL)
        return;
    s->failed = true;
    s->error_code = code;
    s->about = (uint8_t)about;
    snprintf(s->why, sizeof(s->why), "%s", why);
    (void)nghttp2_session_terminate_session(s->ng, code);
}

void h2_session_goaway(struct h2_session *s, int32_t last_id, uint32_t code, struct bytes text)
{
    if (s->ng == NULL || s->failed)
        return;
    if (nghttp2_submit_goaway(s->ng, NGHTTP2_FLAG_NONE, last_id, code, text.at, text.len) == 0)
        s->goaways_ours++;
}

void h2_session_notice(struct h2_session *s)
{
    if (s->ng != NULL && !s->failed && nghttp2_submit_shutdown_notice(s->ng) == 0)
        s->goaways_ours++;
}

bool h2_session_pump(struct h2_session *s)
{
    uint8_t batch[BATCH_BYTES];
    size_t len = 0;
    bool any = false;
    struct conn *c = s->conn;
    if (s->ng == NULL || c->connecting || c->broken || c->shut)
        return false;
    while (conn_unsent(c) + len <= H2_UNSENT_MOST_BYTES) {
        const uint8_t *at = NULL;
        ssize_t n = nghttp2_session_mem_send(s->ng, &at);
        if (n <= 0)
            break;
        any = true;
        if (len + (size_t)n > sizeof(batch)) {
            struct iovec full = {.iov_base = batch, .iov_len = len};
            (void)conn_send(c, &full, 1);
            len = 0;
        }
        if ((size_t)n > sizeof(batch)) {
            struct iovec part = {.iov_len = (size_t)n};
            memcpy(&part.iov_base, &at, sizeof(at));
            (void)conn_send(c, &part, 1);
        } else {
            memcpy(batch + len, at, (size_t)n);
            len += (size_t)n;
        }
    }
    if (len > 0) {
        struct iovec rest = {.iov_base = batch, .iov_len = len};
        (void)conn_send(c, &rest, 1);
    }
    return any;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

void h2_session_mirror_settings(struct h2_session *to, const struct h2_session *from)
{
    nghttp2_settings_entry entry[3];
    size_t count = 0;
    if (to->ng == NULL || from->ng == NULL)
        return;
    entry[count++] = (nghttp2_settings_entry){
        NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
        least(H2_STREAM_WINDOW_BYTES,
              nghttp2_session_get_remote_settings(from->ng, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE))};
    entry[count++] = (nghttp2_settings_entry){
        NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
        least(H2_HEAD_MOST_BYTES, nghttp2_session_get_remote_settings(
                                      from->ng, NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE))};
    if (to->side == SIDE_REQUEST)
        entry[count++] = (nghttp2_settings_entry){
            NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
            least(H2_STREAMS_MOST, nghttp2_session_get_remote_settings(
                                       from->ng, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS))};
    (void)nghttp2_submit_settings(to->ng, NGHTTP2_FLAG_NONE, entry, count);
}
