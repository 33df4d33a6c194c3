#include "load/load_h2.h"

#include "base/clock.h"
#include "net/grpc.h"
#include "net/h2_client.h"

#include <ctype.h>
#include <stdlib.h>

#define LATE_NS (1 * NS_PER_MS)
#define FIELDS_MOST 256
#define GRPC_FRAME_BYTES 5

struct load_request {
    struct load_h2 *owner;
    struct load_request *prev, *next;
    struct hold timeout;
    struct loop_task gone;
    struct load_ask ask;
    struct h2_ask *on_wire;
    uint64_t seq;
    uint8_t marks;
    uint32_t server;
};

struct load_h2 {
    struct load *load;
    struct h2_client *client;
    struct load_request *requests;
    struct field field[FIELDS_MOST]; /* first the pseudo-fields; the tag comes last */
    size_t field_count, path_at;
    struct buffer body; /* as it goes out: for gRPC with its frame */
    bool grpc;
};

bool load_h2_wanted(const struct load_plan *plan)
{
    return plan->protocol != NULL &&
           (strcmp(plan->protocol, "http2") == 0 || strcmp(plan->protocol, "grpc") == 0);
}

bool load_h2_plan(struct load_plan *plan, struct arena *arena, struct error *err)
{
    if (plan->protocol == NULL || strcmp(plan->protocol, "grpc") != 0)
        return true;
    const char *call = plan->call;
    const char *slash = call != NULL ? strchr(call, '/') : NULL;
    if (slash == NULL || slash == call || slash[1] == '\0')
        return error_at(err, plan->source, ERROR_INPUT,
                        "load: protocol \"grpc\" needs call, such as \"shop.Payments/Charge\"");
    plan->path = arena_printf(arena, "/%s", call);
    plan->method = "POST";
    return true;
}

static void request_gone(struct loop_task *t)
{
    free((char *)t - offsetof(struct load_request, gone));
}

static void request_unlink(struct load_request *r)
{
    struct load_h2 *h = r->owner;
    loop_hold_remove(h->load->loop, &r->timeout);
    if (r->prev != NULL)
        r->prev->next = r->next;
    else
        h->requests = r->next;
    if (r->next != NULL)
        r->next->prev = r->prev;
    r->gone.run = request_gone;
    loop_defer(h->load->loop, &r->gone);
}

static void record(const struct load_request *q, const struct h2_answer *answer,
                   enum request_end end, uint64_t done_ns)
{
    const struct load_h2 *h = q->owner;
    const struct load *l = h->load;
    uint64_t due_ns = q->ask.due_ns, id_hi = (uint64_t)l->config.run << 32 | l->config.proc;
    unsigned flags = q->ask.flags;
    flags |= answer->fresh ? REQUEST_CONNECT_NEW : 0U;
    flags |= answer->starved ? REQUEST_CAP_REACHED : 0U;
    struct request_record r = {
        .due = due_ns,
        .id_hi = id_hi,
        .id_lo = q->seq,
        .root_hi = id_hi,
        .root_lo = q->seq,
        .start = request_span(due_ns, answer->start_ns),
        .sent = request_span(due_ns, answer->sent_ns),
        .first = request_span(due_ns, answer->first_ns),
        .head = request_span(due_ns, answer->head_ns),
        .done = request_span(due_ns, done_ns),
        .bytes_in = answer->body_bytes,
        .bytes_out = answer->sent_ns != 0 ? h->body.len : 0,
        .conn = answer->conn,
        .tag = q->ask.tag != 0 ? l->tag_names[q->ask.tag - 1] : 0,
        .path = l->path_name,
        .edge = l->edge_name,
        .server = q->server,
        .status = answer->status,
        .grpc_status = answer->grpc_status,
        .verb = (uint16_t)l->verb,
        .end = (uint16_t)end,
        .body_class = (uint16_t)request_body_class(answer->sample),
        .protocol = REQUEST_HTTP2,
        .grpc_where = answer->grpc_where,
        .marks = q->marks,
        .flags = (uint8_t)flags,
    };
    recorder_emit(l->recorder, RECORD_REQUEST, &r);
}

static void request_end(struct load_request *q, const struct h2_answer *answer,
                        enum request_end end)
{
    struct load_h2 *h = q->owner;
    struct load *l = h->load;
    uint64_t now_ns = loop_now_ns(l->loop);
    bool bad =
        end != END_COMPLETE || answer->status >= 500 || (h->grpc && answer->grpc_status != 1);
    if (l->recorder != NULL)
        record(q, answer, end, now_ns);
    load_count(l, bad, now_ns);
    l->progress.in_flight--;
    request_unlink(q);
    load_over(l, &q->ask);
}

static void on_head(void *cookie, struct fields fields)
{
    struct load_request *q = cookie;
    struct load *l = q->owner->load;
    q->marks = request_marks(fields);
    if (l->recorder != NULL)
        q->server = recorder_name(l->recorder, fields_find(fields, "server"));
}

static void on_end(void *cookie, const struct h2_answer *answer)
{
    static const enum request_end ends[] = {
        [H2_END_COMPLETE] = END_COMPLETE,   [H2_END_REFUSED] = END_REFUSED,
        [H2_END_RESET] = END_RESET,         [H2_END_EOF] = END_EOF,
        [H2_END_TRUNCATED] = END_TRUNCATED,
    };
    request_end(cookie, answer, ends[answer->end]);
}

static void cut(struct load_request *q, bool recorded)
{
    struct h2_answer answer = h2_ask_answer(q->on_wire);
    uint8_t sample[H2_SAMPLE_BYTES];
    if (answer.sample.len > 0)
        memcpy(sample, answer.sample.at, answer.sample.len);
    answer.sample.at = sample;
    h2_ask_cancel(q->on_wire);
    if (recorded)
        request_end(q, &answer, END_CLIENT_TIMEOUT);
    else
        request_unlink(q);
}

static void on_timeout(struct hold *hold, uint64_t now_ns)
{
    (void)now_ns;
    cut((struct load_request *)(void *)((char *)hold - offsetof(struct load_request, timeout)),
        true);
}

/* ":path" out of the request line, which the wire has built for the last wire_parts. */
static struct bytes path_of(const struct wire *w)
{
    struct bytes line = {(const uint8_t *)w->line.at, w->line.len};
    size_t from = bytes_find(line, ' ') + 1;
    line = (struct bytes){line.at + from, line.len - from};
    return (struct bytes){line.at, bytes_find(line, ' ')};
}

void load_h2_send(struct load_h2 *h, const struct load_ask *ask)
{
    struct load *l = h->load;
    struct iovec parts[WIRE_PARTS];
    uint64_t now_ns = loop_now_ns(l->loop);
    struct load_request *q = check_alloc_zero(1, sizeof(*q));
    size_t count = h->field_count;
    INVARIANT(now_ns >= ask->due_ns);
    q->owner = h;
    q->ask = *ask;
    q->seq = ++l->seq;
    l->progress.sent++;
    l->progress.in_flight++;
    l->progress.capped += (ask->flags & REQUEST_CAP_REACHED) != 0;
    l->progress.late += now_ns > ask->due_ns + LATE_NS;
    q->next = h->requests;
    if (q->next != NULL)
        q->next->prev = q;
    h->requests = q;
    (void)wire_parts(&l->wire, q->seq, NULL, parts);
    h->field[h->path_at].value = path_of(&l->wire);
    if (ask->tag != 0)
        h->field[count++] =
            (struct field){BYTES("x-meshproof-tag"), bytes_of(l->plan->tagged[ask->tag - 1].tag)};
    q->on_wire =
        h2_client_send(h->client, (struct fields){h->field, count}, buffer_view(&h->body), q);
    if (l->plan->timeout_ns != 0 && l->plan->timeout_ns != UINT64_MAX)
        loop_hold_add(l->loop, &q->timeout, now_ns + l->plan->timeout_ns, on_timeout);
}

void load_h2_warm(struct load_h2 *h)
{
    h2_client_warm(h->client);
}

void load_h2_end_all(struct load_h2 *h, bool recorded)
{
    while (h->requests != NULL)
        cut(h->requests, recorded);
}

uint64_t load_h2_connections(const struct load_h2 *h)
{
    return h2_client_connections(h->client);
}

static bool skips(const struct load_h2 *h, struct bytes name)
{
    static const char *const never[] = {"host", "connection", "te", "transfer-encoding"};
    for (size_t i = 0; i < COUNT_OF(never); i++) {
        if (bytes_equal_nocase(name, bytes_of(never[i])))
            return true;
    }
    return h->grpc && (bytes_equal_nocase(name, BYTES("content-length")) ||
                       bytes_equal_nocase(name, BYTES("content-type")));
}

/* The wire's lines as fields: views into it, so that the sequence's digits stay where they are. */
static bool add_fields(struct load_h2 *h, struct error *err)
{
    struct load *l = h->load;
    struct text *text = &l->wire.fields;
    for (size_t at = 0; at < text->len;) {
        struct bytes rest = {(const uint8_t *)text->at + at, text->len - at};
        size_t colon = bytes_find(rest, ':'), end = bytes_find(rest, '\r');
        struct bytes name = {rest.at, colon};
        for (size_t i = 0; i < colon; i++)
            text->at[at + i] = (char)tolower((unsigned char)text->at[at + i]);
        at += end + 2;
        if (skips(h, name))
            continue;
        if (h->field_count + 4 > FIELDS_MOST)
            return error_at(err, l->plan->source, ERROR_LIMIT,
                            "load: more than the %d headers allowed", FIELDS_MOST);
        h->field[h->field_count++] =
            (struct field){name, bytes_trim((struct bytes){rest.at + colon + 1, end - colon - 1})};
    }
    return true;
}

static bool make_body(struct load_h2 *h, struct error *err)
{
    const struct wire *w = &h->load->wire;
    size_t len = w->body_bytes;
    uint8_t frame[GRPC_FRAME_BYTES] = {0, (uint8_t)(len >> 24), (uint8_t)(len >> 16),
                                       (uint8_t)(len >> 8), (uint8_t)len};
    buffer_init(&h->body, SIZE_MAX / 2);
    return (!h->grpc || buffer_add(&h->body, frame, sizeof(frame), err)) &&
           (len == 0 || buffer_add(&h->body, w->end.at + 2, len, err));
}

bool load_h2_open(struct load *l, const char *authority, struct error *err)
{
    struct load_h2 *h = check_alloc_zero(1, sizeof(*h));
    struct h2_client_config config = {.address = l->config.address,
                                      .connections = l->plan->connections,
                                      .each = l->plan->reuse == REUSE_EACH,
                                      .on_head = on_head,
                                      .on_end = on_end};
    l->h2 = h;
    h->load = l;
    h->grpc = strcmp(l->plan->protocol, "grpc") == 0;
    h->field[h->field_count++] = (struct field){BYTES(":method"), bytes_of(l->wire.method)};
    h->field[h->field_count++] = (struct field){BYTES(":scheme"), BYTES("http")};
    h->path_at = h->field_count;
    h->field[h->field_count++] = (struct field){BYTES(":path"), BYTES("/")};
    h->field[h->field_count++] = (struct field){BYTES(":authority"), bytes_of(authority)};
    if (h->grpc) {
        h->field[h->field_count++] =
            (struct field){BYTES("content-type"), BYTES("application/grpc")};
        h->field[h->field_count++] = (struct field){BYTES("te"), BYTES("trailers")};
    }
    return add_fields(h, err) && make_body(h, err) &&
           h2_client_new(l->loop, &config, &h->client, err);
}

void load_h2_free(struct load_h2 *h)
{
    if (h == NULL)
        return;
    load_h2_end_all(h, false);
    h2_client_free(h->client);
    buffer_release(&h->body);
    free(h);
}
