#include "load/address_list.h"
#include "load/request.h"
#include "load/stub_task.h"

#include <stdlib.h>

#define ANSWER_MOST_BYTES ((size_t)16 * 1024 * 1024)
#define HEAD_MOST_BYTES ((size_t)64 * 1024)

static void try_start(struct stub_call *c);

const char *stub_call_protocol(const struct stub_call *c)
{
    const char *const *protocols = c->task->stub->config.call_protocols;
    return protocols != NULL ? protocols[c->index] : "http1";
}

static const char *method_of(const struct stub_call *c)
{
    if (strcmp(stub_call_protocol(c), "grpc") == 0)
        return "POST";
    return c->plan->method != NULL ? c->plan->method : "GET";
}

static bool is_set(uint64_t ns)
{
    return ns != 0 && ns != UINT64_MAX;
}

static bool breaker_allows(struct stub_call *c, uint64_t now_ns)
{
    struct stub_breaker *b = &c->task->stub->breakers[c->index];
    c->trial = false;
    if (c->plan->breaker_failures == 0 || b->open_until_ns == 0)
        return true;
    if (now_ns < b->open_until_ns || b->trying)
        return false;
    b->trying = c->trial = true;
    return true;
}

/* Closed: failures in a row open it. Open: only its one trial counts, late ends of tries from
 * before do not. */
static void breaker_note(struct stub_call *c, bool success, uint64_t now_ns)
{
    struct stub_breaker *b = &c->task->stub->breakers[c->index];
    if (c->plan->breaker_failures == 0 || (b->open_until_ns != 0 && !c->trial))
        return;
    if (c->trial)
        b->trying = false;
    if (success) {
        b->failures = 0;
        b->open_until_ns = 0;
    } else if (c->trial || ++b->failures >= c->plan->breaker_failures) {
        b->failures = 0;
        b->open_until_ns = now_ns + c->plan->breaker_open_ns;
    }
}

static void call_over(struct stub_call *c, bool success)
{
    struct stub_task *t = c->task;
    INVARIANT(c->open);
    c->open = false;
    loop_hold_remove(t->stub->loop, &c->timeout);
    loop_hold_remove(t->stub->loop, &c->pause);
    if (!success && c->plan->fallback_status != 0) {
        t->status = c->plan->fallback_status;
        t->fallback_body = c->plan->fallback_body != NULL ? c->plan->fallback_body : "";
    } else if (!success) {
        t->status = 502;
        t->failed = c->plan->to;
    }
    if (--t->calls_open == 0)
        stub_task_called(t);
}

/* Whether the application tries again on this outcome. */
static bool retries_on(const struct stub_call *c, uint16_t status, enum request_end end)
{
    static const char *const usual[] = {"5xx", "reset", "timeout"};
    const char *const *on = c->plan->retry_on_count > 0 ? c->plan->retry_on : usual;
    size_t count = c->plan->retry_on_count > 0 ? c->plan->retry_on_count : COUNT_OF(usual);
    for (size_t i = 0; i < count; i++) {
        uint64_t code;
        if (strcmp(on[i], "timeout") == 0 ? end == END_CLIENT_TIMEOUT
            : strcmp(on[i], "5xx") == 0   ? end == END_COMPLETE && status >= 500
            : strcmp(on[i], "reset") == 0 ? end != END_COMPLETE && end != END_CLIENT_TIMEOUT
                                          : bytes_to_u64(bytes_of(on[i]), &code) && status == code)
            return true;
    }
    return false;
}

static void on_pause_end(struct hold *h, uint64_t now_ns)
{
    struct stub_call *c =
        (struct stub_call *)(void *)((char *)h - offsetof(struct stub_call, pause));
    (void)now_ns;
    try_start(c);
}

static void try_over(struct stub_call *c, uint16_t status, enum request_end end)
{
    struct loop *l = c->task->stub->loop;
    uint64_t now_ns = loop_now_ns(l);
    bool success = end == END_COMPLETE && status < 400;
    c->on_wire = NULL;
    loop_hold_remove(l, &c->timeout);
    breaker_note(c, success, now_ns);
    uint64_t again_ns = now_ns + (is_set(c->plan->backoff_ns) ? c->plan->backoff_ns : 0);
    if (success || c->tries > c->plan->retries || !retries_on(c, status, end) ||
        again_ns >= c->deadline_ns)
        call_over(c, success);
    else
        loop_hold_add(l, &c->pause, again_ns, on_pause_end);
}

static void record(struct stub_call *c, const struct stub_outcome *outcome, enum request_end end)
{
    struct stub *s = c->task->stub;
    const struct stub_task *t = c->task;
    const struct http_stamps *at = &outcome->stamps;
    char edge[160];
    struct bytes path = bytes_of(c->plan->path != NULL ? c->plan->path : "/");
    size_t query = bytes_find(path, '?');
    s->counts.records++;
    if (s->recorder == NULL)
        return;
    snprintf(edge, sizeof(edge), "%s -> %s", s->service->name, c->plan->to);
    path.len = query != SIZE_MAX ? query : path.len;
    struct request_record r = {
        .due = c->due_ns,
        .id_hi = (uint64_t)s->config.run << 32 | s->config.proc,
        .id_lo = c->id_lo,
        .root_hi = t->root_hi,
        .root_lo = t->root_lo,
        .start = request_span(c->due_ns, at->start_ns),
        .sent = request_span(c->due_ns, at->sent_ns),
        .first = request_span(c->due_ns, at->first_ns),
        .head = request_span(c->due_ns, at->head_ns),
        .done = request_span(c->due_ns, loop_now_ns(s->loop)),
        .bytes_in = outcome->bytes_in,
        .conn = at->conn,
        .path = recorder_name(s->recorder, path),
        .edge = recorder_name(s->recorder, bytes_of(edge)),
        .server = outcome->server,
        .parent_attempt = t->attempt,
        .status = outcome->status,
        .grpc_status = outcome->grpc_status,
        .verb = (uint16_t)http1_verb(bytes_of(method_of(c))),
        .end = (uint16_t)end,
        .body_class = (uint16_t)request_body_class(outcome->sample),
        .protocol = outcome->protocol,
        .grpc_where = outcome->grpc_where,
        .marks = outcome->marks,
        .flags = outcome->fresh ? REQUEST_CONNECT_NEW : 0,
    };
    recorder_emit(s->recorder, RECORD_REQUEST, &r);
}

void stub_call_tried(struct stub_call *c, const struct stub_outcome *outcome, uint16_t status,
                     enum request_end end)
{
    record(c, outcome, end);
    try_over(c, status, end);
}

static struct stub_outcome outcome_of(const struct stub *s, const struct http_answer *answer)
{
    struct stub_outcome outcome = {.status = answer->status,
                                   .marks = request_marks(answer->fields),
                                   .fresh = !answer->connection_reused,
                                   .bytes_in = answer->body.len,
                                   .sample = answer->body,
                                   .stamps = answer->stamps};
    if (s->recorder != NULL)
        outcome.server = recorder_name(s->recorder, fields_find(answer->fields, "server"));
    return outcome;
}

static void on_end(void *cookie, struct http_call *call, const struct http_answer *answer)
{
    static const enum request_end ends[] = {
        [HTTP_END_COMPLETE] = END_COMPLETE,   [HTTP_END_REFUSED] = END_REFUSED,
        [HTTP_END_RESET] = END_RESET,         [HTTP_END_EOF] = END_EOF,
        [HTTP_END_TRUNCATED] = END_TRUNCATED, [HTTP_END_BAD] = END_TRUNCATED,
    };
    struct stub_call *c = cookie;
    struct stub_outcome outcome = outcome_of(c->task->stub, answer);
    (void)call;
    stub_call_tried(c, &outcome, answer->status, ends[answer->end]);
}

static void on_timeout(struct hold *h, uint64_t now_ns)
{
    struct stub_call *c =
        (struct stub_call *)(void *)((char *)h - offsetof(struct stub_call, timeout));
    struct stub_outcome outcome;
    (void)now_ns;
    if (c->stream != NULL) {
        outcome = stub_call_h2_cut(c);
    } else {
        outcome = (struct stub_outcome){.fresh = true, .stamps = http_call_stamps(c->on_wire)};
        http_call_cancel(c->on_wire);
    }
    stub_call_tried(c, &outcome, 0, END_CLIENT_TIMEOUT);
}

static void head_make(const struct stub_call *c, struct text *to)
{
    const struct stub_task *t = c->task;
    const struct stub *s = t->stub;
    const char *method = method_of(c);
    enum verb verb = http1_verb(bytes_of(method));
    char id[48], root[48];
    record_id_print((uint64_t)s->config.run << 32 | s->config.proc, c->id_lo, id, sizeof(id));
    record_id_print(t->root_hi, t->root_lo, root, sizeof(root));
    text_add(to, "%s %s HTTP/1.1\r\nhost: %s\r\nx-meshproof-id: %s\r\nx-meshproof-from: %s\r\n",
             method, c->plan->path != NULL ? c->plan->path : "/", c->plan->to, id,
             s->service->name);
    if (t->root_hi != 0)
        text_add(to, "x-meshproof-root: %s\r\n", root);
    if (verb == VERB_POST || verb == VERB_PUT || verb == VERB_PATCH)
        text_add(to, "content-length: 0\r\n");
    text_add_bytes(to, bytes_of(text_get(&t->pass_on)));
    text_add(to, "\r\n");
}

static void try_start(struct stub_call *c)
{
    struct stub *s = c->task->stub;
    uint64_t now_ns = loop_now_ns(s->loop), until_ns = c->deadline_ns;
    char address[ADDRESS_BYTES];
    struct text head;
    if (!breaker_allows(c, now_ns)) {
        call_over(c, false);
        return;
    }
    c->tries++;
    c->due_ns = now_ns;
    c->id_lo = ++s->seq;
    s->counts.calls++;
    text_init(&head, HEAD_MOST_BYTES * 2);
    head_make(c, &head);
    struct http_call_config config = {
        .address = address_list_pick(s->config.call_addresses[c->index], c->id_lo, address),
        .head = bytes_of(text_get(&head)),
        .verb = http1_verb(bytes_of(method_of(c))),
        .body_most_bytes = ANSWER_MOST_BYTES,
        .keep_alive = true,
        .on_end = on_end,
        .cookie = c,
    };
    if (strcmp(stub_call_protocol(c), "http1") == 0)
        c->on_wire = http_client_call(s->client, &config);
    else
        stub_call_h2_start(c, method_of(c), config.head);
    text_release(&head);
    if (is_set(c->plan->timeout_ns) && now_ns + c->plan->timeout_ns < until_ns)
        until_ns = now_ns + c->plan->timeout_ns;
    if (until_ns != UINT64_MAX)
        loop_hold_add(s->loop, &c->timeout, until_ns, on_timeout);
}

static void call_start(struct stub_call *c)
{
    struct stub_task *t = c->task;
    struct rng rng = rng_for(t->stub->seed_of_work, 1000 + c->index, t->root_hi, t->root_lo, 0);
    if (c->plan->share_ppm < 1000000 && !rng_chance_ppm(&rng, c->plan->share_ppm)) {
        call_over(c, true);
        return;
    }
    c->deadline_ns = is_set(c->plan->deadline_ns)
                         ? loop_now_ns(t->stub->loop) + c->plan->deadline_ns
                         : UINT64_MAX;
    try_start(c);
}

void stub_call_begin_next(struct stub_task *t)
{
    const struct service_plan *service = t->stub->service;
    size_t from = t->next_call, to = from + 1;
    while (service->calls[from].together && to < service->call_count && service->calls[to].together)
        to++;
    t->next_call = to;
    t->calls_open = to - from;
    for (size_t i = from; i < to; i++)
        t->calls[i] =
            (struct stub_call){.task = t, .plan = &service->calls[i], .index = i, .open = true};
    /* The last one's end may answer the request, so nothing of the task is touched after it. */
    for (size_t i = from; i < to; i++)
        call_start(&t->calls[i]);
}

void stub_call_cancel_all(struct stub_task *t)
{
    for (size_t i = 0; i < t->next_call; i++) {
        struct stub_call *c = &t->calls[i];
        if (!c->open)
            continue;
        c->open = false;
        loop_hold_remove(t->stub->loop, &c->timeout);
        loop_hold_remove(t->stub->loop, &c->pause);
        if (c->on_wire != NULL)
            http_call_cancel(c->on_wire);
        if (c->stream != NULL)
            (void)stub_call_h2_cut(c);
    }
}
