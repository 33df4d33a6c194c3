#include "net/call.h"

#include "base/clock.h"
#include "base/map.h"
#include "net/grpc.h"
#include "net/h2_call.h"
#include "net/relay.h"
#include "net/tls_conn.h"

#include <stdlib.h>

#define CALL_ARENA_MOST_BYTES ((size_t)8 * 1024 * 1024)
#define KEPT_MOST_BYTES (HTTP1_HEAD_MOST_BYTES + LOOP_SCRATCH_BYTES)

static struct call *new_call(struct conn *client, uint64_t at_ns)
{
    struct endpoint *e = client->endpoint;
    struct proxy *p = e->proxy;
    struct call *call = p->free_calls;
    struct buffer kept;
    if (call != NULL) {
        p->free_calls = call->next;
        kept = call->kept; /* its memory serves again */
        kept.len = 0;
    } else {
        call = check_alloc(sizeof(*call));
        buffer_init(&kept, KEPT_MOST_BYTES);
    }
    *call = (struct call){.endpoint = e, .client = client, .kept = kept};
    arena_init(&call->arena, CALL_ARENA_MOST_BYTES);
    call->flow[SIDE_RESPONSE].side = SIDE_RESPONSE;
    call->record.at = at_ns;
    call->record.conn = client->record.conn;
    call->record.sequence = ++client->record.requests;
    call->record.peer = client->record.peer;
    call->record.endpoint = e->number;
    call->record.k = 1;
    chain_run_init(&call->run, e->chain, &call->arena, &p->chunk_arena);
    call->run.words = client->words;
    call->record.generation = e->chain != NULL ? e->chain->generation : 0;
    call->next = e->calls;
    if (e->calls != NULL)
        e->calls->previous = call;
    e->calls = call;
    if (hold_is_idle(&e->sweep))
        loop_hold_add(p->loop, &e->sweep, at_ns + RELAY_SWEEP_NS, relay_on_sweep);
    p->counts.calls_begun++;
    p->counts.calls_active++;
    return call;
}

struct call *call_new(struct conn *client, uint64_t at_ns)
{
    struct call *call = new_call(client, at_ns);
    client->call = call;
    return call;
}

struct call *call_new_stream(struct conn *client, uint64_t at_ns, uint32_t stream,
                             struct h2_call *h2)
{
    struct call *call = new_call(client, at_ns);
    call->h2 = h2;
    call->record.stream = stream;
    return call;
}

static void flow_release(struct call *call, struct flow *flow)
{
    loop_hold_remove(call->endpoint->proxy->loop, &flow->hold);
    http1_body_release(&flow->body);
    if (flow->pipe.stages != NULL)
        pipe_release(&flow->pipe);
    flow_splice_end(flow);
}

/* A gRPC status in the head that Envoy counts against the host, as it does a 5xx; one in trailers
 * never is (reference/limits-measured.md section 3). */
static bool grpc_has_failed(const struct attempt_record *r)
{
    switch (r->grpc_where == 1 ? r->grpc_status - 1 : 0) {
    case 2:  /* UNKNOWN */
    case 4:  /* DEADLINE_EXCEEDED */
    case 13: /* INTERNAL */
    case 14: /* UNAVAILABLE */
    case 15: /* DATA_LOSS */
        return true;
    default:
        return false;
    }
}

/* Whether the mesh takes this end for a failure of the host; false in ${ret_counts}: neither. */
static bool has_failed(const struct call *call, enum attempt_outcome outcome, bool *ret_counts)
{
    *ret_counts = true;
    switch (outcome) {
    case OUTCOME_ANSWERED:
        return call->record.status >= 500 || grpc_has_failed(&call->record);
    case OUTCOME_LEFT:
        *ret_counts =
            call->held_ever; /* else the client of the mesh may have left: no word on the host */
        return true;
    case OUTCOME_RESET_BY_FAULT:
    case OUTCOME_CLOSED_BY_FAULT:
    case OUTCOME_UPSTREAM_RESET:
    case OUTCOME_UPSTREAM_CLOSED:
    case OUTCOME_UPSTREAM_REFUSED:
    case OUTCOME_BAD_RESPONSE:
        return true;
    case OUTCOME_BAD_REQUEST:
    case OUTCOME_ABANDONED:
        *ret_counts = false;
        return false;
    }
    UNREACHABLE();
}

void call_end(struct call *call, enum attempt_outcome outcome)
{
    struct endpoint *e = call->endpoint;
    struct proxy *p = e->proxy;
    bool counts = false, failed = has_failed(call, outcome, &counts);
    if (call->run.counted_open) {
        INVARIANT(e->streak.open > 0);
        e->streak.open--;
    }
    if (counts)
        streak_end(&e->streak, failed);
    call->record.outcome = (uint16_t)outcome;
    if (call->h2 != NULL) /* its connection may close behind any call */
        act_fin(call);
    endpoint_count_fired(e, &call->run);
    call->record.fired = call->run.fired;
    call->record.guarded = call->run.guarded;
    if (call->run.limited != 0)
        call->record.flags |= ATTEMPT_LIMITED;
    call->record.bytes_in = call->flow[SIDE_REQUEST].body.payload_bytes;
    call->record.bytes_out = call->flow[SIDE_RESPONSE].written;
    if (call->flow[SIDE_REQUEST].state == FLOW_DONE && call->record.reply != 0)
        call->record.flags |= ATTEMPT_EFFECT;
    endpoint_emit(e, RECORD_ATTEMPT, &call->record);
    p->counts.records++;
    flow_release(call, &call->flow[SIDE_REQUEST]);
    flow_release(call, &call->flow[SIDE_RESPONSE]);
    if (call->run.chain != NULL)
        chain_run_release(&call->run, true, clock_now_ns());
    arena_release(&call->arena);
    if (call->h2 != NULL) {
        h2_call_forget(call->h2);
    } else {
        if (call->client != NULL)
            call->client->call = NULL;
        if (call->backend != NULL)
            call->backend->call = NULL;
    }
    if (call->previous != NULL)
        call->previous->next = call->next;
    else
        e->calls = call->next;
    if (call->next != NULL)
        call->next->previous = call->previous;
    p->counts.calls_active--;
    call->next = p->free_calls;
    p->free_calls = call;
    INVARIANT(p->counts.calls_begun == p->counts.records + p->counts.calls_active);
    endpoint_settle_drain(p);
}

void call_free_all(struct proxy *p)
{
    for (struct call *call = p->free_calls, *next; call != NULL; call = next) {
        next = call->next;
        buffer_release(&call->kept);
        free(call);
    }
    p->free_calls = NULL;
}

/* 32 hex digits, dashes between them left out (a UUID, a trace id); else two hashes of the text. */
static void id_of(struct bytes text, uint64_t *ret_hi, uint64_t *ret_lo)
{
    uint8_t hex[32];
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '-')
            continue;
        if (count == sizeof(hex)) {
            count = 0;
            break;
        }
        hex[count++] = text.at[i];
    }
    if (count == sizeof(hex) && bytes_hex_to_u64((struct bytes){hex, 16}, ret_hi) &&
        bytes_hex_to_u64((struct bytes){hex + 16, 16}, ret_lo))
        return;
    struct map_key key = map_key_of(text.at, text.len);
    *ret_hi = key.hi;
    *ret_lo = key.lo;
}

/* "00-<32 hex>-<16 hex>-<2 hex>" (W3C Trace Context 3.2): the trace id. */
static struct bytes trace_id(struct bytes text)
{
    if (text.len < 55 || text.at[2] != '-' || text.at[35] != '-')
        return (struct bytes){NULL, 0};
    return (struct bytes){text.at + 3, 32};
}

static uint64_t number_of(struct bytes text, uint64_t most)
{
    uint64_t value = 0;
    if (!bytes_to_u64(text, &value))
        return 0;
    return value > most ? most : value;
}

#define HOPS_BYTES 64

struct ids {
    struct bytes own, request, trace;
    char hops[HOPS_BYTES]; /* x-meshproof-hop, of all its fields */
};

static void tie(struct call *call, const struct ids *ids)
{
    struct attempt_record *r = &call->record;
    struct bytes trace = trace_id(ids->trace);
    if (ids->own.at != NULL && record_id_parse(ids->own, &r->id_hi, &r->id_lo)) {
        r->how_tied = TIED_OWN_ID;
    } else if (ids->request.len > 0) {
        id_of(ids->request, &r->id_hi, &r->id_lo);
        r->how_tied = TIED_REQUEST_ID;
    } else if (trace.at != NULL) {
        id_of(trace, &r->id_hi, &r->id_lo);
        r->how_tied = TIED_TRACE;
    }
    if (r->how_tied != TIED_NOT)
        r->k = tries_next(call->endpoint->proxy->tries, r->id_hi, r->id_lo);
}

static bool is_named(const struct field *f, const char *name)
{
    return bytes_equal_nocase(f->name, (struct bytes){(const uint8_t *)name, f->name.len});
}

static void add_hop(struct ids *ids, struct bytes value)
{
    size_t used = strlen(ids->hops);
    snprintf(ids->hops + used, sizeof(ids->hops) - used, "%s%.*s", used == 0 ? "" : ",",
             (int)(value.len < sizeof(ids->hops) ? value.len : sizeof(ids->hops)),
             (const char *)value.at);
}

static void emit_hops(struct call *call, const struct ids *ids)
{
    const struct attempt_record *r = &call->record;
    struct hop_record hop = {.at = r->at,
                             .id_hi = r->id_hi,
                             .id_lo = r->id_lo,
                             .marks = endpoint_name(call->endpoint, bytes_of(ids->hops)),
                             .conn = r->conn,
                             .stream = r->stream,
                             .endpoint = r->endpoint,
                             .k = r->k};
    endpoint_emit(call->endpoint, RECORD_HOP, &hop);
}

/* By the length of the name first: most fields cost one switch. */
static void read_field(struct call *call, const struct field *f, struct ids *ids)
{
    const struct proxy *p = call->endpoint->proxy;
    struct attempt_record *r = &call->record;
    switch (f->name.len) {
    case 11:
        if (is_named(f, "traceparent"))
            ids->trace = f->value;
        break;
    case 12:
        if (is_named(f, "x-request-id"))
            ids->request = f->value;
        else if (is_named(f, "content-type"))
            call->is_grpc = grpc_is_type(f->value);
        break;
    case 14:
        if (is_named(f, "x-meshproof-id"))
            ids->own = f->value;
        break;
    case 15:
        if (is_named(f, "x-meshproof-tag"))
            r->tag = endpoint_name(call->endpoint, f->value);
        else if (is_named(f, "x-meshproof-hop"))
            add_hop(ids, f->value);
        break;
    case 16:
        if (is_named(f, "x-meshproof-from"))
            r->from = endpoint_name(call->endpoint, f->value);
        break;
    case 21:
        if (is_named(f, "x-envoy-attempt-count"))
            r->n_mesh = (uint16_t)number_of(f->value, UINT16_MAX);
        break;
    case 30:
        if (is_named(f, "x-envoy-expected-rq-timeout-ms"))
            r->expected_timeout_ms = (uint32_t)number_of(f->value, UINT32_MAX);
        break;
    default:
        break;
    }
    if (p->effect_header != NULL && f->name.len == p->effect_header_len &&
        is_named(f, p->effect_header))
        r->key = map_hash(f->value.at, f->value.len);
}

void call_read_fields(struct call *call, struct fields fields, struct bytes target, enum verb verb)
{
    struct ids ids = {0};
    for (size_t i = 0; i < fields.count; i++)
        read_field(call, &fields.at[i], &ids);
    tie(call, &ids);
    if (ids.hops[0] != '\0')
        emit_hops(call, &ids);
    struct bytes path = select_path(target);
    if (path.len > NAME_MOST_BYTES)
        path.len = NAME_MOST_BYTES;
    call->record.path = endpoint_name(call->endpoint, path);
    call->record.verb = (uint16_t)verb;
}

void call_read_head(struct call *call, const struct http1_head *head)
{
    call_read_fields(call, (struct fields){head->field, head->field_count}, head->target,
                     head->verb);
    call->client_keeps = head->keep_alive;
    call->client_1_0 = head->http_1_0;
    call->upgrade = head->upgrade;
    call->expects_continue = head->expect_continue;
    http1_body_init(&call->flow[SIDE_REQUEST].body, head);
    call->flow[SIDE_REQUEST].head_bytes = head->head_bytes;
}

static struct bytes keep(struct arena *arena, struct bytes text)
{
    return (struct bytes){(const uint8_t *)arena_strndup(arena, (const char *)text.at, text.len),
                          text.len};
}

/* The tag's text; "0000" is none. */
static struct bytes raw_tag(const struct proxy *p, struct bytes digits)
{
    uint64_t number;
    if (!bytes_to_u64(digits, &number) || number > p->tag_count)
        return digits;
    return number == 0 ? (struct bytes){0} : bytes_of(p->tags[number - 1]);
}

bool call_read_raw_line(struct call *call, struct bytes in)
{
    struct attempt_record *r = &call->record;
    const struct proxy *p = call->endpoint->proxy;
    if (in.len < CALL_RAW_LINE_BYTES || !bytes_starts(in, BYTES("MP1 ")) || in.at[34] != ' ' ||
        in.at[39] != '\n' || !record_id_parse((struct bytes){in.at + 4, 30}, &r->id_hi, &r->id_lo))
        return false;
    r->how_tied = TIED_RAW_LINE;
    struct bytes tag = raw_tag(p, (struct bytes){in.at + 35, 4});
    if (tag.len > 0)
        call->raw_tag = keep(&call->arena, tag);
    r->tag = tag.len > 0 ? endpoint_name(call->endpoint, tag) : 0;
    r->k = tries_next(p->tries, r->id_hi, r->id_lo);
    return true;
}

static void select_as(struct call *call, struct select_view *seen, bool has_head, uint64_t now_ns)
{
    struct endpoint *e = call->endpoint;
    struct chain_run *run = &call->run;
    struct conn *c = call->client;
    call->selected = true;
    if (run->chain == NULL)
        return;
    run->view = (struct call_view){.id_hi = call->record.id_hi,
                                   .id_lo = call->record.id_lo,
                                   .attempt = call->record.k,
                                   .conn = call->record.conn,
                                   .sequence = call->record.sequence,
                                   .endpoint = e->number,
                                   .is_grpc = call->is_grpc,
                                   .is_raw = !has_head,
                                   .is_h2 = call->h2 != NULL,
                                   .tls = tls_conn_view(c)};
    bool counted = call->record.how_tied != TIED_NOT && !call->endpoint->proxy->is_part;
    if (!counted && call->record.n_mesh > 0)
        run->view.attempt = call->record.n_mesh;
    seen->attempt = run->view.attempt;
    seen->protocols = !has_head          ? MATCH_TCP
                      : call->h2 == NULL ? MATCH_HTTP1
                      : call->is_grpc    ? MATCH_HTTP2 | MATCH_GRPC
                                         : MATCH_HTTP2;
    if (!has_head)
        seen->tag = call->raw_tag;
    if (has_head) {
        seen->tag = fields_find(seen->fields, "x-meshproof-tag");
        seen->from = fields_find(seen->fields, "x-meshproof-from");
    }
    if (c->conn_fired_generation != run->chain->generation) {
        c->conn_fired_generation = run->chain->generation;
        c->conn_fired = 0;
    }
    chain_run_select(run, seen, &e->streak, &c->conn_fired, now_ns);
    if ((run->chosen | run->waiting) != 0 && has_head) {
        call->method = keep(&call->arena, seen->method);
        call->target = keep(&call->arena, seen->target);
        call->authority = keep(&call->arena, seen->authority);
    }
}

void call_select_as(struct call *call, struct select_view *seen, uint64_t now_ns)
{
    select_as(call, seen, true, now_ns);
}

void call_select(struct call *call, const struct http1_head *head, uint64_t now_ns)
{
    struct select_view seen = {0};
    if (head != NULL && call->run.chain != NULL) {
        seen.method = head->method;
        seen.target = head->target;
        seen.fields = (struct fields){head->field, head->field_count};
        seen.authority = fields_find(seen.fields, "host");
    }
    select_as(call, &seen, head != NULL, now_ns);
}
