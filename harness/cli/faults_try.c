#include "cli/faults_try.h"

#include "base/clock.h"
#include "base/units.h"
#include "cli/command.h"
#include "lua/hook.h"
#include "lua/hook_engine.h"
#include "net/http1.h"
#include "net/grpc.h"

#include <stdlib.h>

#define ARENA_BYTES ((size_t)16 * 1024 * 1024)

struct attempt {
    const struct hook_engine *engine;
    struct hook *hook;
    struct arena arena;
    struct rng rng;
    struct call_view call;
    uint64_t state[2][HOOK_STATE_BYTES / sizeof(uint64_t)]; /* of the connection, of the call */
    uint64_t word, now_ns;
    bool failed, ended;
    struct http1_head request, answer;
    struct bytes request_body, answer_body;
};

static void on_line(void *cookie, uint16_t fault, const struct hook_line *line)
{
    static const char *const levels[] = {"info", "warn", "error"};
    struct attempt *t = cookie;
    (void)fault;
    printf("  %s %s: %s\n", levels[line->level], line->source, line->text);
    t->failed = t->failed || line->level == HOOK_ERROR;
}

static void print_fields(const struct reply *r)
{
    for (size_t i = 0; i < r->fields.count; i++) {
        const struct field *f = &r->fields.at[i];
        if (f->value.at == NULL)
            printf("\n    drop %.*s", (int)f->name.len, (const char *)f->name.at);
        else
            printf("\n    %.*s: %.*s", (int)f->name.len, (const char *)f->name.at,
                   (int)f->value.len, (const char *)f->value.at);
    }
}

static void print_answer(const struct attempt *t, const char *name, const struct answer *a)
{
    char text[32];
    printf("%-17s ", name);
    switch (a->act) {
    case ACT_PASS:
        printf("pass");
        break;
    case ACT_HOLD:
        printf("hold %s", units_print_duration(a->until_ns - t->now_ns, text, sizeof(text)));
        break;
    case ACT_REPLACE:
        if (a->reply == NULL)
            printf("replace %u bytes by %zu", a->take == TAKE_ALL ? 0 : a->take, a->bytes.len);
        else
            printf("headers");
        if (a->reply != NULL)
            print_fields(a->reply);
        break;
    case ACT_RESPOND:
        if (a->reply->grpc_status > 0)
            printf("respond grpc %s", grpc_status_name(a->reply->grpc_status - 1u));
        else
            printf("respond %u, %zu bytes", a->reply->status, a->reply->body.len);
        print_fields(a->reply);
        break;
    case ACT_CLOSE:
        printf(a->code > 0 ? "close, code %u" : "close", a->code);
        break;
    case ACT_RESET:
        printf(a->scope == SCOPE_STREAM ? "rst_stream %u" : "reset", a->code);
        break;
    }
    putchar('\n');
}

static struct filter_context context(struct attempt *t, bool of_call)
{
    return (struct filter_context){.state = t->state[of_call],
                                   .now_ns = t->now_ns,
                                   .rng = &t->rng,
                                   .arena = &t->arena,
                                   .connection = &t->word,
                                   .conn = 1};
}

static bool wants(const struct attempt *t, enum moment moment, enum side side)
{
    return !t->ended && (t->engine->moments(t->hook) & MOMENT_BIT(moment, side)) != 0;
}

/* Time goes on by what is held, and nothing else. */
static bool took(struct attempt *t, enum hook_event event, const struct answer *a)
{
    if (t->hook->functions[event] != 0) /* heads are seen for later functions too */
        print_answer(t, hook_event_rows[event].name, a);
    if (a->act == ACT_HOLD)
        t->now_ns = a->until_ns;
    t->ended = a->act == ACT_RESPOND || a->act == ACT_CLOSE || a->act == ACT_RESET;
    return a->act == ACT_HOLD;
}

static void try_accept(struct attempt *t)
{
    struct accept_view seen = {.peer = BYTES("127.0.0.1"), .nth = 1};
    struct answer a = ANSWER_PASS;
    do {
        struct filter_context at = context(t, false);
        if (!wants(t, MOMENT_ACCEPT, SIDE_REQUEST))
            return;
        a = t->engine->on_accept(t->hook, &at, &seen);
    } while (took(t, HOOK_ON_CONNECT, &a));
}

static void try_head(struct attempt *t, enum side side)
{
    const struct http1_head *head = side == SIDE_REQUEST ? &t->request : &t->answer;
    struct answer a = ANSWER_PASS;
    struct head_view seen = {.call = &t->call,
                             .side = side,
                             .method = t->request.method,
                             .path = t->request.target,
                             .status = side == SIDE_RESPONSE ? head->status : 0,
                             .fields = {head->field, head->field_count}};
    seen.authority = fields_find((struct fields){t->request.field, t->request.field_count}, "host");
    do {
        struct filter_context at = context(t, true);
        if (!wants(t, MOMENT_HEAD, side))
            return;
        a = t->engine->on_head(t->hook, &at, &seen);
    } while (took(t, side == SIDE_REQUEST ? HOOK_ON_REQUEST : HOOK_ON_RESPONSE, &a));
}

static void try_data(struct attempt *t, enum side side)
{
    struct answer a = ANSWER_PASS;
    struct data_view seen = {.call = &t->call,
                             .side = side,
                             .chunk = side == SIDE_REQUEST ? t->request_body : t->answer_body,
                             .last = true};
    if (seen.chunk.len == 0)
        return;
    do {
        struct filter_context at = context(t, true);
        if (!wants(t, MOMENT_DATA, side))
            return;
        a = t->engine->on_data(t->hook, &at, &seen);
    } while (took(t, side == SIDE_REQUEST ? HOOK_ON_REQUEST_DATA : HOOK_ON_RESPONSE_DATA, &a));
}

static void try_end(struct attempt *t)
{
    struct answer a = ANSWER_PASS;
    struct end_view seen = {.call = &t->call, .side = SIDE_RESPONSE};
    seen.grpc_status = grpc_status_of((struct fields){t->answer.field, t->answer.field_count});
    do {
        struct filter_context at = context(t, true);
        if (!wants(t, MOMENT_END, SIDE_RESPONSE))
            return;
        a = t->engine->on_end(t->hook, &at, &seen);
    } while (took(t, HOOK_ON_TRAILERS, &a));
}

/* Captures made by hand have bare line ends. */
static char *with_crlf(const char *input, size_t len, size_t *ret_len)
{
    char *to = check_alloc(2 * len + 1);
    bool bare = memmem(input, len, "\r\n", 2) == NULL;
    *ret_len = 0;
    for (size_t i = 0; i < len; i++) {
        if (bare && input[i] == '\n')
            to[(*ret_len)++] = '\r';
        to[(*ret_len)++] = input[i];
    }
    return to;
}

static bool read_messages(struct attempt *t, struct bytes in, struct error *err)
{
    static const char plain[] = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    if (http1_parse_request(in, &t->request, err) != HTTP1_DONE)
        return error_set(err, ERROR_INPUT,
                         "standard input is no HTTP/1.1 request with an empty "
                         "line behind its head");
    in.at += t->request.head_bytes;
    in.len -= t->request.head_bytes;
    const uint8_t *answer = in.len > 0 ? memmem(in.at, in.len, "HTTP/1.", 7) : NULL;
    t->request_body = (struct bytes){in.at, answer != NULL ? (size_t)(answer - in.at) : in.len};
    struct bytes rest = answer != NULL ? (struct bytes){answer, in.len - (size_t)(answer - in.at)}
                                       : (struct bytes){(const uint8_t *)plain, sizeof(plain) - 1};
    if (http1_parse_response(rest, t->request.verb, &t->answer, err) != HTTP1_DONE)
        return error_set(err, ERROR_INPUT, "the answer behind the request is not whole");
    t->answer_body =
        (struct bytes){rest.at + t->answer.head_bytes, rest.len - t->answer.head_bytes};
    return true;
}

static json_t *read_with(const char *const *with, size_t count, struct error *err)
{
    json_t *values = json_object();
    for (size_t i = 0; i < count; i++) {
        const char *equals = strchr(with[i], '=');
        if (equals == NULL || equals == with[i]) {
            error_set(err, ERROR_USAGE, "--with %.60s: it must be NAME=VALUE", with[i]);
            json_decref(values);
            return NULL;
        }
        char *name = check_strdup(with[i]);
        name[equals - with[i]] = '\0';
        json_object_set_new(values, name, json_string(equals + 1));
        free(name);
    }
    return values;
}

static bool open_hook(struct attempt *t, const char *path, const json_t *with, struct error *err)
{
    char *given = json_dumps(with, JSON_COMPACT);
    struct hook_source from = {.path = path, .with_json = given};
    struct hook_host host = {.begun_ns = t->now_ns,
                             .hold_most_ns = HOOK_HOLD_MOST_NS,
                             .service = "service",
                             .fault = 1,
                             .report = on_line,
                             .cookie = t};
    bool good = t->engine->open(&from, &host, &t->hook, err);
    free(given);
    return good;
}

static void run_all(struct attempt *t)
{
    try_accept(t);
    try_head(t, SIDE_REQUEST);
    try_data(t, SIDE_REQUEST);
    try_head(t, SIDE_RESPONSE);
    try_data(t, SIDE_RESPONSE);
    try_end(t);
    struct filter_context call = context(t, true), conn = context(t, false);
    t->engine->on_close(t->hook, &call);
    if ((t->engine->moments(t->hook) & MOMENT_BIT(MOMENT_ACCEPT, SIDE_REQUEST)) != 0)
        t->engine->on_close(t->hook, &conn);
}

int faults_try(const char *hook, const char *const *with, size_t with_count, const char *input,
               size_t len)
{
    struct attempt *t = check_alloc_zero(1, sizeof(*t));
    struct error err = {0};
    size_t whole_len;
    char *whole = with_crlf(input, len, &whole_len);
    json_t *values = read_with(with, with_count, &err);
    t->engine = &hook_engine_lua;
    t->now_ns = NS_PER_S;
    t->rng = rng_for(1, 1, 0, 1, 1);
    t->call = (struct call_view){.id_lo = 1, .attempt = 1, .conn = 1, .sequence = 1, .endpoint = 1};
    arena_init(&t->arena, ARENA_BYTES);
    bool good = values != NULL &&
                read_messages(t, (struct bytes){(const uint8_t *)whole, whole_len}, &err) &&
                open_hook(t, hook, values, &err);
    if (good)
        run_all(t);
    if (t->hook != NULL)
        t->engine->close(t->hook);
    int code = !good ? command_fail(&err) : t->failed ? EXIT_FAIL : EXIT_PASS;
    json_decref(values);
    arena_release(&t->arena);
    free(whole);
    free(t);
    return code;
}
