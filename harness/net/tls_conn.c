#include "net/tls_inside.h"

#include "base/clock.h"
#include "net/refusal.h"

#include <openssl/err.h>
#include <stdlib.h>

#define SLICE_BYTES ((size_t)16 * 1024) /* one record */
#define WIRE_FULL_BYTES ((size_t)64 * 1024)
#define ARENA_MOST_BYTES ((size_t)256 * 1024)

static void refuse(struct tls *t, enum refusal_about about, const char *why)
{
    const struct conn *c = t->conn;
    const struct call *call = c->call;
    struct refusal_try of = {0};
    if (call != NULL)
        of = (struct refusal_try){.mesh = call->client, .sequence = call->record.sequence};
    refusal_note(c, call != NULL ? &of : NULL, about, why);
}

/* OpenSSL's word for what it did not like, before its queue is cleared. A peer that has only left
 * is no case for it, nor is what a fault of ours has made. */
static void tell_why(struct tls *t)
{
    unsigned long error = ERR_peek_error();
    const char *reason = ERR_reason_error_string(error);
    char why[160];
    if (t->told_why || t->eof || t->reset || t->ended_by_fault || reason == NULL)
        return;
    t->told_why = true;
    if (ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        snprintf(why, sizeof(why), "%s: %s", reason,
                 X509_verify_cert_error_string(t->record.verify_result));
    else
        snprintf(why, sizeof(why), "%s%s", t->not_tls && !t->done ? "not TLS: " : "", reason);
    refuse(t, REFUSAL_TLS, why);
}

/* What SSL_read or SSL_write could not do. */
static enum io trouble(struct tls *t, int result)
{
    switch (SSL_get_error(t->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: /* never: our BIO takes all */
        return IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return IO_FIN;
    default:
        tell_why(t);
        ERR_clear_error();
        t->failed = true;
        return t->eof ? IO_FIN : IO_RESET;
    }
}

static enum io tls_read(struct conn *c, uint8_t *to, size_t size, size_t *ret_len)
{
    struct tls *t = c->tls;
    size_t len = 0;
    enum io io = t->later;
    while (io == IO_DONE && len < size) {
        size_t got = 0;
        ERR_clear_error();
        int result = SSL_read_ex(t->ssl, to + len, size - len, &got);
        if (result != 1)
            io = trouble(t, result);
        len += got;
        /* what the socket or OpenSSL still has: else another look at the socket is for nothing */
        if (io == IO_DONE && SSL_has_pending(t->ssl) == 0 && !c->readable)
            break;
    }
    t->wire_free = t->wire.len;
    if (tls_bio_flush(t) == IO_RESET) /* an alert, or the answer to a key update */
        t->reset = true;
    if (io == IO_FIN || io == IO_RESET)
        t->later = io;
    if (len == 0)
        return io;
    if (t->record.first_app == 0)
        t->record.first_app = tls_watch_span(t);
    t->record.app_bytes += len;
    c->readable = c->readable || t->later != IO_DONE || SSL_has_pending(t->ssl) == 1;
    *ret_len = len;
    return IO_DONE;
}

/* A plaintext cursor over the parts of a send. */
struct cursor {
    const struct iovec *from;
    size_t count, skip;
};

/* The next record's plaintext: one part's own bytes, or several parts put together. */
static struct bytes next_slice(struct cursor *at, uint8_t *room)
{
    size_t len = 0;
    while (at->count > 0 && at->skip == at->from->iov_len) {
        at->from++;
        at->count--;
        at->skip = 0;
    }
    if (at->count == 0)
        return (struct bytes){NULL, 0};
    size_t left = at->from->iov_len - at->skip;
    if (left >= SLICE_BYTES || at->count == 1) {
        struct bytes slice = {(const uint8_t *)at->from->iov_base + at->skip,
                              left < SLICE_BYTES ? left : SLICE_BYTES};
        at->skip += slice.len;
        return slice;
    }
    while (at->count > 0 && len < SLICE_BYTES) {
        left = at->from->iov_len - at->skip;
        size_t n = left < SLICE_BYTES - len ? left : SLICE_BYTES - len;
        if (n > 0)
            memcpy(room + len, (const uint8_t *)at->from->iov_base + at->skip, n);
        len += n;
        at->skip += n;
        if (at->skip == at->from->iov_len) {
            at->from++;
            at->count--;
            at->skip = 0;
        }
    }
    return (struct bytes){room, len};
}

static enum io tls_write(struct conn *c, const struct iovec *from, size_t count, size_t *ret_len)
{
    struct tls *t = c->tls;
    uint8_t room[SLICE_BYTES];
    struct cursor at = {from, count, 0};
    *ret_len = 0;
    enum io io = tls_bio_flush(t);
    for (bool more = true; more && io == IO_DONE;) {
        struct bytes slice = next_slice(&at, room);
        size_t done = 0;
        if (slice.len > 0) {
            ERR_clear_error();
            if (SSL_write_ex(t->ssl, slice.at, slice.len, &done) != 1) {
                tell_why(t);
                ERR_clear_error();
                return IO_RESET;
            }
            INVARIANT(done == slice.len);
            *ret_len += done;
            t->wire_free = t->wire.len;
        }
        more = slice.len > 0;
        if (!more || t->wire.len >= WIRE_FULL_BYTES)
            io = tls_bio_flush(t);
    }
    return io == IO_RESET ? IO_RESET : IO_DONE;
}

/* close_notify, once; not within a handshake, nor after an error (RFC 8446 6.1). */
static void say_goodbye(struct tls *t)
{
    if (t->notified || !t->done || t->failed)
        return;
    t->notified = true;
    ERR_clear_error();
    (void)SSL_shutdown(t->ssl);
    ERR_clear_error();
    t->wire_free = t->wire.len;
}

static void settle(struct tls *t)
{
    struct loop *l = t->conn->endpoint->proxy->loop;
    loop_hold_remove(l, &t->limit);
    loop_hold_remove(l, &t->hold);
    t->waits = false;
    OPENSSL_cleanse(t->secret, sizeof(t->secret));
}

static enum io tls_end(struct conn *c)
{
    struct tls *t = c->tls;
    if (!t->done) { /* whoever ends it now ends the handshake too */
        settle(t);
        c->handshaking = false;
        c->transport = &transport_tcp;
        return transport_tcp.end(c);
    }
    say_goodbye(t);
    if (tls_bio_flush(t) == IO_AGAIN)
        return IO_AGAIN;
    return transport_tcp.end(c);
}

static const struct transport transport_tls = {
    .read = tls_read, .write = tls_write, .end = tls_end};

static void on_limit(struct hold *h, uint64_t now_ns)
{
    struct tls *t = (struct tls *)(void *)((char *)h - offsetof(struct tls, limit));
    const struct proxy *p = t->conn->endpoint->proxy;
    if (t->waits) { /* it is our own fault that it takes so long */
        loop_hold_add(p->loop, h, now_ns + p->handshake_limit_ns, on_limit);
        return;
    }
    t->timed_out = true;
    t->wake(t->conn);
}

void tls_conn_begin(struct conn *c, struct tls_context *ctx, enum side side,
                    void (*wake)(struct conn *c))
{
    const struct proxy *p = c->endpoint->proxy;
    struct tls *t = check_alloc_zero(1, sizeof(*t));
    INVARIANT(c->tls == NULL && (tls_context_role(ctx) == TLS_SERVER) == (side == SIDE_REQUEST));
    c->tls = t;
    c->transport = &transport_tls;
    t->conn = c;
    t->ctx = tls_context_hold(ctx);
    t->side = side;
    t->wake = wake;
    arena_init(&t->arena, ARENA_MOST_BYTES);
    t->ssl = SSL_new(ctx->ssl);
    INVARIANT(t->ssl != NULL);
    BIO *bio = tls_bio_new(t);
    SSL_set_bio(t->ssl, bio, bio);
    tls_watch_begin(t);
    t->record.generation = c->endpoint->tls_generation[side];
    tls_offer_begin(t);
    tls_gate_begin(t);
    loop_hold_add(p->loop, &t->limit, clock_now_ns() + p->handshake_limit_ns, on_limit);
}

static enum io fail(struct tls *t, enum io how)
{
    struct conn *c = t->conn;
    settle(t);
    t->failed = true;
    c->sealed = 0;
    c->transport = &transport_tcp;
    return how;
}

static enum io end_by_fault(struct tls *t)
{
    t->ended_by_fault = true;
    if (t->halt.answer.act == ACT_CLOSE && t->halt.answer.code > 0)
        tls_gate_alert(t);
    (void)tls_bio_flush(t);
    t->conn->abort = t->halt.answer.act == ACT_RESET;
    return fail(t, t->halt.answer.act == ACT_RESET ? IO_RESET : IO_FIN);
}

/* Held: has its peer gone? Nothing is read meanwhile. */
static enum io wait_held(struct tls *t)
{
    struct conn *c = t->conn;
    if (t->halt.answer.act != ACT_HOLD)
        return end_by_fault(t);
    bool asked = c->edge;
    c->edge = false;
    if (asked && socket_error(c->endpoint->proxy->loop, c->watch.fd) != 0)
        t->reset = true;
    else if (c->ended)
        t->eof = true;
    if (!t->reset && !t->eof)
        return IO_AGAIN;
    return fail(t, t->reset ? IO_RESET : IO_FIN);
}

/* What filters are told of it. */
static void note_view(struct tls *t)
{
    const unsigned char *alpn = NULL;
    unsigned len = 0;
    SSL_get0_alpn_selected(t->ssl, &alpn, &len);
    t->view = (struct tls_view){.version = (uint16_t)SSL_version(t->ssl),
                                .alpn = {alpn, len},
                                .peer = bytes_of(t->peer_seen ? t->peer.sans : ""),
                                .resumed = SSL_session_reused(t->ssl) == 1};
}

const struct tls_view *tls_conn_view(const struct conn *c)
{
    return c->tls != NULL && c->tls->done ? &c->tls->view : NULL;
}

static enum io complete(struct tls *t)
{
    struct conn *c = t->conn;
    settle(t);
    t->done = true;
    note_view(t);
    t->wire_free = t->wire.len;
    t->record.done = tls_watch_span(t);
    /* what came behind the peer's last message gives no edge any more */
    c->readable = c->readable || SSL_has_pending(t->ssl) == 1;
    return tls_bio_flush(t) == IO_RESET ? fail(t, IO_RESET) : IO_DONE;
}

enum io tls_conn_handshake(struct conn *c)
{
    struct tls *t = c->tls;
    if (t->timed_out) {
        char why[96];
        snprintf(why, sizeof(why), "a TLS handshake that was not complete within %llu ms",
                 (unsigned long long)(c->endpoint->proxy->handshake_limit_ns / NS_PER_MS));
        refuse(t, REFUSAL_LIMIT, why);
        return fail(t, IO_FIN);
    }
    int error = SSL_ERROR_WANT_READ;
    if (tls_gate_open(t) && !t->complete) {
        ERR_clear_error();
        int result = SSL_do_handshake(t->ssl);
        error = SSL_get_error(t->ssl, result);
        if (error == SSL_ERROR_SSL)
            tell_why(t);
        ERR_clear_error();
        t->complete = result == 1;
        if (!t->waits) /* else a callback has stopped it */
            (void)tls_gate_open(t);
    }
    if (tls_bio_flush(t) == IO_RESET)
        t->reset = true;
    if (t->waits)
        return wait_held(t);
    if (t->complete)
        return complete(t);
    if (t->reset || error != SSL_ERROR_WANT_READ)
        return fail(t, t->reset ? IO_RESET : IO_FIN);
    return IO_AGAIN;
}

bool tls_conn_release(struct conn *c, const struct filter_chain *keep)
{
    struct tls *t = c->tls;
    struct loop *l = c->endpoint->proxy->loop;
    if (t == NULL || !t->halted || t->done || t->failed || t->halt.answer.act != ACT_HOLD ||
        chain_has_fault(keep, chain_run_fault(t->run, t->halt.slot)))
        return false;
    chain_run_drop(t->run, t->halt.slot);
    t->halt.answer.until_ns = clock_now_ns();
    loop_hold_remove(l, &t->hold);
    if (t->waits)
        tls_gate_wake(t);
    return true;
}

enum conn_closer tls_conn_blame(const struct conn *c)
{
    const struct tls *t = c->tls;
    if (t->ended_by_fault)
        return CONN_BY_FAULT;
    return t->eof || t->reset || t->record.alert_in != 0 ? CONN_BY_PEER : CONN_BY_US;
}

uint16_t tls_conn_fault(const struct conn *c)
{
    return c->tls->record.fault;
}

/* In TLS 1.3 a client is done before it is refused, and its write may fail before it has read why
 * (tls-measured.md 7.7): the alert is there, behind the error. */
static void read_refusal(struct tls *t)
{
    uint8_t room[256];
    size_t got = 0;
    if (!t->done || t->failed || t->eof || t->record.first_app != 0 || t->record.alert_in != 0)
        return;
    t->conn->readable = true; /* its edge may be one with the error's */
    ERR_clear_error();
    if (SSL_read_ex(t->ssl, room, sizeof(room), &got) == 1) {
        t->record.first_app = tls_watch_span(t);
        t->record.app_bytes += got;
    } else if (t->record.alert_in != 0) {
        tell_why(t);
    }
    ERR_clear_error();
}

void tls_conn_close(struct conn *c, enum conn_closer by, bool reset)
{
    struct tls *t = c->tls;
    settle(t);
    if (t->side == SIDE_RESPONSE)
        read_refusal(t);
    if (!reset && !c->broken) {
        say_goodbye(t);
        (void)tls_bio_flush(t);
    }
    if (!t->done)
        by = tls_conn_blame(c) == CONN_BY_US ? by : tls_conn_blame(c);
    tls_watch_emit(t, c->lingering ? (enum conn_closer)c->record.closed_by : by, reset);
    if (t->done) /* else OpenSSL takes the session for a bad one */
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(t->ssl);
    buffer_release(&t->wire);
    if (t->own_run.chain != NULL)
        chain_run_release(&t->own_run, true, clock_now_ns());
    arena_release(&t->arena);
    tls_context_release(t->ctx);
    c->tls = NULL;
    c->sealed = 0;
    c->transport = &transport_tcp;
    free(t);
}
