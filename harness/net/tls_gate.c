/* MOMENT_HANDSHAKE of a handshake that ends here: where faults are asked, and what their answers
 * hold back. OpenSSL makes a whole flight at once, so ours is let go record by record; the two
 * stops before our flight is made are OpenSSL's own callbacks. */

#include "net/tls_inside.h"

#include "base/clock.h"

#include <openssl/err.h>

#define RECORD_HEADER_BYTES 5

static void on_hold(struct hold *h, uint64_t now_ns)
{
    struct tls *t = (struct tls *)(void *)((char *)h - offsetof(struct tls, hold));
    (void)now_ns;
    t->wake(t->conn);
}

void tls_gate_wake(struct tls *t)
{
    loop_hold_add(t->conn->endpoint->proxy->loop, &t->hold, clock_now_ns(), on_hold);
}

static struct halt ask_chain(struct tls *t, const struct handshake_view *seen)
{
    const struct filter_chain *now = t->conn->endpoint->chain;
    for (;;) {
        struct halt halt = chain_run_handshake(t->run, t->slot, seen, clock_now_ns());
        if (halt.answer.act == ACT_REPLACE) {
            uint32_t kind = halt.answer.code;
            if (kind < CERT_KIND_COUNT && t->ctx->leaves[kind].chosen) {
                t->kind = (enum cert_kind)kind;
                t->record.fault = chain_run_fault(t->run, halt.slot);
            }
            t->slot = (uint16_t)(halt.slot + 1);
        } else if (halt.answer.act == ACT_HOLD &&
                   !chain_has_fault(now, chain_run_fault(t->run, halt.slot))) {
            chain_run_drop(t->run, halt.slot); /* disarmed since this connection chose it */
        } else {
            return halt;
        }
    }
}

/* True: it passes. Once it has, it is not asked about again. */
static bool ask(struct tls *t, enum tls_message message)
{
    uint8_t bit = (uint8_t)(1U << message);
    if (t->run == NULL || (t->passed & bit) != 0)
        return true;
    if (t->halted) {
        if (t->halted_at != message)
            return true; /* asked ahead of its place: it stops there */
        if (t->halt.answer.act != ACT_HOLD || clock_now_ns() < t->halt.answer.until_ns)
            return false;
        t->halted = false;
    }
    struct handshake_view seen = {.side = t->side,
                                  .message = message,
                                  .sni = bytes_of(t->sni),
                                  .terminated = true,
                                  .resumes = t->offers_session,
                                  .nth = t->conn->nth,
                                  .alpn = t->offers_alpn,
                                  .versions = t->offers_versions};
    t->halt = ask_chain(t, &seen);
    endpoint_count_fired(t->conn->endpoint, t->run);
    if (t->halt.answer.act == ACT_PASS) {
        t->passed |= bit;
        t->slot = 0;
        return true;
    }
    t->slot = t->halt.slot;
    t->halted = true;
    t->halted_at = message;
    t->record.fault = chain_run_fault(t->run, t->halt.slot);
    struct loop *l = t->conn->endpoint->proxy->loop;
    loop_hold_remove(l, &t->hold);
    if (t->halt.answer.act == ACT_HOLD && t->halt.answer.until_ns != HOLD_FOREVER)
        loop_hold_add(l, &t->hold, t->halt.answer.until_ns, on_hold);
    return false;
}

static bool stops(struct tls *t, enum tls_message message)
{
    t->waits = !ask(t, message);
    return t->waits;
}

/* An extension that is one list, without the list's length of ${width} bytes; empty: not sent. */
static struct bytes list_of(SSL *ssl, unsigned type, size_t width)
{
    const unsigned char *at = NULL;
    size_t len = 0;
    if (SSL_client_hello_get0_ext(ssl, type, &at, &len) != 1 || len < width)
        return (struct bytes){0};
    return (struct bytes){at + width, len - width};
}

static void note_offer(struct tls *t, SSL *ssl)
{
    const unsigned char *at = NULL;
    size_t len = 0;
    t->offers_alpn = list_of(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, 2);
    t->offers_versions = list_of(ssl, TLSEXT_TYPE_supported_versions, 1);
    bool modern = t->offers_versions.len > 0;
    t->offers_session =
        SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_psk, &at, &len) == 1 ||
        (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_session_ticket, &at, &len) == 1 && len > 0) ||
        (!modern && SSL_client_hello_get0_session_id(ssl, &at) > 0);
    /* server_name: list length, type 0, name length, name (RFC 6066 3) */
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &at, &len) != 1 || len < 5 ||
        at[2] != 0)
        return;
    size_t name = (size_t)at[3] << 8 | at[4];
    if (name > len - 5 || name >= sizeof(t->sni) || memchr(at + 5, 0, name) != NULL)
        return;
    memcpy(t->sni, at + 5, name);
    t->sni[name] = '\0';
    t->record.sni = endpoint_name(t->conn->endpoint, bytes_of(t->sni));
}

static int on_client_hello(SSL *ssl, int *alert, void *cookie)
{
    struct tls *t = tls_of(ssl);
    (void)alert;
    (void)cookie;
    note_offer(t, ssl);
    bool stopped = stops(t, TLS_CLIENT_HELLO);
    t->offers_alpn = t->offers_versions = (struct bytes){0}; /* OpenSSL's, and soon gone */
    return stopped ? SSL_CLIENT_HELLO_RETRY : SSL_CLIENT_HELLO_SUCCESS;
}

/* Our certificate is about to be chosen: before ServerHello is made (we serve), or behind the
 * peer's flight (we are the client). A fault of CERTIFICATE is asked ahead, for what it may put
 * there; where it holds or ends, it does so at that message's place. */
static int on_certificate(SSL *ssl, void *cookie)
{
    struct tls *t = tls_of(ssl);
    (void)cookie;
    if (stops(t, TLS_SERVER_HELLO))
        return -1;
    (void)ask(t, TLS_CERTIFICATE);
    const struct tls_leaf *leaf = &t->ctx->leaves[t->kind];
    if (t->kind == CERT_GOOD)
        return 1;
    SSL_certs_clear(ssl);
    return leaf->cert == NULL ||
                   SSL_use_cert_and_key(ssl, leaf->cert, leaf->key, leaf->rest, 1) == 1
               ? 1
               : 0;
}

/* The secret of our own direction, for an alert within an encrypted handshake (tls_seal.c). */
static void on_secret(const SSL *ssl, const char *line)
{
    struct tls *t = tls_of(ssl);
    struct bytes label = t == NULL || t->side == SIDE_REQUEST
                             ? BYTES("SERVER_HANDSHAKE_TRAFFIC_SECRET ")
                             : BYTES("CLIENT_HANDSHAKE_TRAFFIC_SECRET ");
    if (t == NULL || t->run == NULL || !bytes_starts(bytes_of(line), label))
        return;
    const char *hex = strrchr(line, ' ');
    size_t len = 0;
    if (OPENSSL_hexstr2buf_ex(t->secret, sizeof(t->secret), &len, hex + 1, '\0') == 1)
        t->secret_len = len;
}

void tls_gate_context(SSL_CTX *ctx, enum tls_role role)
{
    if (role == TLS_SERVER)
        SSL_CTX_set_client_hello_cb(ctx, on_client_hello, NULL);
    SSL_CTX_set_cert_cb(ctx, on_certificate, NULL);
    SSL_CTX_set_keylog_callback(ctx, on_secret);
}

void tls_gate_begin(struct tls *t)
{
    struct conn *c = t->conn;
    struct endpoint *e = c->endpoint;
    if (t->side == SIDE_REQUEST) {
        if (c->accept_run.chain != NULL &&
            chain_run_wants(&c->accept_run, MOMENT_HANDSHAKE, SIDE_REQUEST))
            t->run = &c->accept_run;
        return;
    }
    if (!chain_wants(e->chain, MOMENT_HANDSHAKE, SIDE_RESPONSE))
        return;
    c->nth = ++e->dialled;
    chain_run_init(&t->own_run, e->chain, &t->arena, &e->proxy->chunk_arena);
    t->own_run.view = (struct call_view){
        .id_hi = e->number, .id_lo = c->nth, .conn = c->record.conn, .endpoint = e->number};
    chain_run_select_accept(&t->own_run, c->nth, NULL, clock_now_ns());
    if (chain_run_wants(&t->own_run, MOMENT_HANDSHAKE, SIDE_RESPONSE))
        t->run = &t->own_run;
}

void tls_gate_note(struct tls *t, int type, const uint8_t *at, size_t len)
{
    if (t->run == NULL || t->complete)
        return;
    if (type == SSL3_RT_HEADER) {
        t->records_made++;
        return;
    }
    if (type == SSL3_RT_INNER_CONTENT_TYPE || t->span_count == TLS_SPANS_MOST || len == 0)
        return;
    t->spans[t->span_count++] =
        (struct tls_span){.type = (uint8_t)type, .message = at[0], .end = t->records_made};
}

static bool is_modern(const struct tls *t)
{
    return SSL_version(t->ssl) == TLS1_3_VERSION;
}

/* CCS is the first of Finished's records but in 1.3, where it means nothing. */
static bool begins_finish(const struct tls *t, const struct tls_span *s)
{
    return (s->type == SSL3_RT_HANDSHAKE && s->message == SSL3_MT_FINISHED) ||
           (s->type == SSL3_RT_CHANGE_CIPHER_SPEC && !is_modern(t));
}

static bool stops_at(struct tls *t, const struct tls_span *s)
{
    bool handshake = s->type == SSL3_RT_HANDSHAKE;
    if (t->side == SIDE_REQUEST) {
        if (handshake && s->message == SSL3_MT_SERVER_HELLO)
            return stops(t, TLS_SERVER_HELLO);
        if (handshake && s->message == SSL3_MT_CERTIFICATE)
            return stops(t, TLS_CERTIFICATE);
    } else {
        if (handshake && s->message == SSL3_MT_CLIENT_HELLO)
            return stops(t, TLS_CLIENT_HELLO);
        /* theirs are behind us: what we say next is the answer to both */
        if ((handshake || begins_finish(t, s)) &&
            (stops(t, TLS_SERVER_HELLO) || stops(t, TLS_CERTIFICATE)))
            return true;
    }
    return begins_finish(t, s) && stops(t, TLS_FINISHED);
}

static const struct tls_span *span_of(const struct tls *t, uint16_t record)
{
    for (size_t i = 0; i < t->span_count; i++) {
        if (record < t->spans[i].end)
            return &t->spans[i];
    }
    return NULL;
}

bool tls_gate_open(struct tls *t)
{
    if (t->run == NULL) {
        t->wire_free = t->wire.len;
        return true;
    }
    while (t->wire_free < t->wire.len) {
        const uint8_t *record = t->wire.at + t->wire_free;
        const struct tls_span *span = span_of(t, t->records_free);
        if (span != NULL && stops_at(t, span))
            return false;
        INVARIANT(t->wire.len - t->wire_free >= RECORD_HEADER_BYTES);
        size_t len = RECORD_HEADER_BYTES + ((size_t)record[3] << 8 | record[4]);
        INVARIANT(len <= t->wire.len - t->wire_free);
        if (record[0] == SSL3_RT_APPLICATION_DATA)
            t->records_sealed++;
        t->wire_free += len;
        t->records_free++;
    }
    return true;
}

void tls_gate_alert(struct tls *t)
{
    uint8_t description = (uint8_t)(t->halt.answer.code - 1);
    uint8_t sealed[TLS_SEALED_ALERT_BYTES];
    /* the two that are no errors (RFC 8446 6.1) */
    uint8_t level = description == SSL_AD_CLOSE_NOTIFY || description == SSL_AD_USER_CANCELLED
                        ? SSL3_AL_WARNING
                        : SSL3_AL_FATAL;
    const uint8_t plain[] = {SSL3_RT_ALERT, 3, 3, 0, 2, level, description};
    /* we serve: encrypted from the record behind our ServerHello on; client: once we have theirs */
    bool modern = is_modern(t) && t->secret_len > 0 &&
                  (t->side == SIDE_RESPONSE ? t->halted_at > TLS_CLIENT_HELLO
                                            : t->halted_at > TLS_SERVER_HELLO);
    const SSL_CIPHER *cipher = SSL_get_pending_cipher(t->ssl);
    struct error err = {0};
    t->wire.len = t->wire_free;
    const uint8_t content[] = {level, description};
    if (modern && cipher != NULL &&
        tls_seal_alert(SSL_CIPHER_get_protocol_id(cipher), t->secret, t->records_sealed, content,
                       sealed))
        INVARIANT(buffer_add(&t->wire, sealed, sizeof(sealed), &err));
    else
        INVARIANT(buffer_add(&t->wire, plain, sizeof(plain), &err));
    t->wire_free = t->wire.len;
    if (description == SSL_AD_CLOSE_NOTIFY)
        return;
    t->record.alert_out = (uint16_t)(description + 1);
    t->record.alert_out_at = tls_watch_span(t);
}
