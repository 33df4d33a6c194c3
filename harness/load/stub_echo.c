#include "load/stub_echo.h"

#include "net/acceptor.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define CONNECTIONS_MOST 20000
#define OWED_MOST_BYTES (4 * LOOP_SCRATCH_BYTES) /* of one connection; then nothing is read */

enum echo_state {
    ECHO_IDLE,    /* owes nothing */
    ECHO_WAITING, /* for a slot */
    ECHO_WORKING,
    ECHO_WRITING, /* what the work was for goes out */
};

struct echo_conn {
    struct watch watch; /* first */
    struct hold work;
    struct loop_task gone;
    struct stub_echo *echo;
    struct echo_conn *prev, *next, *behind; /* of all; in the queue for a slot */
    enum echo_state state;
    bool readable, ended; /* ended: the peer's FIN was read */
    uint64_t number, messages;
    struct buffer owed;
    size_t ready, sent; /* bytes of ${owed}: whose work is done; that have left */
};

struct stub_echo {
    struct acceptor acceptor;
    struct stub_port *port;
    struct loop *loop;
    struct echo_conn *conns, *first_waiting, **last_waiting;
    uint64_t accepted;
};

static void conn_go_on(struct echo_conn *c);
static void conn_begin(struct echo_conn *c);

static void on_conn_gone(struct loop_task *t)
{
    struct echo_conn *c =
        (struct echo_conn *)(void *)((char *)t - offsetof(struct echo_conn, gone));
    buffer_release(&c->owed);
    free(c);
}

static void queue_leave(struct echo_conn *c)
{
    struct stub_echo *e = c->echo;
    for (struct echo_conn **at = &e->first_waiting; *at != NULL; at = &(*at)->behind) {
        if (*at != c)
            continue;
        *at = c->behind;
        if (e->last_waiting == &c->behind)
            e->last_waiting = at;
        e->port->stub->counts.waiting--;
        return;
    }
}

/* The slot is free: who waits longest has it. */
static void slot_give(struct stub_echo *e)
{
    e->port->busy--;
    e->port->stub->counts.active--;
    struct echo_conn *next = e->first_waiting;
    if (next != NULL) {
        queue_leave(next);
        conn_begin(next);
    }
}

static void conn_close(struct echo_conn *c, bool by_reset)
{
    struct stub_echo *e = c->echo;
    bool worked = c->state == ECHO_WORKING;
    if (c->state == ECHO_WAITING)
        queue_leave(c);
    c->state = ECHO_IDLE;
    loop_watch_remove(&c->watch);
    loop_hold_remove(e->loop, &c->work);
    if (by_reset)
        socket_reset(c->watch.fd);
    else
        close(c->watch.fd);
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        e->conns = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    loop_defer(e->loop, &c->gone);
    if (worked)
        slot_give(e);
    acceptor_left(&e->acceptor);
}

static void on_worked(struct hold *h, uint64_t now_ns)
{
    struct echo_conn *c =
        (struct echo_conn *)(void *)((char *)h - offsetof(struct echo_conn, work));
    (void)now_ns;
    c->state = ECHO_WRITING;
    slot_give(c->echo);
    conn_go_on(c);
}

static void conn_begin(struct echo_conn *c)
{
    struct stub_echo *e = c->echo;
    struct stub *s = e->port->stub;
    const struct service_plan *service = s->service;
    uint64_t work_ns = service->work_ns;
    uint64_t spread = service->jitter_ns < work_ns ? service->jitter_ns : work_ns;
    struct rng rng = rng_for(s->seed_of_work, e->port->number, c->number, c->messages, 0);
    if (spread > 0)
        work_ns = work_ns - spread + rng_below(&rng, 2 * spread + 1);
    c->state = ECHO_WORKING;
    e->port->busy++;
    s->counts.active++;
    loop_hold_add(e->loop, &c->work, loop_now_ns(e->loop) + work_ns, on_worked);
}

/* One more message: all that is owed and was not worked for. */
static void conn_admit(struct echo_conn *c)
{
    struct stub_echo *e = c->echo;
    struct stub *s = e->port->stub;
    c->messages++;
    c->ready = c->owed.len;
    s->counts.requests++;
    if (s->service->slots == 0 || e->port->busy < s->service->slots) {
        conn_begin(c);
        return;
    }
    c->state = ECHO_WAITING;
    c->behind = NULL;
    *e->last_waiting = c;
    e->last_waiting = &c->behind;
    s->counts.waiting++;
}

/* False: the connection is gone. */
static bool conn_read(struct echo_conn *c)
{
    struct loop *l = c->echo->loop;
    while (c->readable && !c->ended && c->owed.len + LOOP_SCRATCH_BYTES <= OWED_MOST_BYTES) {
        uint8_t *scratch = loop_scratch(l);
        ssize_t n = socket_recv(l, c->watch.fd, scratch, LOOP_SCRATCH_BYTES);
        if (n < 0 && errno == EAGAIN) {
            c->readable = false;
        } else if (n < 0) {
            conn_close(c, true);
            return false;
        } else if (n == 0) {
            c->ended = true;
        } else {
            INVARIANT(buffer_add(&c->owed, scratch, (size_t)n, NULL));
        }
    }
    return true;
}

static bool conn_write(struct echo_conn *c)
{
    while (c->sent < c->ready) {
        struct iovec rest = {c->owed.at + c->sent, c->ready - c->sent};
        ssize_t n = socket_send(c->echo->loop, c->watch.fd, &rest, 1);
        if (n < 0 && errno != EAGAIN) {
            conn_close(c, true);
            return false;
        }
        if (n < 0)
            return true; /* goes on with the next edge */
        c->sent += (size_t)n;
    }
    buffer_consume(&c->owed, c->sent);
    c->sent = c->ready = 0;
    c->state = ECHO_IDLE;
    return true;
}

/* Does all that can be done now; work that takes no time waits for its hold all the same. */
static void conn_go_on(struct echo_conn *c)
{
    if ((c->state == ECHO_WRITING && !conn_write(c)) || !conn_read(c))
        return;
    if (c->state == ECHO_IDLE && c->owed.len > 0)
        conn_admit(c);
    else if (c->state == ECHO_IDLE && c->ended)
        conn_close(c, false);
}

static void on_event(struct watch *w, unsigned what)
{
    struct echo_conn *c = (struct echo_conn *)(void *)w;
    if ((what & (WATCH_READ | WATCH_CLOSED)) != 0)
        c->readable = true;
    conn_go_on(c);
}

static void on_accept(void *cookie, int fd, const struct socket_address *peer)
{
    struct stub_echo *e = cookie;
    struct echo_conn *c = check_alloc_zero(1, sizeof(*c));
    (void)peer;
    c->echo = e;
    c->gone.run = on_conn_gone;
    c->number = ++e->accepted;
    buffer_init(&c->owed, OWED_MOST_BYTES);
    if (!loop_watch_add(e->loop, &c->watch, fd, on_event, NULL)) {
        free(c);
        close(fd);
        acceptor_left(&e->acceptor);
        return;
    }
    c->next = e->conns;
    if (c->next != NULL)
        c->next->prev = c;
    e->conns = c;
}

bool stub_echo_open(struct stub_port *port, const char *listen, struct stub_echo **ret,
                    struct error *err)
{
    struct stub_echo *e = check_alloc_zero(1, sizeof(*e));
    e->port = port;
    e->loop = port->stub->loop;
    e->last_waiting = &e->first_waiting;
    if (!acceptor_open(&e->acceptor, e->loop, listen, CONNECTIONS_MOST, on_accept, e, err)) {
        free(e);
        return false;
    }
    *ret = e;
    return true;
}

void stub_echo_free(struct stub_echo *e)
{
    if (e == NULL)
        return;
    acceptor_close(&e->acceptor);
    while (e->conns != NULL) {
        e->first_waiting = NULL; /* nobody is begun any more */
        e->last_waiting = &e->first_waiting;
        if (e->conns->state == ECHO_WAITING)
            e->conns->state = ECHO_IDLE;
        conn_close(e->conns, true);
    }
    free(e);
}

const char *stub_echo_address(const struct stub_echo *e)
{
    return e->acceptor.address;
}
