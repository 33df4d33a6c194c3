#include "net/tls_pass.h"

#include "base/clock.h"
#include "net/relay.h"
#include "net/tls_record.h"

#include <stdlib.h>

#define CLEAR_MOST_BYTES ((size_t)64 * 1024)
#define TLS_1_3 0x0304
#define LEVEL_FATAL 2

/* One direction. */
struct pass_way {
    struct buffer in; /* read; while no fault may act, only what is not a whole record yet */
    size_t free;      /* of it, may go on: whole records, or all when there is no more to look at */
    size_t parsed;    /* of the record behind ${free}: messages that were asked about */
    struct buffer clear; /* handshake messages that span records */
    enum io later;       /* what comes behind ${in} */
    bool finishing;      /* what it sends from here on is encrypted */
};

struct tls_pass {
    struct conn *conn[2]; /* by the side whose source it is */
    struct pass_way way[2];
    struct chain_run *run; /* NULL: no fault may touch it */
    struct hold hold;
    struct halt halt;
    enum tls_message halted_at;
    uint16_t slot;
    uint8_t passed;
    bool halted, over, told, ended_by_fault, hello_seen, server_seen, resumes;
    uint16_t version;
    char sni[256];
    struct handshake_record record;
};

static uint64_t span(const struct tls_pass *p)
{
    uint64_t now_ns = clock_now_ns();
    return now_ns > p->record.at ? now_ns - p->record.at : 1;
}

static void resume(struct tls_pass *p)
{
    for (size_t i = 0; i < COUNT_OF(p->conn); i++) {
        if (p->conn[i] == NULL || p->conn[i]->connecting)
            continue;
        p->conn[i]->readable = true; /* there are bytes of which the socket does not know */
        relay_again(p->conn[i]);
    }
}

/* The alert goes where an endpoint's would: to the mesh. */
static void end(struct tls_pass *p)
{
    struct conn *client = p->conn[SIDE_REQUEST];
    struct call *call = client->call;
    uint32_t code = p->halt.answer.code;
    bool reset = p->halt.answer.act == ACT_RESET;
    uint8_t alert[] = {TLS_RECORD_ALERT, 3, 3, 0, 2, LEVEL_FATAL, (uint8_t)(code - 1)};
    struct iovec part = {.iov_base = alert, .iov_len = sizeof(alert)};
    p->over = p->ended_by_fault = true;
    if (!reset && code > 0)
        (void)conn_send(client, &part, 1);
    if (!reset && code > 1) { /* close_notify is none */
        p->record.alert_out = (uint16_t)code;
        p->record.alert_out_at = span(p);
    }
    streak_end(&client->endpoint->streak, true);
    if (call == NULL) {
        conn_close(client, CONN_BY_FAULT, reset);
        return;
    }
    call->record.fault = p->record.fault;
    call->record.action = (uint16_t)p->halt.answer.act;
    act_cut(call, reset ? OUTCOME_RESET_BY_FAULT : OUTCOME_CLOSED_BY_FAULT, reset, CONN_BY_FAULT);
}

static void on_hold(struct hold *h, uint64_t now_ns)
{
    struct tls_pass *p = (struct tls_pass *)(void *)((char *)h - offsetof(struct tls_pass, hold));
    (void)now_ns;
    if (p->halt.answer.act == ACT_HOLD)
        resume(p);
    else
        end(p);
}

/* True: it passes. A CLOSE or RESET is done in a turn of its own, for we are within a read. */
static bool ask(struct tls_pass *p, enum tls_message message)
{
    struct conn *client = p->conn[SIDE_REQUEST];
    struct loop *l = client == NULL ? NULL : client->endpoint->proxy->loop;
    uint8_t bit = (uint8_t)(1U << message);
    if (p->run == NULL || client == NULL || (p->passed & bit) != 0)
        return true;
    uint64_t now_ns = clock_now_ns();
    if (p->halted && (p->halt.answer.act != ACT_HOLD || now_ns < p->halt.answer.until_ns))
        return false;
    struct handshake_view seen = {.side = SIDE_REQUEST,
                                  .message = message,
                                  .sni = bytes_of(p->sni),
                                  .resumes = p->resumes,
                                  .nth = client->nth};
    p->halted = false;
    for (;;) {
        p->halt = chain_run_handshake(p->run, p->slot, &seen, now_ns);
        if (p->halt.answer.act == ACT_REPLACE) /* whose certificate it is, is not ours to say */
            p->slot = (uint16_t)(p->halt.slot + 1);
        else if (p->halt.answer.act == ACT_HOLD &&
                 !chain_has_fault(client->endpoint->chain, chain_run_fault(p->run, p->halt.slot)))
            chain_run_drop(p->run, p->halt.slot);
        else
            break;
    }
    endpoint_count_fired(client->endpoint, p->run);
    if (p->halt.answer.act == ACT_PASS) {
        p->passed |= bit;
        p->slot = 0;
        return true;
    }
    p->halted = true;
    p->halted_at = message;
    p->slot = p->halt.slot;
    p->record.fault = chain_run_fault(p->run, p->halt.slot);
    loop_hold_remove(l, &p->hold);
    if (p->halt.answer.act != ACT_HOLD)
        loop_hold_add(l, &p->hold, now_ns, on_hold);
    else if (p->halt.answer.until_ns != HOLD_FOREVER)
        loop_hold_add(l, &p->hold, p->halt.answer.until_ns, on_hold);
    return false;
}

static void note_hello(struct tls_pass *p, const struct tls_hello *hello)
{
    const struct endpoint *e = p->conn[SIDE_REQUEST]->endpoint;
    p->hello_seen = true;
    p->resumes = hello->resumes;
    if (p->record.hello == 0)
        p->record.hello = span(p);
    if (hello->sni.len > 0 && hello->sni.len < sizeof(p->sni)) {
        memcpy(p->sni, hello->sni.at, hello->sni.len);
        p->sni[hello->sni.len] = '\0';
        p->record.sni = endpoint_name(e, hello->sni);
    }
}

static void note_server_hello(struct tls_pass *p, const struct tls_hello *hello)
{
    if (hello->retries)
        return;
    p->server_seen = true;
    p->version = p->record.version = hello->version;
    p->record.flight_out = span(p);
    if (hello->version == TLS_1_3)
        p->record.resumed = hello->resumes ? 1 : 0;
}

/* A message in clear; false: held. */
static bool on_message(struct tls_pass *p, enum side side, uint8_t type, struct bytes body)
{
    struct tls_hello hello;
    p->record.last_message = type;
    if (side == SIDE_REQUEST && type == TLS_MESSAGE_CLIENT_HELLO) {
        if (!tls_hello_parse(body, true, &hello)) {
            p->over = true;
            return true;
        }
        note_hello(p, &hello);
        return ask(p, TLS_CLIENT_HELLO);
    }
    if (side == SIDE_RESPONSE && type == TLS_MESSAGE_SERVER_HELLO &&
        tls_hello_parse(body, false, &hello)) {
        note_server_hello(p, &hello);
        return ask(p, TLS_SERVER_HELLO);
    }
    if (type != TLS_MESSAGE_CERTIFICATE)
        return true;
    p->record.flags |=
        side == SIDE_REQUEST ? HANDSHAKE_CERTIFICATE_RECEIVED : HANDSHAKE_CERTIFICATE_SENT;
    return side == SIDE_REQUEST || ask(p, TLS_CERTIFICATE);
}

static void note_alert(struct tls_pass *p, enum side side, struct bytes body)
{
    if (body.len != 2 || body.at[1] == 0)
        return;
    if (side == SIDE_REQUEST) {
        p->record.alert_in = (uint16_t)(body.at[1] + 1);
        p->record.alert_in_at = span(p);
    } else {
        p->record.alert_out = (uint16_t)(body.at[1] + 1);
        p->record.alert_out_at = span(p);
    }
}

/* Its sender goes over to encrypted records: 1.2 says so, in 1.3 they begin. */
static bool on_finish(struct tls_pass *p, enum side side)
{
    if (!ask(p, TLS_FINISHED))
        return false;
    p->way[side].finishing = true;
    if (p->version != TLS_1_3 &&
        !p->way[side == SIDE_REQUEST ? SIDE_RESPONSE : SIDE_REQUEST].finishing)
        return true;
    p->record.done = span(p);
    p->over = true;
    if (p->version != TLS_1_3)
        p->record.resumed = (p->record.flags & HANDSHAKE_CERTIFICATE_SENT) == 0 ? 1 : 0;
    return true;
}

/* All messages of the record, and what is left of those before it; false: one is held. */
static bool on_handshake(struct tls_pass *p, enum side side, struct bytes body)
{
    struct pass_way *way = &p->way[side];
    struct error err = {0};
    uint8_t type = 0;
    struct bytes message;
    size_t len = 0;
    if (way->parsed == 0) {
        if (!buffer_add(&way->clear, body.at, body.len, &err)) {
            p->over = true;
            return true;
        }
        way->parsed = 1; /* asked again after a hold, it is there already */
    }
    while (!p->over && tls_message_parse(buffer_view(&way->clear), &type, &message, &len)) {
        if (!on_message(p, side, type, message))
            return false;
        buffer_consume(&way->clear, len);
    }
    way->parsed = 0;
    return true;
}

static bool on_record(struct tls_pass *p, enum side side, const struct tls_record *record)
{
    struct pass_way *way = &p->way[side];
    bool modern = p->version == TLS_1_3;
    if (way->finishing)
        return true;
    switch (record->type) {
    case TLS_RECORD_HANDSHAKE:
        return on_handshake(p, side, record->body);
    case TLS_RECORD_ALERT:
        note_alert(p, side, record->body);
        return true;
    case TLS_RECORD_CCS:
        return modern || !p->server_seen || on_finish(p, side);
    default: /* encrypted: in 1.3 all behind ServerHello, of which the server's first has its
                certificate, and the client's first its Finished */
        if (!modern)
            return true;
        return side == SIDE_RESPONSE ? ask(p, TLS_CERTIFICATE) : on_finish(p, side);
    }
}

/* Looks at whole records; those that pass are free to go. */
static void look(struct tls_pass *p, enum side side)
{
    struct pass_way *way = &p->way[side];
    while (!p->over && way->free < way->in.len) {
        struct tls_record record;
        struct bytes rest = {way->in.at + way->free, way->in.len - way->free};
        enum tls_record_result result = tls_record_parse(rest, &record);
        if (result == TLS_RECORD_MORE)
            break;
        if (result == TLS_RECORD_BAD)
            p->over = true;
        else if (!on_record(p, side, &record))
            return;
        else
            way->free += record.len;
    }
    if (p->over || way->later != IO_DONE)
        way->free = way->in.len;
}

static size_t hand_out(struct pass_way *way, uint8_t *to, size_t size)
{
    size_t len = way->free < size ? way->free : size;
    if (len > 0)
        memcpy(to, way->in.at, len);
    buffer_consume(&way->in, len);
    way->free -= len;
    return len;
}

/* Nothing waits and nobody looks any more: the hot path again. */
static void let_go(struct tls_pass *p, struct conn *c, const struct pass_way *way)
{
    if (p->over && way->in.len == 0 && way->later == IO_DONE)
        c->transport = &transport_tcp;
}

/* No fault here: the bytes go on at once, whatever they are. */
static enum io read_freely(struct tls_pass *p, struct conn *c, enum side side, uint8_t *to,
                           size_t size, size_t *ret_len)
{
    struct pass_way *way = &p->way[side];
    struct error err = {0};
    enum io io = transport_tcp.read(c, to, size, ret_len);
    if (io != IO_DONE || p->over)
        return io;
    if (buffer_add(&way->in, to, *ret_len, &err))
        look(p, side);
    else
        p->over = true;
    buffer_consume(&way->in, way->free);
    way->free = 0;
    if (p->over)
        buffer_release(&way->in);
    return IO_DONE;
}

static enum io read_held(struct tls_pass *p, struct conn *c, enum side side, uint8_t *to,
                         size_t size, size_t *ret_len)
{
    struct pass_way *way = &p->way[side];
    struct error err = {0};
    bool asked = c->edge;
    enum io io = IO_DONE;
    look(p, side);
    while (way->free == 0 && io == IO_DONE && way->later == IO_DONE &&
           way->in.len < CLEAR_MOST_BYTES / 2) {
        io = transport_tcp.read(c, to, size / 2, ret_len);
        if (io == IO_DONE)
            INVARIANT(buffer_add(&way->in, to, *ret_len, &err));
        else if (io != IO_AGAIN)
            way->later = io;
        if (io != IO_AGAIN)
            look(p, side);
    }
    if (io == IO_RESET) /* takes with it what was held */
        return IO_RESET;
    *ret_len = hand_out(way, to, size);
    if (*ret_len > 0) {
        c->readable = c->readable || way->in.len > 0 || way->later != IO_DONE;
        return IO_DONE;
    }
    if (way->later != IO_DONE && way->in.len == 0)
        return way->later;
    /* held with its buffer full: an RST shows by an edge only */
    return asked && socket_error(c->endpoint->proxy->loop, c->watch.fd) != 0 ? IO_RESET : IO_AGAIN;
}

static enum io pass_read(struct conn *c, uint8_t *to, size_t size, size_t *ret_len)
{
    struct tls_pass *p = c->pass;
    enum side side = c->side == CONN_CLIENT ? SIDE_REQUEST : SIDE_RESPONSE;
    enum io io;
    if (p->record.first_byte == 0 && side == SIDE_REQUEST && p->way[side].in.len > 0)
        p->record.first_byte = p->way[side].in.at[0];
    io = p->run == NULL ? read_freely(p, c, side, to, size, ret_len)
                        : read_held(p, c, side, to, size, ret_len);
    if (io == IO_DONE && side == SIDE_REQUEST && p->record.first_byte == 0)
        p->record.first_byte = to[0];
    let_go(p, c, &p->way[side]);
    return io;
}

static enum io pass_write(struct conn *c, const struct iovec *from, size_t count, size_t *ret_len)
{
    return transport_tcp.write(c, from, count, ret_len);
}

static enum io pass_end(struct conn *c)
{
    return transport_tcp.end(c);
}

static const struct transport transport_pass = {
    .read = pass_read, .write = pass_write, .end = pass_end};

void tls_pass_begin(struct conn *client, struct conn *backend)
{
    struct tls_pass *p = check_alloc_zero(1, sizeof(*p));
    p->conn[SIDE_REQUEST] = client;
    p->conn[SIDE_RESPONSE] = backend;
    for (size_t i = 0; i < COUNT_OF(p->way); i++) {
        p->conn[i]->pass = p;
        p->conn[i]->transport = &transport_pass;
        buffer_init(&p->way[i].in, 2 * CLEAR_MOST_BYTES);
        buffer_init(&p->way[i].clear, CLEAR_MOST_BYTES);
    }
    if (client->accept_run.chain != NULL &&
        chain_run_wants(&client->accept_run, MOMENT_HANDSHAKE, SIDE_REQUEST))
        p->run = &client->accept_run;
    p->record = (struct handshake_record){.at = clock_now_ns(),
                                          .wall = clock_wall_ns() / NS_PER_S,
                                          .conn = client->record.conn,
                                          .endpoint = client->endpoint->number,
                                          .flags = HANDSHAKE_PASSED_THROUGH};
}

bool tls_pass_release(struct conn *c, const struct filter_chain *keep)
{
    struct tls_pass *p = c->pass;
    if (p == NULL || c->side != CONN_CLIENT || !p->halted || p->halt.answer.act != ACT_HOLD ||
        chain_has_fault(keep, chain_run_fault(p->run, p->halt.slot)))
        return false;
    struct loop *l = c->endpoint->proxy->loop;
    chain_run_drop(p->run, p->halt.slot);
    p->halt.answer.until_ns = clock_now_ns();
    loop_hold_remove(l, &p->hold);
    loop_hold_add(l, &p->hold, p->halt.answer.until_ns, on_hold);
    return true;
}

static enum handshake_result result_of(const struct tls_pass *p, bool reset)
{
    if (p->ended_by_fault)
        return HANDSHAKE_ENDED_BY_FAULT;
    if (p->record.done != 0)
        return HANDSHAKE_DONE;
    if (p->record.alert_in != 0)
        return HANDSHAKE_REFUSED_BY_PEER;
    if (p->record.alert_out != 0)
        return HANDSHAKE_REFUSED_BY_US;
    return reset ? HANDSHAKE_RESET : HANDSHAKE_EOF;
}

void tls_pass_close(struct conn *c, enum conn_closer by, bool reset)
{
    struct tls_pass *p = c->pass;
    struct endpoint *e = c->endpoint;
    c->pass = NULL;
    c->transport = &transport_tcp;
    if (c->side != CONN_CLIENT) {
        p->conn[SIDE_RESPONSE] = NULL;
        return;
    }
    if (p->conn[SIDE_RESPONSE] != NULL) {
        p->conn[SIDE_RESPONSE]->pass = NULL;
        p->conn[SIDE_RESPONSE]->transport = &transport_tcp;
    }
    loop_hold_remove(e->proxy->loop, &p->hold);
    p->record.closed_by = c->lingering ? c->record.closed_by : (uint8_t)by;
    p->record.closed_how = reset ? 1 : 0;
    p->record.result = (uint8_t)result_of(p, reset);
    if (p->hello_seen) /* else it was not TLS, and nobody said that it should be */
        endpoint_emit(e, RECORD_HANDSHAKE, &p->record);
    for (size_t i = 0; i < COUNT_OF(p->way); i++) {
        buffer_release(&p->way[i].in);
        buffer_release(&p->way[i].clear);
    }
    free(p);
}
