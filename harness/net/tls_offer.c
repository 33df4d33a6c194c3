/* What is offered beside certificates: protocols (ALPN), a server name, and sessions. */

#include "net/tls_inside.h"

/* What we relay, in our order; a context may say otherwise. */
static struct bytes alpn_of(const struct tls *t)
{
    if (t->ctx->alpn_len > 0)
        return (struct bytes){t->ctx->alpn, t->ctx->alpn_len};
    switch (t->conn->endpoint->proxy->protocol) {
    case PROXY_HTTP1:
        return BYTES("\x08http/1.1");
    case PROXY_HTTP2:
        return BYTES("\x02h2");
    case PROXY_HTTP:
        if (t->side == SIDE_REQUEST)
            return BYTES("\x02h2\x08http/1.1");
        return t->conn->wants_h2 ? BYTES("\x02h2") : BYTES("\x08http/1.1");
    case PROXY_TCP:
    case PROXY_TOXIC:
        break;
    }
    return (struct bytes){NULL, 0};
}

/* No protocol in common: none is chosen, and the bytes say what they are (Envoy does so too). */
static int on_alpn(SSL *ssl, const unsigned char **ret_at, unsigned char *ret_len,
                   const unsigned char *theirs, unsigned their_len, void *cookie)
{
    struct bytes ours = alpn_of(tls_of(ssl));
    unsigned char *found = NULL;
    (void)cookie;
    if (ours.len == 0 || SSL_select_next_proto(&found, ret_len, ours.at, (unsigned)ours.len, theirs,
                                               their_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *ret_at = found;
    return SSL_TLSEXT_ERR_OK;
}

/* A client's: the last session of the endpoint is kept for the next connection. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct endpoint *e = tls_of(ssl)->conn->endpoint;
    SSL_SESSION_free(e->tls_session);
    e->tls_session = session;
    return 1;
}

void tls_offer_context(const struct tls_context *ctx)
{
    if (ctx->role == TLS_SERVER)
        SSL_CTX_set_alpn_select_cb(ctx->ssl, on_alpn, NULL);
    else if (ctx->resumption)
        SSL_CTX_sess_set_new_cb(ctx->ssl, on_session);
}

void tls_offer_begin(struct tls *t)
{
    struct endpoint *e = t->conn->endpoint;
    if (t->side == SIDE_REQUEST) {
        SSL_set_accept_state(t->ssl);
        return;
    }
    struct bytes alpn = alpn_of(t);
    SSL_set_connect_state(t->ssl);
    if (alpn.len > 0)
        (void)SSL_set_alpn_protos(t->ssl, alpn.at, (unsigned)alpn.len);
    if (t->ctx->sni != NULL) {
        (void)SSL_set_tlsext_host_name(t->ssl, t->ctx->sni);
        t->record.sni = endpoint_name(e, bytes_of(t->ctx->sni));
        snprintf(t->sni, sizeof(t->sni), "%s", t->ctx->sni);
    }
    if (t->ctx->resumption && e->tls_session != NULL)
        t->offers_session = SSL_set_session(t->ssl, e->tls_session) == 1;
}

void tls_offer_forget(struct endpoint *e)
{
    SSL_SESSION_free(e->tls_session);
    e->tls_session = NULL;
}
