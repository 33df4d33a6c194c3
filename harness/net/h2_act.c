/* What the answers of faults do to a call on HTTP/2 (net/stream.h says what each scope means). */

#include "net/h2_call.h"

#include "base/clock.h"
#include "net/grpc.h"

#define STATUS_OK 200

static void on_hold(struct hold *h, uint64_t now_ns)
{
    struct flow *flow = (struct flow *)(void *)((char *)h - offsetof(struct flow, hold));
    struct call *call = call_of(flow);
    struct h2_link *link = call->h2->link;
    uint64_t late_ns = now_ns - h->at_ns;
    uint32_t late = late_ns > UINT32_MAX ? UINT32_MAX : (uint32_t)late_ns;
    if (late > call->record.late)
        call->record.late = late;
    h2_call_resume(call, (enum side)flow->side);
    h2_link_settle(link);
}

/* Ends the stream alone, behind the bytes that were promised. */
static void cut_stream(struct h2_call *h, uint32_t code, enum attempt_outcome outcome)
{
    h2_call_decide(h, outcome);
    h2_call_stop(h);
    h2_call_reset(h, SIDE_RESPONSE, NGHTTP2_CANCEL);
    h2_call_reset_client(h, code);
}

static struct bytes number(unsigned value, struct arena *arena)
{
    return bytes_of(arena_printf(arena, "%u", value));
}

/* grpc-status and grpc-message: in the head of a trailers-only answer, or as trailers. */
static size_t add_grpc(const struct reply *reply, struct field *to, struct arena *arena)
{
    size_t count = 0;
    to[count++] = (struct field){BYTES("grpc-status"), number(reply->grpc_status - 1u, arena)};
    if (reply->body.len > 0)
        to[count++] = (struct field){BYTES("grpc-message"), grpc_message(reply->body, arena)};
    return count;
}

static bool is_named(struct bytes name, const char *wanted)
{
    return bytes_equal_nocase(name, bytes_of(wanted));
}

/* What frames a message belongs to HTTP/1.1, or is ours to say. */
static bool is_ours(struct bytes name)
{
    return is_named(name, "content-length") || is_named(name, "transfer-encoding") ||
           is_named(name, "connection") || (name.len > 0 && name.at[0] == ':');
}

static struct bytes lower(struct bytes name, struct arena *arena)
{
    uint8_t *to = arena_take(arena, name.len + 1);
    for (size_t i = 0; i < name.len; i++)
        to[i] = name.at[i] >= 'A' && name.at[i] <= 'Z' ? (uint8_t)(name.at[i] | 0x20) : name.at[i];
    return (struct bytes){to, name.len};
}

/* The head of an answer of ours. A gRPC answer is HTTP 200 whatever its status is, but for an HTTP
 * status that the fault names. */
static struct h2_head head_of(const struct call *call, const struct reply *reply,
                              struct arena *arena)
{
    bool grpc = reply->grpc_status > 0, typed = false;
    struct field *field = ARENA_ARRAY(arena, struct field, reply->fields.count + 5);
    struct h2_head head = {.status = reply->status == 0 ? STATUS_OK : reply->status};
    size_t count = 0;
    field[count++] = (struct field){BYTES(":status"), number(head.status, arena)};
    for (size_t i = 0; i < reply->fields.count; i++) {
        const struct field *f = &reply->fields.at[i];
        typed = typed || is_named(f->name, "content-type");
        if (!is_ours(f->name) && f->value.len > 0)
            field[count++] = (struct field){lower(f->name, arena), f->value};
    }
    if (grpc && !typed)
        field[count++] = (struct field){BYTES("content-type"), BYTES("application/grpc")};
    if (grpc && !reply->in_trailers)
        count += add_grpc(reply, field + count, arena);
    else if (!grpc && head.status != 204 && head.status != 304 && call->record.verb != VERB_CONNECT)
        field[count++] =
            (struct field){BYTES("content-length"), number((unsigned)reply->body.len, arena)};
    head.all = (struct fields){field, count};
    return head;
}

/* An answer of a fault's in the place of the backend's, whole. What is left of the request is
 * thrown away, and its sender told so (RFC 9113 8.1: NO_ERROR behind the answer). */
static void answer(struct h2_call *h, const struct reply *reply)
{
    struct call *call = h->call;
    struct h2_way *way = &h->way[SIDE_RESPONSE];
    struct flow *flow = call_flow(call, SIDE_RESPONSE);
    bool grpc = reply->grpc_status > 0;
    struct h2_head head = head_of(call, reply, &call->arena);
    bool body = !grpc && reply->body.len > 0 && head.status != 204 && head.status != 304 &&
                call->record.verb != VERB_HEAD;
    h2_call_stop(h);
    h2_call_reset(h, SIDE_RESPONSE, NGHTTP2_CANCEL);
    call->record.status = head.status;
    call->record.grpc_status = reply->grpc_status;
    call->record.grpc_where = !grpc ? 0 : (reply->in_trailers ? 2 : 1);
    way->out.len = way->out_from = 0;
    way->trailers = (struct fields){0};
    if (body && buffer_add(&way->out, reply->body.at, reply->body.len, NULL))
        flow->written = reply->body.len;
    if (grpc && reply->in_trailers) {
        struct field *field = ARENA_ARRAY(&call->arena, struct field, 2);
        way->trailers = (struct fields){field, add_grpc(reply, field, &call->arena)};
    }
    way->closing = true;
    if (!h->way[SIDE_REQUEST].ended) {
        way->reset_due = true;
        way->reset_code = NGHTTP2_NO_ERROR;
    }
    (void)h2_call_submit(h, SIDE_RESPONSE, &head, !body && way->trailers.count == 0);
}

static void respond(struct h2_call *h, const struct reply *reply)
{
    if (reply == NULL || h->way[SIDE_RESPONSE].head_sent) { /* an answer had begun */
        cut_stream(h, NGHTTP2_INTERNAL_ERROR, OUTCOME_CLOSED_BY_FAULT);
    } else if (reply->raw.len > 0) {
        h->call->record.status = reply->status;
        h2_call_decide(h, reply->status == 0 ? OUTCOME_CLOSED_BY_FAULT : OUTCOME_ANSWERED);
        h2_call_stop(h);
        h->link->raw = reply;
        h->link->fault = h->call->record.fault;
    } else {
        answer(h, reply);
    }
}

/* True: it was GOAWAY, and the call goes on. Not within a body, whose rest the fault withholds. */
static bool close_by_fault(struct h2_call *h, enum side side, const struct answer *answer)
{
    struct h2_link *link = h->link;
    if (answer->scope == SCOPE_STREAM) {
        /* NO_ERROR would tell the client that what it has is whole */
        cut_stream(h, answer->code == 0 ? NGHTTP2_INTERNAL_ERROR : answer->code,
                   OUTCOME_CLOSED_BY_FAULT);
        return false;
    }
    link->fault = h->call->record.fault;
    if (answer->scope == SCOPE_UNPROCESSED) {
        h2_link_disown(link, answer->code, OUTCOME_CLOSED_BY_FAULT, CONN_BY_FAULT);
        return false;
    }
    h2_link_retire(link, answer->code, CONN_BY_FAULT);
    if (call_flow(h->call, side)->state != FLOW_BODY)
        return true;
    cut_stream(h, NGHTTP2_INTERNAL_ERROR, OUTCOME_CLOSED_BY_FAULT);
    return false;
}

bool h2_act_halt(struct h2_call *h, enum side side, struct halt halt)
{
    struct call *call = h->call;
    struct flow *flow = call_flow(call, side);
    uint16_t fault = chain_run_fault(&call->run, halt.slot);
    flow->slot = halt.slot;
    endpoint_count_fired(call->endpoint, &call->run);
    if (halt.answer.act == ACT_HOLD) {
        if (!chain_has_fault(call->endpoint->chain, fault)) { /* disarmed before it came to this */
            chain_run_drop(&call->run, halt.slot);
            call->record.flags |= ATTEMPT_RELEASED;
            return true;
        }
        flow->held = call->held_ever = true;
        if (halt.answer.until_ns != HOLD_FOREVER)
            loop_hold_add(call->endpoint->proxy->loop, &flow->hold, halt.answer.until_ns, on_hold);
        return false;
    }
    call->record.fault = fault;
    call->record.action = (uint16_t)halt.answer.act;
    if (chain_run_shadows(&call->run, halt.slot))
        call->record.flags |= ATTEMPT_SHADOWED;
    switch (halt.answer.act) {
    case ACT_RESET:
        if (halt.answer.scope == SCOPE_STREAM) {
            cut_stream(h, halt.answer.code, OUTCOME_RESET_BY_FAULT);
            return false;
        }
        h->link->fault = fault;
        h2_call_stop(h);
        h2_link_cut(h->link, OUTCOME_RESET_BY_FAULT, CONN_BY_FAULT);
        return false;
    case ACT_CLOSE:
        if (!close_by_fault(h, side, &halt.answer))
            return false;
        chain_run_drop(&call->run, halt.slot); /* it has said its word */
        return true;
    case ACT_RESPOND:
        respond(h, halt.answer.reply);
        return false;
    case ACT_PASS:
    case ACT_HOLD:
    case ACT_REPLACE:
        break;
    }
    UNREACHABLE();
}
