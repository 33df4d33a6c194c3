/* What happens on a TLS connection, as its handshake record says it (records.def kind 20). Each
 * rule here has a trap behind it: reference/tls-measured.md section 7. */

#include "net/tls_inside.h"

#include "base/clock.h"

#include <openssl/x509v3.h>

static int ex_index(void)
{
    static int index = -1; /* given once by OpenSSL, the same for the process's life */
    if (index < 0)
        index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    return index;
}

struct tls *tls_of(const SSL *ssl)
{
    return SSL_get_ex_data(ssl, ex_index());
}

uint64_t tls_watch_span(const struct tls *t)
{
    uint64_t now_ns = clock_now_ns();
    return now_ns > t->record.at ? now_ns - t->record.at : 1;
}

/* 7.4: content type 22 tells the stage; ours also say which record carries what. */
static void on_message(int writes, int version, int type, const void *at, size_t len, SSL *ssl,
                       void *cookie)
{
    struct tls *t = tls_of(ssl);
    const uint8_t *bytes = at;
    (void)version;
    (void)cookie;
    if (t == NULL)
        return;
    if (writes != 0)
        tls_gate_note(t, type, bytes, len);
    if (type != SSL3_RT_HANDSHAKE || len == 0)
        return;
    t->record.last_message = bytes[0];
    if (bytes[0] == SSL3_MT_CLIENT_HELLO && writes == 0 && t->record.hello == 0)
        t->record.hello = tls_watch_span(t);
    /* an empty list of certificates is a message too, but says that there is none */
    bool empty = len <= 8;
    if (bytes[0] == SSL3_MT_CERTIFICATE && !empty)
        t->record.flags |=
            writes != 0 ? HANDSHAKE_CERTIFICATE_SENT : HANDSHAKE_CERTIFICATE_RECEIVED;
}

/* 7.3, 7.4: alerts from here only; before or after completion as it is at that instant. */
static void on_info(const SSL *ssl, int where, int value)
{
    struct tls *t = tls_of(ssl);
    uint8_t description = (uint8_t)(value & 0xff);
    if (t == NULL || (where & SSL_CB_ALERT) == 0 || description == SSL_AD_CLOSE_NOTIFY)
        return;
    bool done = SSL_is_init_finished(ssl) == 1;
    if ((where & SSL_CB_READ) != 0) {
        t->record.alert_in = (uint16_t)(description + 1);
        t->record.alert_in_at = tls_watch_span(t);
        t->record.flags |= done ? HANDSHAKE_DONE_BEFORE_ALERT_IN : 0;
    } else {
        t->record.alert_out = (uint16_t)(description + 1);
        t->record.alert_out_at = tls_watch_span(t);
        t->record.flags |= done ? HANDSHAKE_DONE_BEFORE_ALERT_OUT : 0;
    }
}

static void take_peer(struct tls *t, X509 *leaf, STACK_OF(X509) * chain)
{
    int count = chain == NULL ? 0 : sk_X509_num(chain);
    X509 *top = count > 0 ? sk_X509_value(chain, count - 1) : leaf;
    tls_text_read(leaf, top, &t->peer);
    t->peer_seen = true;
}

/* 7.1: after a verification that failed nothing is left of the peer's leaf, so it is read here. At
 * the last, successful call the chain is whole, and names the root. */
static int on_verify(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *t = tls_of(ssl);
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    int depth = X509_STORE_CTX_get_error_depth(store);
    if (t == NULL || leaf == NULL)
        return ok;
    if (!t->peer_seen || (ok == 1 && depth == 0))
        take_peer(t, leaf, X509_STORE_CTX_get0_chain(store));
    if (!t->ctx->verifies) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    if (ok == 1 && depth == 0 && t->ctx->peer_san != NULL && !tls_has_san(leaf, t->ctx->peer_san)) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
        ok = 0;
    }
    if (ok != 1) {
        t->record.verify_result = (uint16_t)X509_STORE_CTX_get_error(store);
        t->record.depth = (uint8_t)depth;
    }
    return ok;
}

void tls_watch_context(SSL_CTX *ctx)
{
    SSL_CTX_set_msg_callback(ctx, on_message);
    SSL_CTX_set_info_callback(ctx, on_info);
    SSL_CTX_set_verify(ctx, SSL_CTX_get_verify_mode(ctx), on_verify);
}

void tls_watch_begin(struct tls *t)
{
    const struct conn *c = t->conn;
    INVARIANT(SSL_set_ex_data(t->ssl, ex_index(), t) == 1);
    t->record = (struct handshake_record){.at = clock_now_ns(),
                                          .wall = clock_wall_ns() / NS_PER_S,
                                          .conn = c->record.conn,
                                          .endpoint = c->endpoint->number,
                                          .side = (uint8_t)t->side,
                                          .result = HANDSHAKE_EOF};
}

static enum handshake_alpn alpn_of(const SSL *ssl)
{
    const unsigned char *at = NULL;
    unsigned len = 0;
    SSL_get0_alpn_selected(ssl, &at, &len);
    if (len == 0)
        return ALPN_NONE;
    if (len == 2 && memcmp(at, "h2", 2) == 0)
        return ALPN_H2;
    return len == 8 && memcmp(at, "http/1.1", 8) == 0 ? ALPN_HTTP1 : ALPN_OTHER;
}

/* What the verify callback has not told: nobody verified, or the session brought it along. */
static void fill_peer(struct tls *t)
{
    X509 *leaf = SSL_get0_peer_certificate(t->ssl);
    if (!t->peer_seen && leaf != NULL)
        take_peer(t, leaf, SSL_get_peer_cert_chain(t->ssl));
    if (!t->peer_seen)
        return;
    struct handshake_record *r = &t->record;
    const struct endpoint *e = t->conn->endpoint;
    r->not_before = t->peer.not_before_s;
    r->not_after = t->peer.not_after_s;
    r->leaf_serial = endpoint_name(e, bytes_of(t->peer.serial));
    r->issuer = endpoint_name(e, bytes_of(t->peer.issuer));
    r->sans = endpoint_name(e, bytes_of(t->peer.sans));
    r->root = endpoint_name(e, bytes_of(t->peer.root));
}

static void fill_own(struct tls *t)
{
    const struct tls_leaf *own = &t->ctx->leaves[t->kind];
    struct handshake_record *r = &t->record;
    if ((r->flags & HANDSHAKE_CERTIFICATE_SENT) == 0 || own->cert == NULL)
        return;
    r->own_not_after = own->text.not_after_s;
    r->own_serial = endpoint_name(t->conn->endpoint, bytes_of(own->text.serial));
    r->own_root = endpoint_name(t->conn->endpoint, bytes_of(own->text.root));
}

static enum handshake_result result_of(const struct tls *t, enum conn_closer by)
{
    const struct handshake_record *r = &t->record;
    if (t->ended_by_fault)
        return HANDSHAKE_ENDED_BY_FAULT;
    if (t->done)
        return HANDSHAKE_DONE;
    if (t->timed_out)
        return HANDSHAKE_TIMEOUT;
    if (r->alert_in != 0)
        return HANDSHAKE_REFUSED_BY_PEER;
    if (t->not_tls)
        return HANDSHAKE_NOT_TLS;
    if (t->reset)
        return HANDSHAKE_RESET;
    if (t->eof || !t->failed)
        return by == CONN_BY_FAULT ? HANDSHAKE_ENDED_BY_FAULT : HANDSHAKE_EOF;
    return HANDSHAKE_REFUSED_BY_US;
}

void tls_watch_emit(struct tls *t, enum conn_closer by, bool reset)
{
    struct handshake_record *r = &t->record;
    const char *sni = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);
    if (r->sni == 0 && sni != NULL)
        r->sni = endpoint_name(t->conn->endpoint, bytes_of(sni));
    if (r->hello != 0 && SSL_version(t->ssl) >= TLS1_VERSION && r->last_message > 1)
        r->version = (uint16_t)SSL_version(t->ssl);
    r->alpn = (uint8_t)alpn_of(t->ssl);
    r->resumed = SSL_session_reused(t->ssl) == 1 ? 1 : 0;
    fill_peer(t);
    fill_own(t);
    r->result = (uint8_t)result_of(t, by);
    r->closed_by = (uint8_t)by;
    r->closed_how = reset || t->reset ? 1 : 0;
    endpoint_emit(t->conn->endpoint, RECORD_HANDSHAKE, r);
}
