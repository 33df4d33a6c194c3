/* The listener of an endpoint, and the ACCEPT moment of its connections. */

#include "net/relay.h"

#include "base/clock.h"
#include "net/refusal.h"
#include "net/tls_conn.h"
#include "net/tls_pass.h"
#include "net/toxic_link.h"

#include <errno.h>
#include <netdb.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 64
#define ACCEPT_PAUSE_NS (100 * NS_PER_MS)

/* What a filter made of a new connection, for the streak guard. */
static void settle_streak(struct conn *c, bool failed)
{
    struct streak *streak = &c->endpoint->streak;
    if (c->accept_run.counted_open) {
        c->accept_run.counted_open = false;
        streak->open--;
    }
    if (failed)
        streak_end(streak, true);
}

/* From here on its bytes are the relay's. */
static void begin_relay(struct conn *c)
{
    settle_streak(c, false);
    if (c->endpoint->proxy->protocol == PROXY_TCP) {
        request_start_raw(c);
        if (!c->dead && c->tls == NULL && c->call != NULL && c->call->backend != NULL &&
            c->endpoint->tls[SIDE_RESPONSE] == NULL)
            tls_pass_begin(c, c->call->backend);
    } else if (c->endpoint->proxy->protocol == PROXY_TOXIC) {
        toxic_link_begin(c);
    }
}

static void begin(struct conn *c)
{
    c->parked = false;
    if (c->endpoint->tls[SIDE_REQUEST] == NULL) {
        begin_relay(c);
        return;
    }
    c->handshaking = true;
    tls_conn_begin(c, c->endpoint->tls[SIDE_REQUEST], SIDE_REQUEST, relay_run_client);
}

bool accept_handshake(struct conn *c)
{
    enum io io = tls_conn_handshake(c);
    if (io == IO_AGAIN)
        return false;
    c->handshaking = false;
    if (io == IO_DONE) {
        begin_relay(c);
        return !c->dead;
    }
    enum conn_closer by = tls_conn_blame(c);
    /* A leaf of ours that its peer refused is a failure that a fault has made, too. */
    settle_streak(c, by == CONN_BY_FAULT || tls_conn_fault(c) != 0);
    if (by == CONN_BY_FAULT)
        c->record.fault = tls_conn_fault(c);
    if (io == IO_RESET)
        conn_close(c, by, false);
    else
        conn_finish(c, by); /* an alert of ours must not be lost behind an RST */
    return false;
}

static void on_parked(struct hold *h, uint64_t now_ns)
{
    struct conn *c = (struct conn *)(void *)((char *)h - offsetof(struct conn, hold));
    (void)now_ns;
    accept_resume(c);
}

static const char *print_peer(const struct conn *c, char *to, size_t size)
{
    struct socket_address peer = {.len = sizeof(peer.storage)};
    loop_counters(c->endpoint->proxy->loop)->other++;
    to[0] = '\0';
    if (getpeername(c->watch.fd, (struct sockaddr *)&peer.storage, &peer.len) == 0)
        socket_print(&peer, to, size);
    return to;
}

static void ask(struct conn *c)
{
    char peer[64];
    struct accept_view seen = {.nth = c->nth, .peer = bytes_of(print_peer(c, peer, sizeof(peer)))};
    const struct filter_chain *now = c->endpoint->chain;
    struct halt halt = chain_run_accept(&c->accept_run, c->accept_slot, &seen, clock_now_ns());
    while (halt.answer.act == ACT_HOLD &&
           !chain_has_fault(now, chain_run_fault(&c->accept_run, halt.slot))) {
        chain_run_drop(&c->accept_run, halt.slot); /* disarmed while an earlier one held it */
        halt = chain_run_accept(&c->accept_run, halt.slot, &seen, clock_now_ns());
    }
    endpoint_count_fired(c->endpoint, &c->accept_run);
    c->accept_slot = halt.slot;
    if (halt.answer.act == ACT_PASS) {
        begin(c);
        return;
    }
    if (halt.answer.act == ACT_HOLD) {
        c->parked = true;
        if (halt.answer.until_ns != HOLD_FOREVER)
            loop_hold_add(c->endpoint->proxy->loop, &c->hold, halt.answer.until_ns, on_parked);
        return;
    }
    c->record.fault = chain_run_fault(&c->accept_run, halt.slot);
    settle_streak(c, true);
    c->parked = false;
    if (halt.answer.act == ACT_RESET)
        conn_close(c, CONN_BY_FAULT, true);
    else
        conn_finish(c, CONN_BY_FAULT);
}

void accept_begin(struct conn *c)
{
    struct endpoint *e = c->endpoint;
    c->nth = ++e->accepted;
    c->close_next = e->renews;
    bool wanted = chain_wants(e->chain, MOMENT_ACCEPT, SIDE_REQUEST) ||
                  (chain_wants(e->chain, MOMENT_HANDSHAKE, SIDE_REQUEST) &&
                   (e->tls[SIDE_REQUEST] != NULL || e->proxy->protocol == PROXY_TCP));
    if (!wanted) {
        begin(c);
        return;
    }
    chain_run_init(&c->accept_run, e->chain, &c->accept_arena, &e->proxy->chunk_arena);
    c->accept_run.view = (struct call_view){
        .id_hi = e->number, .id_lo = c->nth, .conn = c->record.conn, .endpoint = e->number};
    chain_run_select_accept(&c->accept_run, c->nth, &e->streak, clock_now_ns());
    ask(c);
}

void accept_resume(struct conn *c)
{
    ask(c);
    relay_run_client(c);
}

void accept_watch(struct conn *c)
{
    /* Half of a raw stream may be over before the other begins. */
    bool gone = c->ended && c->endpoint->proxy->protocol != PROXY_TCP;
    if (!gone && c->edge) {
        c->edge = false;
        gone = socket_error(c->endpoint->proxy->loop, c->watch.fd) != 0;
    }
    if (!gone)
        return;
    c->record.fault = chain_run_fault(&c->accept_run, c->accept_slot);
    settle_streak(c, true); /* the mesh gave up: its connect or its try timed out */
    conn_close(c, CONN_BY_PEER, false);
}

/* The address without its port: ports would fill the table of names. */
static uint32_t peer_name(struct endpoint *e, const struct socket_address *peer)
{
    char host[64];
    if (e->proxy->recorder == NULL ||
        getnameinfo((const struct sockaddr *)&peer->storage, peer->len, host, sizeof(host), NULL, 0,
                    NI_NUMERICHOST) != 0)
        return 0;
    return endpoint_name(e, bytes_of(host));
}

static void refuse_one_more(struct conn *c)
{
    char reason[64];
    snprintf(reason, sizeof(reason), "more than %u connections at once",
             c->endpoint->proxy->connections_most);
    refusal_note(c, NULL, REFUSAL_LIMIT, reason);
    conn_close(c, CONN_BY_LIMIT, true);
}

static void on_accept(struct watch *w, unsigned what);

static void on_accept_again(struct hold *h, uint64_t now_ns)
{
    struct endpoint *e =
        (struct endpoint *)(void *)((char *)h - offsetof(struct endpoint, accept_again));
    struct error err = {0};
    if (listener_is_open(e) && e->watch.event == NULL &&
        !loop_watch_add_level(e->proxy->loop, &e->watch, e->watch.fd, on_accept, &err))
        loop_hold_add(e->proxy->loop, h, now_ns + ACCEPT_PAUSE_NS, on_accept_again);
}

/* Out of descriptors: a level-triggered listener would spin, so it rests (engine.md rule 15). */
static void pause_accept(struct endpoint *e)
{
    e->accept_failures++;
    loop_watch_remove(&e->watch);
    if (hold_is_idle(&e->accept_again))
        loop_hold_add(e->proxy->loop, &e->accept_again, clock_now_ns() + ACCEPT_PAUSE_NS,
                      on_accept_again);
}

static void on_accept(struct watch *w, unsigned what)
{
    struct endpoint *e = (struct endpoint *)(void *)((char *)w - offsetof(struct endpoint, watch));
    struct socket_address peer;
    struct error err = {0};
    (void)what;
    for (unsigned i = 0; i < ACCEPTS_A_TURN && listener_is_open(e); i++) {
        int fd = socket_accept(e->proxy->loop, w->fd, &peer);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                pause_accept(e);
            return; /* EAGAIN; or a connection that died in the queue: the next event is due anyway
                     */
        }
        struct conn *c = conn_open(e, fd, CONN_CLIENT, relay_on_client, &err);
        if (c == NULL) {
            pause_accept(e);
            return;
        }
        c->record.peer = peer_name(e, &peer);
        if (e->clients > e->proxy->connections_most)
            refuse_one_more(c);
        else
            accept_begin(c);
    }
}

bool listener_open(struct endpoint *e, const char *address, struct error *err)
{
    int fd = e->kept_fd;
    e->kept_fd = -1;
    if (fd >= 0 && listen(fd, SOMAXCONN) != 0) {
        close(fd);
        fd = -1;
    }
    if (fd < 0 && (e->proxy->shared ? !socket_listen_shared(address, &fd, err)
                                    : !socket_listen(address, &fd, NULL, err)))
        return false;
    if (!loop_watch_add_level(e->proxy->loop, &e->watch, fd, on_accept, err)) {
        close(fd);
        e->watch.fd = -1;
        return false;
    }
    return true;
}

void listener_close(struct endpoint *e)
{
    listener_refuse(e);
    if (e->kept_fd >= 0)
        close(e->kept_fd);
    e->kept_fd = -1;
}

/* On Linux a listener that is shut down for reading is bound and closed: a SYN is answered by RST,
 * what is in its queue is reset, and nobody is given its port. */
void listener_refuse(struct endpoint *e)
{
    if (!listener_is_open(e))
        return;
    loop_hold_remove(e->proxy->loop, &e->accept_again);
    loop_watch_remove(&e->watch);
    if (shutdown(e->watch.fd, SHUT_RD) == 0)
        e->kept_fd = e->watch.fd;
    else
        close(e->watch.fd);
    e->watch.fd = -1;
}
