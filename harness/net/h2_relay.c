/* A call's way through the chain on HTTP/2: heads, bytes, ends, in both directions. */

#include "net/h2_call.h"

#include "base/clock.h"
#include "net/grpc.h"
#include "net/relay.h"

#include <stdlib.h>

#define KEEP_CAPACITY ((size_t)16 * 1024)

/* Adds what the chain let through; what a fault made too large ends the stream. */
static void sink(void *cookie, struct bytes payload)
{
    struct flow *flow = cookie;
    struct h2_call *h = call_of(flow)->h2;
    struct h2_way *way = &h->way[flow->side];
    if (way->out_from > KEEP_CAPACITY) {
        buffer_consume(&way->out, way->out_from);
        way->out_from = 0;
    }
    if (buffer_add(&way->out, payload.at, payload.len, NULL)) {
        flow->written += payload.len;
        return;
    }
    h2_call_decide(h, OUTCOME_CLOSED_BY_FAULT);
    way->out.len = way->out_from = 0;
    h2_call_reset(h, SIDE_REQUEST, NGHTTP2_INTERNAL_ERROR);
}

static void body_done(struct h2_call *h, enum side side);

/* A halt of the pipe's; afterwards it is held, or the call is over, or all went through. */
static void after_pipe(struct h2_call *h, enum side side)
{
    while (!h->over && call_flow(h->call, side)->pipe.halted) {
        if (!h2_act_halt(h, side, call_flow(h->call, side)->pipe.halt))
            return;
        (void)pipe_resume(&call_flow(h->call, side)->pipe, clock_now_ns());
    }
}

static void feed(struct h2_call *h, enum side side, struct bytes payload)
{
    struct flow *flow = call_flow(h->call, side);
    if (!flow->filtered) {
        sink(flow, payload);
        return;
    }
    (void)pipe_feed(&flow->pipe, payload, false, clock_now_ns());
    after_pipe(h, side);
}

/* After anything that may have let ${side} go on. */
static void go_on(struct h2_call *h, enum side side)
{
    struct h2_way *way = &h->way[side];
    if (!h->over && call_flow(h->call, side)->state == FLOW_BODY &&
        !call_flow(h->call, side)->held && way->in.len > 0) {
        struct buffer came = way->in;
        buffer_init(&way->in, H2_WAY_IN_MOST_BYTES);
        feed(h, side, buffer_view(&came));
        buffer_release(&came);
    }
    if (!h->over) {
        const struct flow *flow = call_flow(h->call, side);
        if (way->ended && flow->state == FLOW_BODY && !flow->held &&
            h2_call_waiting(h, side) == h2_way_waiting(way))
            body_done(h, side);
    }
    h2_call_credit(h, side);
    h2_call_wake(h, side);
    if (side == SIDE_RESPONSE)
        h2_call_reset_due(h);
}

void h2_call_on_data(struct h2_call *h, enum side side, struct bytes payload)
{
    struct h2_way *way = &h->way[side];
    way->owed += payload.len;
    if (h->over || h->call == NULL) {
        h2_call_credit(h, side);
        return;
    }
    struct flow *flow = call_flow(h->call, side);
    flow->body.payload_bytes += payload.len;
    if (flow->dropped || way->closing) {
        way->owed -= payload.len;
        (void)nghttp2_session_consume_stream(h2_call_session(h, side)->ng, h->id[side],
                                             payload.len);
        return;
    }
    if (flow->state == FLOW_BODY && !flow->held)
        feed(h, side, payload);
    else
        INVARIANT(buffer_add(&way->in, payload.at, payload.len, NULL)); /* our window is smaller */
    go_on(h, side);
}

struct edit {
    struct call *call;
    struct flow *flow;
    struct head_view *seen; /* NULL at an END */
    const struct h2_head *head;
};

static void on_edit(void *cookie, const struct reply *reply)
{
    struct edit *at = cookie;
    head_edits_add(&at->flow->edits, reply, &at->call->arena);
    if (at->seen == NULL)
        return;
    at->seen->fields = head_edited(at->head->fields, at->flow->edits, &at->call->arena);
    at->seen->status = head_edited_status(at->head->status, at->flow->edits);
}

/* The end of a body, asked and passed: the end may go out. */
static void ask_end(struct h2_call *h, enum side side)
{
    struct call *call = h->call;
    struct flow *flow = call_flow(h->call, side);
    struct h2_way *way = &h->way[side];
    while (chain_run_wants(&call->run, MOMENT_END, side)) {
        struct end_view seen = {
            .side = side, .trailers = way->trailers, .grpc_status = call->record.grpc_status};
        struct edit at = {.call = call, .flow = flow};
        struct halt halt =
            chain_run_end(&call->run, flow->slot, &seen, clock_now_ns(), on_edit, &at);
        if (halt.answer.act == ACT_PASS)
            break;
        if (!h2_act_halt(h, side, halt))
            return;
    }
    if (flow->edits != NULL) {
        struct h2_head trailers = {.all = way->trailers, .fields = way->trailers};
        way->trailers = h2_head_edited(&trailers, flow->edits, UINT64_MAX, &call->arena).all;
    }
    if (side == SIDE_RESPONSE && call->is_grpc && grpc_status_of(way->trailers) != 0) {
        call->record.grpc_status = grpc_status_of(way->trailers);
        call->record.grpc_where = 2;
    }
    flow->state = FLOW_DONE;
    way->closing = true;
    h2_call_wake(h, side);
}

static void body_done(struct h2_call *h, enum side side)
{
    struct call *call = h->call;
    struct flow *flow = call_flow(h->call, side);
    flow->state = FLOW_END;
    flow->slot = 0;
    flow->edits = NULL; /* those of the head; END has its own */
    if (side == SIDE_REQUEST)
        call->record.body = call_span(call, h2_call_session(h, side)->conn->read_ns);
    ask_end(h, side);
}

void h2_call_on_end(struct h2_call *h, enum side side, const struct h2_head *trailers)
{
    struct h2_way *way = &h->way[side];
    way->ended = true;
    if (h->over || h->call == NULL)
        return;
    if (trailers != NULL)
        way->trailers = h2_head_copy(trailers, &h->call->arena)->fields;
    go_on(h, side);
}

/* The body that an edit puts in the place of the one that comes; NULL: none does. */
static const struct bytes *new_body(const struct flow *flow)
{
    const struct bytes *body = NULL;
    for (const struct head_edits *e = flow->edits; e != NULL; e = e->next) {
        if (e->reply->body.at != NULL)
            body = &e->reply->body;
    }
    return body;
}

/* The backend's session for a request; false: it waits, or it is over. */
static bool find_backend(struct h2_call *h, const struct h2_head *head)
{
    struct h2_link *link = h->link;
    struct h2_session *backend = h2_link_backend(link);
    if (backend == NULL) {
        h2_call_decide(h, link->lost_backend ? OUTCOME_UPSTREAM_CLOSED : OUTCOME_UPSTREAM_REFUSED);
        h2_call_stop(h);
        if (!link->lost_backend)
            h2_link_cut(link, OUTCOME_UPSTREAM_REFUSED, CONN_BY_US);
        return false;
    }
    if (h->call->backend == NULL)
        backend->conn->record.requests++;
    h->call->backend = backend->conn;
    if (head->protocol.at == NULL) /* else extended CONNECT, RFC 8441: both sides must have it */
        return true;
    if (!backend->settings_seen) {
        h->waits_settings = true;
        if (h->way[SIDE_REQUEST].head == NULL)
            h->way[SIDE_REQUEST].head = h2_head_copy(head, &h->call->arena);
        return false;
    }
    if (nghttp2_session_get_remote_settings(backend->ng,
                                            NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1)
        return true;
    h2_call_refuse(h, SIDE_REQUEST, REFUSAL_HTTP2,
                   "an extended CONNECT, which the backend has not allowed");
    h2_call_stop(h);
    h2_call_reset_client(h, NGHTTP2_PROTOCOL_ERROR);
    return false;
}

static void note_head(struct h2_call *h, const struct h2_head *head)
{
    struct call *call = h->call;
    call->record.status = head->status;
    if (call->is_grpc && grpc_status_of(head->fields) != 0) {
        call->record.grpc_status = grpc_status_of(head->fields);
        call->record.grpc_where = 1;
    }
}

/* A head that is through the chain goes on, with all that has come behind it meanwhile. */
static void forward(struct h2_call *h, enum side side, const struct h2_head *head)
{
    struct call *call = h->call;
    struct flow *flow = call_flow(h->call, side);
    struct h2_way *way = &h->way[side];
    const struct bytes *body = new_body(flow);
    if (side == SIDE_REQUEST && !find_backend(h, head))
        return;
    struct h2_head out =
        h2_head_edited(head, flow->edits, body != NULL ? body->len : UINT64_MAX, &call->arena);
    flow->state = FLOW_BODY;
    flow->dropped = body != NULL;
    flow->filtered = !flow->dropped && (chain_run_wants(&call->run, MOMENT_DATA, side) ||
                                        chain_run_wants(&call->run, MOMENT_END, side));
    if (flow->filtered)
        pipe_init(&flow->pipe, &call->run, side, sink, flow);
    if (side == SIDE_RESPONSE)
        note_head(h, &out);
    if (body != NULL) {
        buffer_release(&way->in);
        if (side == SIDE_REQUEST || call->record.verb != VERB_HEAD)
            sink(flow, *body);
        way->trailers = (struct fields){0};
    }
    if ((way->ended && way->in.len == 0) || flow->dropped)
        body_done(h, side);
    if (h->over)
        return;
    bool ends = way->closing && h2_way_waiting(way) == 0 && way->trailers.count == 0;
    if (!h2_call_submit(h, side, &out, ends) && side == SIDE_REQUEST) {
        h2_call_disown(h, true); /* no stream id is left on the backend's connection */
        return;
    }
    go_on(h, side);
}

/* False: a filter holds it, or has ended it. */
static bool through_chain(struct h2_call *h, enum side side, const struct h2_head *head)
{
    struct call *call = h->call;
    struct flow *flow = call_flow(h->call, side);
    struct head_view seen = {
        .side = side, .method = call->method, .path = call->target, .authority = call->authority};
    struct edit at = {.call = call, .flow = flow, .seen = &seen, .head = head};
    while (chain_run_wants(&call->run, MOMENT_HEAD, side)) {
        seen.fields = head_edited(head->fields, flow->edits, &call->arena);
        seen.status = head_edited_status(head->status, flow->edits);
        struct halt halt =
            chain_run_head(&call->run, flow->slot, &seen, clock_now_ns(), on_edit, &at);
        if (halt.answer.act == ACT_PASS)
            break;
        if (h2_act_halt(h, side, halt))
            continue;
        if (!h->over && h->way[side].head == NULL)
            h->way[side].head = h2_head_copy(head, &call->arena);
        return false;
    }
    return true;
}

static void on_request(struct h2_call *h, const struct h2_head *head)
{
    struct conn *client = h2_call_session(h, SIDE_REQUEST)->conn;
    struct call *call = call_new_stream(client, client->read_ns, (uint32_t)h->id[SIDE_REQUEST], h);
    struct select_view seen = {.method = head->method,
                               .target = head->path.at != NULL ? head->path : head->authority,
                               .authority = head->authority,
                               .fields = head->fields};
    h->call = call;
    call_read_fields(call, head->fields, seen.target, http1_verb(head->method));
    call_select_as(call, &seen, client->read_ns);
    if (through_chain(h, SIDE_REQUEST, head))
        forward(h, SIDE_REQUEST, head);
}

static void on_interim(struct h2_call *h, const struct h2_head *head)
{
    struct h2_session *client = h2_call_session(h, SIDE_REQUEST);
    if (++h->interims > H2_INTERIMS_MOST) {
        char why[H2_WHY_BYTES];
        snprintf(why, sizeof(why), "more than %d interim answers", H2_INTERIMS_MOST);
        h2_call_bad_answer(h, REFUSAL_LIMIT, why);
        return;
    }
    nghttp2_nv *nv = h2_head_spell(head->all, head->flags);
    if (nghttp2_submit_headers(client->ng, NGHTTP2_FLAG_NONE, h->id[SIDE_REQUEST], NULL, nv,
                               head->all.count, NULL) == 0)
        h->interims_due++;
    free(nv);
}

static void on_response(struct h2_call *h, const struct h2_head *head)
{
    struct call *call = h->call;
    struct endpoint *e = call->endpoint;
    if (call->run.waiting != 0) {
        chain_run_select_status(&call->run, head->status, &e->streak, &call->client->conn_fired,
                                h2_call_session(h, SIDE_RESPONSE)->conn->read_ns);
    }
    if (through_chain(h, SIDE_RESPONSE, head))
        forward(h, SIDE_RESPONSE, head);
}

void h2_call_on_head(struct h2_call *h, enum side side, const struct h2_head *head, bool ended)
{
    struct h2_way *way = &h->way[side];
    if (h->over)
        return;
    if (side == SIDE_RESPONSE && h->call->record.reply == 0)
        h->call->record.reply = call_span(h->call, h2_call_session(h, side)->conn->read_ns);
    if (way->head_came) {
        h2_call_on_end(h, side, head);
        return;
    }
    if (side == SIDE_RESPONSE && head->status < 200) {
        on_interim(h, head);
        return;
    }
    way->head_came = true;
    way->ended = ended;
    if (side == SIDE_REQUEST)
        on_request(h, head);
    else
        on_response(h, head);
}

void h2_call_on_settings(struct h2_call *h)
{
    if (!h->waits_settings || h->over)
        return;
    h->waits_settings = false;
    forward(h, SIDE_REQUEST, h->way[SIDE_REQUEST].head);
}

void h2_call_resume(struct call *call, enum side side)
{
    struct h2_call *h = call->h2;
    struct flow *flow = call_flow(call, side);
    flow->held = false;
    switch ((enum flow_state)flow->state) {
    case FLOW_HEAD:
        if (through_chain(h, side, h->way[side].head))
            forward(h, side, h->way[side].head);
        break;
    case FLOW_BODY:
        (void)pipe_resume(&flow->pipe, clock_now_ns());
        after_pipe(h, side);
        break;
    case FLOW_END:
        ask_end(h, side);
        break;
    case FLOW_DONE:
        UNREACHABLE();
    }
    go_on(h, side);
}
