#include "net/http_server.h"

#include "base/clock.h"
#include "base/text.h"
#include "net/acceptor.h"
#include "net/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define REQUESTS_A_TURN 16
#define READ_BYTES ((size_t)32 * 1024)
#define IN_MOST_BYTES (HTTP1_HEAD_MOST_BYTES + READ_BYTES)
#define OUT_MOST_BYTES ((size_t)64 * 1024 * 1024)
#define LINGER_NS (1 * NS_PER_S)
#define LINGER_READS 16
#define UNSENT_LOOK_NS (1 * NS_PER_MS)
#define PARTS_KERNEL_BYTES \
    (32 * 1024) /* that a client who reads in parts may leave with the kernel */

struct http_exchange {
    struct conn *conn;
    void *own;
};

enum phase {
    PHASE_HEAD,
    PHASE_BODY,
    PHASE_WAITING,
    PHASE_WRITING,
    PHASE_PARTS,
    PHASE_LINGER,
    PHASE_RESETTING
};
enum then { THEN_GO_ON, THEN_CLOSE, THEN_RESET };

struct conn {
    struct watch watch; /* first */
    struct hold hold;   /* go on, the linger's end, or the next look at the send queue */
    struct hold idle;
    struct loop_task gone;
    struct http_server *server;
    struct conn *prev, *next;
    enum phase phase;
    enum then then;
    bool dead, readable, in_handler, in_read, left, left_by_reset; /* left: FIN or RST was seen */
    uint64_t give_up_ns;
    struct buffer in, head_bytes, body_bytes, out;
    size_t search_from, out_sent;
    struct http1_head head;
    struct http1_body body;
    struct http_request request;
    struct http_exchange exchange;
    bool body_too_large;
    char peer[64];
};

struct http_server {
    struct acceptor acceptor;
    struct loop_task gone;
    struct loop *loop;
    struct http_server_config config;
    struct conn *conns;
};

static void conn_go_on(struct conn *c);
static bool conn_recv(struct conn *c);

static void on_conn_gone(struct loop_task *t)
{
    struct conn *c = (struct conn *)(void *)((char *)t - offsetof(struct conn, gone));
    buffer_release(&c->in);
    buffer_release(&c->head_bytes);
    buffer_release(&c->body_bytes);
    buffer_release(&c->out);
    free(c);
}

static void conn_close(struct conn *c, bool by_reset)
{
    struct http_server *s = c->server;
    if (c->dead)
        return;
    c->dead = true;
    loop_watch_remove(&c->watch);
    loop_hold_remove(s->loop, &c->hold);
    loop_hold_remove(s->loop, &c->idle);
    if (by_reset)
        socket_reset(c->watch.fd);
    else
        close(c->watch.fd);
    if (c->body.parser != NULL)
        http1_body_release(&c->body);
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        s->conns = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    loop_defer(s->loop, &c->gone);
    acceptor_left(&s->acceptor);
}

/* Whether the client has left while its request waits. Its next request may lie before the FIN
 * unread, so the kernel's report counts too; a RST has none of its own (libevent gives EPOLLERR as
 * READ | WRITE). */
static bool conn_has_left(struct conn *c)
{
    char byte;
    if (c->left)
        return true;
    ssize_t n = recv(c->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        c->readable = false;
    else if (n <= 0)
        c->left = true;
    c->left_by_reset = n < 0 && c->left;
    return c->left;
}

static void conn_leave(struct conn *c)
{
    struct http_server *s = c->server;
    bool by_reset = c->left_by_reset || socket_error(s->loop, c->watch.fd) != 0;
    if (s->config.on_gone != NULL)
        s->config.on_gone(s->config.cookie, &c->exchange, by_reset);
    conn_close(c, false);
}

static void on_linger_end(struct hold *h, uint64_t now_ns)
{
    struct conn *c = (struct conn *)(void *)((char *)h - offsetof(struct conn, hold));
    (void)now_ns;
    conn_close(c, false);
}

/* RST throws the send queue away, so what was promised has to have left it first. */
static void on_unsent_look(struct hold *h, uint64_t now_ns)
{
    struct conn *c = (struct conn *)(void *)((char *)h - offsetof(struct conn, hold));
    struct loop *l = c->server->loop;
    if (socket_unsent(l, c->watch.fd) == 0 || now_ns >= c->give_up_ns)
        conn_close(c, true);
    else
        loop_hold_add(l, h, now_ns + UNSENT_LOOK_NS, on_unsent_look);
}

static void on_go_on(struct hold *h, uint64_t now_ns)
{
    struct conn *c = (struct conn *)(void *)((char *)h - offsetof(struct conn, hold));
    (void)now_ns;
    conn_go_on(c);
}

static void watch_idle(struct conn *c);

/* Its own answer is late, or the client's bytes are, either way. */
static void on_idle(struct hold *h, uint64_t now_ns)
{
    struct conn *c = (struct conn *)(void *)((char *)h - offsetof(struct conn, idle));
    (void)now_ns;
    if (c->phase == PHASE_WAITING)
        watch_idle(c);
    else if (c->phase == PHASE_PARTS)
        conn_leave(c);
    else
        conn_close(c, false);
}

static void watch_idle(struct conn *c)
{
    struct http_server *s = c->server;
    loop_hold_remove(s->loop, &c->idle);
    if (s->config.idle_most_ns > 0)
        loop_hold_add(s->loop, &c->idle, loop_now_ns(s->loop) + s->config.idle_most_ns, on_idle);
}

static void request_reset(struct conn *c)
{
    watch_idle(c);
    buffer_consume(&c->head_bytes, c->head_bytes.len);
    buffer_consume(&c->body_bytes, c->body_bytes.len);
    if (c->body.parser != NULL)
        http1_body_release(&c->body);
    c->search_from = 0;
    c->exchange.own = NULL;
    c->body_too_large = false;
    c->phase = PHASE_HEAD;
}

/* Everything is written: the connection goes on, ends, or is reset. */
static void conn_written(struct conn *c)
{
    struct loop *l = c->server->loop;
    uint64_t now_ns = loop_now_ns(l);
    loop_hold_remove(l, &c->hold);
    switch (c->then) {
    case THEN_GO_ON:
        request_reset(c);
        if (!c->in_read && (c->in.len > 0 || c->readable || c->left))
            loop_hold_add(l, &c->hold, now_ns, on_go_on);
        return;
    case THEN_CLOSE:
        /* close() with unread bytes would be a RST, which can overtake the answer: read them away
         * first. */
        shutdown(c->watch.fd, SHUT_WR);
        c->phase = PHASE_LINGER;
        c->readable = true;
        buffer_consume(&c->in, c->in.len);
        loop_hold_add(l, &c->hold, now_ns + LINGER_NS, on_linger_end);
        for (int i = 0; i < LINGER_READS && conn_recv(c); i++) {
        }
        return;
    case THEN_RESET:
        c->phase = PHASE_RESETTING;
        c->give_up_ns = now_ns + LINGER_NS;
        on_unsent_look(&c->hold, now_ns);
        return;
    }
    UNREACHABLE();
}

static void conn_flush(struct conn *c)
{
    while (c->out_sent < c->out.len) {
        struct iovec part = {c->out.at + c->out_sent, c->out.len - c->out_sent};
        ssize_t n = socket_send(c->server->loop, c->watch.fd, &part, 1);
        if (n < 0) {
            if (errno != EAGAIN && c->phase == PHASE_PARTS)
                conn_leave(c);
            else if (errno != EAGAIN)
                conn_close(c, false);
            return;
        }
        c->out_sent += (size_t)n;
    }
    buffer_consume(&c->out, c->out.len);
    c->out_sent = 0;
    if (c->phase == PHASE_PARTS)
        loop_hold_remove(c->server->loop, &c->idle);
    else
        conn_written(c);
}

static void conn_write(struct conn *c, enum then then)
{
    c->then = then;
    c->phase = PHASE_WRITING;
    watch_idle(c);
    if (!c->in_handler)
        conn_flush(c);
}

static bool has_no_body(uint16_t status)
{
    return status / 100 == 1 || status == 204 || status == 304;
}

static void add_head(struct text *head, uint16_t status, struct fields fields)
{
    text_init(head, HTTP1_HEAD_MOST_BYTES * 2);
    text_add(head, "HTTP/1.1 %u %s\r\n", status, http1_reason(status));
    for (size_t i = 0; i < fields.count; i++) {
        text_add_bytes(head, fields.at[i].name);
        text_add(head, ": ");
        text_add_bytes(head, fields.at[i].value);
        text_add(head, "\r\n");
    }
}

void http_exchange_answer(struct http_exchange *x, uint16_t status, struct fields fields,
                          struct bytes body, bool close)
{
    struct conn *c = x->conn;
    struct text head;
    INVARIANT(c->phase == PHASE_WAITING);
    bool ends = close || !c->head.keep_alive;
    add_head(&head, status, fields);
    if (!has_no_body(status))
        text_add(&head, "content-length: %zu\r\n", body.len);
    if (ends)
        text_add(&head, "connection: close\r\n");
    else if (c->head.http_1_0)
        text_add(&head, "connection: keep-alive\r\n");
    text_add(&head, "\r\n");
    bool sends_body = !has_no_body(status) && c->request.verb != VERB_HEAD;
    bool fits = !head.full && buffer_add(&c->out, head.at, head.len, NULL) &&
                (!sends_body || body.len == 0 || buffer_add(&c->out, body.at, body.len, NULL));
    INVARIANT(fits); /* the handler's own answer */
    text_release(&head);
    conn_write(c, ends ? THEN_CLOSE : THEN_GO_ON);
}

void http_exchange_begin(struct http_exchange *x, uint16_t status, struct fields fields)
{
    struct conn *c = x->conn;
    struct text head;
    int kernel = PARTS_KERNEL_BYTES;
    INVARIANT(c->phase == PHASE_WAITING && c->request.verb != VERB_HEAD);
    setsockopt(c->watch.fd, SOL_SOCKET, SO_SNDBUF, &kernel, sizeof(kernel));
    add_head(&head, status, fields);
    text_add(&head, "connection: close\r\n\r\n");
    INVARIANT(!head.full && buffer_add(&c->out, head.at, head.len, NULL));
    text_release(&head);
    c->phase = PHASE_PARTS;
    watch_idle(c);
    if (!c->in_handler)
        conn_flush(c);
}

bool http_exchange_part(struct http_exchange *x, struct bytes part)
{
    struct conn *c = x->conn;
    INVARIANT(c->phase == PHASE_PARTS);
    if (c->out.len > 0 && !c->in_handler)
        return false;
    INVARIANT(buffer_add(&c->out, part.at, part.len, NULL));
    watch_idle(c);
    if (!c->in_handler)
        conn_flush(c);
    return !c->dead;
}

void http_exchange_end(struct http_exchange *x)
{
    struct conn *c = x->conn;
    INVARIANT(c->phase == PHASE_PARTS);
    conn_write(c, THEN_CLOSE);
}

void http_exchange_raw(struct http_exchange *x, struct bytes wire, bool reset)
{
    struct conn *c = x->conn;
    INVARIANT(c->phase == PHASE_WAITING);
    if (wire.len > 0)
        INVARIANT(buffer_add(&c->out, wire.at, wire.len, NULL));
    conn_write(c, reset ? THEN_RESET : THEN_CLOSE);
}

void http_exchange_set(struct http_exchange *x, void *own)
{
    x->own = own;
}

void *http_exchange_get(const struct http_exchange *x)
{
    return x->own;
}

/* Our own refusal of bytes that are no request, or are too many. */
static void conn_refuse(struct conn *c, uint16_t status)
{
    c->head.keep_alive = false;
    c->request.verb = VERB_OTHER;
    c->phase = PHASE_WAITING;
    http_exchange_answer(&c->exchange, status, (struct fields){0}, (struct bytes){0}, true);
}

static void conn_dispatch(struct conn *c)
{
    struct http_server *s = c->server;
    c->request = (struct http_request){.method = c->head.method,
                                       .target = c->head.target,
                                       .verb = c->head.verb,
                                       .fields = {c->head.field, c->head.field_count},
                                       .body = buffer_view(&c->body_bytes),
                                       .head_ns = c->request.head_ns,
                                       .body_ns = loop_now_ns(s->loop),
                                       .peer = c->peer};
    c->phase = PHASE_WAITING;
    c->in_handler = true;
    s->config.on_request(s->config.cookie, &c->exchange, &c->request);
    c->in_handler = false;
    if (c->dead)
        return;
    if (c->phase == PHASE_WRITING || c->phase == PHASE_PARTS)
        conn_flush(c);
    if (!c->dead && (c->phase == PHASE_WAITING || c->phase == PHASE_PARTS) && conn_has_left(c))
        conn_leave(c);
}

/* True when there is a whole head, now in ${head}. */
static bool take_head(struct conn *c)
{
    struct error err = {0};
    size_t len = http1_find_head(buffer_view(&c->in), &c->search_from);
    if (len == 0) {
        if (c->in.len > HTTP1_HEAD_MOST_BYTES)
            conn_refuse(c, 431);
        return false;
    }
    if (len > HTTP1_HEAD_MOST_BYTES) {
        conn_refuse(c, 431);
        return false;
    }
    INVARIANT(buffer_add(&c->head_bytes, c->in.at, len, NULL));
    buffer_consume(&c->in, len);
    c->request.head_ns = loop_now_ns(c->server->loop);
    if (http1_parse_request(buffer_view(&c->head_bytes), &c->head, &err) != HTTP1_DONE) {
        conn_refuse(c, err.kind == ERROR_LIMIT ? 431 : 400);
        return false;
    }
    if (c->head.framing == HTTP1_TUNNEL) {
        conn_refuse(c, 501);
        return false;
    }
    return true;
}

static void on_payload(void *cookie, struct bytes payload)
{
    struct conn *c = cookie;
    if (payload.len > 0 && !buffer_add(&c->body_bytes, payload.at, payload.len, NULL))
        c->body_too_large = true;
}

/* True when the body is whole. */
static bool take_body(struct conn *c)
{
    struct error err = {0};
    size_t used = 0;
    if (c->body.done)
        return true;
    enum http1_result result =
        http1_body_feed(&c->body, buffer_view(&c->in), &used, on_payload, c, &err);
    buffer_consume(&c->in, used);
    if (result == HTTP1_BAD)
        conn_refuse(c, 400);
    else if (c->body_too_large)
        conn_refuse(c, 413);
    else
        return c->body.done;
    return false;
}

static bool begin_body(struct conn *c)
{
    c->phase = PHASE_BODY;
    http1_body_init(&c->body, &c->head);
    if (c->head.framing == HTTP1_LENGTH && c->head.length > c->server->config.body_most_bytes) {
        conn_refuse(c, 413);
        return false;
    }
    if (c->head.expect_continue && !c->body.done && c->in.len == 0) {
        static char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        struct iovec part = {go_on, sizeof(go_on) - 1};
        /* 25 bytes into an empty send queue; if they do not fit, the client's own wait ends. */
        (void)!socket_send(c->server->loop, c->watch.fd, &part, 1);
    }
    return true;
}

/* Takes requests out of ${in} while they can be taken; false when the rest waits for more bytes or
 * for an answer. */
static void conn_take(struct conn *c, unsigned *left)
{
    while (!c->dead && *left > 0) {
        if (c->phase == PHASE_HEAD && (c->in.len == 0 || !take_head(c) || !begin_body(c)))
            return;
        if (c->phase != PHASE_BODY || !take_body(c))
            return;
        --*left;
        conn_dispatch(c);
        /* conn_written has put us back to PHASE_HEAD when the answer is out already */
        if (c->phase != PHASE_HEAD)
            return;
    }
}

static bool reads(const struct conn *c)
{
    return c->phase == PHASE_HEAD || c->phase == PHASE_BODY || c->phase == PHASE_LINGER;
}

/* One recv; false: nothing more to read now, or the connection is gone. */
static bool conn_recv(struct conn *c)
{
    struct loop *l = c->server->loop;
    uint8_t *room = buffer_room(&c->in, READ_BYTES);
    INVARIANT(room != NULL);
    ssize_t n = socket_recv(l, c->watch.fd, room, READ_BYTES);
    if (n <= 0) {
        if (n < 0 && errno == EAGAIN)
            c->readable = false;
        else
            conn_close(c, false);
        return false;
    }
    if (c->phase != PHASE_LINGER)
        c->in.len += (size_t)n;
    return true;
}

static void conn_go_on(struct conn *c)
{
    unsigned left = REQUESTS_A_TURN;
    c->in_read = true;
    conn_take(c, &left);
    while (!c->dead && left > 0 && c->readable && reads(c)) {
        if (conn_recv(c))
            conn_take(c, &left);
    }
    c->in_read = false;
    if (!c->dead && left == 0 && c->phase == PHASE_HEAD && hold_is_idle(&c->hold))
        loop_hold_add(c->server->loop, &c->hold, loop_now_ns(c->server->loop), on_go_on);
}

static void on_conn_event(struct watch *w, unsigned what)
{
    struct conn *c = (struct conn *)(void *)w;
    if ((what & (WATCH_READ | WATCH_CLOSED)) != 0)
        c->readable = true;
    if ((what & WATCH_CLOSED) != 0)
        c->left = true;
    if (c->phase == PHASE_WAITING || c->phase == PHASE_PARTS) {
        if (conn_has_left(c))
            conn_leave(c);
        else if (c->phase == PHASE_PARTS && (what & WATCH_WRITE) != 0)
            conn_flush(c);
        return;
    }
    if (c->phase == PHASE_WRITING && (what & WATCH_WRITE) != 0) {
        conn_flush(c);
        if (c->dead)
            return;
    }
    conn_go_on(c);
}

static void on_accept(void *cookie, int fd, const struct socket_address *peer)
{
    struct http_server *s = cookie;
    struct conn *c = check_alloc_zero(1, sizeof(*c));
    struct error err = {0};
    c->server = s;
    c->exchange.conn = c;
    c->gone.run = on_conn_gone;
    buffer_init(&c->in, IN_MOST_BYTES);
    buffer_init(&c->head_bytes, HTTP1_HEAD_MOST_BYTES);
    buffer_init(&c->body_bytes, s->config.body_most_bytes);
    buffer_init(&c->out, OUT_MOST_BYTES);
    socket_print(peer, c->peer, sizeof(c->peer));
    if (!loop_watch_add(s->loop, &c->watch, fd, on_conn_event, &err)) {
        close(fd);
        free(c);
        acceptor_left(&s->acceptor);
        return;
    }
    c->next = s->conns;
    if (c->next != NULL)
        c->next->prev = c;
    s->conns = c;
    watch_idle(c);
}

static void on_server_gone(struct loop_task *t)
{
    free((char *)t - offsetof(struct http_server, gone));
}

bool http_server_open(struct loop *loop, const struct http_server_config *config,
                      struct http_server **ret, struct error *err)
{
    struct http_server *s = check_alloc_zero(1, sizeof(*s));
    s->loop = loop;
    s->config = *config;
    s->gone.run = on_server_gone;
    if (!acceptor_open(&s->acceptor, loop, config->listen, config->connections_most, on_accept, s,
                       err)) {
        free(s);
        return false;
    }
    *ret = s;
    return true;
}

void http_server_free(struct http_server *s)
{
    if (s == NULL)
        return;
    acceptor_close(&s->acceptor);
    for (struct conn *c = s->conns, *next; c != NULL; c = next) {
        next = c->next;
        conn_close(c, false);
    }
    loop_defer(s->loop, &s->gone);
}

const char *http_server_address(const struct http_server *s)
{
    return s->acceptor.address;
}
