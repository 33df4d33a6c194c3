#include "net/http_client.h"

#include "base/clock.h"
#include "net/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_BYTES ((size_t)32 * 1024)
#define READS_A_TURN 16
#define IN_MOST_BYTES (HTTP1_HEAD_MOST_BYTES + READ_BYTES)
#define OUT_MOST_BYTES ((size_t)64 * 1024 * 1024)
#define STARVED_NS (1 * NS_PER_MS)

struct pool {
    char *address;
    struct socket_address at;
    bool good; /* the address could be parsed */
    struct conn *idle;
    size_t idle_count;
    struct pool *next;
};

/* A connection, with the one call that is on it, or idle in its pool. */
struct conn {
    struct watch watch; /* first */
    struct hold hold;   /* go on reading in the next turn */
    struct loop_task gone;
    struct pool *pool;
    struct http_client *client;
    struct http_call *call;
    struct conn *prev, *next; /* of all of the client's */
    struct conn *below;       /* of the pool's stack */
    uint32_t number;
    bool connecting, dead, readable;
    struct buffer in;
};

struct http_call {
    struct http_call_config config;
    struct http_client *client;
    struct conn *conn;
    struct pool *pool;
    struct hold later; /* refused in the next turn, or waiting for a descriptor */
    struct loop_task gone;
    struct http_call *prev, *next;
    struct buffer out, head_bytes, body_bytes;
    size_t search_from, out_sent;
    struct http1_head head;
    struct http1_body body;
    struct http_answer answer;
    bool has_head, too_large, over;
};

struct http_client {
    struct loop *loop;
    size_t idle_most;
    struct pool *pools;
    struct conn *conns;
    struct http_call *calls;
    uint32_t conn_number;
};

static void on_conn_event(struct watch *w, unsigned what);

static void on_conn_gone(struct loop_task *t)
{
    struct conn *c = (struct conn *)(void *)((char *)t - offsetof(struct conn, gone));
    buffer_release(&c->in);
    free(c);
}

static void pool_drop(struct conn *c)
{
    for (struct conn **at = &c->pool->idle; *at != NULL; at = &(*at)->below) {
        if (*at == c) {
            *at = c->below;
            c->pool->idle_count--;
            return;
        }
    }
}

static void conn_close(struct conn *c, bool by_reset)
{
    struct http_client *client = c->client;
    INVARIANT(!c->dead);
    c->dead = true;
    pool_drop(c);
    loop_watch_remove(&c->watch);
    loop_hold_remove(client->loop, &c->hold);
    if (by_reset)
        socket_reset(c->watch.fd);
    else
        close(c->watch.fd);
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        client->conns = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    loop_defer(client->loop, &c->gone);
}

static void on_call_gone(struct loop_task *t)
{
    struct http_call *call =
        (struct http_call *)(void *)((char *)t - offsetof(struct http_call, gone));
    http1_body_release(&call->body);
    buffer_release(&call->out);
    buffer_release(&call->head_bytes);
    buffer_release(&call->body_bytes);
    free(call);
}

static void call_unlink(struct http_call *call)
{
    struct http_client *client = call->client;
    call->over = true;
    loop_hold_remove(client->loop, &call->later);
    if (call->prev != NULL)
        call->prev->next = call->next;
    else
        client->calls = call->next;
    if (call->next != NULL)
        call->next->prev = call->prev;
    loop_defer(client->loop, &call->gone);
}

/* Nothing has come that was not asked for, a FIN least of all. Its edge may be the one that we are
 * in. */
static bool conn_is_quiet(struct conn *c)
{
    char byte;
    if (c->readable &&
        (recv(c->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN))
        return false;
    c->readable = false;
    return true;
}

/* Whether the next request may go out on the connection of a complete answer (engine.md rules 10
 * and 11). */
static bool may_pool(const struct http_call *call)
{
    struct conn *c = call->conn;
    return call->answer.end == HTTP_END_COMPLETE && call->config.keep_alive &&
           call->head.keep_alive && call->out_sent == call->out.len && c->in.len == 0 &&
           c->pool->idle_count < call->client->idle_most && conn_is_quiet(c);
}

static void call_end(struct http_call *call, enum http_end end)
{
    struct conn *c = call->conn;
    call->answer.end = end;
    if (c != NULL) {
        c->call = NULL;
        if (may_pool(call)) {
            c->below = c->pool->idle;
            c->pool->idle = c;
            c->pool->idle_count++;
        } else {
            conn_close(c, false);
        }
    }
    call_unlink(call);
    if (call->has_head)
        call->answer.fields = (struct fields){call->head.field, call->head.field_count};
    call->answer.body = buffer_view(&call->body_bytes);
    call->config.on_end(call->config.cookie, call, &call->answer);
}

void http_call_cancel(struct http_call *call)
{
    struct conn *c = call->conn;
    if (call->over)
        return;
    if (c != NULL) {
        c->call = NULL;
        conn_close(c, true);
    }
    call_unlink(call);
}

struct http_stamps http_call_stamps(const struct http_call *call)
{
    return call->answer.stamps;
}

/* Writes what the socket takes. A failure is not an end yet: an answer may have come before the
 * RST. */
static void call_send(struct http_call *call)
{
    struct loop *l = call->client->loop;
    if (call->answer.stamps.start_ns == 0)
        call->answer.stamps.start_ns = loop_now_ns(l);
    while (call->out_sent < call->out.len) {
        struct iovec part = {call->out.at + call->out_sent, call->out.len - call->out_sent};
        uint64_t before_ns = loop_now_ns(l);
        ssize_t n = socket_send(l, call->conn->watch.fd, &part, 1);
        if (n < 0) {
            if (errno != EAGAIN)
                call->conn->readable = true; /* what is there to read tells how it ended */
            return;
        }
        call->out_sent += (size_t)n;
        call->answer.request_written = true;
        call->answer.stamps.sent_ns = before_ns;
    }
}

static void on_payload(void *cookie, struct bytes payload)
{
    struct http_call *call = cookie;
    if (payload.len > 0 && !buffer_add(&call->body_bytes, payload.at, payload.len, NULL))
        call->too_large = true;
}

/* Takes a head off ${in}: DONE with the final one, MORE: not there yet. Interim answers are passed
 * over. */
static enum http1_result take_head(struct http_call *call)
{
    struct buffer *in = &call->conn->in;
    struct error err = {0};
    for (;;) {
        size_t len = http1_find_head(buffer_view(in), &call->search_from);
        if (len == 0)
            return in->len > HTTP1_HEAD_MOST_BYTES ? HTTP1_BAD : HTTP1_MORE;
        if (len > HTTP1_HEAD_MOST_BYTES)
            return HTTP1_BAD;
        buffer_consume(&call->head_bytes, call->head_bytes.len);
        INVARIANT(buffer_add(&call->head_bytes, in->at, len, NULL));
        buffer_consume(in, len);
        call->search_from = 0;
        if (http1_parse_response(buffer_view(&call->head_bytes), call->config.verb, &call->head,
                                 &err) != HTTP1_DONE ||
            call->head.framing == HTTP1_TUNNEL)
            return HTTP1_BAD; /* nobody asked for a tunnel */
        if (!call->head.informational)
            return HTTP1_DONE;
    }
}

/* Works on what has been read. Ends the call when it is whole or broken. */
static void call_take(struct http_call *call)
{
    struct buffer *in = &call->conn->in;
    struct error err = {0};
    size_t used = 0;
    if (!call->has_head) {
        enum http1_result result = take_head(call);
        if (result == HTTP1_BAD)
            call_end(call, HTTP_END_BAD);
        if (result != HTTP1_DONE)
            return;
        call->has_head = true;
        call->answer.status = call->head.status;
        call->answer.stamps.head_ns = loop_now_ns(call->client->loop);
        http1_body_init(&call->body, &call->head);
        if (call->config.on_head != NULL)
            call->config.on_head(call->config.cookie, call, call->head.status,
                                 (struct fields){call->head.field, call->head.field_count});
        if (call->over)
            return;
    }
    if (!call->body.done) {
        enum http1_result result =
            http1_body_feed(&call->body, buffer_view(in), &used, on_payload, call, &err);
        buffer_consume(in, used);
        if (result == HTTP1_BAD || call->too_large) {
            call_end(call, call->too_large ? HTTP_END_BAD : HTTP_END_TRUNCATED);
            return;
        }
    }
    if (call->body.done)
        call_end(call, HTTP_END_COMPLETE);
}

/* The peer's FIN (${sys} 0) or an error. */
static void call_ended_by_peer(struct http_call *call, int sys)
{
    if (sys != 0)
        call_end(call, HTTP_END_RESET);
    else if (!call->has_head)
        call_end(call, HTTP_END_EOF);
    else if (call->body.framing == HTTP1_UNTIL_CLOSE)
        call_end(call, HTTP_END_COMPLETE);
    else
        call_end(call, HTTP_END_TRUNCATED);
}

static void on_read_again(struct hold *h, uint64_t now_ns)
{
    struct conn *c = (struct conn *)(void *)((char *)h - offsetof(struct conn, hold));
    (void)now_ns;
    on_conn_event(&c->watch, WATCH_READ);
}

static void conn_read(struct conn *c)
{
    struct loop *l = c->client->loop;
    for (int i = 0; c->readable; i++) {
        struct http_call *call = c->call;
        if (i == READS_A_TURN) {
            loop_hold_add(l, &c->hold, loop_now_ns(l), on_read_again);
            return;
        }
        uint8_t *room = buffer_room(&c->in, READ_BYTES);
        INVARIANT(room != NULL);
        ssize_t n = socket_recv(l, c->watch.fd, room, READ_BYTES);
        if (n < 0 && errno == EAGAIN) {
            c->readable = false;
            return;
        }
        if (n <= 0) {
            call_ended_by_peer(call, n < 0 ? errno : 0);
            return;
        }
        if (call->answer.stamps.first_ns == 0)
            call->answer.stamps.first_ns = loop_now_ns(l);
        c->in.len += (size_t)n;
        call_take(call);
        if (c->dead || c->call == NULL)
            return;
    }
}

/* True when the connection is there. */
static bool conn_connected(struct conn *c, unsigned what)
{
    int sys = socket_error(c->client->loop, c->watch.fd);
    if (sys == 0 && (what & WATCH_WRITE) == 0)
        return false;
    c->connecting = false;
    if (sys == 0)
        return true;
    call_end(c->call, sys == ECONNRESET ? HTTP_END_RESET : HTTP_END_REFUSED);
    return false;
}

static void on_conn_event(struct watch *w, unsigned what)
{
    struct conn *c = (struct conn *)(void *)w;
    if (c->call == NULL) {
        /* Idle: that it is writable is no news. */
        c->readable = true;
        if (!conn_is_quiet(c))
            conn_close(c, false);
        return;
    }
    if (c->connecting && !conn_connected(c, what))
        return;
    if ((what & (WATCH_READ | WATCH_CLOSED)) != 0)
        c->readable = true;
    call_send(c->call);
    if (hold_is_idle(&c->hold))
        conn_read(c);
}

static struct conn *conn_open(struct http_client *client, struct pool *pool, int fd,
                              struct error *err)
{
    struct conn *c = check_alloc_zero(1, sizeof(*c));
    c->client = client;
    c->pool = pool;
    c->gone.run = on_conn_gone;
    c->connecting = true;
    buffer_init(&c->in, IN_MOST_BYTES);
    if (!loop_watch_add(client->loop, &c->watch, fd, on_conn_event, err)) {
        close(fd);
        free(c);
        return NULL;
    }
    c->number = ++client->conn_number;
    c->next = client->conns;
    if (c->next != NULL)
        c->next->prev = c;
    client->conns = c;
    return c;
}

static struct pool *pool_get(struct http_client *client, const char *address)
{
    struct error err = {0};
    for (struct pool *p = client->pools; p != NULL; p = p->next) {
        if (strcmp(p->address, address) == 0)
            return p;
    }
    struct pool *p = check_alloc_zero(1, sizeof(*p));
    p->address = check_strdup(address);
    p->good = socket_parse(address, &p->at, &err);
    p->next = client->pools;
    client->pools = p;
    return p;
}

static void on_first_send(struct hold *h, uint64_t now_ns)
{
    struct conn *c = (struct conn *)(void *)((char *)h - offsetof(struct conn, hold));
    (void)now_ns;
    on_conn_event(&c->watch, 0);
}

/* Our own want of descriptors, ports or memory: no refusal by the peer. */
static bool is_starved(int sys)
{
    static const int ours[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, EAGAIN};
    for (size_t i = 0; i < COUNT_OF(ours); i++) {
        if (sys == ours[i])
            return true;
    }
    return false;
}

static void call_attach(struct http_call *call);

static void on_attach_again(struct hold *h, uint64_t now_ns)
{
    (void)now_ns;
    call_attach((struct http_call *)(void *)((char *)h - offsetof(struct http_call, later)));
}

static void on_refused(struct hold *h, uint64_t now_ns)
{
    (void)now_ns;
    call_end((struct http_call *)(void *)((char *)h - offsetof(struct http_call, later)),
             HTTP_END_REFUSED);
}

/* A connection for the call: the last one pooled, or a new one. Where there is none to be had, the
 * call is refused in the next turn, or waits while that is our own fault. */
static struct conn *conn_get(struct http_call *call)
{
    struct http_client *client = call->client;
    struct pool *pool = call->pool;
    struct conn *c = pool->idle;
    struct error err = {0};
    uint64_t now_ns = loop_now_ns(client->loop);
    int fd;
    if (c != NULL) {
        pool->idle = c->below;
        pool->idle_count--;
        call->answer.connection_reused = true;
        return c;
    }
    if (pool->good && socket_dial(&pool->at, &fd, &err))
        c = conn_open(client, pool, fd, &err);
    if (c == NULL && is_starved(err.sys))
        loop_hold_add(client->loop, &call->later, now_ns + STARVED_NS, on_attach_again);
    else if (c == NULL)
        loop_hold_add(client->loop, &call->later, now_ns, on_refused);
    return c;
}

static void call_attach(struct http_call *call)
{
    struct loop *l = call->client->loop;
    struct conn *c = conn_get(call);
    if (c == NULL)
        return;
    call->conn = c;
    call->answer.stamps.conn = c->number;
    c->call = call;
    /* What a send may tell (RST, a full buffer) is told later: the caller is never called back from
     * here. */
    if (!c->connecting)
        call_send(call);
    if (c->readable && hold_is_idle(&c->hold))
        loop_hold_add(l, &c->hold, loop_now_ns(l), on_first_send);
}

struct http_call *http_client_call(struct http_client *client,
                                   const struct http_call_config *config)
{
    struct http_call *call = check_alloc_zero(1, sizeof(*call));
    call->config = *config;
    call->config.address = NULL; /* the caller's; the pool has it */
    call->client = client;
    call->gone.run = on_call_gone;
    buffer_init(&call->out, OUT_MOST_BYTES);
    buffer_init(&call->head_bytes, HTTP1_HEAD_MOST_BYTES);
    buffer_init(&call->body_bytes, config->body_most_bytes);
    INVARIANT(buffer_add(&call->out, config->head.at, config->head.len, NULL));
    INVARIANT(buffer_add(&call->out, config->body.at, config->body.len, NULL));
    call->next = client->calls;
    if (call->next != NULL)
        call->next->prev = call;
    client->calls = call;
    call->pool = pool_get(client, config->address);
    call_attach(call);
    return call;
}

bool http_client_new(struct loop *loop, size_t idle_most, struct http_client **ret,
                     struct error *err)
{
    (void)err;
    struct http_client *client = check_alloc_zero(1, sizeof(*client));
    client->loop = loop;
    client->idle_most = idle_most;
    *ret = client;
    return true;
}

void http_client_free(struct http_client *client)
{
    if (client == NULL)
        return;
    for (struct http_call *call = client->calls, *next; call != NULL; call = next) {
        next = call->next;
        http_call_cancel(call);
    }
    for (struct conn *c = client->conns, *next; c != NULL; c = next) {
        next = c->next;
        conn_close(c, false);
    }
    for (struct pool *p = client->pools, *next; p != NULL; p = next) {
        next = p->next;
        free(p->address);
        free(p);
    }
    free(client);
}
