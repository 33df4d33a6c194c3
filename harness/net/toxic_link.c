#include "net/toxic_link.h"

#include "base/clock.h"
#include "net/relay.h"
#include "net/toxic_pipe.h"

#include <stdlib.h>

#define ROUNDS_A_TURN 16

struct toxic_link;
struct way {
    struct toxic_link *link;
    enum side side;
    struct toxic_pipe *pipe;
    bool done; /* its end went out */
};

struct toxic_link {
    struct endpoint *endpoint;
    struct conn *conn[2]; /* by the side whose source it is */
    struct way way[2];
    struct hold hold;
    struct loop_task gone;
    bool over;
};

static struct conn *sink_of(const struct way *w)
{
    return w->link->conn[w->side == SIDE_REQUEST ? SIDE_RESPONSE : SIDE_REQUEST];
}

static struct way *other_way(struct way *w)
{
    return &w->link->way[w->side == SIDE_REQUEST ? SIDE_RESPONSE : SIDE_REQUEST];
}

static struct call *call_of_link(const struct toxic_link *link)
{
    return link->conn[SIDE_REQUEST] == NULL ? NULL : link->conn[SIDE_REQUEST]->call;
}

static bool is_ready(void *cookie)
{
    const struct way *w = cookie;
    const struct conn *to = sink_of(w);
    return to->broken || (!to->connecting && !to->handshaking && conn_unsent(to) == 0);
}

static void put(void *cookie, struct bytes chunk)
{
    struct way *w = cookie;
    struct call *call = call_of_link(w->link);
    struct iovec part = {.iov_len = chunk.len};
    memcpy(&part.iov_base, &chunk.at, sizeof(chunk.at));
    (void)conn_send(sink_of(w), &part, 1); /* a peer that broke is seen in settle */
    call->flow[w->side].written += chunk.len;
    if (w->side == SIDE_RESPONSE)
        call->record.done = call_span(call, clock_now_ns());
    else if (call->record.upstream == 0)
        call->record.upstream = call_span(call, clock_now_ns());
}

static void on_gone(struct loop_task *t)
{
    struct toxic_link *link =
        (struct toxic_link *)(void *)((char *)t - offsetof(struct toxic_link, gone));
    toxic_pipe_free(link->way[SIDE_REQUEST].pipe);
    toxic_pipe_free(link->way[SIDE_RESPONSE].pipe);
    free(link);
}

/* The link lets its connections go, and is gone when the turn ends. */
static void dissolve(struct toxic_link *link)
{
    struct loop *l = link->endpoint->proxy->loop;
    link->over = true;
    loop_hold_remove(l, &link->hold);
    for (size_t i = 0; i < COUNT_OF(link->conn); i++) {
        if (link->conn[i] == NULL)
            continue;
        link->conn[i]->codec = NULL;
        link->conn[i]->session = NULL;
        link->conn[i] = NULL;
    }
    link->gone.run = on_gone;
    loop_defer(l, &link->gone);
}

/* The end of all. ${resets}: RST to both, at once; else what is sent gets there first. */
static void end(struct toxic_link *link, enum attempt_outcome outcome, enum conn_closer by,
                bool resets)
{
    struct conn *client = link->conn[SIDE_REQUEST], *backend = link->conn[SIDE_RESPONSE];
    struct call *call = call_of_link(link);
    if (link->over)
        return;
    dissolve(link);
    if (call != NULL) {
        uint64_t span = call_span(call, clock_now_ns());
        if (outcome == OUTCOME_LEFT) {
            call->record.left = span;
            call->record.left_kind = resets ? LEFT_RST : LEFT_FIN;
        }
        if (call->record.out == 0)
            call->record.out = span;
        call_end(call, outcome);
    }
    if (backend != NULL && resets)
        conn_close(backend, outcome == OUTCOME_UPSTREAM_RESET ? CONN_BY_PEER : CONN_BY_US, true);
    else if (backend != NULL)
        conn_finish(backend, by);
    if (client != NULL && resets)
        conn_close(client, outcome == OUTCOME_LEFT ? CONN_BY_PEER : by, true);
    else if (client != NULL)
        conn_finish(client, by);
}

/* Moves what ${w}'s source has. True: something came. */
static bool take(struct way *w)
{
    struct conn *from = w->link->conn[w->side];
    struct call *call = call_of_link(w->link);
    if (!toxic_pipe_takes(w->pipe))
        return false;
    if (from->input.len == 0) {
        switch (conn_fill(from)) {
        case IO_AGAIN:
            return false;
        case IO_FIN:
            call->flow[w->side].state = FLOW_DONE;
            toxic_pipe_end(w->pipe, TOXIC_END_FIN);
            return true;
        case IO_RESET:
            toxic_pipe_end(w->pipe, TOXIC_END_RESET);
            return true;
        case IO_DONE:
            break;
        }
    }
    struct bytes chunk = from->input;
    if (chunk.len > TOXIC_CHUNK_MOST_BYTES)
        chunk.len = TOXIC_CHUNK_MOST_BYTES;
    toxic_pipe_feed(w->pipe, chunk, from->read_ns);
    conn_consume(from, chunk.len);
    call->flow[w->side].body.payload_bytes += chunk.len;
    if (w->side == SIDE_RESPONSE && call->record.reply == 0)
        call->record.reply = call_span(call, from->read_ns);
    return true;
}

/* Both directions are through. */
static void end_well(struct toxic_link *link)
{
    bool by_toxic = toxic_pipe_ended(link->way[SIDE_REQUEST].pipe) == TOXIC_END_CLOSED ||
                    toxic_pipe_ended(link->way[SIDE_RESPONSE].pipe) == TOXIC_END_CLOSED;
    end(link, by_toxic ? OUTCOME_CLOSED_BY_FAULT : OUTCOME_ANSWERED,
        by_toxic ? CONN_BY_FAULT : CONN_BY_PEER, false);
}

/* What the end of one direction does to the connection. True: it did. */
static bool pass_end(struct way *w)
{
    struct conn *to = sink_of(w);
    enum toxic_end how = toxic_pipe_ended(w->pipe);
    struct toxic_link *link = w->link;
    if (how == TOXIC_OPEN || w->done)
        return false;
    if (how == TOXIC_END_CUT) {
        end(link, OUTCOME_RESET_BY_FAULT, CONN_BY_FAULT, true);
        return true;
    }
    if (to->connecting || to->handshaking || conn_unsent(to) > 0)
        return false;
    if (how == TOXIC_END_RESET) {
        end(link, w->side == SIDE_REQUEST ? OUTCOME_LEFT : OUTCOME_UPSTREAM_RESET, CONN_BY_US,
            true);
        return true;
    }
    if (!conn_shut(to))
        return false;
    w->done = true;
    if (how == TOXIC_END_CLOSED) /* what the other direction has in it still arrives */
        toxic_pipe_end(other_way(w)->pipe, TOXIC_END_CLOSED);
    if (other_way(w)->done)
        end_well(link);
    return true;
}

static bool has_broken(struct toxic_link *link)
{
    if (link->conn[SIDE_REQUEST]->broken)
        end(link, OUTCOME_LEFT, CONN_BY_PEER, true);
    else if (link->conn[SIDE_RESPONSE]->broken)
        end(link, OUTCOME_UPSTREAM_RESET, CONN_BY_PEER, true);
    return link->over;
}

static void settle(struct toxic_link *link);

static void on_hold(struct hold *h, uint64_t now_ns)
{
    (void)now_ns;
    settle((struct toxic_link *)(void *)((char *)h - offsetof(struct toxic_link, hold)));
}

/* All that can be done now. */
static void settle(struct toxic_link *link)
{
    struct loop *l = link->endpoint->proxy->loop;
    uint64_t next_ns = UINT64_MAX;
    bool more = true;
    for (unsigned round = 0; more && !link->over && round < ROUNDS_A_TURN; round++) {
        more = false;
        next_ns = UINT64_MAX;
        for (size_t i = 0; i < COUNT_OF(link->way) && !link->over; i++) {
            struct way *w = &link->way[i];
            if (conn_unsent(sink_of(w)) > 0)
                (void)conn_flush(sink_of(w));
            bool took = toxic_pipe_takes(w->pipe);
            more = take(w) || more;
            uint64_t due_ns = toxic_pipe_run(w->pipe, clock_now_ns());
            next_ns = due_ns < next_ns ? due_ns : next_ns;
            more = more || (!took && toxic_pipe_takes(w->pipe)); /* no event will say so */
            if (!has_broken(link))
                more = pass_end(w) || more;
        }
    }
    if (link->over)
        return;
    conn_keep(link->conn[SIDE_REQUEST]);
    conn_keep(link->conn[SIDE_RESPONSE]);
    loop_hold_remove(l, &link->hold);
    if (more)
        relay_again(link->conn[SIDE_REQUEST]);
    else if (next_ns != UINT64_MAX)
        loop_hold_add(l, &link->hold, next_ns, on_hold);
}

static void on_run(struct conn *c)
{
    settle(c->session);
}

/* Somebody else closes it: the proxy goes. */
static void on_release(struct conn *c)
{
    struct toxic_link *link = c->session;
    struct conn *client = link->conn[SIDE_REQUEST], *backend = link->conn[SIDE_RESPONSE];
    struct call *call = call_of_link(link);
    dissolve(link);
    if (call != NULL)
        call_end(call, OUTCOME_ABANDONED);
    if (client != NULL && client != c)
        conn_close(client, CONN_BY_US, false);
    if (backend != NULL && backend != c)
        conn_close(backend, CONN_BY_US, false);
}

static void on_existing(struct conn *c, enum existing what)
{
    if (what == EXISTING_RESET)
        end(c->session, OUTCOME_RESET_BY_FAULT, CONN_BY_FAULT, true);
}

/* As Toxiproxy: the client is closed, not reset. */
static void on_refused(struct conn *c)
{
    struct toxic_link *link = c->session;
    struct conn *client = link->conn[SIDE_REQUEST];
    struct call *call = call_of_link(link);
    dissolve(link);
    if (call != NULL)
        call_end(call, OUTCOME_UPSTREAM_REFUSED);
    conn_close(c, CONN_BY_PEER, false);
    conn_finish(client, CONN_BY_US);
}

static const struct codec codec = {
    .run = on_run, .release = on_release, .existing = on_existing, .refused = on_refused};

static void attach(struct toxic_link *link, enum side side, struct conn *c)
{
    link->conn[side] = c;
    c->codec = &codec;
    c->session = link;
}

static void open_way(struct toxic_link *link, enum side side)
{
    struct endpoint *e = link->endpoint;
    struct rng rng = rng_for(e->proxy->seed, e->number, link->conn[SIDE_REQUEST]->record.conn,
                             (uint64_t)side, 0);
    struct way *w = &link->way[side];
    w->link = link;
    w->side = side;
    w->pipe =
        toxic_pipe_new(side, e->toxics, rng, (struct toxic_sink){is_ready, put, w}, clock_now_ns());
}

void toxic_link_begin(struct conn *client)
{
    struct endpoint *e = client->endpoint;
    struct call *call = call_new(client, client->record.at);
    struct error err = {0};
    struct conn *backend = dial_backend(e, &err);
    call->tunnel = true; /* the sweep leaves it alone */
    if (backend == NULL) {
        call_end(call, OUTCOME_UPSTREAM_REFUSED);
        conn_finish(client, CONN_BY_US);
        return;
    }
    call->backend = backend;
    backend->call = call;
    backend->record.requests++;
    struct toxic_link *link = check_alloc_zero(1, sizeof(*link));
    link->endpoint = e;
    attach(link, SIDE_REQUEST, client);
    attach(link, SIDE_RESPONSE, backend);
    open_way(link, SIDE_REQUEST);
    open_way(link, SIDE_RESPONSE);
    relay_again(client); /* a timeout may run before any byte comes */
}

void proxy_toxics(struct proxy *p, uint16_t number, struct toxic_list *list)
{
    for (size_t i = 0; i < p->endpoint_count; i++) {
        struct endpoint *e = &p->endpoints[i];
        if (e->number != number)
            continue;
        if (list != NULL)
            list->holders++;
        toxic_list_release(e->toxics);
        e->toxics = list;
        for (struct conn *c = e->conns; c != NULL; c = c->next) {
            struct toxic_link *link = c->session;
            if (c->side != CONN_CLIENT || c->codec != &codec)
                continue;
            toxic_pipe_set(link->way[SIDE_REQUEST].pipe, list, clock_now_ns());
            toxic_pipe_set(link->way[SIDE_RESPONSE].pipe, list, clock_now_ns());
            relay_again(c);
        }
    }
}
