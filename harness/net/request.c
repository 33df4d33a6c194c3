/* The client's side: heads, the rest of bodies, and leaving. */

#include "net/relay.h"

#include "base/clock.h"
#include "net/h2_link.h"
#include "net/refusal.h"

#define MESSAGES_A_TURN 4

void relay_note(struct conn *c, unsigned what)
{
    if ((what & WATCH_READ) != 0)
        c->readable = c->edge = true;
    if ((what & WATCH_CLOSED) != 0)
        c->ended = c->readable = true;
    if ((what & WATCH_WRITE) != 0)
        c->writable = true;
}

static void on_again(struct loop_task *t)
{
    struct conn *c = (struct conn *)(void *)((char *)t - offsetof(struct conn, again));
    if (c->side == CONN_CLIENT)
        relay_run_client(c);
    else
        relay_run_backend(c);
}

void relay_again(struct conn *c)
{
    if (c->dead)
        return;
    c->again.run = on_again;
    loop_again(c->endpoint->proxy->loop, &c->again);
}

void request_left(struct call *call, enum left_kind kind)
{
    struct conn *client = call->client, *backend = call->backend;
    call->record.left = call_span(call, clock_now_ns());
    call->record.left_kind = (uint8_t)kind;
    call_end(call, OUTCOME_LEFT);
    if (backend != NULL)
        conn_close(backend, CONN_BY_US, true);
    conn_close(client, CONN_BY_PEER, false);
}

/* One loss may end many calls, and this is a walk over them: each connection looks by itself, in
 * its own turn. */
static void sweep_stream(const struct call *call)
{
    struct conn *ends[] = {call->client, call->backend};
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        if (ends[i] != NULL && ends[i]->doubt && !ends[i]->connecting) {
            ends[i]->readable = true;
            relay_again(ends[i]);
        }
    }
}

void relay_on_sweep(struct hold *h, uint64_t now_ns)
{
    struct endpoint *e = (struct endpoint *)(void *)((char *)h - offsetof(struct endpoint, sweep));
    for (struct call *call = e->calls, *next; call != NULL; call = next) {
        next = call->next;
        if (call->h2 != NULL) {
            sweep_stream(call);
        } else if (call->client->doubt && !call->tunnel && !call->cutting &&
                   now_ns - call->record.at > RELAY_SWEEP_NS / 2 &&
                   request_has_left(call->client)) {
            request_left(call, LEFT_RST);
        }
    }
    if (e->calls != NULL)
        loop_hold_add(e->proxy->loop, h, now_ns + RELAY_SWEEP_NS, relay_on_sweep);
}

void request_stop(struct call *call)
{
    if (call->tunnel) { /* no answer to wait for */
        reply_lost(call, LOST_RESET);
        return;
    }
    call->flow[SIDE_REQUEST].stopped = true;
    call->client_keeps = false;
    call->backend_keeps = false;
    call->backend->out.len = call->backend->out_from = 0;
    call->backend->readable = true;
    relay_again(call->backend);
}

bool request_has_left(struct conn *client)
{
    if (!client->doubt && !client->edge)
        return false;
    client->doubt = client->edge = false;
    return socket_error(client->endpoint->proxy->loop, client->watch.fd) != 0;
}

/* While nothing is read from the client: has it gone? A FIN shows as an edge of its own; an RST
 * only as a read edge, with an error to fetch. */
static void watch_for_leaving(struct conn *c)
{
    struct call *call = c->call;
    if (call->tunnel)
        return;
    if (c->ended) {
        request_left(call, LEFT_FIN);
    } else if (c->edge && request_has_left(c)) {
        request_left(call, LEFT_RST);
    }
}

void request_finish_client(struct conn *c, struct http1_body *take_body, bool keep,
                           enum conn_closer by)
{
    c->doubt = false;
    if (!keep || c->close_next || c->endpoint->proxy->draining) {
        if (take_body != NULL)
            http1_body_release(take_body);
        conn_finish(c, by);
        return;
    }
    if (take_body == NULL)
        return;
    if (take_body->done) {
        http1_body_release(take_body);
        return;
    }
    c->drain = *take_body;
    take_body->parser = NULL;
    c->draining = true;
    c->lingered = 0;
}

/* Throws away what is left of a request that was answered early (engine.md rule 30). */
static bool drain_step(struct conn *c)
{
    size_t used = 0;
    if (c->input.len == 0) {
        enum io io = conn_fill(c);
        if (io == IO_AGAIN)
            return false;
        if (io != IO_DONE) {
            conn_close(c, CONN_BY_PEER, false);
            return false;
        }
    }
    struct error err = {0};
    bool bad = http1_body_feed(&c->drain, c->input, &used, NULL, NULL, &err) == HTTP1_BAD;
    conn_consume(c, used);
    c->lingered += used;
    size_t most =
        c->drain.framing == HTTP1_CHUNKED ? RELAY_DRAIN_CHUNKED_BYTES : RELAY_DRAIN_MOST_BYTES;
    if (bad || c->lingered > most) {
        char reason[96];
        snprintf(reason, sizeof(reason), "more than %zu bytes of a body that was answered already",
                 most);
        refusal_note(c, NULL, bad && err.kind != ERROR_LIMIT ? REFUSAL_HTTP1 : REFUSAL_LIMIT,
                     bad ? err.text : reason);
        conn_finish(c, CONN_BY_US);
        return false;
    }
    if (c->drain.done) {
        c->draining = false;
        http1_body_release(&c->drain);
    }
    return true;
}

static bool forward(struct call *call, const struct http1_head *head)
{
    struct conn *client = call->client;
    struct flow *flow = call_flow(call, SIDE_REQUEST);
    struct head_change change = {.edits = flow->edits, .keep_upgrade = call->upgrade};
    struct iovec parts[HEAD_PARTS_MOST + 1];
    struct bytes rest = {client->input.at + head->head_bytes, client->input.len - head->head_bytes};
    size_t used = 0;
    struct error err;
    flow_begin(call, SIDE_REQUEST);
    if (head->verb == VERB_CONNECT)
        flow->body.done = true; /* the tunnel begins with the answer */
    size_t count = head_forward(head, client->input, &change, &call->arena, parts);
    err.kind = ERROR_NONE;
    if (!flow->filtered && !flow->body.done &&
        http1_body_feed(&flow->body, rest, &used, NULL, NULL, &err) == HTTP1_BAD) {
        refusal_of_call(call, SIDE_REQUEST, &err);
        act_refuse(call, 400);
        return true;
    }
    if (used > 0) {
        memcpy(&parts[count].iov_base, &rest.at, sizeof(rest.at));
        parts[count++].iov_len = used;
        flow->written = flow->body.payload_bytes;
    }
    if (call->backend == NULL && !reply_dial(call))
        return true;
    struct conn *backend = call->backend;
    if (backend->used && flow->body.done && call->record.verb != VERB_POST &&
        call->record.verb != VERB_PATCH && call->record.verb != VERB_OTHER) {
        bool kept = true;
        for (size_t i = 0; i < count && kept; i++)
            kept = buffer_add(&call->kept, parts[i].iov_base, parts[i].iov_len, NULL);
        if (!kept)
            call->kept.len = 0;
    }
    if (!backend->connecting)
        call->record.upstream = call_span(call, clock_now_ns());
    enum io io = conn_send(backend, parts, count);
    conn_consume(client, head->head_bytes + used);
    if (io == IO_RESET)
        request_stop(call);
    else if (flow->filtered && !flow->body.done)
        return true; /* the pump takes the rest of the input */
    else if (flow->body.done)
        flow_body_done(call, SIDE_REQUEST);
    return true;
}

static bool through_chain(struct call *call, const struct http1_head *head)
{
    struct flow *flow = call_flow(call, SIDE_REQUEST);
    struct head_view seen = {.side = SIDE_REQUEST,
                             .method = head->method,
                             .path = head->target,
                             .authority = call->authority,
                             .fields = {head->field, head->field_count}};
    struct flow_head at = {call, &seen, head};
    if (!chain_run_wants(&call->run, MOMENT_HEAD, SIDE_REQUEST))
        return true;
    if (flow->edits != NULL)
        seen.fields = head_edited(seen.fields, flow->edits, &call->arena);
    struct halt halt =
        chain_run_head(&call->run, flow->slot, &seen, clock_now_ns(), flow_on_edit, &at);
    if (halt.answer.act == ACT_PASS)
        return true;
    act_halt(call, SIDE_REQUEST, halt);
    return false;
}

void request_head_again(struct call *call)
{
    struct http1_head head;
    INVARIANT(http1_parse_request(call->client->input, &head, NULL) == HTTP1_DONE);
    if (through_chain(call, &head))
        (void)forward(call, &head);
}

static void not_http(uint8_t first, struct error *err)
{
    if (first == 0x16)
        error_set(err, ERROR_INPUT, "a TLS record where plain HTTP is spoken");
    else
        error_set(err, ERROR_INPUT, "a first byte of 0x%02x, which begins no request", first);
}

static bool start_call(struct conn *c)
{
    struct http1_head head;
    struct error err = {0};
    enum http1_result result = http1_parse_request(c->input, &head, &err);
    struct call *call = call_new(c, c->read_ns);
    slow_forget(c);
    if (result != HTTP1_DONE) {
        call->client_keeps = false;
        if (result == HTTP1_MORE) /* take_head has seen that it will never be one */
            not_http(c->input.at[0], &err);
        refusal_of_call(call, SIDE_REQUEST, &err);
        act_refuse(call, err.kind == ERROR_LIMIT ? 431 : 400);
        return true;
    }
    call_read_head(call, &head);
    call_select(call, &head, c->read_ns);
    if (through_chain(call, &head))
        return forward(call, &head);
    return true;
}

/* The first bytes of a connection: its session is begun, when they say HTTP/2. */
static bool speaks_h2(struct conn *c, bool *ret_may_be)
{
    enum proxy_protocol protocol = c->endpoint->proxy->protocol;
    enum h2_sniff sniff = protocol == PROXY_HTTP2  ? H2_IS
                          : protocol == PROXY_HTTP ? h2_sniff(c->input)
                                                   : H2_IS_NOT;
    *ret_may_be = sniff == H2_MAY_BE;
    if (sniff != H2_IS)
        return false;
    h2_link_begin(c);
    return true;
}

/* Reads on until a head is there; false: nothing more can be done now. */
static bool take_head(struct conn *c)
{
    bool may_be = false;
    for (;;) {
        struct http1_head head;
        if (c->input.len > 0) {
            if (c->record.requests == 0 && speaks_h2(c, &may_be))
                return false;
            size_t found = may_be ? 0 : http1_find_head(c->input, &c->search);
            bool wrong =
                c->input.at[0] < 'A' || c->input.at[0] > 'Z'; /* TLS and others: never a head */
            if (!may_be &&
                (found > 0 || wrong || http1_parse_request(c->input, &head, NULL) == HTTP1_BAD))
                return start_call(c);
        }
        switch (conn_fill(c)) {
        case IO_DONE:
            break;
        case IO_AGAIN:
            return false;
        case IO_FIN:
        case IO_RESET:
            conn_close(c, CONN_BY_PEER, false);
            return false;
        }
    }
}

void request_start_raw(struct conn *c)
{
    struct call *call = call_new(c, c->record.at);
    struct http1_head tunnel = {.framing = HTTP1_TUNNEL};
    call->tunnel = true;
    http1_body_init(&call->flow[SIDE_REQUEST].body, &tunnel);
    http1_body_init(&call->flow[SIDE_RESPONSE].body, &tunnel);
    if (reply_dial(call)) {
        call->flow[SIDE_REQUEST].state = FLOW_HEAD; /* until the first bytes say whose it is */
        call->flow[SIDE_RESPONSE].state = FLOW_HEAD;
    }
}

/* The first bytes of a raw stream: our id line, when it is one, is taken out (verifier.md 1.3). */
static bool raw_first(struct call *call)
{
    struct conn *c = call->client;
    struct bytes mark = BYTES("MP1 ");
    size_t len = c->input.len < mark.len ? c->input.len : mark.len;
    bool may_be = memcmp(c->input.at, mark.at, len) == 0;
    if (may_be && c->input.len < CALL_RAW_LINE_BYTES && !c->ended) {
        enum io io = conn_fill(c);
        if (io == IO_DONE)
            return true;
        if (io == IO_AGAIN)
            return false;
        if (io == IO_RESET) {
            request_left(call, LEFT_RST);
            return false;
        }
    }
    if (call_read_raw_line(call, c->input))
        conn_consume(c, CALL_RAW_LINE_BYTES);
    relay_begin_raw(call, c->read_ns);
    return true;
}

void relay_begin_raw(struct call *call, uint64_t now_ns)
{
    call_select(call, NULL, now_ns);
    flow_begin(call, SIDE_REQUEST);
    flow_begin(call, SIDE_RESPONSE);
    relay_again(call->backend);
}

static bool raw_step(struct call *call)
{
    struct conn *c = call->client;
    if (call->flow[SIDE_REQUEST].state != FLOW_HEAD)
        return flow_pump(call, SIDE_REQUEST);
    if (c->input.len > 0)
        return raw_first(call);
    switch (conn_fill(c)) {
    case IO_DONE:
        return true;
    case IO_AGAIN:
        return false;
    case IO_FIN:
        relay_begin_raw(call, c->read_ns);
        return true;
    case IO_RESET:
        request_left(call, LEFT_RST);
        return false;
    }
    UNREACHABLE();
}

static bool step(struct conn *c)
{
    struct call *call = c->call;
    if (c->draining)
        return conn_unsent(c) == 0 && drain_step(c);
    if (call == NULL)
        return conn_unsent(c) == 0 && take_head(c);
    if (call->cutting)
        return false;
    if (call->tunnel)
        return c->endpoint->proxy->protocol == PROXY_TCP ? raw_step(call)
                                                         : flow_pump(call, SIDE_REQUEST);
    if (flow_pump(call, SIDE_REQUEST))
        return true;
    watch_for_leaving(c);
    return false;
}

/* The rest of an answer leaves; false: it goes on later, or the client is gone. */
static bool flush_client(struct conn *c)
{
    struct call *call = c->call;
    if (conn_unsent(c) == 0 && c->writable && call != NULL && call->backend != NULL &&
        call->flow[SIDE_RESPONSE].splicing && call->flow[SIDE_RESPONSE].splice.piped > 0) {
        conn_keep(c);
        relay_run_backend(call->backend);
        return !c->dead;
    }
    if (conn_unsent(c) == 0 || !c->writable)
        return true;
    if (call != NULL && !call->cutting)
        call->record.done = call_span(call, clock_now_ns());
    enum io io = conn_flush(c);
    if (io == IO_RESET) {
        if (call != NULL)
            request_left(call, LEFT_RST);
        else
            conn_close(c, CONN_BY_PEER, false);
        return false;
    }
    if (io != IO_DONE)
        return true;
    flow_pass_fin_due(c);
    if (call == NULL || call->cutting)
        return true;
    if (call->flow[SIDE_RESPONSE].state == FLOW_DONE && !call->tunnel) {
        reply_complete(call);
    } else if (call->backend != NULL) {
        conn_keep(c);
        relay_run_backend(call->backend);
    }
    return !c->dead;
}

/* An idle connection keeps no buffers: meshes hold thousands of those. */
static void forget_buffers(struct conn *c)
{
    if (c->call != NULL)
        return;
    if (c->in.capacity > 0 && c->input.len == 0)
        buffer_release(&c->in);
    if (c->out.capacity > 0 && conn_unsent(c) == 0)
        buffer_release(&c->out);
}

void relay_run_client(struct conn *c)
{
    if (c->dead || c->running)
        return;
    if (c->handshaking && !accept_handshake(c))
        return;
    if (c->codec != NULL && !c->lingering) {
        c->running = true;
        c->codec->run(c);
        c->running = false;
        return;
    }
    c->running = true;
    unsigned left = MESSAGES_A_TURN;
    bool more = false;
    if (!c->lingering && !c->parked && flush_client(c)) {
        do {
            more = !c->dead && !c->lingering && step(c);
        } while (more && --left > 0);
    }
    c->running = false;
    if (c->dead)
        return;
    if (c->lingering) {
        conn_linger(c);
        return;
    }
    conn_keep(c);
    if (c->parked) {
        accept_watch(c);
    } else if (more) {
        relay_again(c);
    } else {
        slow_look(c);
        forget_buffers(c);
    }
}

void relay_on_client(struct watch *w, unsigned what)
{
    struct conn *c = (struct conn *)(void *)w;
    if (c->dead)
        return;
    relay_note(c, what);
    relay_run_client(c);
}
