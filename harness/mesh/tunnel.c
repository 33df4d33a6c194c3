#include "mesh/tunnel.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define STREAM_BYTES LOOP_SCRATCH_BYTES /* read of one side and not yet taken by the other */
#define READS_A_TURN 16

struct side_of {
    struct watch watch; /* first */
    struct tunnel *tunnel;
    bool readable, writable, ended, shut; /* ended: its FIN was read; shut: it got ours */
    struct buffer rest;                   /* read of it, for the other side */
    size_t sent;
};
struct tunnel {
    struct edge *edge;
    struct tunnel *prev, *next;
    struct side_of down, up; /* the caller's connection, the endpoint's (fd -1: none yet) */
    struct hold connect, again;
    struct loop_task gone;
    size_t host;
    uint64_t begun_ns, connected_ns; /* 0: not yet */
    bool picked, dead;
};

static void tunnel_move(struct tunnel *t);

static void on_gone(struct loop_task *task)
{
    struct tunnel *t = (struct tunnel *)(void *)((char *)task - offsetof(struct tunnel, gone));
    buffer_release(&t->down.rest);
    buffer_release(&t->up.rest);
    free(t);
}

static void side_close(struct side_of *s, bool by_reset)
{
    if (s->watch.fd < 0)
        return;
    loop_watch_remove(&s->watch);
    if (by_reset)
        socket_reset(s->watch.fd);
    else
        close(s->watch.fd);
    s->watch.fd = -1;
}

static void tunnel_end(struct tunnel *t, bool down_reset, bool up_reset)
{
    struct edge *e = t->edge;
    uint64_t now_ns = loop_now_ns(e->loop);
    t->dead = true;
    side_close(&t->down, down_reset);
    side_close(&t->up, up_reset);
    loop_hold_remove(e->loop, &t->connect);
    loop_hold_remove(e->loop, &t->again);
    if (t->prev != NULL)
        t->prev->next = t->next;
    else
        e->tunnels = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    if (t->picked) {
        uint64_t took_ns = (t->connected_ns != 0 ? t->connected_ns : now_ns) - t->begun_ns;
        balance_end(&e->balance, t->host, took_ns, now_ns);
        e->tunnels_open--;
    }
    acceptor_left(&e->gate);
    loop_defer(e->loop, &t->gone);
}

void tunnel_drop(struct tunnel *t)
{
    tunnel_end(t, true, true);
}

static void result(struct tunnel *t, enum try_end end)
{
    struct try_result r = {.end = end, .status = 200, .grpc_status = TRY_NO_GRPC};
    edge_result(t->edge, t->host, &r, loop_now_ns(t->edge->loop));
}

/* Nothing of the caller was read yet: where it has said something, the kernel makes this an RST. */
static void connect_failed(struct tunnel *t, enum try_end end)
{
    t->edge->counters.cx_connect_fail++;
    t->edge->counters.cx_connect_timeout += end == TRY_CUT;
    result(t, end);
    tunnel_end(t, false, false);
}

static void on_connect_late(struct hold *h, uint64_t now_ns)
{
    struct tunnel *t = (struct tunnel *)(void *)((char *)h - offsetof(struct tunnel, connect));
    (void)now_ns;
    connect_failed(t, TRY_CUT);
}

/* ---- bytes ---- */

static void on_again(struct hold *h, uint64_t now_ns)
{
    (void)now_ns;
    tunnel_move((struct tunnel *)(void *)((char *)h - offsetof(struct tunnel, again)));
}

/* What was read of ${from} leaves by ${to}; false: ${to} is gone. */
static bool flush(struct side_of *from, struct side_of *to)
{
    struct loop *l = from->tunnel->edge->loop;
    while (from->sent < from->rest.len && to->writable) {
        struct iovec rest = {from->rest.at + from->sent, from->rest.len - from->sent};
        ssize_t n = socket_send(l, to->watch.fd, &rest, 1);
        if (n < 0 && errno != EAGAIN)
            return false;
        if (n < 0)
            to->writable = false;
        else
            from->sent += (size_t)n;
    }
    if (from->sent == from->rest.len) {
        buffer_consume(&from->rest, from->rest.len);
        from->sent = 0;
    }
    if (from->ended && from->rest.len == 0 && !to->shut) {
        to->shut = true;
        shutdown(to->watch.fd, SHUT_WR);
    }
    return true;
}

/* One way. False: a side has gone, which ends the other in the same way. */
static bool move(struct side_of *from, struct side_of *to)
{
    struct tunnel *t = from->tunnel;
    struct loop *l = t->edge->loop;
    for (int i = 0; i < READS_A_TURN; i++) {
        if (!flush(from, to))
            return false;
        if (from->rest.len > 0 || from->ended || !from->readable)
            return true;
        uint8_t *scratch = loop_scratch(l);
        ssize_t n = socket_recv(l, from->watch.fd, scratch, STREAM_BYTES);
        if (n < 0 && errno != EAGAIN)
            return false;
        if (n < 0)
            from->readable = false;
        else if (n == 0)
            from->ended = true;
        else
            INVARIANT(buffer_add(&from->rest, scratch, (size_t)n, NULL));
    }
    if (hold_is_idle(&t->again))
        loop_hold_add(l, &t->again, loop_now_ns(l), on_again);
    return true;
}

static void tunnel_move(struct tunnel *t)
{
    if (!move(&t->down, &t->up) || !move(&t->up, &t->down))
        tunnel_end(t, true, true);
    else if (t->down.shut && t->up.shut)
        tunnel_end(t, false, false);
}

static void note(struct side_of *s, unsigned what)
{
    s->readable = s->readable || (what & (WATCH_READ | WATCH_CLOSED)) != 0;
    s->writable = s->writable || (what & WATCH_WRITE) != 0;
}

static void on_down(struct watch *w, unsigned what)
{
    struct side_of *s = (struct side_of *)(void *)w;
    struct tunnel *t = s->tunnel;
    note(s, what);
    if (t->connected_ns != 0)
        tunnel_move(t);
    else if (socket_error(t->edge->loop, w->fd) != 0)
        tunnel_end(t, false, true); /* the caller has left: no result of the host's */
}

static void on_up(struct watch *w, unsigned what)
{
    struct side_of *s = (struct side_of *)(void *)w;
    struct tunnel *t = s->tunnel;
    note(s, what);
    if (t->connected_ns == 0) {
        if (socket_error(t->edge->loop, w->fd) != 0) {
            connect_failed(t, TRY_REFUSED);
            return;
        }
        if ((what & WATCH_WRITE) == 0)
            return;
        t->connected_ns = loop_now_ns(t->edge->loop);
        t->edge->counters.rq_total++;
        loop_hold_remove(t->edge->loop, &t->connect);
        result(t, TRY_ANSWERED);
    }
    tunnel_move(t);
}

/* ---- the begin ---- */

static void dial(struct tunnel *t)
{
    struct edge *e = t->edge;
    struct error err = {0};
    int fd;
    t->begun_ns = loop_now_ns(e->loop);
    t->picked = true;
    e->tunnels_open++;
    e->counters.cx_total++;
    struct balance_tried tried = BALANCE_TRIED_NONE;
    balance_begin(&e->balance, t->host, &tried);
    if (!socket_connect(e->endpoints[t->host], &fd, &err)) {
        connect_failed(t, TRY_REFUSED);
        return;
    }
    if (!loop_watch_add(e->loop, &t->up.watch, fd, on_up, &err)) {
        close(fd);
        t->up.watch.fd = -1;
        tunnel_end(t, false, false);
        return;
    }
    loop_hold_add(e->loop, &t->connect, t->begun_ns + e->connect_ns, on_connect_late);
}

void tunnel_begin(struct edge *e, int fd)
{
    struct tunnel *t = check_alloc_zero(1, sizeof(*t));
    const struct balance_tried tried = BALANCE_TRIED_NONE;
    t->edge = e;
    t->down.tunnel = t->up.tunnel = t;
    t->up.watch.fd = -1;
    t->gone.run = on_gone;
    buffer_init(&t->down.rest, STREAM_BYTES);
    buffer_init(&t->up.rest, STREAM_BYTES);
    if (!loop_watch_add(e->loop, &t->down.watch, fd, on_down, NULL)) {
        close(fd);
        t->down.watch.fd = -1;
    }
    t->next = e->tunnels;
    if (t->next != NULL)
        t->next->prev = t;
    e->tunnels = t;
    e->requests++;
    t->host = edge_pick(e, &tried, loop_now_ns(e->loop));
    if (t->host == BALANCE_NONE)
        e->counters.cx_none_healthy++;
    else if (e->tunnels_open >= e->model.pool.max_connections)
        e->counters.cx_overflow++;
    else if (t->down.watch.fd >= 0) {
        dial(t);
        return;
    }
    tunnel_end(t, false, false);
}
