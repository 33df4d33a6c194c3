#include "base/clock.h"
#include "mesh/forward.h"

#define STREAM_ID 17

/* Fields that belong to one connection (RFC 9110 7.6.1), the framing that each leg makes anew, and
 * those that the mesh writes itself. */
static bool is_ours(struct bytes name)
{
    static const char *const names[] = {"connection",
                                        "keep-alive",
                                        "proxy-connection",
                                        "te",
                                        "trailer",
                                        "transfer-encoding",
                                        "upgrade",
                                        "content-length",
                                        "expect",
                                        "x-envoy-attempt-count",
                                        "x-envoy-expected-rq-timeout-ms",
                                        "x-envoy-upstream-service-time"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (bytes_equal_nocase(name, bytes_of(names[i])))
            return true;
    }
    return false;
}

static void add_field(struct text *to, struct field field)
{
    text_add_bytes(to, field.name);
    text_add(to, ": ");
    text_add_bytes(to, field.value);
    text_add(to, "\r\n");
}

/* A version 4 UUID, the same for all tries of the request. */
static void add_request_id(const struct forward *f, struct text *to)
{
    struct rng rng = rng_for(f->edge->seed, STREAM_ID, f->edge->number, f->number, 0);
    uint64_t hi = rng_next(&rng), lo = rng_next(&rng);
    text_add(to, "x-request-id: %08llx-%04llx-4%03llx-%04llx-%012llx\r\n",
             (unsigned long long)(hi >> 32), (unsigned long long)(hi >> 16 & 0xffff),
             (unsigned long long)(hi & 0xfff), (unsigned long long)(0x8000 | (lo >> 48 & 0x3fff)),
             (unsigned long long)(lo & 0xffffffffffff));
}

/* Linkerd adds nothing that tells tries apart (linkerd-measured.md 1.1). */
static void add_envoy_fields(const struct forward *f, struct text *to)
{
    const struct edge *e = f->edge;
    uint64_t expected_ms = timeout_expected_ms(&e->model.timeout, &f->clock, f->clock.try_ns);
    if (fields_find(f->request.fields, "x-request-id").at == NULL)
        add_request_id(f, to);
    text_add(to, "x-envoy-attempt-count: %llu\r\n", (unsigned long long)f->clock.tries);
    if (expected_ms > 0)
        text_add(to, "x-envoy-expected-rq-timeout-ms: %llu\r\n", (unsigned long long)expected_ms);
}

void forward_request_head(const struct forward *f, struct text *to)
{
    const struct http_request *request = &f->request;
    text_add_bytes(to, request->method);
    text_add(to, " ");
    text_add_bytes(to, request->target);
    text_add(to, " HTTP/1.1\r\n");
    for (size_t i = 0; i < request->fields.count; i++) {
        if (!is_ours(request->fields.at[i].name))
            add_field(to, request->fields.at[i]);
    }
    if (f->edge->model.flavour == FLAVOUR_ENVOY)
        add_envoy_fields(f, to);
    if (f->edge->hop != NULL)
        text_add(to, HOP_FIELD ": %s\r\n", f->edge->hop);
    bool framed = fields_find(request->fields, "content-length").at != NULL ||
                  fields_find(request->fields, "transfer-encoding").at != NULL;
    if (framed)
        text_add(to, "content-length: %zu\r\n", request->body.len);
    text_add(to, "\r\n");
}

struct fields forward_answer_fields(const struct forward *f, struct fields from, struct field *to,
                                    char time[24])
{
    size_t count = 0;
    for (size_t i = 0; i < from.count && count < HTTP1_FIELDS_MOST; i++) {
        if (!is_ours(from.at[i].name))
            to[count++] = from.at[i];
    }
    if (f->edge->model.flavour == FLAVOUR_ENVOY) {
        unsigned long long ms = (f->head_ns - f->clock.try_ns) / NS_PER_MS;
        snprintf(time, 24, "%llu", ms);
        to[count++] = (struct field){BYTES("x-envoy-upstream-service-time"), bytes_of(time)};
    }
    return (struct fields){to, count};
}

void forward_keep_head(struct forward *f, uint16_t status, struct fields from)
{
    struct field field[FORWARD_FIELDS_MOST];
    char time[24];
    struct fields fields = forward_answer_fields(f, from, field, time);
    struct bytes length = fields_find(from, "content-length");
    struct text head;
    text_init(&head, HTTP1_HEAD_MOST_BYTES * 2);
    text_add(&head, "HTTP/1.1 %u %s\r\n", status, http1_reason(status));
    for (size_t i = 0; i < fields.count; i++)
        add_field(&head, fields.at[i]);
    f->chunked = length.at == NULL;
    if (f->chunked)
        text_add(&head, "transfer-encoding: chunked\r\n\r\n");
    else
        text_add(&head, "content-length: %.*s\r\n\r\n", (int)length.len, (const char *)length.at);
    buffer_consume(&f->head, f->head.len);
    INVARIANT(head.full || buffer_add(&f->head, head.at, head.len, NULL));
    text_release(&head);
}
