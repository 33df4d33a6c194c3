#include "base/clock.h"
#include "base/text.h"
#include "faults/fault.h"
#include "net/grpc.h"

enum where { WHERE_HEADERS, WHERE_TRAILERS };
static const char *const where_words[] = {"headers", "trailers", NULL};
enum how { REPLY_INSTEAD, REPLY_AFTER };
static const char *const reply_words[] = {"instead", "after", NULL};

struct abort {
    uint64_t status, where, reply, retry_after;
    const char *grpc, *headers, *body;
    struct reply built; /* by abort_prepare */
};

static const struct param abort_params[] = {
    PARAM(struct abort, status, UNIT_COUNT, .least = 200, .most = 599, .help = "HTTP status"),
    PARAM(struct abort, grpc, UNIT_TEXT,
          .help = "gRPC status name; exactly one of status and grpc"),
    PARAM(struct abort, where, UNIT_WORD, .fallback = "headers", .words = where_words,
          .help = "gRPC: trailers-only, or after a normal head"),
    PARAM(struct abort, reply, UNIT_WORD, .fallback = "instead", .words = reply_words,
          .help = "after: the backend runs, then its answer is thrown away"),
    PARAM(struct abort, retry_after, UNIT_TIME_NS, .help = "header Retry-After"),
    PARAM(struct abort, headers, UNIT_MAP, .help = "added"),
    PARAM(struct abort, body, UNIT_TEXT, .help = "body or grpc-message"),
};

#define GRPC_NAMES 17

static bool unknown_status(const char *name, struct error *err)
{
    bool word = *name < '0' || *name > '9';
    const char *near = word ? text_nearest(name, grpc_status_names(), GRPC_NAMES) : NULL;
    return error_set(err, ERROR_INPUT,
                     "fault.abort: grpc is \"%.40s\"%s%s%s; it is a gRPC status name such as "
                     "UNAVAILABLE",
                     name, near != NULL ? " (did you mean \"" : "", near != NULL ? near : "",
                     near != NULL ? "\"?)" : "");
}

static bool abort_check(const void *params, struct error *err)
{
    const struct abort *p = params;
    if ((p->status == PARAM_UNSET) == (p->grpc == NULL))
        return error_set(err, ERROR_INPUT, "fault.abort needs exactly one of status and grpc");
    unsigned number;
    if (p->grpc != NULL && !grpc_status_parse(bytes_of(p->grpc), &number))
        return unknown_status(p->grpc, err);
    if (p->grpc == NULL && p->where != WHERE_HEADERS)
        return error_set(err, ERROR_INPUT, "fault.abort: where = \"trailers\" is for grpc");
    if (p->body != NULL && (p->status == 204 || p->status == 304))
        return error_set(err, ERROR_INPUT, "fault.abort: an answer of status %llu has no body",
                         (unsigned long long)p->status);
    return true;
}

static void abort_prepare(void *params, uint64_t seed, struct arena *arena)
{
    struct abort *p = params;
    (void)seed;
    size_t count = 0;
    struct field *field = fault_fields(p->headers, 1, arena, &count);
    if (p->retry_after != PARAM_UNSET) {
        /* RFC 9110 10.2.3 counts whole seconds; rounded up, so that a client never comes too early.
         */
        uint64_t seconds = p->retry_after / NS_PER_S + (p->retry_after % NS_PER_S != 0);
        field[count++] =
            (struct field){BYTES("retry-after"),
                           bytes_of(arena_printf(arena, "%llu", (unsigned long long)seconds))};
    }
    unsigned number = 0;
    bool grpc = p->grpc != NULL && grpc_status_parse(bytes_of(p->grpc), &number);
    /* gRPC says its own status: to HTTP the answer is a good one (PROTOCOL-HTTP2.md, Responses) */
    p->built = (struct reply){.status = grpc ? 200 : (uint16_t)p->status,
                              .grpc_status = grpc ? (uint16_t)(number + 1) : 0,
                              .in_trailers = grpc && p->where == WHERE_TRAILERS,
                              .fields = {field, count},
                              .body = p->body != NULL ? bytes_of(p->body) : (struct bytes){0}};
}

static struct answer abort_on_head(struct filter_context *at, const struct head_view *seen)
{
    const struct abort *p = at->params;
    enum side side = p->reply == REPLY_AFTER ? SIDE_RESPONSE : SIDE_REQUEST;
    if (seen->side != side)
        return ANSWER_PASS;
    return (struct answer){.act = ACT_RESPOND, .scope = SCOPE_STREAM, .reply = &p->built};
}

static uint32_t abort_moments(const void *params)
{
    const struct abort *p = params;
    return MOMENT_BIT(MOMENT_HEAD, p->reply == REPLY_AFTER ? SIDE_RESPONSE : SIDE_REQUEST);
}

static void abort_print(const void *params, char *to, size_t size)
{
    const struct abort *p = params;
    const char *after = p->reply == REPLY_AFTER ? " after the backend" : "";
    if (p->grpc != NULL)
        snprintf(to, size, "abort grpc %.40s%s", p->grpc, after);
    else
        snprintf(to, size, "abort %llu%s", (unsigned long long)p->status, after);
}

static const struct stream_filter abort_filter = {.on_head = abort_on_head,
                                                  .moments = abort_moments};

const struct fault_type fault_abort = {
    .name = "abort",
    .help = "an error answer",
    .example = "fault.abort { status = 503 }",
    .params = abort_params,
    .param_count = COUNT_OF(abort_params),
    .params_bytes = sizeof(struct abort),
    .check = abort_check,
    .existing = EXISTING_KEEP,
    .stream = &abort_filter,
    .prepare = abort_prepare,
    .print = abort_print,
};
