#include "net/h2_wire.h"

#include "net/h2_session.h"
#include "net/socket.h"

#include <errno.h>
#include <unistd.h>

#define READS_A_TURN 16
#define BATCH_BYTES ((size_t)32 * 1024)
#define OUT_MOST_BYTES ((size_t)1024 * 1024)
#define WINDOW_BYTES (1024 * 1024)

/* Debian 12 has the first at 1.52 (h2_session.c); weak, so that the linker says which it is. */
extern __attribute__((weak)) void
nghttp2_option_set_stream_reset_rate_limit(nghttp2_option *option, uint64_t burst, uint64_t rate);

static void on_event(struct watch *watch, unsigned what);

static void *own_of(nghttp2_session *ng, int32_t id)
{
    return nghttp2_session_get_stream_user_data(ng, id);
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *cookie)
{
    struct h2_wire *w = cookie;
    h2_block_begin(&w->block);
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST && w->events->on_begin != NULL && !w->closing)
        (void)nghttp2_session_set_stream_user_data(ng, frame->hd.stream_id,
                                                   w->events->on_begin(w, frame->hd.stream_id));
    return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *cookie)
{
    struct h2_wire *w = cookie;
    (void)ng;
    (void)frame;
    h2_block_add(&w->block, (struct bytes){name, name_len}, (struct bytes){value, value_len},
                 flags);
    return 0;
}

static int on_frame_recv(nghttp2_session *ng, const nghttp2_frame *frame, void *cookie)
{
    struct h2_wire *w = cookie;
    void *own = frame->hd.stream_id != 0 ? own_of(ng, frame->hd.stream_id) : NULL;
    if (w->closing)
        return 0;
    if (frame->hd.type == NGHTTP2_GOAWAY && w->events->on_goaway != NULL)
        w->events->on_goaway(w);
    if (own == NULL || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && w->block.too_large) {
        (void)nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                        NGHTTP2_ENHANCE_YOUR_CALM);
        return 0;
    }
    if (frame->hd.type == NGHTTP2_HEADERS) {
        struct h2_head head = h2_block_head(&w->block);
        w->events->on_head(w, own, &head);
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 && !w->closing)
        w->events->on_ended(w, own);
    return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *at, size_t len,
                   void *cookie)
{
    struct h2_wire *w = cookie;
    void *own = own_of(ng, id);
    (void)flags;
    if (own != NULL && !w->closing)
        w->events->on_data(w, own, (struct bytes){at, len});
    return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code, void *cookie)
{
    struct h2_wire *w = cookie;
    void *own = own_of(ng, id);
    if (own != NULL && !w->closing)
        w->events->on_closed(w, own, code);
    return 0;
}

static int before_send(nghttp2_session *ng, const nghttp2_frame *frame, void *cookie)
{
    struct h2_wire *w = cookie;
    void *own = frame->hd.stream_id != 0 ? own_of(ng, frame->hd.stream_id) : NULL;
    if (own != NULL && frame->hd.type == NGHTTP2_HEADERS && w->events->on_sending != NULL &&
        !w->closing)
        w->events->on_sending(w, own, false);
    return 0;
}

static int after_send(nghttp2_session *ng, const nghttp2_frame *frame, void *cookie)
{
    struct h2_wire *w = cookie;
    void *own = frame->hd.stream_id != 0 ? own_of(ng, frame->hd.stream_id) : NULL;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        w->bad = true; /* nghttp2's own: we send none */
    bool last = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (own != NULL && last && w->events->on_sending != NULL && !w->closing)
        w->events->on_sending(w, own, true);
    return 0;
}

static int not_sent(nghttp2_session *ng, const nghttp2_frame *frame, int code, void *cookie)
{
    struct h2_wire *w = cookie;
    (void)ng;
    (void)code;
    if (frame->hd.type == NGHTTP2_HEADERS && w->events->on_unsent != NULL && !w->closing)
        w->events->on_unsent(w, frame->hd.stream_id);
    return 0;
}

static void session_open(struct h2_wire *w, bool server)
{
    nghttp2_session_callbacks *c = NULL;
    nghttp2_option *o = NULL;
    nghttp2_settings_entry first[] = {
        {server ? NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS : NGHTTP2_SETTINGS_ENABLE_PUSH,
         server ? H2_STREAMS_MOST : 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_HEAD_MOST_BYTES},
    };
    INVARIANT(nghttp2_session_callbacks_new(&c) == 0 && nghttp2_option_new(&o) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(c, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
    nghttp2_session_callbacks_set_before_frame_send_callback(c, before_send);
    nghttp2_session_callbacks_set_on_frame_send_callback(c, after_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(c, not_sent);
    nghttp2_option_set_no_closed_streams(o, 1);
    nghttp2_option_set_peer_max_concurrent_streams(o, H2_STREAMS_MOST);
    /* a mesh whose every try times out resets thousands of streams a second */
    if (nghttp2_option_set_stream_reset_rate_limit != NULL)
        nghttp2_option_set_stream_reset_rate_limit(o, H2_RESETS_AT_ONCE, H2_RESETS_A_SECOND);
    int result = server ? nghttp2_session_server_new2(&w->ng, c, w, o)
                        : nghttp2_session_client_new2(&w->ng, c, w, o);
    INVARIANT(result == 0);
    nghttp2_session_callbacks_del(c);
    nghttp2_option_del(o);
    INVARIANT(nghttp2_submit_settings(w->ng, 0, first, COUNT_OF(first)) == 0);
    INVARIANT(nghttp2_session_set_local_window_size(w->ng, 0, 0, WINDOW_BYTES) == 0);
}

static void on_gone(struct loop_task *t)
{
    struct h2_wire *w = (struct h2_wire *)(void *)((char *)t - offsetof(struct h2_wire, gone));
    nghttp2_session_del(w->ng);
    h2_block_release(&w->block);
    buffer_release(&w->out);
    w->events->on_free(w);
}

void h2_wire_close(struct h2_wire *w, bool by_reset)
{
    if (w->dead)
        return;
    w->dead = w->closing = true;
    loop_hold_remove(w->loop, &w->later);
    if (w->watch.fd >= 0) {
        loop_watch_remove(&w->watch);
        if (by_reset)
            socket_reset(w->watch.fd);
        else
            close(w->watch.fd);
    }
    w->gone.run = on_gone;
    loop_defer(w->loop, &w->gone);
}

static void down(struct h2_wire *w, enum h2_down how)
{
    if (w->dead)
        return;
    h2_wire_close(w, false);
    w->events->on_down(w, how);
}

static void flush(struct h2_wire *w)
{
    while (w->out_sent < w->out.len) {
        struct iovec rest = {w->out.at + w->out_sent, w->out.len - w->out_sent};
        ssize_t n = socket_send(w->loop, w->watch.fd, &rest, 1);
        if (n < 0)
            return; /* what there is to read tells whether it is over */
        w->out_sent += (size_t)n;
    }
    buffer_consume(&w->out, w->out.len);
    w->out_sent = 0;
}

static void hand_over(struct h2_wire *w, uint8_t *at, size_t len)
{
    struct iovec part = {at, len};
    ssize_t n = 0;
    if (len == 0)
        return;
    if (w->out.len == 0)
        n = socket_send(w->loop, w->watch.fd, &part, 1);
    size_t taken = n > 0 ? (size_t)n : 0;
    if (taken < len)
        INVARIANT(buffer_add(&w->out, at + taken, len - taken, NULL));
}

void h2_wire_pump(struct h2_wire *w)
{
    uint8_t batch[BATCH_BYTES];
    size_t len = 0;
    if (w->inside || w->dead || w->connecting)
        return;
    w->inside = true;
    while (!w->dead && w->out.len == 0) {
        const uint8_t *at = NULL;
        ssize_t n = nghttp2_session_mem_send(w->ng, &at);
        if (n <= 0)
            break;
        for (size_t done = 0, part; done < (size_t)n; done += part) {
            if (len == sizeof(batch)) {
                hand_over(w, batch, len);
                len = 0;
            }
            part = (size_t)n - done < sizeof(batch) - len ? (size_t)n - done : sizeof(batch) - len;
            memcpy(batch + len, at + done, part);
            len += part;
        }
    }
    if (!w->dead)
        hand_over(w, batch, len);
    w->inside = false;
    if (w->dead)
        return;
    if (w->bad)
        down(w, H2_DOWN_BAD);
    else if (w->out.len == 0 && nghttp2_session_want_read(w->ng) == 0 &&
             nghttp2_session_want_write(w->ng) == 0)
        down(w, H2_DOWN_FIN);
}

static void on_later(struct hold *h, uint64_t now_ns)
{
    struct h2_wire *w = (struct h2_wire *)(void *)((char *)h - offsetof(struct h2_wire, later));
    (void)now_ns;
    if (w->watch.fd < 0)
        down(w, H2_DOWN_REFUSED);
    else
        on_event(&w->watch, WATCH_READ);
}

/* False: the wire is over. */
static bool wire_read(struct h2_wire *w)
{
    for (int i = 0; i < READS_A_TURN; i++) {
        uint8_t *scratch = loop_scratch(w->loop);
        ssize_t n = socket_recv(w->loop, w->watch.fd, scratch, LOOP_SCRATCH_BYTES);
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n <= 0) {
            down(w, n < 0 ? H2_DOWN_RESET : H2_DOWN_FIN);
            return false;
        }
        w->inside = true;
        ssize_t used = nghttp2_session_mem_recv(w->ng, scratch, (size_t)n);
        w->inside = false;
        if (w->dead)
            return false;
        if (used < 0) {
            w->bad = true;
            (void)nghttp2_session_terminate_session(w->ng, NGHTTP2_PROTOCOL_ERROR);
            return true;
        }
    }
    loop_hold_remove(w->loop, &w->later);
    loop_hold_add(w->loop, &w->later, loop_now_ns(w->loop), on_later);
    return true;
}

static void on_event(struct watch *watch, unsigned what)
{
    struct h2_wire *w = (struct h2_wire *)(void *)watch;
    if (w->connecting) {
        int sys = socket_error(w->loop, watch->fd);
        if (sys == 0 && (what & WATCH_WRITE) == 0)
            return;
        if (sys != 0) {
            down(w, sys == ECONNRESET ? H2_DOWN_RESET : H2_DOWN_REFUSED);
            return;
        }
        w->connecting = false;
    }
    if ((what & WATCH_WRITE) != 0)
        flush(w);
    if ((what & (WATCH_READ | WATCH_CLOSED)) != 0 && !wire_read(w))
        return;
    h2_wire_pump(w);
}

void h2_wire_attach(struct h2_wire *w, int fd)
{
    struct error err = {0};
    loop_hold_remove(w->loop, &w->later);
    w->watch.fd = -1;
    if (fd >= 0 && loop_watch_add(w->loop, &w->watch, fd, on_event, &err))
        return;
    if (fd >= 0)
        close(fd);
    w->watch.fd = -1;
    loop_hold_add(w->loop, &w->later, loop_now_ns(w->loop), on_later);
}

void h2_wire_open(struct h2_wire *w, struct loop *loop, const struct h2_wire_events *events,
                  bool server, int fd)
{
    w->events = events;
    w->loop = loop;
    w->connecting = !server;
    h2_block_init(&w->block);
    buffer_init(&w->out, OUT_MOST_BYTES);
    session_open(w, server);
    h2_wire_attach(w, fd);
    h2_wire_pump(w);
}
