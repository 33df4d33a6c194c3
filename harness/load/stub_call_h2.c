/* The tries of a stub's calls to services of http2 and grpc: on one connection a mesh listener, as
 * a gRPC channel has it. What they mean to the call is stub_call.c's. */
#include "load/request.h"
#include "load/stub_task.h"
#include "net/grpc.h"
#include "net/h2_client.h"

#include <stdlib.h>

#define FIELDS_MOST 64

/* A channel: lives as long as the stub, for tries go on to where they went. */
struct stub_channel {
    struct stub_channel *next;
    struct h2_client *client;
    char address[64];
};

static bool is_grpc(const struct stub_call *c)
{
    return strcmp(stub_call_protocol(c), "grpc") == 0;
}

static struct stub_outcome outcome_of(const struct stub_call *c, const struct h2_answer *answer)
{
    return (struct stub_outcome){
        .status = answer->status,
        .grpc_status = answer->grpc_status,
        .grpc_where = answer->grpc_where,
        .protocol = 1, /* http2 (record.c) */
        .marks = c->marks,
        .server = c->server,
        .fresh = answer->fresh,
        .bytes_in = answer->body_bytes,
        .sample = answer->sample,
        .stamps = {.start_ns = answer->start_ns,
                   .sent_ns = answer->sent_ns,
                   .first_ns = answer->first_ns,
                   .head_ns = answer->head_ns,
                   .conn = answer->conn},
    };
}

/* What a gRPC status is to the words of retry_on (google/rpc/code.proto). */
static uint16_t meaning(const struct stub_call *c, const struct h2_answer *answer)
{
    static const uint16_t as_http[] = {200, 499, 500, 400, 504, 404, 409, 403, 429,
                                       400, 409, 400, 501, 500, 503, 500, 401};
    if (!is_grpc(c) || answer->status != 200)
        return answer->status;
    if (answer->grpc_status == 0 || answer->grpc_status > COUNT_OF(as_http))
        return 500;
    return as_http[answer->grpc_status - 1];
}

static void on_head(void *cookie, struct fields fields)
{
    struct stub_call *c = cookie;
    struct stub *s = c->task->stub;
    c->marks = request_marks(fields);
    if (s->recorder != NULL)
        c->server = recorder_name(s->recorder, fields_find(fields, "server"));
}

static void on_end(void *cookie, const struct h2_answer *answer)
{
    static const enum request_end ends[] = {
        [H2_END_COMPLETE] = END_COMPLETE,   [H2_END_REFUSED] = END_REFUSED,
        [H2_END_RESET] = END_RESET,         [H2_END_EOF] = END_EOF,
        [H2_END_TRUNCATED] = END_TRUNCATED,
    };
    struct stub_call *c = cookie;
    struct stub_outcome outcome = outcome_of(c, answer);
    c->stream = NULL;
    stub_call_tried(c, &outcome, meaning(c, answer), ends[answer->end]);
}

struct stub_outcome stub_call_h2_cut(struct stub_call *c)
{
    struct h2_answer answer = h2_ask_answer(c->stream);
    answer.sample = (struct bytes){0};
    h2_ask_cancel(c->stream);
    c->stream = NULL;
    return outcome_of(c, &answer);
}

static struct h2_client *client_for(struct stub *s, const char *address)
{
    struct stub_channel *channel = s->channels;
    struct error err = {0};
    while (channel != NULL && strcmp(channel->address, address) != 0)
        channel = channel->next;
    if (channel != NULL)
        return channel->client;
    struct h2_client_config config = {
        .address = address, .connections = 1, .on_head = on_head, .on_end = on_end};
    channel = check_alloc_zero(1, sizeof(*channel));
    snprintf(channel->address, sizeof(channel->address), "%s", address);
    /* the engine's own addresses, which the HTTP/1.1 client would take as they are, too */
    INVARIANT(h2_client_new(s->loop, &config, &channel->client, &err));
    channel->next = s->channels;
    s->channels = channel;
    return channel->client;
}

/* The lines of ${head} after the request line, but those that HTTP/2 has in pseudo-fields. */
static size_t add_lines(struct field *to, size_t count, struct bytes head)
{
    size_t skip = bytes_find(head, '\n') + 1;
    while (skip < head.len && count < FIELDS_MOST) {
        head = (struct bytes){head.at + skip, head.len - skip};
        size_t colon = bytes_find(head, ':'), end = bytes_find(head, '\r');
        if (end == 0 || colon > end)
            break;
        struct bytes name = {head.at, colon};
        if (!bytes_equal_nocase(name, BYTES("host")) &&
            !bytes_equal_nocase(name, BYTES("content-length")))
            to[count++] = (struct field){
                name, bytes_trim((struct bytes){head.at + colon + 1, end - colon - 1})};
        skip = end + 2;
    }
    return count;
}

void stub_call_h2_start(struct stub_call *c, const char *method, struct bytes head)
{
    static const uint8_t empty_message[5] = {0};
    struct stub *s = c->task->stub;
    struct field field[FIELDS_MOST] = {
        {BYTES(":method"), bytes_of(method)},
        {BYTES(":scheme"), BYTES("http")},
        {BYTES(":path"), bytes_of(c->plan->path != NULL ? c->plan->path : "/")},
        {BYTES(":authority"), bytes_of(c->plan->to)}};
    size_t count = 4;
    struct bytes body = {0};
    if (is_grpc(c)) {
        field[count++] = (struct field){BYTES("content-type"), BYTES("application/grpc")};
        field[count++] = (struct field){BYTES("te"), BYTES("trailers")};
        body = (struct bytes){empty_message, sizeof(empty_message)};
    }
    count = add_lines(field, count, head);
    c->marks = 0;
    c->server = 0;
    c->stream = h2_client_send(client_for(s, s->config.call_addresses[c->index]),
                               (struct fields){field, count}, body, c);
}

void stub_channels_free(struct stub *s)
{
    for (struct stub_channel *channel = s->channels, *next; channel != NULL; channel = next) {
        next = channel->next;
        h2_client_free(channel->client);
        free(channel);
    }
    s->channels = NULL;
}
