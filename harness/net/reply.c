/* The backend's side: dialling, answers, and losses. */

#include "net/relay.h"

#include "base/clock.h"
#include "net/pool.h"
#include "net/refusal.h"

#define CONNECTION_CLOSE "connection: close\r\n"
#define CONNECTION_KEEP "connection: keep-alive\r\n"
#define CHUNKS_A_TURN 4
#define INTERIM_ARENA_BYTES ((size_t)1024 * 1024)

static void attach(struct call *call, struct conn *backend)
{
    call->backend = backend;
    backend->call = call;
    backend->record.requests++;
    if (call->endpoint->proxy->affinity_connection && call->client->mate == NULL) {
        call->client->mate = backend;
        backend->mate = call->client;
    }
}

bool reply_dial(struct call *call)
{
    struct endpoint *e = call->endpoint;
    struct conn *backend = call->client->mate;
    if (backend == NULL && e->proxy->protocol != PROXY_TCP && !e->proxy->affinity_connection)
        backend = pool_take(e);
    if (backend == NULL)
        backend = dial_backend(e, NULL);
    if (backend == NULL) {
        reply_lost(call, LOST_REFUSED);
        return false;
    }
    attach(call, backend);
    return true;
}

static bool redial(struct call *call)
{
    struct conn *lost = call->backend;
    if (!lost->used || call->kept.len == 0 || call->record.reply != 0 ||
        (call->record.flags & ATTEMPT_REDIALLED) != 0)
        return false;
    lost->call = NULL;
    call->backend = NULL;
    conn_close(lost, CONN_BY_PEER, false);
    call->record.flags |= ATTEMPT_REDIALLED;
    call->record.upstream = 0;
    struct conn *fresh = dial_backend(call->endpoint, NULL);
    if (fresh == NULL)
        return false;
    attach(call, fresh);
    struct iovec part = {.iov_base = call->kept.at, .iov_len = call->kept.len};
    (void)conn_send(fresh, &part, 1);
    call->kept.len = 0;
    struct flow *flow = call_flow(call, SIDE_REQUEST);
    flow->stopped = false;
    if (flow->state == FLOW_BODY) /* the first send had failed */
        flow_body_done(call, SIDE_REQUEST);
    return true;
}

void reply_lost(struct call *call, enum lost how)
{
    static const enum attempt_outcome outcomes[] = {
        [LOST_REFUSED] = OUTCOME_UPSTREAM_REFUSED,
        [LOST_RESET] = OUTCOME_UPSTREAM_RESET,
        [LOST_CLOSED] = OUTCOME_UPSTREAM_CLOSED,
    };
    if (call->backend != NULL && redial(call))
        return;
    act_cut(call, outcomes[how], how != LOST_CLOSED, CONN_BY_US);
}

static struct fields fields_of(const struct http1_head *head)
{
    return (struct fields){head->field, head->field_count};
}

static bool through_chain(struct call *call, const struct http1_head *head)
{
    struct flow *flow = call_flow(call, SIDE_RESPONSE);
    struct endpoint *e = call->endpoint;
    uint64_t now_ns = call->backend->read_ns;
    if (call->run.waiting != 0) {
        chain_run_select_status(&call->run, head->status, &e->streak, &call->client->conn_fired,
                                now_ns);
    }
    if (!chain_run_wants(&call->run, MOMENT_HEAD, SIDE_RESPONSE))
        return true;
    struct head_view seen = {.side = SIDE_RESPONSE,
                             .method = call->method,
                             .path = call->target,
                             .authority = call->authority,
                             .status = head_edited_status(head->status, flow->edits),
                             .fields = head_edited(fields_of(head), flow->edits, &call->arena)};
    struct flow_head at = {call, &seen, head};
    struct halt halt =
        chain_run_head(&call->run, flow->slot, &seen, clock_now_ns(), flow_on_edit, &at);
    if (halt.answer.act == ACT_PASS)
        return true;
    act_halt(call, SIDE_RESPONSE, halt);
    return false;
}

/* The body that an edit puts in the place of the backend's; NULL: none does. */
static const struct bytes *new_body(const struct flow *flow)
{
    const struct bytes *body = NULL;
    for (const struct head_edits *e = flow->edits; e != NULL; e = e->next) {
        if (e->reply->body.at != NULL)
            body = &e->reply->body;
    }
    return body;
}

static const char *connection_line(const struct call *call)
{
    if (!call->client_keeps)
        return CONNECTION_CLOSE;
    return call->client_1_0 ? CONNECTION_KEEP : NULL;
}

static void note_head(struct call *call, const struct http1_head *head)
{
    struct flow *flow = call_flow(call, SIDE_RESPONSE);
    uint64_t status = 0;
    call->record.status = head_edited_status(head->status, flow->edits);
    if (call->is_grpc && bytes_to_u64(fields_find(fields_of(head), "grpc-status"), &status) &&
        status < 1000) {
        call->record.grpc_status = (uint16_t)(status + 1);
        call->record.grpc_where = 1;
    }
    call->backend_keeps = head->keep_alive && head->framing != HTTP1_UNTIL_CLOSE;
    if (head->framing == HTTP1_UNTIL_CLOSE || call->client->close_next ||
        call->endpoint->proxy->draining || call->flow[SIDE_REQUEST].state != FLOW_DONE ||
        (call->record.verb == VERB_CONNECT && head->framing != HTTP1_TUNNEL))
        call->client_keeps = false;
}

/* From here on both ways are raw (101, or 2xx to CONNECT). */
static void begin_tunnel(struct call *call)
{
    struct http1_head tunnel = {.framing = HTTP1_TUNNEL};
    call->tunnel = true;
    call->client_keeps = call->backend_keeps = false;
    http1_body_release(&call->flow[SIDE_REQUEST].body);
    http1_body_init(&call->flow[SIDE_REQUEST].body, &tunnel);
    if (call->flow[SIDE_REQUEST].pipe.stages != NULL)
        pipe_release(&call->flow[SIDE_REQUEST].pipe);
    flow_begin(call, SIDE_REQUEST);
}

static void forward(struct call *call, const struct http1_head *head)
{
    struct conn *backend = call->backend, *client = call->client;
    struct flow *flow = call_flow(call, SIDE_RESPONSE);
    struct iovec parts[HEAD_PARTS_MOST + 1];
    const struct bytes *body = new_body(flow);
    size_t used = 0;
    struct error err;
    note_head(call, head);
    http1_body_init(&flow->body, head);
    flow->dropped = body != NULL;
    flow_begin(call, SIDE_RESPONSE);
    bool tunnel = head->framing == HTTP1_TUNNEL;
    if (tunnel)
        begin_tunnel(call);
    struct head_change change = {.edits = flow->edits,
                                 .connection = tunnel ? NULL : connection_line(call),
                                 .keep_upgrade = tunnel,
                                 .set_length = body != NULL,
                                 .drop_framing = body != NULL,
                                 .length = body != NULL ? body->len : 0};
    size_t count = head_forward(head, backend->input, &change, &call->arena, parts);
    struct bytes rest = {backend->input.at + head->head_bytes,
                         backend->input.len - head->head_bytes};
    err.kind = ERROR_NONE;
    if (!flow->filtered && !flow->body.done &&
        http1_body_feed(&flow->body, rest, &used, NULL, NULL, &err) == HTTP1_BAD) {
        refusal_of_call(call, SIDE_RESPONSE, &err);
        act_cut(call, OUTCOME_BAD_RESPONSE, false, CONN_BY_US);
        return;
    }
    struct bytes out = {rest.at, flow->dropped ? 0 : used};
    if (body != NULL && call->record.verb != VERB_HEAD && call->record.status != 204 &&
        call->record.status != 304)
        out = *body;
    flow->written = body != NULL ? out.len : flow->body.payload_bytes;
    if (out.len > 0) {
        memcpy(&parts[count].iov_base, &out.at, sizeof(out.at));
        parts[count++].iov_len = out.len;
    }
    call->record.out = call->record.head_out = call->record.done = call_span(call, clock_now_ns());
    enum io io = conn_send(client, parts, count);
    conn_consume(backend, head->head_bytes + used);
    if (io == IO_RESET)
        request_left(call, LEFT_RST);
    else if (flow->body.done)
        flow_body_done(call, SIDE_RESPONSE);
    else if (tunnel)
        relay_again(client);
}

void reply_head_again(struct call *call)
{
    struct http1_head head;
    INVARIANT(http1_parse_response(call->backend->input, (enum verb)call->record.verb, &head,
                                   NULL) == HTTP1_DONE);
    if (through_chain(call, &head))
        forward(call, &head);
}

static void forward_interim(struct call *call, const struct http1_head *head)
{
    struct conn *backend = call->backend, *client = call->client;
    struct head_change change = {0};
    struct iovec parts[HEAD_PARTS_MOST];
    struct arena own; /* not the call's: there may be many of them */
    enum io io = IO_DONE;
    if (++call->interims > HTTP1_INTERIM_MOST) {
        char reason[64];
        snprintf(reason, sizeof(reason), "more than %d interim answers", HTTP1_INTERIM_MOST);
        refusal_of_limit(call, SIDE_RESPONSE, reason);
        act_cut(call, OUTCOME_BAD_RESPONSE, false, CONN_BY_US);
        return;
    }
    arena_init(&own, INTERIM_ARENA_BYTES);
    if (!call->client_1_0) { /* RFC 9110 15.2 */
        size_t count = head_forward(head, backend->input, &change, &own, parts);
        io = conn_send(client, parts, count);
    }
    arena_release(&own);
    conn_consume(backend, head->head_bytes);
    if (io == IO_RESET)
        request_left(call, LEFT_RST);
}

/* A head that is none; MORE: bytes that no head begins with. */
static void refuse_reply(struct call *call, enum http1_result result, struct error *err)
{
    if (result != HTTP1_BAD) /* it has no words for it */
        err->kind = ERROR_NONE;
    error_set(err, ERROR_INPUT,
              result == HTTP1_DONE ? "a status 101 that nobody has asked for"
                                   : "an answer that does not begin with HTTP/");
    refusal_of_call(call, SIDE_RESPONSE, err);
    act_cut(call, OUTCOME_BAD_RESPONSE, false, CONN_BY_US);
}

static bool start_reply(struct call *call)
{
    struct http1_head head;
    struct error err;
    err.kind = ERROR_NONE;
    enum http1_result result =
        http1_parse_response(call->backend->input, (enum verb)call->record.verb, &head, &err);
    bool unasked = result == HTTP1_DONE && head.status == 101 &&
                   (!call->upgrade || call->flow[SIDE_REQUEST].state != FLOW_DONE);
    if (result != HTTP1_DONE || unasked)
        refuse_reply(call, result, &err);
    else if (head.informational)
        forward_interim(call, &head);
    else if (through_chain(call, &head))
        forward(call, &head);
    return true;
}

/* Bytes that no answer begins with: no end of a head is to be waited for. */
static bool is_not_http(struct bytes in)
{
    return memcmp(in.at, "HTTP/", in.len < 5 ? in.len : 5) != 0;
}

/* False: nothing more can be done now. */
static bool take_head(struct conn *c)
{
    struct call *call = c->call;
    for (;;) {
        struct http1_head head;
        if (c->input.len > 0) {
            if (call->record.reply == 0)
                call->record.reply = call_span(call, c->read_ns);
            if (is_not_http(c->input) || http1_find_head(c->input, &c->search) > 0 ||
                http1_parse_response(c->input, VERB_GET, &head, NULL) == HTTP1_BAD)
                return start_reply(call);
        }
        switch (conn_fill(c)) {
        case IO_DONE:
            break;
        case IO_AGAIN:
            return false;
        case IO_FIN:
            reply_lost(call, LOST_CLOSED);
            return false;
        case IO_RESET:
            reply_lost(call, LOST_RESET);
            return false;
        }
    }
}

void reply_complete(struct call *call)
{
    struct conn *client = call->client, *backend = call->backend;
    const struct flow *flow = call_flow(call, SIDE_RESPONSE);
    bool tunnel = call->tunnel, asked = call->flow[SIDE_REQUEST].state == FLOW_DONE;
    bool lie = flow->announced != UINT64_MAX && !flow->dropped && flow->written != flow->announced;
    bool pool = call->backend_keeps && asked && !flow->filtered && !backend->ended &&
                backend->input.len == 0 && !call->flow[SIDE_REQUEST].filtered &&
                !call->endpoint->proxy->draining;
    bool keep = call->client_keeps && asked && !lie;
    bool mate = client->mate == backend;
    if (!tunnel && (!keep || client->close_next || call->endpoint->proxy->draining))
        act_fin(call);
    client->doubt = backend->doubt =
        false; /* an RST would have broken our send, or breaks the next */
    call_end(call, OUTCOME_ANSWERED);
    if (tunnel)
        conn_finish(backend, CONN_BY_US);
    else if (!pool)
        conn_close(backend, CONN_BY_US, !asked);
    else if (!mate)
        pool_put(backend);
    else
        backend->used = true;
    request_finish_client(client, NULL, keep, CONN_BY_US);
}

/* No call: idle in the pool, or tied to an idle client. Anything that comes ends it. */
static void idle_event(struct conn *c)
{
    enum io io = conn_fill(c);
    if (io == IO_AGAIN)
        return;
    if (io == IO_DONE) {
        c->record.unsolicited += (uint32_t)c->input.len;
        refusal_note(c, NULL, REFUSAL_HTTP1, "bytes that no request had asked for");
    }
    conn_close(c, io == IO_DONE ? CONN_BY_US : CONN_BY_PEER, io == IO_DONE);
}

static bool drain_step(struct conn *c)
{
    size_t used = 0;
    enum io io = c->input.len > 0 ? IO_DONE : conn_fill(c);
    if (io == IO_AGAIN)
        return false;
    bool bad =
        io != IO_DONE || http1_body_feed(&c->drain, c->input, &used, NULL, NULL, NULL) == HTTP1_BAD;
    conn_consume(c, used);
    c->lingered += used;
    if (bad || c->lingered > RELAY_DRAIN_MOST_BYTES ||
        (c->drain.done && (c->input.len > 0 || c->ended))) {
        conn_close(c, CONN_BY_US, !bad);
        return false;
    }
    if (c->drain.done) {
        c->draining = false;
        http1_body_release(&c->drain);
        if (c->mate == NULL)
            pool_put(c);
        return false;
    }
    return true;
}

static bool step(struct conn *c)
{
    struct call *call = c->call;
    if (c->draining)
        return drain_step(c);
    if (call == NULL) {
        idle_event(c);
        return false;
    }
    struct flow *flow = call_flow(call, SIDE_RESPONSE);
    if (call->cutting || flow->held || conn_unsent(call->client) > 0)
        return false;
    if (flow->state == FLOW_HEAD && call->tunnel) { /* a raw stream whose server speaks first */
        enum io io = c->input.len > 0 ? IO_DONE : conn_fill(c);
        if (io == IO_AGAIN)
            return false;
        if (io == IO_RESET) {
            reply_lost(call, LOST_RESET);
            return false;
        }
        relay_begin_raw(call, c->read_ns);
        return true;
    }
    return flow->state == FLOW_HEAD ? take_head(c) : flow_pump(call, SIDE_RESPONSE);
}

/* The rest of a request leaves. */
static bool flush_backend(struct conn *c)
{
    struct call *call = c->call;
    if (conn_unsent(c) == 0 || !c->writable || c->connecting)
        return true;
    if (call != NULL && call->record.upstream == 0)
        call->record.upstream = call_span(call, clock_now_ns());
    enum io io = conn_flush(c);
    if (io == IO_RESET && call != NULL) {
        request_stop(call);
        return true;
    }
    if (io == IO_DONE)
        flow_pass_fin_due(c);
    return true;
}

static bool connected(struct conn *c)
{
    enum io io = dial_go_on(c);
    if (io == IO_AGAIN)
        return false;
    if (io == IO_DONE) {
        c->connecting = false;
        return true;
    }
    struct call *call = c->call;
    if (c->codec != NULL)
        c->codec->refused(c);
    else if (call == NULL)
        conn_close(c, CONN_BY_PEER, false);
    else
        reply_lost(call, LOST_REFUSED);
    return false;
}

void relay_run_backend(struct conn *c)
{
    struct conn *client = c->call != NULL ? c->call->client : NULL;
    if (c->dead || c->running || c->connecting)
        return;
    if (c->codec != NULL && !c->lingering) {
        c->running = true;
        c->codec->run(c);
        c->running = false;
        return;
    }
    c->running = true;
    unsigned left = CHUNKS_A_TURN;
    bool more = false;
    if (!c->lingering && flush_backend(c)) {
        do {
            more = !c->dead && !c->lingering && step(c);
        } while (more && --left > 0);
    }
    c->running = false;
    if (!c->dead && c->lingering)
        conn_linger(c);
    if (!c->dead) {
        conn_keep(c);
        if (more && (c->call != NULL || c->draining))
            relay_again(c);
    }
    if (client != NULL && !client->dead)
        relay_run_client(client);
}

void relay_on_backend(struct watch *w, unsigned what)
{
    struct conn *c = (struct conn *)(void *)w;
    if (c->dead)
        return;
    relay_note(c, what);
    if (c->connecting && !connected(c))
        return;
    relay_run_backend(c);
}
