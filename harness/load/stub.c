#include "load/stub.h"

#include "load/stub_echo.h"
#include "load/stub_task.h"

#include <stdlib.h>

#define BODY_MOST_BYTES ((size_t)16 * 1024 * 1024)
#define ANSWER_MOST_BYTES ((size_t)16 * 1024 * 1024)
#define CONNECTIONS_MOST 20000
#define IDLE_MOST 256
#define SEEN_MOST 65536
#define LISTS_MOST_BYTES ((size_t)1024 * 1024)
#define TASK_MOST_BYTES ((size_t)64 * 1024)

static void task_begin(struct stub_task *t);

static void on_task_gone(struct loop_task *task)
{
    struct stub_task *t =
        (struct stub_task *)(void *)((char *)task - offsetof(struct stub_task, gone));
    text_release(&t->pass_on);
    arena_release(&t->arena);
    free(t->calls);
    free(t);
}

static void task_unlink(struct stub_task *t)
{
    struct stub *s = t->stub;
    loop_hold_remove(s->loop, &t->work);
    if (t->prev != NULL)
        t->prev->next = t->next;
    else
        s->tasks = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    loop_defer(s->loop, &t->gone);
}

static void port_append(struct stub_port *port, struct stub_task *t)
{
    t->next_waiting = NULL;
    *port->last_waiting = t;
    port->last_waiting = &t->next_waiting;
    port->stub->counts.waiting++;
}

static void port_remove(struct stub_port *port, struct stub_task *t)
{
    for (struct stub_task **at = &port->first_waiting; *at != NULL; at = &(*at)->next_waiting) {
        if (*at != t)
            continue;
        *at = t->next_waiting;
        if (port->last_waiting == &t->next_waiting)
            port->last_waiting = at;
        port->stub->counts.waiting--;
        return;
    }
}

static void task_end(struct stub_task *t)
{
    struct stub_port *port = t->port;
    port->busy--;
    port->stub->counts.active--;
    task_unlink(t);
    struct stub_task *next = port->first_waiting;
    if (next != NULL) {
        port_remove(port, next);
        task_begin(next);
    }
}

/* One message and status 0, or a status alone: what a gRPC application can say. */
static void task_answer_grpc(struct stub_task *t)
{
    struct stub *s = t->stub;
    char number[8], text[128];
    struct field fields[8] = {{BYTES("content-type"), BYTES("application/grpc")},
                              {BYTES("server"), BYTES("meshproof-stub")}};
    size_t count = 2;
    const struct field ok = {BYTES("grpc-status"), BYTES("0")};
    snprintf(number, sizeof(number), "%u", t->port->number);
    fields[count++] = (struct field){BYTES("x-meshproof-endpoint"), bytes_of(number)};
    if (t->echo.name.len > 0)
        fields[count++] = t->echo;
    if (t->failed != NULL) {
        snprintf(text, sizeof(text), "the call to %.80s failed", t->failed);
        fields[count++] = (struct field){BYTES("grpc-status"), BYTES("14")};
        fields[count++] = (struct field){BYTES("grpc-message"), bytes_of(text)};
        h2_exchange_answer(t->stream, 200, (struct fields){fields, count}, (struct bytes){0},
                           (struct fields){0});
    } else if (t->status != 200) {
        h2_exchange_answer(t->stream, t->status, (struct fields){fields, count}, (struct bytes){0},
                           (struct fields){0});
    } else {
        h2_exchange_answer(t->stream, 200, (struct fields){fields, count}, buffer_view(&s->message),
                           (struct fields){&ok, 1});
    }
}

static void task_answer(struct stub_task *t)
{
    struct stub *s = t->stub;
    char number[8], text[128];
    struct bytes body = bytes_of(text_get(&s->body));
    struct field fields[4] = {{BYTES("server"), BYTES("meshproof-stub")},
                              {BYTES("content-type"), BYTES("text/plain")}};
    size_t count = 2;
    if (t->stream != NULL && s->grpc) {
        task_answer_grpc(t);
        task_end(t);
        return;
    }
    snprintf(number, sizeof(number), "%u", t->port->number);
    fields[count++] = (struct field){BYTES("x-meshproof-endpoint"), bytes_of(number)};
    if (t->echo.name.len > 0)
        fields[count++] = t->echo;
    if (t->failed != NULL) {
        snprintf(text, sizeof(text), "the call to %.80s failed\n", t->failed);
        body = bytes_of(text);
    } else if (t->fallback_body != NULL) {
        body = bytes_of(t->fallback_body);
    }
    if (t->exchange != NULL)
        http_exchange_answer(t->exchange, t->status, (struct fields){fields, count}, body, false);
    else if (t->stream != NULL)
        h2_exchange_answer(t->stream, t->status, (struct fields){fields, count}, body,
                           (struct fields){0});
    task_end(t);
}

void stub_task_called(struct stub_task *t)
{
    if (t->failed == NULL && t->next_call < t->stub->service->call_count)
        stub_call_begin_next(t);
    else
        task_answer(t);
}

static void on_worked(struct hold *h, uint64_t now_ns)
{
    struct stub_task *t =
        (struct stub_task *)(void *)((char *)h - offsetof(struct stub_task, work));
    (void)now_ns;
    stub_task_called(t);
}

static void task_begin(struct stub_task *t)
{
    struct stub *s = t->stub;
    const struct service_plan *service = s->service;
    uint64_t work_ns = service->work_ns;
    struct rng rng = rng_for(s->seed_of_work, t->port->number, t->id_hi, t->id_lo, t->attempt);
    uint64_t spread = service->jitter_ns < work_ns ? service->jitter_ns : work_ns;
    if (spread > 0)
        work_ns = work_ns - spread + rng_below(&rng, 2 * spread + 1);
    t->working = true;
    t->port->busy++;
    s->counts.active++;
    loop_hold_add(s->loop, &t->work, loop_now_ns(s->loop) + work_ns, on_worked);
}

/* How often this id has come here, this time included. */
static uint32_t arrivals(struct stub *s, uint64_t hi, uint64_t lo)
{
    struct map_key key = {hi, lo};
    bool is_new;
    uint64_t *before = map_find(&s->seen_before, key);
    uint64_t *count = map_at(&s->seen, key, &is_new);
    if (count == NULL) {
        struct map swap = s->seen_before;
        s->seen_before = s->seen;
        s->seen = swap;
        map_clear(&s->seen);
        count = map_at(&s->seen, key, &is_new);
        before = NULL;
    }
    if (is_new && before != NULL)
        *count = *before;
    return (uint32_t)++ * count;
}

static void pass_on(struct stub_task *t, struct fields fields, const char *name)
{
    struct bytes value = fields_find(fields, name);
    if (value.at == NULL)
        return;
    text_add(&t->pass_on, "%s: ", name);
    text_add_bytes(&t->pass_on, value);
    text_add(&t->pass_on, "\r\n");
}

/* Takes what the task needs from the request's headers. */
static void task_read(struct stub_task *t, struct fields fields)
{
    struct stub *s = t->stub;
    const char *effects = s->service->effects;
    uint64_t number;
    bool has_id = record_id_parse(fields_find(fields, "x-meshproof-id"), &t->id_hi, &t->id_lo);
    if (!record_id_parse(fields_find(fields, "x-meshproof-root"), &t->root_hi, &t->root_lo)) {
        t->root_hi = t->id_hi;
        t->root_lo = t->id_lo;
    }
    if (bytes_to_u64(fields_find(fields, "x-envoy-attempt-count"), &number) && number <= UINT32_MAX)
        t->attempt = (uint32_t)number;
    else if (has_id)
        t->attempt = arrivals(s, t->id_hi, t->id_lo);
    pass_on(t, fields, "traceparent");
    pass_on(t, fields, "x-request-id");
    for (size_t i = 0; i < s->config.effect_header_count; i++)
        pass_on(t, fields, s->config.effect_headers[i]);
    struct bytes echo = effects != NULL ? fields_find(fields, effects) : (struct bytes){0};
    if (echo.at != NULL && echo.len < TASK_MOST_BYTES / 2)
        t->echo = (struct field){
            bytes_of(effects),
            {(uint8_t *)arena_strndup(&t->arena, (const char *)echo.at, echo.len), echo.len}};
}

static struct stub_task *task_new(struct stub_port *port, struct fields fields)
{
    struct stub *s = port->stub;
    struct stub_task *t = check_alloc_zero(1, sizeof(*t));
    t->stub = s;
    t->port = port;
    t->gone.run = on_task_gone;
    t->status = s->service->status != 0 ? s->service->status : 200;
    t->calls = check_alloc_zero(s->service->call_count + 1, sizeof(*t->calls));
    text_init(&t->pass_on, TASK_MOST_BYTES);
    arena_init(&t->arena, TASK_MOST_BYTES);
    t->next = s->tasks;
    if (t->next != NULL)
        t->next->prev = t;
    s->tasks = t;
    s->counts.requests++;
    task_read(t, fields);
    return t;
}

static void task_admit(struct stub_task *t)
{
    const struct service_plan *service = t->stub->service;
    if (service->slots == 0 || t->port->busy < service->slots)
        task_begin(t);
    else
        port_append(t->port, t);
}

static void on_request(void *cookie, struct http_exchange *x, const struct http_request *request)
{
    struct stub_task *t = task_new(cookie, request->fields);
    t->exchange = x;
    http_exchange_set(x, t);
    task_admit(t);
}

static void on_stream(void *cookie, struct h2_exchange *x, const struct http_request *request)
{
    struct stub_task *t = task_new(cookie, request->fields);
    t->stream = x;
    h2_exchange_set(x, t);
    task_admit(t);
}

/* Work that has begun goes on without its client, as that of most applications does; it is not
 * answered. */
static void task_left(struct stub_task *t)
{
    t->exchange = NULL;
    t->stream = NULL;
    if (!t->working) {
        port_remove(t->port, t);
        task_unlink(t);
    }
}

static void on_gone(void *cookie, struct http_exchange *x, bool by_reset)
{
    (void)cookie;
    (void)by_reset;
    task_left(http_exchange_get(x));
}

static void on_stream_gone(void *cookie, struct h2_exchange *x, bool by_reset)
{
    (void)cookie;
    (void)by_reset;
    task_left(h2_exchange_get(x));
}

/* The answer's body: as given, or seeded letters. */
static void make_body(struct stub *s)
{
    const struct service_plan *service = s->service;
    struct rng rng = rng_for(s->config.seed, s->service_hash, 0, 0, 0);
    text_init(&s->body, ANSWER_MOST_BYTES + 1);
    if (service->body_text != NULL) {
        text_add(&s->body, "%s", service->body_text);
        return;
    }
    for (uint64_t i = 0; i < service->body_bytes; i++) {
        uint8_t letter = (uint8_t)('a' + rng_below(&rng, 26));
        text_add_bytes(&s->body, (struct bytes){&letter, 1});
    }
}

/* PROTOCOL-HTTP2.md: not compressed, then the length in network order. */
static void make_message(struct stub *s)
{
    size_t len = s->body.len;
    const uint8_t frame[] = {0, (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                             (uint8_t)len};
    buffer_init(&s->message, ANSWER_MOST_BYTES + sizeof(frame) + 1);
    INVARIANT(buffer_add(&s->message, frame, sizeof(frame), NULL) &&
              (len == 0 || buffer_add(&s->message, s->body.at, len, NULL)));
}

static bool is_one_of(const char *protocol, const char *a, const char *b)
{
    return protocol != NULL && (strcmp(protocol, a) == 0 || strcmp(protocol, b) == 0);
}

static const char *const *copy_list(struct arena *arena, const char *const *list, size_t count)
{
    const char **copy = ARENA_ARRAY(arena, const char *, count + 1);
    for (size_t i = 0; i < count; i++)
        copy[i] = arena_strdup(arena, list[i]);
    return copy;
}

static bool check(const struct stub_config *config, struct error *err)
{
    const struct service_plan *service = config->service;
    if (service->protocol != NULL && !is_one_of(service->protocol, "http1", "tcp") &&
        !is_one_of(service->protocol, "http2", "grpc"))
        return error_at(err, service->source, ERROR_INPUT,
                        "service \"%s\": there is no protocol \"%s\"; it is one of http1, http2, "
                        "grpc, tcp",
                        service->name, service->protocol);
    if (service->body_bytes > ANSWER_MOST_BYTES ||
        (service->body_text != NULL && strlen(service->body_text) > ANSWER_MOST_BYTES))
        return error_at(err, service->source, ERROR_LIMIT,
                        "service \"%s\": body is more than the 16MiB allowed", service->name);
    return true;
}

static bool open_port(struct stub *s, struct stub_port *port, const char *listen, struct error *err)
{
    struct h2_server_config h2 = {.listen = listen,
                                  .body_most_bytes = BODY_MOST_BYTES,
                                  .connections_most = CONNECTIONS_MOST,
                                  .on_request = on_stream,
                                  .on_gone = on_stream_gone,
                                  .cookie = port};
    struct http_server_config config = {.listen = listen,
                                        .body_most_bytes = BODY_MOST_BYTES,
                                        .connections_most = CONNECTIONS_MOST,
                                        .on_request = on_request,
                                        .on_gone = on_gone,
                                        .cookie = port};
    if (s->service->protocol != NULL && strcmp(s->service->protocol, "tcp") == 0)
        return stub_echo_open(port, listen, &port->echo, err);
    return is_one_of(s->service->protocol, "http2", "grpc")
               ? h2_server_open(s->loop, &h2, &port->h2, err)
               : http_server_open(s->loop, &config, &port->server, err);
}

static bool open_ports(struct stub *s, struct error *err)
{
    for (size_t i = 0; i < s->config.endpoint_count; i++) {
        struct stub_port *port = &s->ports[i];
        port->stub = s;
        port->number = s->config.endpoints[i].number;
        port->last_waiting = &port->first_waiting;
        if (!open_port(s, port, s->config.endpoints[i].listen, err))
            return false;
    }
    return http_client_new(s->loop, IDLE_MOST, &s->client, err);
}

bool stub_open(struct loop *loop, struct recorder *recorder, const struct stub_config *config,
               struct stub **ret, struct error *err)
{
    if (!check(config, err))
        return false;
    struct stub *s = check_alloc_zero(1, sizeof(*s));
    s->loop = loop;
    s->recorder = recorder;
    s->config = *config;
    s->service = config->service;
    arena_init(&s->arena, LISTS_MOST_BYTES);
    s->config.call_addresses = copy_list(&s->arena, config->call_addresses, s->service->call_count);
    if (config->call_protocols != NULL)
        s->config.call_protocols =
            copy_list(&s->arena, config->call_protocols, s->service->call_count);
    s->config.effect_headers =
        copy_list(&s->arena, config->effect_headers, config->effect_header_count);
    s->service_hash = map_hash(s->service->name, strlen(s->service->name));
    s->seed_of_work = rng_mix(config->seed ^ s->service_hash);
    map_init(&s->seen, SEEN_MOST);
    map_init(&s->seen_before, SEEN_MOST);
    s->ports = check_alloc_zero(config->endpoint_count + 1, sizeof(*s->ports));
    s->breakers = check_alloc_zero(s->service->call_count + 1, sizeof(*s->breakers));
    make_body(s);
    s->grpc = is_one_of(s->service->protocol, "grpc", "grpc");
    if (s->grpc)
        make_message(s);
    if (!open_ports(s, err)) {
        stub_free(s);
        return false;
    }
    s->config.endpoints = NULL; /* the caller's */
    *ret = s;
    return true;
}

void stub_route(struct stub *s, const char *const *call_addresses)
{
    s->config.call_addresses = copy_list(&s->arena, call_addresses, s->service->call_count);
}

void stub_free(struct stub *s)
{
    if (s == NULL)
        return;
    for (struct stub_task *t = s->tasks, *next; t != NULL; t = next) {
        next = t->next;
        stub_call_cancel_all(t);
        task_unlink(t);
    }
    for (size_t i = 0; i < s->config.endpoint_count; i++) {
        http_server_free(s->ports[i].server);
        h2_server_free(s->ports[i].h2);
        stub_echo_free(s->ports[i].echo);
    }
    http_client_free(s->client);
    stub_channels_free(s);
    map_release(&s->seen);
    map_release(&s->seen_before);
    text_release(&s->body);
    buffer_release(&s->message);
    arena_release(&s->arena);
    free(s->ports);
    free(s->breakers);
    free(s);
}

const char *stub_address(const struct stub *s, uint16_t number)
{
    for (size_t i = 0; i < s->config.endpoint_count; i++) {
        const struct stub_port *port = &s->ports[i];
        if (port->number == number && port->echo != NULL)
            return stub_echo_address(port->echo);
        if (port->number == number)
            return port->h2 != NULL ? h2_server_address(port->h2)
                                    : http_server_address(port->server);
    }
    return NULL;
}

struct stub_counts stub_counts(const struct stub *s)
{
    return s->counts;
}
