/* What the answers of faults do to a call. */

#include "net/relay.h"

#include "base/clock.h"
#include "net/refusal.h"
#include "net/tls_conn.h"
#include "net/tls_pass.h"

#define CUT_POLL_NS (1 * NS_PER_MS)
#define CUT_WAIT_NS (50 * NS_PER_MS)

static void on_hold(struct hold *h, uint64_t now_ns)
{
    struct flow *flow = (struct flow *)(void *)((char *)h - offsetof(struct flow, hold));
    struct call *call = call_of(flow);
    uint64_t late_ns = now_ns - h->at_ns;
    uint32_t late = late_ns > UINT32_MAX ? UINT32_MAX : (uint32_t)late_ns;
    if (late > call->record.late)
        call->record.late = late;
    flow_resume(call, (enum side)flow->side);
}

static void drop_backend(struct call *call, enum conn_closer by, bool reset)
{
    struct conn *backend = call->backend;
    if (backend == NULL)
        return;
    call->backend = NULL;
    backend->call = NULL;
    conn_close(backend, by, reset);
}

static void finish_cut(struct call *call)
{
    struct conn *client = call->client;
    enum conn_closer by = (enum conn_closer)call->cut_by;
    call_end(call, (enum attempt_outcome)call->cut_outcome);
    conn_close(client, by, true);
}

/* The kernel throws away what is unsent when we send RST, so bytes that were promised must be gone
 * first. */
static void on_cut(struct hold *h, uint64_t now_ns)
{
    struct flow *flow = (struct flow *)(void *)((char *)h - offsetof(struct flow, hold));
    struct call *call = call_of(flow);
    struct conn *client = call->client;
    struct loop *l = call->endpoint->proxy->loop;
    bool queued = conn_unsent(client) > 0 || socket_unsent(l, client->watch.fd) > 0;
    if (queued && now_ns < call->cut_deadline_ns) {
        loop_hold_add(l, h, now_ns + CUT_POLL_NS, on_cut);
        return;
    }
    if (queued)
        call->record.flags |= ATTEMPT_QUEUED;
    finish_cut(call);
}

static bool backend_went_first(enum attempt_outcome outcome)
{
    return outcome == OUTCOME_UPSTREAM_RESET || outcome == OUTCOME_UPSTREAM_CLOSED ||
           outcome == OUTCOME_UPSTREAM_REFUSED;
}

void act_fin(struct call *call)
{
    uint64_t now_ns = clock_now_ns();
    uint16_t fault = 0;
    uint64_t until_ns = chain_run_fin(&call->run, SIDE_RESPONSE, now_ns, &fault);
    if (until_ns <= now_ns || until_ns - now_ns < call->client->fin_wait_ns)
        return;
    call->client->fin_wait_ns = until_ns - now_ns;
    call->client->fin_fault = fault;
}

void act_cut(struct call *call, enum attempt_outcome outcome, bool reset, enum conn_closer by)
{
    struct conn *client = call->client;
    struct loop *l = call->endpoint->proxy->loop;
    bool promised = call->record.head_out != 0 || client->record.bytes_out > 0;
    uint64_t now_ns = clock_now_ns();
    bool theirs = backend_went_first(outcome);
    drop_backend(call, theirs ? CONN_BY_PEER : CONN_BY_US, !theirs);
    if (call->record.out == 0)
        call->record.out = call_span(call, now_ns);
    if (!reset) {
        act_fin(call);
        call_end(call, outcome);
        conn_finish(client, by);
        return;
    }
    call->cut_outcome = (uint16_t)outcome;
    call->cut_by = (uint8_t)by;
    if (!promised || (conn_unsent(client) == 0 && socket_unsent(l, client->watch.fd) == 0)) {
        finish_cut(call);
        return;
    }
    call->cutting = true;
    call->cut_deadline_ns = now_ns + CUT_WAIT_NS;
    for (size_t i = 0; i < COUNT_OF(call->flow); i++)
        loop_hold_remove(l, &call->flow[i].hold);
    loop_hold_add(l, &call->flow[SIDE_RESPONSE].hold, now_ns + CUT_POLL_NS, on_cut);
}

/* The rest of a request that is answered before it was all read: what the input has of it now.
 * ${refused}: that it is malformed is why, and has been said. */
static void take_rest(struct call *call, bool refused)
{
    struct conn *client = call->client;
    struct flow *flow = call_flow(call, SIDE_REQUEST);
    struct error err = {0};
    size_t used = 0;
    if (flow->state == FLOW_HEAD)
        conn_consume(client, flow->head_bytes);
    if (http1_body_feed(&flow->body, client->input, &used, NULL, NULL, &err) == HTTP1_BAD) {
        call->client_keeps = false;
        if (!refused)
            refusal_of_call(call, SIDE_REQUEST, &err);
    }
    conn_consume(client, used);
    /* who waits for a 100 will not send the body after a final answer, or may: no telling */
    if (!flow->body.done && (call->expects_continue || flow->body.framing == HTTP1_TUNNEL))
        call->client_keeps = false;
    /* it will not be read to its end: a client that took the connection for its next request would
     * see a reset that no fault has made */
    if (flow->body.framing == HTTP1_LENGTH && flow->body.left > RELAY_DRAIN_MOST_BYTES)
        call->client_keeps = false;
    if (flow->body.done && call->record.body == 0)
        call->record.body = call_span(call, client->read_ns);
}

/* The backend has run, and its answer is thrown away: it goes back to the pool if the rest is
 * short. */
static void drain_backend(struct call *call)
{
    struct conn *backend = call->backend;
    struct http1_head head;
    struct error err = {0};
    if (backend == NULL)
        return;
    if (call->flow[SIDE_REQUEST].state != FLOW_DONE || call->flow[SIDE_REQUEST].filtered ||
        call->flow[SIDE_RESPONSE].state != FLOW_HEAD ||
        http1_parse_response(backend->input, (enum verb)call->record.verb, &head, &err) !=
            HTTP1_DONE ||
        !head.keep_alive || head.framing == HTTP1_UNTIL_CLOSE || head.framing == HTTP1_TUNNEL) {
        drop_backend(call, CONN_BY_US, true);
        return;
    }
    conn_consume(backend, head.head_bytes);
    http1_body_init(&backend->drain, &head);
    backend->draining = true;
    backend->lingered = 0;
    backend->call = NULL;
    call->backend = NULL;
    relay_again(backend);
}

static const char *connection_line(const struct call *call)
{
    const struct conn *client = call->client;
    if (!call->client_keeps || client->close_next || call->endpoint->proxy->draining)
        return "connection: close\r\n";
    return call->client_1_0 ? "connection: keep-alive\r\n" : NULL;
}

static void answer(struct call *call, const struct reply *reply, enum attempt_outcome outcome,
                   enum conn_closer by)
{
    struct conn *client = call->client;
    struct iovec parts[HEAD_PARTS_MOST];
    size_t count = 1;
    bool raw = reply->raw.len > 0;
    take_rest(call, outcome == OUTCOME_BAD_REQUEST);
    if (raw) {
        call->client_keeps = false;
        memcpy(&parts[0].iov_base, &reply->raw.at, sizeof(reply->raw.at));
        parts[0].iov_len = reply->raw.len;
    } else {
        count = head_answer(reply, (enum verb)call->record.verb, connection_line(call),
                            &call->arena, parts);
    }
    call->record.status = reply->status;
    call->record.grpc_status = reply->grpc_status;
    call->record.grpc_where = reply->grpc_status == 0 ? 0 : (reply->in_trailers ? 2 : 1);
    call->record.out = call->record.head_out = call->record.done = call_span(call, clock_now_ns());
    call->flow[SIDE_RESPONSE].written =
        raw ? reply->raw.len : (reply->grpc_status > 0 ? 0 : reply->body.len);
    if (conn_send(client, parts, count) == IO_RESET) {
        request_left(call, LEFT_RST);
        return;
    }
    drain_backend(call);
    struct http1_body rest = call->flow[SIDE_REQUEST].body;
    bool keep = call->client_keeps;
    if (!keep || client->close_next || call->endpoint->proxy->draining)
        act_fin(call);
    uint64_t bytes_in = rest.payload_bytes;
    call->flow[SIDE_REQUEST].body = (struct http1_body){.payload_bytes = bytes_in};
    call_end(call, outcome);
    request_finish_client(client, &rest, keep, by);
    if (!client->dead && !client->lingering)
        relay_again(client);
}

void act_refuse(struct call *call, uint16_t status)
{
    struct reply reply = {.status = status};
    call->client_keeps = false;
    if (call->record.head_out != 0) { /* an answer had begun */
        act_cut(call, OUTCOME_BAD_REQUEST, false, CONN_BY_US);
        return;
    }
    if (call->flow[SIDE_REQUEST].state == FLOW_HEAD)
        call->flow[SIDE_REQUEST].head_bytes = 0;
    answer(call, &reply, OUTCOME_BAD_REQUEST, CONN_BY_US);
}

/* What holds it there is disarmed. A call keeps its chain to its end (engine.md rule 21), so it may
 * also come to a hold of a fault that is long disarmed; nobody would end that one. */
static void let_go(struct call *call, struct flow *flow)
{
    chain_run_drop(&call->run, flow->slot);
    call->record.flags |= ATTEMPT_RELEASED;
    flow_resume(call, (enum side)flow->side);
}

void act_halt(struct call *call, enum side side, struct halt halt)
{
    struct flow *flow = call_flow(call, side);
    struct loop *l = call->endpoint->proxy->loop;
    flow->slot = halt.slot;
    endpoint_count_fired(call->endpoint, &call->run);
    if (halt.answer.act == ACT_HOLD &&
        !chain_has_fault(call->endpoint->chain, chain_run_fault(&call->run, halt.slot))) {
        let_go(call, flow);
        return;
    }
    if (halt.answer.act == ACT_HOLD) {
        flow->held = call->held_ever = true;
        if (request_has_left(call->client)) {
            request_left(call, LEFT_RST);
            return;
        }
        if (halt.answer.until_ns != HOLD_FOREVER)
            loop_hold_add(l, &flow->hold, halt.answer.until_ns, on_hold);
        return;
    }
    call->record.fault = chain_run_fault(&call->run, halt.slot);
    call->record.action = (uint16_t)halt.answer.act;
    if (chain_run_shadows(&call->run, halt.slot))
        call->record.flags |= ATTEMPT_SHADOWED;
    const struct reply *reply = halt.answer.reply;
    if (halt.answer.act == ACT_RESET)
        act_cut(call, OUTCOME_RESET_BY_FAULT, true, CONN_BY_FAULT);
    else if (halt.answer.act == ACT_CLOSE || call->record.head_out != 0 || call->tunnel ||
             reply == NULL)
        act_cut(call, OUTCOME_CLOSED_BY_FAULT, false, CONN_BY_FAULT);
    else
        answer(call, reply, reply->status == 0 ? OUTCOME_CLOSED_BY_FAULT : OUTCOME_ANSWERED,
               CONN_BY_FAULT);
}

static bool release_flow(struct call *call, struct flow *flow, const struct filter_chain *keep)
{
    if (!flow->held || call->cutting ||
        chain_has_fault(keep, chain_run_fault(&call->run, flow->slot)))
        return false;
    loop_hold_remove(call->endpoint->proxy->loop, &flow->hold);
    let_go(call, flow);
    return true;
}

uint32_t act_release(struct endpoint *e, const struct filter_chain *keep)
{
    uint32_t released = 0;
    /* Where both sides talk at once both may be held. Two walks: letting go may end the call. */
    for (unsigned side = SIDE_REQUEST; side <= SIDE_RESPONSE; side++) {
        for (struct call *call = e->calls, *next; call != NULL; call = next) {
            next = call->next;
            released += release_flow(call, &call->flow[side], keep) ? 1 : 0;
        }
    }
    for (struct conn *c = e->conns, *next; c != NULL; c = next) {
        next = c->next;
        if ((c->fin_ns != 0 || c->fin_wait_ns != 0) && !chain_has_fault(keep, c->fin_fault)) {
            released += c->fin_ns != 0;
            fin_release(c);
        }
        released += tls_conn_release(c, keep) || tls_pass_release(c, keep) ? 1 : 0;
        if (!c->parked || chain_has_fault(keep, chain_run_fault(&c->accept_run, c->accept_slot)))
            continue;
        chain_run_drop(&c->accept_run, c->accept_slot);
        loop_hold_remove(e->proxy->loop, &c->hold);
        accept_resume(c);
        released++;
    }
    return released;
}
