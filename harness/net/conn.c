#include "net/conn.h"

#include "base/clock.h"
#include "net/pool.h"
#include "net/tls_conn.h"
#include "net/tls_pass.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define IN_MOST_BYTES (HTTP1_HEAD_MOST_BYTES + LOOP_SCRATCH_BYTES)
#define KEEP_CAPACITY 4096
#define LINGER_NS (1 * NS_PER_S)
#define LINGER_BYTES ((size_t)1024 * 1024)

static struct conn *from_gone(struct loop_task *t)
{
    return (struct conn *)(void *)((char *)t - offsetof(struct conn, gone));
}

/* End of turn: events of this batch may still have named it until now. */
static void on_gone(struct loop_task *t)
{
    struct conn *c = from_gone(t);
    struct proxy *p = c->endpoint->proxy;
    buffer_release(&c->in);
    buffer_release(&c->out);
    c->next = p->free_conns;
    p->free_conns = c;
}

static void on_no_event(struct loop_task *t)
{
    (void)t;
}

struct conn *conn_open(struct endpoint *e, int fd, enum conn_side side,
                       void (*on_event)(struct watch *w, unsigned what), struct error *err)
{
    struct proxy *p = e->proxy;
    struct conn *c = p->free_conns;
    if (c != NULL)
        p->free_conns = c->next;
    else
        c = check_alloc(sizeof(*c));
    *c = (struct conn){.endpoint = e,
                       .side = (uint8_t)side,
                       .transport = &transport_tcp,
                       .writable = side == CONN_CLIENT};
    if (!loop_watch_add(p->loop, &c->watch, fd, on_event, err)) {
        close(fd);
        c->next = p->free_conns;
        p->free_conns = c;
        return NULL;
    }
    c->gone.run = on_gone;
    c->again.run = on_no_event;
    buffer_init(&c->in, IN_MOST_BYTES);
    buffer_init(&c->out, CONN_OUT_MOST_BYTES);
    arena_init(&c->accept_arena, (size_t)256 * 1024);
    c->record = (struct connection_record){.at = clock_now_ns(),
                                           .conn = ++p->conn_numbers,
                                           .endpoint = e->number,
                                           .side = (uint8_t)side};
    c->next = e->conns;
    if (e->conns != NULL)
        e->conns->previous = c;
    e->conns = c;
    if (side == CONN_CLIENT) {
        p->counts.connections++;
        e->clients++;
    }
    return c;
}

void conn_close(struct conn *c, enum conn_closer by, bool reset)
{
    struct endpoint *e = c->endpoint;
    struct proxy *p = e->proxy;
    if (c->dead)
        return;
    uint64_t now_ns = clock_now_ns();
    reset = reset || c->abort;
    c->dead = true;
    pool_remove(c);
    slow_forget(c);
    loop_hold_remove(p->loop, &c->hold);
    loop_task_cancel(p->loop, &c->again);
    if (c->tls != NULL)
        tls_conn_close(c, by, reset);
    if (c->pass != NULL)
        tls_pass_close(c, by, reset);
    loop_watch_remove(&c->watch);
    if (reset)
        socket_reset(c->watch.fd);
    else
        close(c->watch.fd);
    if (c->codec != NULL)
        c->codec->release(c);
    struct conn *mate = c->mate;
    if (mate != NULL) {
        mate->mate = c->mate = NULL;
        if (c->side == CONN_CLIENT && mate->call == NULL)
            conn_close(mate, CONN_BY_US, false);
    }
    if (c->accept_run.counted_open) { /* it was cut before a fault or its peer had an end of it */
        c->accept_run.counted_open = false;
        e->streak.open--;
    }
    if (c->accept_run.chain != NULL)
        chain_run_release(&c->accept_run, true, now_ns);
    arena_release(&c->accept_arena);
    http1_body_release(&c->drain);
    c->record.close = now_ns > c->record.at ? now_ns - c->record.at : 1;
    if (!c->lingering) /* else that is noted already */
        c->record.closed_by = (uint8_t)by;
    c->record.reset = c->record.reset != 0 || reset ? 1 : 0;
    endpoint_emit(e, RECORD_CONNECTION, &c->record);
    if (c->previous != NULL)
        c->previous->next = c->next;
    else
        e->conns = c->next;
    if (c->next != NULL)
        c->next->previous = c->previous;
    if (c->side == CONN_CLIENT) {
        p->counts.connections--;
        e->clients--;
    }
    loop_defer(p->loop, &c->gone);
    endpoint_settle_drain(p);
}

void conn_free_all(struct proxy *p)
{
    for (struct conn *c = p->free_conns, *next; c != NULL; c = next) {
        next = c->next;
        free(c);
    }
    p->free_conns = NULL;
}

static void note_first_byte(struct conn *c, struct bytes in)
{
    c->record.first_byte = c->read_ns > c->record.at ? c->read_ns - c->record.at : 1;
    if (in.len >= 14 && memcmp(in.at, "PRI * HTTP/2.0", 14) == 0)
        c->record.first_class = FIRST_H2_PREFACE;
    else if (in.at[0] == 0x16)
        c->record.first_class = FIRST_TLS;
    else if (in.at[0] >= 'A' && in.at[0] <= 'Z')
        c->record.first_class = FIRST_HTTP;
    else
        c->record.first_class = FIRST_OTHER;
}

static enum io tcp_read(struct conn *c, uint8_t *to, size_t size, size_t *ret_len)
{
    if (!c->readable && !c->doubt)
        return IO_AGAIN;
    c->edge = c->doubt = false;
    ssize_t n = socket_recv(c->endpoint->proxy->loop, c->watch.fd, to, size);
    c->read_ns = clock_now_ns();
    if (n < 0 && errno == EAGAIN) {
        c->readable = false;
        return IO_AGAIN;
    }
    if (n < 0)
        return IO_RESET;
    if (n == 0)
        return IO_FIN;
    /* a short read has emptied the socket, but for the FIN, which gives no further edge */
    if ((size_t)n < size && !c->ended) {
        /* Data and an RST that came together give one edge, which libevent reports as it does data
         * alone. So whoever needs more bytes than these asks once again; a message that came whole
         * costs nothing. */
        c->readable = false;
        c->doubt = true;
    }
    if (c->record.first_class == FIRST_NONE)
        note_first_byte(c, (struct bytes){to, (size_t)n});
    *ret_len = (size_t)n;
    return IO_DONE;
}

static enum io tcp_write(struct conn *c, const struct iovec *from, size_t count, size_t *ret_len)
{
    ssize_t n = socket_send(c->endpoint->proxy->loop, c->watch.fd, from, count);
    *ret_len = n < 0 ? 0 : (size_t)n;
    return n < 0 && errno != EAGAIN ? IO_RESET : IO_DONE;
}

static enum io tcp_end(struct conn *c)
{
    shutdown(c->watch.fd, SHUT_WR);
    loop_counters(c->endpoint->proxy->loop)->other++;
    return IO_DONE;
}

const struct transport transport_tcp = {.read = tcp_read, .write = tcp_write, .end = tcp_end};

enum io conn_fill(struct conn *c)
{
    uint8_t *scratch = loop_scratch(c->endpoint->proxy->loop);
    size_t n = 0;
    if (c->fin_seen)
        return IO_FIN;
    if (!c->readable && !c->doubt)
        return IO_AGAIN;
    conn_keep(c);
    enum io io = c->transport->read(c, scratch, LOOP_SCRATCH_BYTES, &n);
    if (io != IO_DONE) {
        c->fin_seen = io == IO_FIN;
        return io;
    }
    c->record.bytes_in += n;
    if (c->input.len == 0) {
        c->input = (struct bytes){scratch, n};
        c->input_kept = false;
        return IO_DONE;
    }
    INVARIANT(buffer_add(&c->in, scratch, n, NULL));
    c->input = buffer_view(&c->in);
    return IO_DONE;
}

void conn_consume(struct conn *c, size_t len)
{
    INVARIANT(len <= c->input.len);
    if (len > 0) /* else there may be none */
        c->input.at += len;
    c->input.len -= len;
    c->search = 0;
    if (c->input.len == 0 && c->input_kept) {
        c->in.len = 0;
        c->input_kept = false;
        if (c->in.capacity > KEEP_CAPACITY)
            buffer_release(&c->in);
    }
}

void conn_keep(struct conn *c)
{
    if (c->input.len == 0)
        return;
    if (c->input_kept) {
        buffer_consume(&c->in, (size_t)(c->input.at - c->in.at));
    } else {
        c->in.len = 0;
        INVARIANT(buffer_add(&c->in, c->input.at, c->input.len, NULL));
        c->input_kept = true;
    }
    c->input = buffer_view(&c->in);
}

/* Keeps what ${from} holds past its first ${sent} bytes. */
static enum io keep_rest(struct conn *c, const struct iovec *from, size_t count, size_t sent)
{
    for (size_t i = 0; i < count; i++) {
        size_t skip = sent < from[i].iov_len ? sent : from[i].iov_len;
        sent -= skip;
        if (skip < from[i].iov_len && !buffer_add(&c->out, (const uint8_t *)from[i].iov_base + skip,
                                                  from[i].iov_len - skip, NULL)) {
            c->broken = true; /* past any amount that back-pressure lets through */
            return IO_RESET;
        }
    }
    return conn_unsent(c) > 0 ? IO_AGAIN : IO_DONE;
}

enum io conn_send(struct conn *c, const struct iovec *from, size_t count)
{
    size_t sent = 0, total = 0;
    if (c->broken || c->shut)
        return IO_RESET;
    for (size_t i = 0; i < count; i++)
        total += from[i].iov_len;
    /* while it connects, TLS has no keys yet, though the socket is writable */
    if (conn_unsent(c) == 0 && c->writable && !c->connecting && total > 0) {
        if (c->transport->write(c, from, count, &sent) == IO_RESET) {
            c->broken = true;
            return IO_RESET;
        }
        c->record.bytes_out += sent;
        if (sent == total && c->sealed == 0)
            return IO_DONE;
        c->writable = false;
    }
    return keep_rest(c, from, count, sent);
}

enum io conn_flush(struct conn *c)
{
    if (c->broken)
        return IO_RESET;
    if (conn_unsent(c) == 0)
        return IO_DONE;
    if (!c->writable)
        return IO_AGAIN;
    struct iovec rest = {.iov_len = c->out.len - c->out_from};
    size_t sent = 0;
    if (rest.iov_len > 0)
        rest.iov_base = c->out.at + c->out_from;
    if (c->transport->write(c, &rest, 1, &sent) == IO_RESET) {
        c->broken = true;
        return IO_RESET;
    }
    c->record.bytes_out += sent;
    c->out_from += sent;
    if (sent < rest.iov_len || c->sealed > 0) {
        c->writable = false;
        return IO_AGAIN;
    }
    c->out.len = c->out_from = 0;
    if (c->out.capacity > KEEP_CAPACITY)
        buffer_release(&c->out);
    return IO_DONE;
}

bool conn_shut(struct conn *c)
{
    if (!c->shut)
        c->shut = c->transport->end(c) != IO_AGAIN;
    return c->shut;
}

static void on_linger_end(struct hold *h, uint64_t now_ns)
{
    struct conn *c = (struct conn *)(void *)((char *)h - offsetof(struct conn, hold));
    (void)now_ns;
    conn_close(c, CONN_BY_US, false);
}

void conn_finish(struct conn *c, enum conn_closer by)
{
    struct loop *l = c->endpoint->proxy->loop;
    if (c->dead || c->lingering)
        return;
    c->lingering = true;
    c->record.closed_by = (uint8_t)by;
    http1_body_release(&c->drain);
    c->draining = false;
    conn_consume(c, c->input.len);
    if (c->fin_wait_ns > 0)
        fin_delay(c, clock_now_ns() + c->fin_wait_ns, c->fin_fault);
    if (hold_is_idle(&c->hold))
        loop_hold_add(l, &c->hold, clock_now_ns() + LINGER_NS, on_linger_end);
    conn_linger(c);
}

void conn_linger(struct conn *c)
{
    enum io io = conn_flush(c);
    if (io == IO_RESET) {
        conn_close(c, CONN_BY_PEER, false);
        return;
    }
    if (io == IO_DONE && !c->shut && c->fin_ns == 0)
        (void)conn_shut(c);
    /* Past the limit it is not read any more, but it stays until the second is over: a close with
     * bytes unread is an RST, which would take away what the peer has not read yet. */
    while (c->lingered < LINGER_BYTES && (io = conn_fill(c)) == IO_DONE) {
        c->lingered += c->input.len;
        conn_consume(c, c->input.len);
    }
    if (io == IO_RESET || (io == IO_FIN && c->shut))
        conn_close(c, CONN_BY_US, false);
}
