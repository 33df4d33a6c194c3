#include "net/relay.h"

#include "base/clock.h"
#include "net/h2_call.h"
#include "net/refusal.h"

#define CHUNK_LINE_MOST 24

/* What goes out of a filtered body: one chunk, or the bytes as they are. */
static void emit(void *cookie, struct bytes payload)
{
    struct flow *flow = cookie;
    struct call *call = call_of(flow);
    enum side side = (enum side)flow->side;
    struct conn *to = call_to(call, side);
    char line[CHUNK_LINE_MOST];
    struct iovec parts[3] = {{.iov_base = line}, {.iov_len = payload.len}, {.iov_len = 2}};
    const char *end = "\r\n";
    if (to == NULL || to->broken)
        return;
    memcpy(&parts[1].iov_base, &payload.at, sizeof(payload.at));
    memcpy(&parts[2].iov_base, &end, sizeof(end));
    flow->written += payload.len;
    if (side == SIDE_RESPONSE)
        call->record.done = call_span(call, clock_now_ns());
    if (!flow->chunked) {
        (void)conn_send(to, &parts[1], 1);
        return;
    }
    parts[0].iov_len = (size_t)snprintf(line, sizeof(line), "%zx\r\n", payload.len);
    (void)conn_send(to, parts, 3);
}

void flow_begin(struct call *call, enum side side)
{
    struct flow *flow = call_flow(call, side);
    flow->state = FLOW_BODY;
    flow->announced = flow->body.framing == HTTP1_LENGTH ? flow->body.left : UINT64_MAX;
    flow->filtered = !flow->dropped && (chain_run_wants(&call->run, MOMENT_DATA, side) ||
                                        chain_run_wants(&call->run, MOMENT_END, side));
    flow->chunked = flow->filtered && flow->body.framing == HTTP1_CHUNKED;
    if (flow->filtered)
        pipe_init(&flow->pipe, &call->run, side, emit, flow);
}

struct feed {
    struct flow *flow;
    uint64_t now_ns;
};

static void on_payload(void *cookie, struct bytes payload)
{
    struct feed *feed = cookie;
    struct flow *flow = feed->flow;
    bool last = flow->body.framing == HTTP1_LENGTH && flow->body.done;
    (void)pipe_feed(&flow->pipe, payload, last, feed->now_ns);
}

bool flow_take_input(struct call *call, enum side side, struct error *err)
{
    struct flow *flow = call_flow(call, side);
    struct conn *from = call_from(call, side), *to = call_to(call, side);
    struct feed feed = {flow, from->read_ns};
    size_t used = 0;
    uint64_t before = flow->body.payload_bytes;
    bool filtered = flow->filtered;
    if (http1_body_feed(&flow->body, from->input, &used, filtered ? on_payload : NULL, &feed,
                        err) == HTTP1_BAD)
        return false;
    if (!filtered && !flow->dropped && used > 0) {
        struct iovec part = {.iov_len = used};
        memcpy(&part.iov_base, &from->input.at, sizeof(from->input.at));
        flow->written += flow->body.payload_bytes - before;
        if (side == SIDE_RESPONSE)
            call->record.done = call_span(call, clock_now_ns());
        else if (call->record.upstream == 0)
            call->record.upstream = call_span(call, clock_now_ns());
        (void)conn_send(to, &part, 1);
    }
    conn_consume(from, used);
    return true;
}

/* The peer of ${side}'s source ended its sending. */
static void source_ended(struct call *call, enum side side)
{
    struct flow *flow = call_flow(call, side);
    bool whole = flow->body.framing == HTTP1_UNTIL_CLOSE || flow->body.framing == HTTP1_TUNNEL;
    if (whole) {
        flow->body.done = true;
        flow_body_done(call, side);
    } else if (side == SIDE_REQUEST) {
        request_left(call, LEFT_FIN);
    } else {
        reply_lost(call, LOST_CLOSED);
    }
}

/* After bytes went through: what does it mean for the call? */
static void after_bytes(struct call *call, enum side side)
{
    struct flow *flow = call_flow(call, side);
    struct conn *to = call_to(call, side);
    if (to->broken) {
        if (side == SIDE_REQUEST)
            request_stop(call);
        else
            request_left(call, LEFT_RST);
    } else if (flow->filtered && flow->pipe.halted) {
        act_halt(call, side, flow->pipe.halt);
    } else if (flow->body.done) {
        flow_body_done(call, side);
    }
}

bool flow_pump(struct call *call, enum side side)
{
    struct flow *flow = call_flow(call, side);
    struct conn *from = call_from(call, side), *to = call_to(call, side);
    if (flow->held || flow->stopped || flow->state != FLOW_BODY || conn_unsent(to) > 0)
        return false;
    if (!call->selected)
        call_select(call, NULL, from->read_ns);
    if (from->input.len == 0) {
        enum io io;
        bool spliced = flow_splice(call, side, &io);
        if (!spliced)
            io = conn_fill(from);
        if (io == IO_AGAIN)
            return false;
        if (spliced && io == IO_DONE) {
            after_bytes(call, side);
            return true;
        }
        if (io == IO_FIN) {
            source_ended(call, side);
            return true;
        }
        if (io == IO_RESET) {
            if (side == SIDE_REQUEST)
                request_left(call, LEFT_RST);
            else
                reply_lost(call, LOST_RESET);
            return true;
        }
    }
    if (side == SIDE_RESPONSE && call->record.reply == 0)
        call->record.reply = call_span(call, from->read_ns);
    struct error err;
    err.kind = ERROR_NONE;
    if (!flow_take_input(call, side, &err)) {
        refusal_of_call(call, side, &err);
        if (side == SIDE_REQUEST)
            act_refuse(call, 400);
        else
            act_cut(call, OUTCOME_BAD_RESPONSE, false, CONN_BY_US);
        return true;
    }
    after_bytes(call, side);
    return true;
}

/* The end of a body that we frame: the last chunk, with its trailers. */
static void emit_end(struct call *call, enum side side)
{
    struct flow *flow = call_flow(call, side);
    struct conn *to = call_to(call, side);
    struct fields trailers =
        head_edited(http1_body_trailers(&flow->body), flow->edits, &call->arena);
    struct iovec parts[4 * HTTP1_TRAILERS_MOST + 2];
    size_t count = 0;
    struct bytes line = BYTES("0\r\n"), colon = BYTES(": "), end = BYTES("\r\n");
    struct bytes pieces[4];
    memcpy(&parts[count].iov_base, &line.at, sizeof(line.at));
    parts[count++].iov_len = line.len;
    for (size_t i = 0; i < trailers.count && i < HTTP1_TRAILERS_MOST; i++) {
        pieces[0] = trailers.at[i].name;
        pieces[1] = colon;
        pieces[2] = trailers.at[i].value;
        pieces[3] = end;
        for (size_t j = 0; j < 4; j++) {
            memcpy(&parts[count].iov_base, &pieces[j].at, sizeof(pieces[j].at));
            parts[count++].iov_len = pieces[j].len;
        }
    }
    memcpy(&parts[count].iov_base, &end.at, sizeof(end.at));
    parts[count++].iov_len = end.len;
    (void)conn_send(to, parts, count);
}

struct edit_end {
    struct call *call;
    struct flow *flow;
};

static void on_edit(void *cookie, const struct reply *reply)
{
    struct edit_end *at = cookie;
    head_edits_add(&at->flow->edits, reply, &at->call->arena);
}

/* grpc-status of a chunked answer's trailers. */
static void note_grpc(struct call *call, struct fields trailers)
{
    uint64_t status = 0;
    if (call->is_grpc && bytes_to_u64(fields_find(trailers, "grpc-status"), &status) &&
        status < 1000) {
        call->record.grpc_status = (uint16_t)(status + 1);
        call->record.grpc_where = 2;
    }
}

/* A half close goes on once all is out (raw streams). */
static void pass_fin(struct conn *to)
{
    if (conn_unsent(to) > 0 || to->connecting || to->fin_ns != 0) {
        to->fin_due = true;
        return;
    }
    to->fin_due = !conn_shut(to);
}

void flow_pass_fin_due(struct conn *c)
{
    if (c->fin_due && conn_unsent(c) == 0 && !c->broken && c->fin_ns == 0)
        pass_fin(c);
}

static void flow_done(struct call *call, enum side side)
{
    struct flow *flow = call_flow(call, side);
    flow->state = FLOW_DONE;
    if (flow->chunked && !flow->dropped) {
        emit_end(call, side);
        if (call_to(call, side)->broken) {
            after_bytes(call, side);
            return;
        }
    }
    if (call->tunnel) {
        uint16_t fault = 0;
        uint64_t until_ns = chain_run_fin(&call->run, side, clock_now_ns(), &fault);
        if (until_ns != 0)
            fin_delay(call_to(call, side), until_ns, fault);
        pass_fin(call_to(call, side));
        if (call->flow[!side].state == FLOW_DONE)
            reply_complete(call);
        return;
    }
    if (side == SIDE_RESPONSE && conn_unsent(call->client) == 0)
        reply_complete(call);
}

static void ask_end(struct call *call, enum side side)
{
    struct flow *flow = call_flow(call, side);
    if (chain_run_wants(&call->run, MOMENT_END, side)) {
        struct end_view seen = {.side = side,
                                .trailers = http1_body_trailers(&flow->body),
                                .grpc_status = call->record.grpc_status};
        struct edit_end at = {call, flow};
        struct halt halt =
            chain_run_end(&call->run, flow->slot, &seen, clock_now_ns(), on_edit, &at);
        if (halt.answer.act != ACT_PASS) {
            act_halt(call, side, halt);
            return;
        }
    }
    flow_done(call, side);
}

void flow_body_done(struct call *call, enum side side)
{
    struct flow *flow = call_flow(call, side);
    flow->state = FLOW_END;
    flow->slot = 0;
    if (flow->edits != NULL)
        flow->edits = NULL; /* those of the head; END has its own */
    if (side == SIDE_REQUEST && !call->tunnel)
        call->record.body = call_span(call, call->client->read_ns);
    else if (side == SIDE_RESPONSE)
        note_grpc(call, http1_body_trailers(&flow->body));
    ask_end(call, side);
}

void flow_resume(struct call *call, enum side side)
{
    struct flow *flow = call_flow(call, side);
    struct conn *client = call->client, *backend;
    uint64_t now_ns = clock_now_ns();
    if (call->h2 != NULL) {
        h2_call_resume(call, side);
        h2_link_settle_later(call->h2->link); /* whoever disarms walks over the calls */
        return;
    }
    flow->held = false;
    switch ((enum flow_state)flow->state) {
    case FLOW_HEAD:
        if (side == SIDE_REQUEST)
            request_head_again(call);
        else
            reply_head_again(call);
        break;
    case FLOW_BODY:
        (void)pipe_resume(&flow->pipe, now_ns);
        after_bytes(call, side);
        break;
    case FLOW_END:
        ask_end(call, side);
        break;
    case FLOW_DONE:
        UNREACHABLE();
    }
    backend = client->call != NULL ? client->call->backend : NULL;
    if (backend != NULL)
        relay_run_backend(backend);
    relay_run_client(client);
}

void flow_on_edit(void *cookie, const struct reply *reply)
{
    struct flow_head *at = cookie;
    struct call *call = at->call;
    struct flow *flow = call_flow(call, at->seen->side);
    head_edits_add(&flow->edits, reply, &call->arena);
    at->seen->fields = head_edited((struct fields){at->head->field, at->head->field_count},
                                   flow->edits, &call->arena);
    if (at->seen->side == SIDE_RESPONSE)
        at->seen->status = head_edited_status(at->head->status, flow->edits);
}
