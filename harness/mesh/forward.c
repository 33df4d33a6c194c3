#include "mesh/forward.h"

#include "base/clock.h"
#include "base/text.h"
#include "mesh/reply.h"

#include <stdlib.h>

#define ANSWER_MOST_BYTES ((size_t)16 * 1024 * 1024)
#define STREAM_BACKOFF 16

static void try_begin(struct forward *f);

static void forward_free(struct forward *f)
{
    struct edge *e = f->edge;
    loop_hold_remove(e->loop, &f->request_hold);
    loop_hold_remove(e->loop, &f->try_hold);
    loop_hold_remove(e->loop, &f->retry_hold);
    edge_unqueue(e, f);
    if (f->prev != NULL)
        f->prev->next = f->next;
    else
        e->forwards = f->next;
    if (f->next != NULL)
        f->next->prev = f->prev;
    buffer_release(&f->head);
    free(f);
}

/* The try is no longer out: its connection, its place in the breakers and at its host are free. */
static void try_release(struct forward *f, bool kept, bool reused)
{
    struct edge *e = f->edge;
    uint64_t now_ns = loop_now_ns(e->loop);
    f->call = NULL;
    if (f->lane == NULL)
        return;
    balance_end(&e->balance, f->host, now_ns - f->clock.try_ns, now_ns);
    lane_give(&e->lanes, f->lane, kept, reused);
    f->lane = NULL;
    breaker_end_request(&e->breaker);
    edge_wake(e);
}

static void try_cancel(struct forward *f)
{
    if (f->call != NULL)
        http_call_cancel(f->call);
    try_release(f, false, false);
}

static void retry_resolved(struct forward *f)
{
    if (f->in_retries)
        breaker_end_retry(&f->edge->breaker);
    f->in_retries = false;
}

static void count_status(struct edge_counters *c, uint16_t status)
{
    uint64_t *const classes[] = {&c->rq_2xx, &c->rq_3xx, &c->rq_4xx, &c->rq_5xx};
    if (status >= 200 && status <= 599)
        ++*classes[status / 100 - 2];
}

/* Answers for the mesh itself. */
static void answer_made(struct forward *f, enum reply_why why)
{
    struct edge *e = f->edge;
    struct reply_made reply;
    reply_make(why, &e->model, f->clock.tries > 1, &reply);
    try_cancel(f);
    retry_resolved(f);
    count_status(&e->counters, reply.status);
    struct http_exchange *x = f->exchange;
    forward_free(f);
    http_exchange_set(x, NULL);
    if (e->model.flavour == FLAVOUR_L4)
        http_exchange_raw(x, (struct bytes){0}, false); /* ztunnel knows no HTTP: it closes */
    else
        http_exchange_answer(x, reply.status, (struct fields){reply.field, reply.field_count},
                             bytes_of(reply.body), reply.close);
}

static bool is_unsafe(enum verb verb)
{
    return verb == VERB_POST || verb == VERB_PATCH;
}

static void on_backoff_over(struct hold *h, uint64_t now_ns)
{
    struct forward *f =
        (struct forward *)(void *)((char *)h - offsetof(struct forward, retry_hold));
    (void)now_ns;
    try_cancel(f); /* an answer that is being retried and still comes in */
    if (f->expired)
        answer_made(f, REPLY_REQUEST_TIMEOUT);
    else
        try_begin(f);
}

/* True when one more try follows; then it is scheduled. */
static bool retry_follows(struct forward *f)
{
    struct edge *e = f->edge;
    uint64_t now_ns = loop_now_ns(e->loop);
    retry_resolved(f);
    enum retry_decision decision =
        retry_decide(&f->retry, &e->model.retry, &f->result, is_unsafe(f->request.verb));
    f->clock.retries_left = f->retry.left;
    if (decision == RETRY_LIMIT)
        e->counters.rq_retry_limit_exceeded++;
    /* What breaks after its head has paid in with the head. */
    if (decision == RETRY_NOT_COVERED && !f->result.broke)
        budget_pay(&e->budget, now_ns);
    if (decision != RETRY_AGAIN || !budget_take(&e->budget, now_ns) ||
        !breaker_begin_retry(&e->breaker, e->pending_count, now_ns))
        return false;
    f->in_retries = true;
    e->counters.rq_retry++;
    if (f->result.end == TRY_ANSWERED && f->result.status >= 500)
        e->counters.retry_5xx++;
    struct rng rng = rng_for(e->seed, STREAM_BACKOFF, e->number, f->number, f->retry.sent);
    uint64_t wait_ns = backoff_draw_ns(&e->model.backoff, f->retry.sent, &rng);
    f->state = FORWARD_BACKOFF;
    loop_hold_add(e->loop, &f->retry_hold, now_ns + wait_ns, on_backoff_over);
    return true;
}

/* A try ended without an answer. */
static void try_failed(struct forward *f, enum try_end end, bool written, enum reply_why why)
{
    loop_hold_remove(f->edge->loop, &f->try_hold);
    f->result = (struct try_result){.end = end, .grpc_status = TRY_NO_GRPC, .written = written};
    edge_result(f->edge, f->host, &f->result, loop_now_ns(f->edge->loop));
    if (!retry_follows(f))
        answer_made(f, why);
}

static void on_try_timeout(struct hold *h, uint64_t now_ns)
{
    struct forward *f = (struct forward *)(void *)((char *)h - offsetof(struct forward, try_hold));
    (void)now_ns;
    f->edge->counters.rq_per_try_timeout++;
    f->edge->counters.rq_total++;
    try_cancel(f);
    try_failed(f, TRY_CUT, true, REPLY_TRY_TIMEOUT);
}

/* The answer had begun: what the caller has of it is cut short. */
static void answer_broken(struct forward *f, struct bytes body)
{
    struct edge *e = f->edge;
    struct buffer wire;
    buffer_init(&wire, HTTP1_HEAD_MOST_BYTES * 2 + ANSWER_MOST_BYTES + 24);
    if (f->head.len > 0)
        INVARIANT(buffer_add(&wire, f->head.at, f->head.len, NULL));
    if (body.len > 0) {
        char size[24] = "";
        if (f->chunked)
            snprintf(size, sizeof(size), "%zx\r\n", body.len);
        INVARIANT(buffer_add(&wire, size, strlen(size), NULL));
        INVARIANT(buffer_add(&wire, body.at, body.len, NULL));
    }
    try_cancel(f);
    retry_resolved(f);
    count_status(&e->counters, f->result.status);
    struct http_exchange *x = f->exchange;
    forward_free(f);
    http_exchange_set(x, NULL);
    http_exchange_raw(x, buffer_view(&wire), true);
    buffer_release(&wire);
}

static void on_request_timeout(struct hold *h, uint64_t now_ns)
{
    struct forward *f =
        (struct forward *)(void *)((char *)h - offsetof(struct forward, request_hold));
    struct edge *e = f->edge;
    switch (f->state) {
    case FORWARD_BACKOFF:
        if (!timeout_cuts_backoff(&e->model.timeout)) {
            f->expired = true;
            return;
        }
        break;
    case FORWARD_TRYING:
        e->counters.rq_timeout++;
        e->counters.rq_total++;
        f->result =
            (struct try_result){.end = TRY_CUT, .grpc_status = TRY_NO_GRPC, .written = true};
        edge_result(e, f->host, &f->result, now_ns);
        break;
    case FORWARD_ANSWERING:
        f->result.broke = true;
        if (e->model.flavour == FLAVOUR_LINKERD)
            edge_result(e, f->host, &f->result, now_ns);
        e->counters.rq_total++;
        answer_broken(f, (struct bytes){0});
        return;
    case FORWARD_QUEUED:
    case FORWARD_PENDING:
        break;
    }
    answer_made(f, REPLY_REQUEST_TIMEOUT);
}

static void request_hold_set(struct forward *f)
{
    struct loop *l = f->edge->loop;
    uint64_t at_ns = timeout_request_at_ns(&f->edge->model.timeout, &f->clock);
    loop_hold_remove(l, &f->request_hold);
    if (at_ns != TIMEOUT_NEVER_NS)
        loop_hold_add(l, &f->request_hold, at_ns, on_request_timeout);
}

/* The head of the answer: from here on nothing is cut by P, and it is known whether it is retried.
 */
static void on_head(void *cookie, struct http_call *call, uint16_t status, struct fields fields)
{
    struct forward *f = cookie;
    struct edge *e = f->edge;
    uint64_t grpc_status;
    (void)call;
    f->head_ns = loop_now_ns(e->loop);
    loop_hold_remove(e->loop, &f->try_hold);
    f->result =
        (struct try_result){.end = TRY_ANSWERED,
                            .status = status,
                            .grpc_status = TRY_NO_GRPC,
                            .written = true,
                            .ratelimited = fields_find(fields, "x-envoy-ratelimited").at != NULL};
    if (bytes_to_u64(fields_find(fields, "grpc-status"), &grpc_status) && grpc_status < TRY_NO_GRPC)
        f->result.grpc_status = (uint32_t)grpc_status;
    /* Linkerd classes an answer at its end: a head and then RST is a failure there
     * (verifier.md 2.1). */
    if (e->model.flavour != FLAVOUR_LINKERD || model_accrual_failed(&f->result))
        edge_result(e, f->host, &f->result, f->head_ns);
    if (retry_follows(f))
        return;
    f->state = FORWARD_ANSWERING;
    forward_keep_head(f, status, fields);
}

/* The whole answer, for the caller. */
static void answer_pass(struct forward *f, const struct http_answer *answer)
{
    struct edge *e = f->edge;
    struct field field[FORWARD_FIELDS_MOST];
    char time[24];
    struct fields fields = forward_answer_fields(f, answer->fields, field, time);
    struct http_exchange *x = f->exchange;
    if (e->model.flavour == FLAVOUR_LINKERD && !model_accrual_failed(&f->result))
        edge_result(e, f->host, &f->result, loop_now_ns(e->loop));
    if (f->retry.sent > 0 && f->result.status < 500)
        e->counters.rq_retry_success++;
    if (f->retry.abandoned)
        e->counters.abandoned++;
    count_status(&e->counters, answer->status);
    forward_free(f);
    http_exchange_set(x, NULL);
    http_exchange_answer(x, answer->status, fields, answer->body, false);
}

static void on_broken(struct forward *f, struct bytes body)
{
    struct edge *e = f->edge;
    /* Envoy counts head and break each, Linkerd one of them. */
    bool counted = e->model.flavour == FLAVOUR_LINKERD && model_accrual_failed(&f->result);
    f->result.broke = true;
    if (!counted)
        edge_result(e, f->host, &f->result, loop_now_ns(e->loop));
    if (!retry_follows(f))
        answer_broken(f, body);
}

static void on_end(void *cookie, struct http_call *call, const struct http_answer *answer)
{
    struct forward *f = cookie;
    struct edge *e = f->edge;
    (void)call;
    bool whole = answer->end == HTTP_END_COMPLETE;
    try_release(f, whole, answer->connection_reused);
    if (answer->end == HTTP_END_REFUSED)
        e->counters.cx_connect_fail++;
    else
        e->counters.rq_total++;
    if (f->state == FORWARD_BACKOFF)
        return; /* the end of an answer that is being retried */
    if (f->state == FORWARD_ANSWERING) {
        if (whole)
            answer_pass(f, answer);
        else
            on_broken(f, answer->body);
        return;
    }
    switch (answer->end) {
    case HTTP_END_REFUSED:
        try_failed(f, TRY_REFUSED, false, REPLY_REFUSED);
        return;
    case HTTP_END_EOF:
        try_failed(f, TRY_EOF, answer->request_written, REPLY_EOF);
        return;
    case HTTP_END_COMPLETE: /* without a head it cannot be */
    case HTTP_END_RESET:
    case HTTP_END_TRUNCATED:
        try_failed(f, TRY_RESET, answer->request_written, REPLY_RESET);
        return;
    case HTTP_END_BAD:
        try_failed(f, TRY_RESET, answer->request_written, REPLY_PROTOCOL);
        return;
    }
    UNREACHABLE();
}

void forward_connected(struct forward *f, struct lane *lane)
{
    struct edge *e = f->edge;
    struct text head;
    uint64_t now_ns = loop_now_ns(e->loop);
    edge_unqueue(e, f);
    f->clock.try_ns = now_ns;
    if (!breaker_begin_request(&e->breaker, now_ns)) {
        lane_put_back(&e->lanes, lane);
        answer_made(f, REPLY_OVERFLOW);
        return;
    }
    f->lane = lane;
    f->state = FORWARD_TRYING;
    balance_begin(&e->balance, f->host, &f->tried);
    accrual_sent(&e->accrual[f->host]);
    text_init(&head, HTTP1_HEAD_MOST_BYTES * 2);
    forward_request_head(f, &head);
    f->call = http_client_call(
        lane->client, &(struct http_call_config){.address = e->endpoints[f->host],
                                                 .head = {(const uint8_t *)head.at, head.len},
                                                 .body = f->request.body,
                                                 .verb = f->request.verb,
                                                 .body_most_bytes = ANSWER_MOST_BYTES,
                                                 .keep_alive = lane_keeps(&e->lanes, lane),
                                                 .on_head = on_head,
                                                 .on_end = on_end,
                                                 .cookie = f});
    text_release(&head);
    request_hold_set(f);
    uint64_t at_ns = timeout_try_at_ns(&e->model.timeout, &f->clock);
    if (at_ns != TIMEOUT_NEVER_NS)
        loop_hold_add(e->loop, &f->try_hold, at_ns, on_try_timeout);
}

/* The endpoint's own proxy has answered: to the caller's it is an answer like another, which may be
 * tried again where its status is listed. */
static void refused_by_rate(struct forward *f)
{
    struct edge *e = f->edge;
    e->counters.rq_total++;
    f->result = (struct try_result){.end = TRY_ANSWERED, .status = 429, .grpc_status = TRY_NO_GRPC};
    edge_result(e, f->host, &f->result, f->queued_ns);
    if (!retry_follows(f))
        answer_made(f, REPLY_RATE_LIMITED);
}

static void try_pick(struct forward *f)
{
    struct edge *e = f->edge;
    uint64_t now_ns = loop_now_ns(e->loop);
    f->host = edge_pick(e, &f->tried, now_ns);
    if (f->host != BALANCE_NONE && !rate_admit(&e->rate[f->host], now_ns)) {
        refused_by_rate(f);
        return;
    }
    if (f->host == BALANCE_NONE && e->model.accrual.present && !e->failfast) {
        f->state = FORWARD_QUEUED;
        edge_queue(e, f);
        return;
    }
    if (f->host == BALANCE_NONE) {
        e->counters.cx_none_healthy++;
        answer_made(f, REPLY_NO_HOST);
        return;
    }
    struct lane *lane = lane_take(&e->lanes, f->host);
    if (lane != NULL) {
        forward_connected(f, lane);
        return;
    }
    f->state = FORWARD_PENDING;
    if (!edge_wait(e, f))
        answer_made(f, REPLY_OVERFLOW);
}

static void try_begin(struct forward *f)
{
    f->clock.tries++;
    f->queued_ns = loop_now_ns(f->edge->loop);
    try_pick(f);
}

void forward_again(struct forward *f)
{
    try_pick(f);
}

void forward_failfast(struct forward *f)
{
    answer_made(f, REPLY_FAILFAST);
}

void forward_drop(struct forward *f)
{
    if (f->call != NULL && f->state == FORWARD_TRYING)
        accrual_forget(&f->edge->accrual[f->host]);
    http_exchange_set(f->exchange, NULL);
    try_cancel(f);
    retry_resolved(f);
    forward_free(f);
}

void forward_begin(struct edge *e, struct http_exchange *x, const struct http_request *request)
{
    struct forward *f = check_alloc_zero(1, sizeof(*f));
    f->edge = e;
    f->exchange = x;
    f->request = *request;
    f->number = e->requests++;
    f->clock.head_ns = request->head_ns;
    f->clock.body_ns = request->body_ns;
    f->tried = BALANCE_TRIED_NONE;
    buffer_init(&f->head, HTTP1_HEAD_MOST_BYTES * 2);
    retry_init(&f->retry, &e->model.retry, request->body.len);
    f->clock.retries_left = f->retry.left;
    f->next = e->forwards;
    if (f->next != NULL)
        f->next->prev = f;
    e->forwards = f;
    http_exchange_set(x, f);
    request_hold_set(f);
    try_begin(f);
}
