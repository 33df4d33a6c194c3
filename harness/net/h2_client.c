#include "net/h2_client.h"

#include "base/clock.h"
#include "net/grpc.h"
#include "net/h2_wire.h"
#include "net/socket.h"

#include <errno.h>
#include <stdlib.h>

#define STARVED_NS (1 * NS_PER_MS)
#define IDS_MOST 0x3fffffff /* a connection ends long before its stream ids do */

struct h2_line;

struct h2_ask {
    struct h2_line *line;
    struct h2_ask *prev, *next;
    int32_t id;
    void *cookie;
    struct bytes body;
    size_t body_sent;
    struct h2_answer answer;
    uint8_t sample[H2_SAMPLE_BYTES];
    size_t sample_len;
    bool ended; /* the answer is complete */
};

/* One connection. */
struct h2_line {
    struct h2_wire wire; /* first */
    struct h2_client *client;
    struct h2_line *prev, *next;
    struct h2_ask *asks;
    uint32_t ask_count, number;
    struct hold redial;
    bool leaving; /* takes no more requests */
};

struct h2_client {
    struct loop *loop;
    struct h2_client_config config;
    struct socket_address address;
    struct h2_line *lines;
    uint32_t line_count, lines_ever;
};

static void line_unlink(struct h2_line *l)
{
    struct h2_client *c = l->client;
    if (l->prev != NULL)
        l->prev->next = l->next;
    else
        c->lines = l->next;
    if (l->next != NULL)
        l->next->prev = l->prev;
    c->line_count--;
    loop_hold_remove(c->loop, &l->redial);
}

static void ask_unlink(struct h2_ask *a)
{
    struct h2_line *l = a->line;
    if (a->prev != NULL)
        a->prev->next = a->next;
    else
        l->asks = a->next;
    if (a->next != NULL)
        a->next->prev = a->prev;
    l->ask_count--;
}

static void line_close(struct h2_line *l, bool by_reset)
{
    line_unlink(l);
    h2_wire_close(&l->wire, by_reset);
}

/* The one way out of a request. */
static void ask_end(struct h2_ask *a, enum h2_end end)
{
    struct h2_line *l = a->line;
    struct h2_client *c = l->client;
    struct h2_answer answer = h2_ask_answer(a);
    answer.end = end;
    ask_unlink(a);
    if (c->config.each && !l->wire.dead)
        line_close(l, false);
    c->config.on_end(a->cookie, &answer);
    free(a);
}

static void on_head(struct h2_wire *w, void *own, const struct h2_head *head)
{
    struct h2_ask *a = own;
    struct h2_answer *answer = &a->answer;
    struct h2_client *c = a->line->client;
    uint64_t now_ns = loop_now_ns(w->loop);
    bool trailers = answer->head_ns != 0;
    uint16_t grpc = grpc_status_of(head->fields);
    if (answer->first_ns == 0)
        answer->first_ns = now_ns;
    if (!trailers && head->status < 200)
        return;
    if (grpc != 0) {
        answer->grpc_status = grpc;
        answer->grpc_where = trailers ? 2 : 1;
    }
    if (trailers)
        return;
    answer->head_ns = now_ns;
    answer->status = head->status;
    struct bytes message = fields_find(head->fields, "grpc-message");
    if (grpc != 0 && message.len > 0) {
        a->sample_len = message.len < sizeof(a->sample) ? message.len : sizeof(a->sample);
        memcpy(a->sample, message.at, a->sample_len);
    }
    if (c->config.on_head != NULL)
        c->config.on_head(a->cookie, head->fields);
}

static void on_data(struct h2_wire *w, void *own, struct bytes data)
{
    struct h2_ask *a = own;
    size_t room = sizeof(a->sample) - a->sample_len, part = data.len < room ? data.len : room;
    (void)w;
    a->answer.body_bytes += data.len;
    if (a->answer.grpc_where == 1 || part == 0)
        return;
    memcpy(a->sample + a->sample_len, data.at, part);
    a->sample_len += part;
}

/* Complete: a request body that is still on its way is of no more use (RFC 9113 8.1). */
static void on_ended(struct h2_wire *w, void *own)
{
    struct h2_ask *a = own;
    (void)nghttp2_session_set_stream_user_data(w->ng, a->id, NULL);
    if (a->answer.sent_ns == 0)
        (void)nghttp2_submit_rst_stream(w->ng, NGHTTP2_FLAG_NONE, a->id, NGHTTP2_CANCEL);
    ask_end(a, a->answer.head_ns != 0 ? H2_END_COMPLETE : H2_END_TRUNCATED);
}

static void on_sending(struct h2_wire *w, void *own, bool last)
{
    struct h2_ask *a = own;
    uint64_t now_ns = loop_now_ns(w->loop);
    if (a->answer.start_ns == 0)
        a->answer.start_ns = now_ns;
    if (last)
        a->answer.sent_ns = now_ns;
}

static void on_closed(struct h2_wire *w, void *own, uint32_t code)
{
    struct h2_ask *a = own;
    (void)w;
    a->answer.reset_code = code;
    ask_end(a, H2_END_RESET);
}

static void on_unsent(struct h2_wire *w, int32_t id)
{
    struct h2_line *l = (struct h2_line *)(void *)w;
    for (struct h2_ask *a = l->asks; a != NULL; a = a->next) {
        if (a->id == id) {
            (void)nghttp2_session_set_stream_user_data(w->ng, id, NULL);
            ask_end(a, H2_END_RESET);
            return;
        }
    }
}

static void on_goaway(struct h2_wire *w)
{
    ((struct h2_line *)(void *)w)->leaving = true;
}

static enum h2_end end_of(const struct h2_ask *a, enum h2_down how)
{
    switch (how) {
    case H2_DOWN_REFUSED:
        return H2_END_REFUSED;
    case H2_DOWN_RESET:
        return H2_END_RESET;
    case H2_DOWN_BAD:
        return H2_END_TRUNCATED;
    case H2_DOWN_FIN:
        return a->answer.head_ns != 0 ? H2_END_TRUNCATED : H2_END_EOF;
    }
    UNREACHABLE();
}

static void on_down(struct h2_wire *w, enum h2_down how)
{
    struct h2_line *l = (struct h2_line *)(void *)w;
    line_unlink(l);
    while (l->asks != NULL)
        ask_end(l->asks, end_of(l->asks, how));
}

static void on_free(struct h2_wire *w)
{
    free(w);
}

static const struct h2_wire_events events = {
    .on_head = on_head,
    .on_data = on_data,
    .on_ended = on_ended,
    .on_sending = on_sending,
    .on_closed = on_closed,
    .on_unsent = on_unsent,
    .on_goaway = on_goaway,
    .on_down = on_down,
    .on_free = on_free,
};

static void on_redial(struct hold *h, uint64_t now_ns);

/* A descriptor for ${l}, or -1. Want of our own (descriptors, ports, memory) is no refusal of the
 * mesh's: it is tried again. */
static int dial(struct h2_line *l, bool *ret_starved)
{
    static const int ours[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, EAGAIN};
    struct error err = {0};
    int fd = -1;
    *ret_starved = false;
    if (socket_dial(&l->client->address, &fd, &err))
        return fd;
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        *ret_starved |= err.sys == ours[i];
    return -1;
}

static void wait_for_descriptor(struct h2_line *l)
{
    struct loop *loop = l->client->loop;
    loop_hold_remove(loop, &l->wire.later);
    loop_hold_add(loop, &l->redial, loop_now_ns(loop) + STARVED_NS, on_redial);
}

static void on_redial(struct hold *h, uint64_t now_ns)
{
    struct h2_line *l = (struct h2_line *)(void *)((char *)h - offsetof(struct h2_line, redial));
    bool starved;
    int fd = dial(l, &starved);
    (void)now_ns;
    for (struct h2_ask *a = l->asks; a != NULL; a = a->next)
        a->answer.starved = true;
    if (starved)
        wait_for_descriptor(l);
    else
        h2_wire_attach(&l->wire, fd);
}

static struct h2_line *line_open(struct h2_client *c)
{
    struct h2_line *l = check_alloc_zero(1, sizeof(*l));
    bool starved;
    l->client = c;
    l->number = ++c->lines_ever;
    l->next = c->lines;
    if (l->next != NULL)
        l->next->prev = l;
    c->lines = l;
    c->line_count++;
    h2_wire_open(&l->wire, c->loop, &events, false, dial(l, &starved));
    if (starved)
        wait_for_descriptor(l);
    return l;
}

/* The connection with the fewest requests; a new one while there may be more and none is idle. */
static struct h2_line *pick(struct h2_client *c)
{
    struct h2_line *best = NULL;
    uint32_t usable = 0;
    for (struct h2_line *l = c->lines; l != NULL && !c->config.each; l = l->next) {
        if (l->leaving)
            continue;
        usable++;
        if (best == NULL || l->ask_count < best->ask_count)
            best = l;
    }
    if (best == NULL || (best->ask_count > 0 && usable < c->config.connections))
        return line_open(c);
    return best;
}

static ssize_t on_pull(nghttp2_session *ng, int32_t id, uint8_t *to, size_t size, uint32_t *flags,
                       nghttp2_data_source *source, void *cookie)
{
    struct h2_ask *a = nghttp2_session_get_stream_user_data(ng, id);
    (void)source;
    (void)cookie;
    if (a == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* over: the stream is reset */
    size_t left = a->body.len - a->body_sent, part = left < size ? left : size;
    memcpy(to, a->body.at + a->body_sent, part);
    a->body_sent += part;
    if (a->body_sent == a->body.len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)part;
}

struct h2_ask *h2_client_send(struct h2_client *c, struct fields head, struct bytes body,
                              void *cookie)
{
    struct h2_line *l = pick(c);
    struct h2_ask *a = check_alloc_zero(1, sizeof(*a));
    nghttp2_nv *nv = h2_head_spell(head, NULL);
    nghttp2_data_provider provider = {.read_callback = on_pull};
    a->line = l;
    a->cookie = cookie;
    a->body = body;
    a->answer.fresh = l->wire.connecting;
    a->answer.conn = l->number;
    a->answer.starved = !hold_is_idle(&l->redial);
    a->next = l->asks;
    if (a->next != NULL)
        a->next->prev = a;
    l->asks = a;
    l->ask_count++;
    a->id = nghttp2_submit_request(l->wire.ng, NULL, nv, head.count,
                                   body.len > 0 ? &provider : NULL, a);
    free(nv);
    INVARIANT(a->id > 0);
    if (a->id > IDS_MOST)
        l->leaving = true;
    h2_wire_pump(&l->wire);
    return a;
}

struct h2_answer h2_ask_answer(const struct h2_ask *a)
{
    struct h2_answer answer = a->answer;
    answer.sample = (struct bytes){a->sample, a->sample_len};
    return answer;
}

void h2_ask_cancel(struct h2_ask *a)
{
    struct h2_line *l = a->line;
    bool each = l->client->config.each;
    /* reaches a request that is queued yet, too; the RST_STREAM then takes it out of the queue */
    (void)nghttp2_session_set_stream_user_data(l->wire.ng, a->id, NULL);
    ask_unlink(a);
    (void)nghttp2_submit_rst_stream(l->wire.ng, NGHTTP2_FLAG_NONE, a->id, NGHTTP2_CANCEL);
    free(a);
    if (each)
        line_close(l, true);
    else
        h2_wire_pump(&l->wire);
}

void h2_client_warm(struct h2_client *c)
{
    while (!c->config.each && c->line_count < c->config.connections)
        (void)line_open(c);
}

uint64_t h2_client_connections(const struct h2_client *c)
{
    return c->line_count;
}

bool h2_client_new(struct loop *loop, const struct h2_client_config *config, struct h2_client **ret,
                   struct error *err)
{
    struct h2_client *c = check_alloc_zero(1, sizeof(*c));
    c->loop = loop;
    c->config = *config;
    if (c->config.connections == 0)
        c->config.connections = 1;
    if (!socket_parse(config->address, &c->address, err)) {
        free(c);
        return false;
    }
    *ret = c;
    return true;
}

void h2_client_free(struct h2_client *c)
{
    if (c == NULL)
        return;
    while (c->lines != NULL) {
        struct h2_line *l = c->lines;
        while (l->asks != NULL) {
            struct h2_ask *a = l->asks;
            ask_unlink(a);
            free(a);
        }
        line_close(l, true);
    }
    free(c);
}
