#include "net/h2_server.h"

#include "base/arena.h"
#include "base/clock.h"
#include "net/acceptor.h"
#include "net/h2_wire.h"
#include "net/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define FIELDS_MOST 64
#define REQUEST_MOST_BYTES ((size_t)1024 * 1024)

struct h2_conn;

struct h2_exchange {
    struct h2_conn *conn;
    struct h2_exchange *prev, *next;
    int32_t id;
    void *own;
    struct arena arena; /* the request's head */
    struct h2_head *head;
    struct buffer body; /* of the request, then of the answer */
    size_t body_sent;
    struct field *trailer; /* of the answer; in ${arena} */
    size_t trailer_count;
    uint64_t head_ns;
    bool handed_over, answered;
};

struct h2_conn {
    struct h2_wire wire; /* first */
    struct h2_server *server;
    struct h2_conn *prev, *next;
    struct h2_exchange *exchanges;
    char peer[64];
};

struct h2_server {
    struct acceptor acceptor;
    struct loop_task gone;
    struct loop *loop;
    struct h2_server_config config;
    struct h2_conn *conns;
};

static void exchange_free(struct h2_exchange *x)
{
    struct h2_conn *c = x->conn;
    if (x->prev != NULL)
        x->prev->next = x->next;
    else
        c->exchanges = x->next;
    if (x->next != NULL)
        x->next->prev = x->prev;
    arena_release(&x->arena);
    buffer_release(&x->body);
    free(x);
}

static void exchange_lost(struct h2_exchange *x, bool by_reset)
{
    struct h2_server *s = x->conn->server;
    if (x->handed_over && !x->answered && s->config.on_gone != NULL)
        s->config.on_gone(s->config.cookie, x, by_reset);
    exchange_free(x);
}

static void *on_begin(struct h2_wire *w, int32_t id)
{
    struct h2_conn *c = (struct h2_conn *)(void *)w;
    struct h2_exchange *x = check_alloc_zero(1, sizeof(*x));
    x->conn = c;
    x->id = id;
    arena_init(&x->arena, REQUEST_MOST_BYTES);
    buffer_init(&x->body, c->server->config.body_most_bytes);
    x->next = c->exchanges;
    if (x->next != NULL)
        x->next->prev = x;
    c->exchanges = x;
    return x;
}

static void on_head(struct h2_wire *w, void *own, const struct h2_head *head)
{
    struct h2_exchange *x = own;
    if (x->head != NULL)
        return; /* trailers of a request */
    x->head = h2_head_copy(head, &x->arena);
    x->head_ns = loop_now_ns(w->loop);
}

static void on_data(struct h2_wire *w, void *own, struct bytes data)
{
    struct h2_exchange *x = own;
    if (x->answered || buffer_add(&x->body, data.at, data.len, NULL))
        return;
    (void)nghttp2_submit_rst_stream(w->ng, NGHTTP2_FLAG_NONE, x->id, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void on_ended(struct h2_wire *w, void *own)
{
    struct h2_exchange *x = own;
    struct h2_conn *c = (struct h2_conn *)(void *)w;
    struct h2_server *s = c->server;
    if (x->head == NULL || x->handed_over)
        return;
    struct http_request request = {.method = x->head->method,
                                   .target = x->head->path,
                                   .verb = http1_verb(x->head->method),
                                   .fields = x->head->fields,
                                   .body = buffer_view(&x->body),
                                   .head_ns = x->head_ns,
                                   .body_ns = loop_now_ns(s->loop),
                                   .peer = c->peer};
    x->handed_over = true;
    s->config.on_request(s->config.cookie, x, &request);
}

static void on_closed(struct h2_wire *w, void *own, uint32_t code)
{
    (void)w;
    exchange_lost(own, code != NGHTTP2_NO_ERROR);
}

static void conn_unlink(struct h2_conn *c)
{
    struct h2_server *s = c->server;
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        s->conns = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
}

static void on_down(struct h2_wire *w, enum h2_down how)
{
    struct h2_conn *c = (struct h2_conn *)(void *)w;
    while (c->exchanges != NULL)
        exchange_lost(c->exchanges, how == H2_DOWN_RESET);
    conn_unlink(c);
    acceptor_left(&c->server->acceptor);
}

static void on_free(struct h2_wire *w)
{
    free(w);
}

static const struct h2_wire_events events = {
    .on_begin = on_begin,
    .on_head = on_head,
    .on_data = on_data,
    .on_ended = on_ended,
    .on_closed = on_closed,
    .on_down = on_down,
    .on_free = on_free,
};

static ssize_t on_pull(nghttp2_session *ng, int32_t id, uint8_t *to, size_t size, uint32_t *flags,
                       nghttp2_data_source *source, void *cookie)
{
    struct h2_exchange *x = source->ptr;
    size_t left = x->body.len - x->body_sent, part = left < size ? left : size;
    (void)cookie;
    if (part > 0)
        memcpy(to, x->body.at + x->body_sent, part);
    x->body_sent += part;
    if (x->body_sent < x->body.len)
        return (ssize_t)part;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (x->trailer_count > 0) {
        nghttp2_nv *nv = h2_head_spell((struct fields){x->trailer, x->trailer_count}, NULL);
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        (void)nghttp2_submit_trailer(ng, id, nv, x->trailer_count);
        free(nv);
    }
    return (ssize_t)part;
}

static struct field *keep_fields(struct arena *arena, struct fields from)
{
    struct field *to = ARENA_ARRAY(arena, struct field, from.count + 1);
    for (size_t i = 0; i < from.count; i++) {
        const struct field *f = &from.at[i];
        to[i] = (struct field){
            {(uint8_t *)arena_strndup(arena, (const char *)f->name.at, f->name.len), f->name.len},
            {(uint8_t *)arena_strndup(arena, (const char *)f->value.at, f->value.len),
             f->value.len}};
    }
    return to;
}

void h2_exchange_answer(struct h2_exchange *x, uint16_t status, struct fields fields,
                        struct bytes body, struct fields trailers)
{
    struct h2_wire *w = &x->conn->wire;
    struct field all[FIELDS_MOST];
    char code[8];
    INVARIANT(x->handed_over && !x->answered && fields.count + 1 <= FIELDS_MOST);
    x->answered = true;
    snprintf(code, sizeof(code), "%03u", status % 1000U);
    all[0] = (struct field){BYTES(":status"), bytes_of(code)};
    for (size_t i = 0; i < fields.count; i++)
        all[i + 1] = fields.at[i];
    bool head_only = x->head != NULL && bytes_equal(x->head->method, BYTES("HEAD"));
    x->trailer = keep_fields(&x->arena, trailers);
    x->trailer_count = trailers.count;
    buffer_release(&x->body);
    buffer_init(&x->body, SIZE_MAX / 2);
    if (body.len > 0 && !head_only)
        INVARIANT(buffer_add(&x->body, body.at, body.len, NULL));
    nghttp2_nv *nv = h2_head_spell((struct fields){all, fields.count + 1}, NULL);
    nghttp2_data_provider provider = {.source.ptr = x, .read_callback = on_pull};
    bool has_more = x->body.len > 0 || x->trailer_count > 0;
    (void)nghttp2_submit_response(w->ng, x->id, nv, fields.count + 1, has_more ? &provider : NULL);
    free(nv);
    h2_wire_pump(w); /* may end the exchange: nothing of it is touched after this */
}

void h2_exchange_set(struct h2_exchange *x, void *own)
{
    x->own = own;
}

void *h2_exchange_get(const struct h2_exchange *x)
{
    return x->own;
}

static void on_accept(void *cookie, int fd, const struct socket_address *peer)
{
    struct h2_server *s = cookie;
    struct h2_conn *c = check_alloc_zero(1, sizeof(*c));
    c->server = s;
    socket_print(peer, c->peer, sizeof(c->peer));
    c->next = s->conns;
    if (c->next != NULL)
        c->next->prev = c;
    s->conns = c;
    h2_wire_open(&c->wire, s->loop, &events, true, fd);
}

static void on_server_gone(struct loop_task *t)
{
    free((char *)t - offsetof(struct h2_server, gone));
}

bool h2_server_open(struct loop *loop, const struct h2_server_config *config,
                    struct h2_server **ret, struct error *err)
{
    struct h2_server *s = check_alloc_zero(1, sizeof(*s));
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

void h2_server_free(struct h2_server *s)
{
    if (s == NULL)
        return;
    acceptor_close(&s->acceptor);
    while (s->conns != NULL) {
        struct h2_conn *c = s->conns;
        while (c->exchanges != NULL)
            exchange_free(c->exchanges);
        conn_unlink(c);
        h2_wire_close(&c->wire, false);
    }
    loop_defer(s->loop, &s->gone);
}

const char *h2_server_address(const struct h2_server *s)
{
    return s->acceptor.address;
}
