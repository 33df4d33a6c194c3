#include "base/clock.h"
#include "load/load_conn.h"
#include "load/load_raw.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define READS_A_TURN 16
#define OUT_MOST_BYTES ((size_t)17 * 1024 * 1024)
#define LATE_NS (1 * NS_PER_MS)
#define STARVED_NS (1 * NS_PER_MS)

static void on_event(struct watch *w, unsigned what);

static void on_conn_gone(struct loop_task *t)
{
    struct load_conn *c =
        (struct load_conn *)(void *)((char *)t - offsetof(struct load_conn, gone));
    buffer_release(&c->in);
    buffer_release(&c->out);
    free(c);
}

/* To one address the last that was used goes first, so that no more are kept than are needed; to
 * several each in its turn, so that all endpoints get their part. */
static void idle_add(struct load_conn *c)
{
    struct load_conn **at = &c->load->idle;
    while (c->load->address_count > 1 && *at != NULL)
        at = &(*at)->below;
    c->below = *at;
    *at = c;
}

static void idle_drop(struct load_conn *c)
{
    for (struct load_conn **at = &c->load->idle; *at != NULL; at = &(*at)->below) {
        if (*at == c) {
            *at = c->below;
            return;
        }
    }
}

static void conn_close(struct load_conn *c, bool by_reset)
{
    struct load *l = c->load;
    INVARIANT(!c->dead);
    c->dead = true;
    if (!c->busy)
        idle_drop(c);
    loop_watch_remove(&c->watch);
    loop_hold_remove(l->loop, &c->timeout);
    loop_hold_remove(l->loop, &c->again);
    http1_body_release(&c->body);
    if (c->watch.fd >= 0 && by_reset)
        socket_reset(c->watch.fd);
    else if (c->watch.fd >= 0)
        close(c->watch.fd);
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        l->conns = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    l->progress.connections--;
    loop_defer(l->loop, &c->gone);
}

static void record(const struct load_conn *c, enum request_end end, uint64_t done_ns)
{
    const struct load *l = c->load;
    uint64_t due_ns = c->ask.due_ns, id_hi = (uint64_t)l->config.run << 32 | l->config.proc;
    struct request_record r = {
        .due = due_ns,
        .id_hi = id_hi,
        .id_lo = c->seq,
        .root_hi = id_hi,
        .root_lo = c->seq,
        .start = request_span(due_ns, c->start_ns),
        .sent = request_span(due_ns, c->sent_ns),
        .first = request_span(due_ns, c->first_ns),
        .head = request_span(due_ns, c->head_ns),
        .done = request_span(due_ns, done_ns),
        .bytes_in = c->body.payload_bytes,
        .bytes_out = c->sent_ns == 0 ? 0
                     : l->raw        ? c->message_bytes
                                     : l->wire.body_bytes,
        .conn = c->number,
        .tag = c->ask.tag != 0 ? l->tag_names[c->ask.tag - 1] : 0,
        .path = l->path_name,
        .edge = l->edge_name,
        .server = c->server,
        .status = c->status,
        .verb = (uint16_t)l->verb,
        .end = (uint16_t)end,
        .body_class = (uint16_t)request_body_class((struct bytes){c->sample, c->sample_len}),
        .protocol = l->raw ? REQUEST_TCP : REQUEST_HTTP1,
        .marks = c->marks,
        .flags = (uint8_t)(c->ask.flags | (c->fresh ? REQUEST_CONNECT_NEW : 0)),
    };
    recorder_emit(l->recorder, RECORD_REQUEST, &r);
}

void load_count(struct load *l, bool error, uint64_t now_ns)
{
    uint64_t second = now_ns / NS_PER_S;
    if (second != l->second) {
        bool next = second == l->second + 1;
        l->progress.second_done = next ? l->second_done : 0;
        l->progress.second_errors = next ? l->second_errors : 0;
        l->second = second;
        l->second_done = l->second_errors = 0;
    }
    l->second_done++;
    l->progress.done++;
    if (error) {
        l->second_errors++;
        l->progress.errors++;
    }
}

/* The one way out of a request: recorded, counted, its connection kept or closed. */
static void conn_end(struct load_conn *c, enum request_end end)
{
    struct load *l = c->load;
    struct load_ask ask = c->ask;
    uint64_t now_ns = loop_now_ns(l->loop);
    INVARIANT(c->busy);
    if (l->recorder != NULL)
        record(c, end, now_ns);
    load_count(l, end != END_COMPLETE || c->status >= 500, now_ns);
    l->progress.in_flight--;
    bool keep = end == END_COMPLETE && c->keep_alive && !c->left && c->leftover == 0 &&
                c->out_sent == c->out.len && l->plan->reuse != REUSE_EACH && !l->stopping;
    if (keep) {
        c->busy = false;
        loop_hold_remove(l->loop, &c->timeout);
        http1_body_release(&c->body);
        idle_add(c);
    } else {
        conn_close(c, end == END_CLIENT_TIMEOUT);
    }
    load_over(l, &ask);
}

static void on_timeout(struct hold *h, uint64_t now_ns)
{
    struct load_conn *c =
        (struct load_conn *)(void *)((char *)h - offsetof(struct load_conn, timeout));
    (void)now_ns;
    conn_end(c, END_CLIENT_TIMEOUT);
}

/* Dials; without success the descriptor is -1. */
static void conn_dial(struct load_conn *c)
{
    static const int ours[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, EAGAIN};
    struct load *l = c->load;
    struct error err = {0};
    int fd = -1;
    c->watch.fd = -1;
    c->connecting = true;
    c->starved = false;
    if (socket_dial(&l->addresses[l->address_next++ % l->address_count], &fd, &err)) {
        if (loop_watch_add(l->loop, &c->watch, fd, on_event, &err))
            return;
        close(fd);
        c->watch.fd = -1;
    }
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        c->starved |= err.sys == ours[i];
}

static void on_no_descriptor(struct hold *h, uint64_t now_ns)
{
    struct load_conn *c =
        (struct load_conn *)(void *)((char *)h - offsetof(struct load_conn, again));
    if (c->starved) {
        c->ask.flags |= REQUEST_CAP_REACHED;
        conn_dial(c);
        if (c->watch.fd < 0)
            loop_hold_add(c->load->loop, &c->again, now_ns + STARVED_NS, on_no_descriptor);
        return;
    }
    conn_end(c, END_REFUSED);
}

static void on_read_again(struct hold *h, uint64_t now_ns)
{
    struct load_conn *c =
        (struct load_conn *)(void *)((char *)h - offsetof(struct load_conn, again));
    (void)now_ns;
    on_event(&c->watch, WATCH_READ);
}

static struct load_conn *conn_open(struct load *l)
{
    struct load_conn *c = check_alloc_zero(1, sizeof(*c));
    c->load = l;
    c->gone.run = on_conn_gone;
    buffer_init(&c->in, HTTP1_HEAD_MOST_BYTES + LOOP_SCRATCH_BYTES);
    buffer_init(&c->out, OUT_MOST_BYTES);
    conn_dial(c);
    c->number = ++l->conn_number;
    c->next = l->conns;
    if (c->next != NULL)
        c->next->prev = c;
    l->conns = c;
    l->progress.connections++;
    return c;
}

/* The first write. False: the connection had died before it took a byte. */
static bool conn_write(struct load_conn *c)
{
    struct load *l = c->load;
    struct iovec parts[WIRE_PARTS];
    const char *tag = c->ask.tag != 0 ? l->plan->tagged[c->ask.tag - 1].tag : NULL;
    size_t count_of = l->raw ? load_raw_parts(c, parts, &c->message_bytes)
                             : wire_parts(&l->wire, c->seq, tag, parts),
           total = 0;
    for (size_t i = 0; i < count_of; i++)
        total += parts[i].iov_len;
    uint64_t now_ns = loop_now_ns(l->loop);
    c->start_ns = now_ns;
    ssize_t n = socket_send(l->loop, c->watch.fd, parts, count_of);
    if (n < 0 && errno != EAGAIN)
        return false;
    size_t taken = n > 0 ? (size_t)n : 0;
    if (taken == total) {
        c->sent_ns = now_ns;
        return true;
    }
    /* The parts are overwritten by the next request: keep the rest. */
    for (size_t i = 0; i < count_of; i++) {
        size_t skip = taken < parts[i].iov_len ? taken : parts[i].iov_len;
        taken -= skip;
        INVARIANT(buffer_add(&c->out, (const char *)parts[i].iov_base + skip,
                             parts[i].iov_len - skip, NULL));
    }
    return true;
}

static void conn_flush(struct load_conn *c)
{
    while (c->out_sent < c->out.len) {
        struct iovec rest = {c->out.at + c->out_sent, c->out.len - c->out_sent};
        uint64_t now_ns = loop_now_ns(c->load->loop);
        ssize_t n = socket_send(c->load->loop, c->watch.fd, &rest, 1);
        if (n < 0)
            return; /* what there is to read tells whether it is over */
        c->out_sent += (size_t)n;
        if (c->out_sent == c->out.len)
            c->sent_ns = now_ns;
    }
}

static void conn_begin(struct load_conn *c, const struct load_ask *ask, uint64_t seq)
{
    struct load *l = c->load;
    c->ask = *ask;
    c->seq = seq;
    c->busy = true;
    c->fresh = c->connecting;
    c->start_ns = c->sent_ns = c->first_ns = c->head_ns = 0;
    c->out_sent = c->search_from = c->sample_len = c->leftover = 0;
    buffer_consume(&c->out, c->out.len);
    buffer_consume(&c->in, c->in.len);
    c->body = (struct http1_body){0};
    c->has_head = c->keep_alive = false;
    c->status = 0;
    c->marks = 0;
    c->server = 0;
    if (l->plan->timeout_ns != 0 && l->plan->timeout_ns != UINT64_MAX)
        loop_hold_add(l->loop, &c->timeout, loop_now_ns(l->loop) + l->plan->timeout_ns, on_timeout);
    if (c->watch.fd < 0)
        loop_hold_add(l->loop, &c->again, loop_now_ns(l->loop), on_no_descriptor);
}

void load_conn_send(struct load *l, const struct load_ask *ask)
{
    uint64_t seq = ++l->seq, now_ns = loop_now_ns(l->loop);
    INVARIANT(now_ns >= ask->due_ns);
    l->progress.sent++;
    l->progress.in_flight++;
    if ((ask->flags & REQUEST_CAP_REACHED) != 0)
        l->progress.capped++;
    if (now_ns > ask->due_ns + LATE_NS)
        l->progress.late++;
    while (l->idle != NULL) {
        struct load_conn *c = l->idle;
        l->idle = c->below;
        conn_begin(c, ask, seq);
        if (conn_write(c))
            return;
        /* Its RST came while it was idle and nothing of the request has left: this is no try. */
        conn_close(c, false);
    }
    conn_begin(conn_open(l), ask, seq);
}

void load_conn_warm(struct load *l)
{
    struct load_conn *c = conn_open(l);
    if (c->watch.fd < 0)
        conn_close(c, false);
}

void load_conn_end_all(struct load *l, bool recorded)
{
    for (struct load_conn *c = l->conns, *next; c != NULL; c = next) {
        next = c->next;
        if (c->busy && recorded)
            conn_end(c, END_CLIENT_TIMEOUT);
        else
            conn_close(c, c->busy);
    }
}

static void on_payload(void *cookie, struct bytes payload)
{
    struct load_conn *c = cookie;
    size_t room = sizeof(c->sample) - c->sample_len;
    size_t len = payload.len < room ? payload.len : room;
    if (len > 0)
        memcpy(c->sample + c->sample_len, payload.at, len);
    c->sample_len += len;
}

/* The final head off the front of ${*in}; interim ones are passed over. */
static enum http1_result take_head(struct load_conn *c, struct bytes *in)
{
    struct load *l = c->load;
    struct error err = {0};
    for (;;) {
        size_t len = http1_find_head(*in, &c->search_from);
        if (len == 0)
            return in->len > HTTP1_HEAD_MOST_BYTES ? HTTP1_BAD : HTTP1_MORE;
        if (len > HTTP1_HEAD_MOST_BYTES ||
            http1_parse_response(*in, l->verb, &l->head, &err) != HTTP1_DONE ||
            l->head.framing == HTTP1_TUNNEL)
            return HTTP1_BAD;
        *in = (struct bytes){in->at + len, in->len - len};
        c->search_from = 0;
        if (!l->head.informational)
            return HTTP1_DONE;
    }
}

static void head_read(struct load_conn *c)
{
    struct load *l = c->load;
    struct fields fields = {l->head.field, l->head.field_count};
    c->has_head = true;
    c->head_ns = loop_now_ns(l->loop);
    c->status = l->head.status;
    c->keep_alive = l->head.keep_alive;
    c->marks = request_marks(fields);
    if (l->recorder != NULL)
        c->server = recorder_name(l->recorder, fields_find(fields, "server"));
    http1_body_init(&c->body, &l->head);
}

/* The same on raw TCP. */
static bool conn_take_raw(struct load_conn *c, struct bytes in)
{
    enum http1_result result = load_raw_take(c, in);
    if (result == HTTP1_MORE)
        return true;
    c->keep_alive = result == HTTP1_DONE;
    conn_end(c, result == HTTP1_DONE ? END_COMPLETE : END_TRUNCATED);
    return false;
}

/* Takes bytes that were read (in the scratch). False: the request is over. */
static bool conn_take(struct load_conn *c, struct bytes in)
{
    if (c->load->raw)
        return conn_take_raw(c, in);
    struct error err = {0};
    size_t used = 0;
    bool kept = c->in.len > 0;
    if (kept) {
        INVARIANT(buffer_add(&c->in, in.at, in.len, NULL));
        in = buffer_view(&c->in);
    }
    if (!c->has_head) {
        size_t before = in.len;
        enum http1_result result = take_head(c, &in);
        if (result == HTTP1_BAD) {
            conn_end(c, END_TRUNCATED);
            return false;
        }
        if (result == HTTP1_MORE) {
            if (kept)
                buffer_consume(&c->in, before - in.len);
            else
                INVARIANT(buffer_add(&c->in, in.at, in.len, NULL));
            return true;
        }
        head_read(c);
    }
    enum http1_result result = HTTP1_MORE;
    if (!c->body.done)
        result = http1_body_feed(&c->body, in, &used, on_payload, c, &err);
    buffer_consume(&c->in, c->in.len);
    c->leftover = in.len - used;
    if (c->body.done || result == HTTP1_BAD) {
        conn_end(c, c->body.done ? END_COMPLETE : END_TRUNCATED);
        return false;
    }
    return true;
}

/* FIN (${sys} 0), or an error. */
static void ended_by_peer(struct load_conn *c, int sys)
{
    if (sys != 0)
        conn_end(c, END_RESET);
    else if (c->load->raw)
        conn_end(c, c->first_ns == 0 ? END_EOF : END_TRUNCATED);
    else if (!c->has_head)
        conn_end(c, END_EOF);
    else
        conn_end(c, c->body.framing == HTTP1_UNTIL_CLOSE ? END_COMPLETE : END_TRUNCATED);
}

static void conn_read(struct load_conn *c)
{
    struct load *l = c->load;
    for (int i = 0; i < READS_A_TURN; i++) {
        uint8_t *scratch = loop_scratch(l->loop);
        ssize_t n = socket_recv(l->loop, c->watch.fd, scratch, LOOP_SCRATCH_BYTES);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            ended_by_peer(c, n < 0 ? errno : 0);
            return;
        }
        if (c->first_ns == 0)
            c->first_ns = loop_now_ns(l->loop);
        if (!conn_take(c, (struct bytes){scratch, (size_t)n}))
            return;
    }
    loop_hold_add(l->loop, &c->again, loop_now_ns(l->loop), on_read_again);
}

/* True when the connection is there. */
static bool conn_connected(struct load_conn *c, unsigned what)
{
    struct load *l = c->load;
    int sys = socket_error(l->loop, c->watch.fd);
    if (sys == 0 && (what & WATCH_WRITE) == 0)
        return false;
    c->connecting = false;
    if (sys == 0 && c->busy) {
        if (conn_write(c))
            return true;
        sys = ECONNRESET;
    } else if (sys == 0 && !l->stopping) {
        idle_add(c);
        return true;
    }
    if (c->busy)
        conn_end(c, sys == ECONNRESET ? END_RESET : END_REFUSED);
    else
        conn_close(c, false);
    return false;
}

static void on_event(struct watch *w, unsigned what)
{
    struct load_conn *c = (struct load_conn *)(void *)w;
    if ((what & WATCH_CLOSED) != 0)
        c->left = true;
    if (c->connecting && !conn_connected(c, what))
        return;
    if (!c->busy) {
        char byte;
        if ((what & (WATCH_READ | WATCH_CLOSED)) != 0 &&
            (recv(w->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN))
            conn_close(c, false);
        return;
    }
    if ((what & WATCH_WRITE) != 0)
        conn_flush(c);
    if ((what & (WATCH_READ | WATCH_CLOSED)) != 0 && hold_is_idle(&c->again))
        conn_read(c);
}
