/* Building and counting TLS contexts. */

#include "net/tls_inside.h"

#include <openssl/err.h>
#include <stdlib.h>

/* Sessions are for whoever comes back to the same endpoint; the name only has to be the same. */
static const unsigned char session_context[] = "meshproof";
#define TICKETS_ON 2
#define TICKET_KEY_BYTES 80

static bool load_leaf(const struct cert_leaf *from, struct tls_leaf *to, struct error *err)
{
    to->chosen = true;
    if (from->chain_pem == NULL)
        return true;
    if (!tls_read_chain(from->chain_pem, &to->rest, err))
        return false;
    X509 *top = sk_X509_value(to->rest, sk_X509_num(to->rest) - 1);
    tls_text_read(sk_X509_value(to->rest, 0), top, &to->text);
    to->cert = sk_X509_shift(to->rest);
    to->key = from->key_pem == NULL ? NULL : tls_read_key(from->key_pem);
    if (to->key == NULL)
        return error_set(err, ERROR_INPUT, "the private key of a certificate cannot be read");
    if (X509_check_private_key(to->cert, to->key) != 1) {
        ERR_clear_error();
        return error_set(err, ERROR_INPUT, "the private key is not that of the certificate %s",
                         to->text.serial);
    }
    return true;
}

static bool load_leaves(struct tls_context *t, const struct tls_config *config, struct error *err)
{
    if (!load_leaf(&config->own, &t->leaves[CERT_GOOD], err))
        return false;
    for (size_t i = CERT_GOOD + 1; i < CERT_KIND_COUNT; i++) {
        const struct cert_leaf *from = &config->leaves[i];
        bool none = i == CERT_NO_CERTIFICATE && t->role == TLS_CLIENT;
        if ((from->chain_pem != NULL || none) && !load_leaf(from, &t->leaves[i], err)) {
            error_prefix(err, "the %s leaf: ", cert_kind_word((enum cert_kind)i));
            return false;
        }
    }
    return true;
}

static bool load_trust(struct tls_context *t, const char *pem, struct error *err)
{
    STACK_OF(X509) *roots = NULL;
    if (pem == NULL)
        return true;
    if (!tls_read_chain(pem, &roots, err)) {
        error_prefix(err, "the trust bundle: ");
        return false;
    }
    X509_STORE *store = SSL_CTX_get_cert_store(t->ssl);
    bool added = true;
    for (int i = 0; i < sk_X509_num(roots) && added; i++) {
        X509 *root = sk_X509_value(roots, i);
        added = X509_STORE_add_cert(store, root) == 1 &&
                (t->role == TLS_CLIENT || SSL_CTX_add_client_CA(t->ssl, root) == 1);
    }
    sk_X509_pop_free(roots, X509_free);
    t->verifies = true;
    return added || error_set(err, ERROR_INPUT, "the trust bundle is not taken by OpenSSL");
}

/* "h2,http/1.1" as ALPN has it on the wire (RFC 7301 3.1). */
static bool load_alpn(struct tls_context *t, const char *list, struct error *err)
{
    while (list != NULL && *list != '\0') {
        size_t len = strcspn(list, ",");
        if (len == 0 || len > UINT8_MAX || t->alpn_len + 1 + len > sizeof(t->alpn))
            return error_set(err, ERROR_INPUT,
                             "\"%.80s\" is not a list of protocols such as \"h2,http/1.1\" of at "
                             "most %zu bytes",
                             list, sizeof(t->alpn));
        t->alpn[t->alpn_len] = (uint8_t)len;
        memcpy(t->alpn + t->alpn_len + 1, list, len);
        t->alpn_len += 1 + len;
        list += len + (list[len] == ',' ? 1 : 0);
    }
    return true;
}

static bool set_versions(struct tls_context *t, const struct tls_config *config, struct error *err)
{
    int least = config->least_version == 0 ? TLS1_2_VERSION : config->least_version;
    int most = config->most_version == 0 ? TLS1_3_VERSION : config->most_version;
    if (least < TLS1_2_VERSION || most > TLS1_3_VERSION || least > most)
        return error_set(err, ERROR_INPUT,
                         "versions 0x%04x to 0x%04x are not a range within 0x0303 (TLS 1.2) to "
                         "0x0304 (TLS 1.3)",
                         (unsigned)least, (unsigned)most);
    return SSL_CTX_set_min_proto_version(t->ssl, least) == 1 &&
           SSL_CTX_set_max_proto_version(t->ssl, most) == 1;
}

/* tls-measured.md 7.6: off means that an old ticket which is offered gives a full handshake. */
static void set_resumption(const struct tls_context *t)
{
    if (t->resumption) {
        SSL_CTX_set_session_cache_mode(
            t->ssl, t->role == TLS_SERVER ? SSL_SESS_CACHE_SERVER
                                          : SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        (void)SSL_CTX_set_session_id_context(t->ssl, session_context, sizeof(session_context) - 1);
        (void)SSL_CTX_set_num_tickets(t->ssl, TICKETS_ON);
        return;
    }
    SSL_CTX_set_options(t->ssl, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(t->ssl, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(t->ssl, 0);
}

static void set_modes(struct tls_context *t, const struct tls_config *config)
{
    int verify = SSL_VERIFY_NONE;
    if (t->verifies || config->require_client)
        verify = SSL_VERIFY_PEER;
    if (config->require_client)
        verify |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    /* a FIN without a close_notify is what it is: OpenSSL would answer it with an alert */
    SSL_CTX_set_options(t->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                    SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(t->ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(t->ssl, 1);        /* a record's head and body in one recv */
    SSL_CTX_set_verify(t->ssl, verify, NULL); /* the callback: tls_watch.c */
    set_resumption(t);
    tls_watch_context(t->ssl);
    tls_gate_context(t->ssl, t->role);
    tls_offer_context(t);
}

static bool build(struct tls_context *t, const struct tls_config *config, struct error *err)
{
    if (config->role == TLS_SERVER && config->own.chain_pem == NULL)
        return error_set(err, ERROR_INPUT, "a TLS server needs a certificate and its key");
    t->ssl = SSL_CTX_new(t->role == TLS_SERVER ? TLS_server_method() : TLS_client_method());
    if (t->ssl == NULL)
        return error_set(err, ERROR_SYSTEM, "OpenSSL gives no TLS context");
    t->resumption = config->resumption;
    t->peer_san = config->peer_san == NULL ? NULL : check_strdup(config->peer_san);
    t->sni = config->sni == NULL ? NULL : check_strdup(config->sni);
    if (!load_leaves(t, config, err) || !load_trust(t, config->trust_pem, err) ||
        !load_alpn(t, config->alpn, err) || !set_versions(t, config, err))
        return false;
    const struct tls_leaf *own = &t->leaves[CERT_GOOD];
    if (own->cert != NULL &&
        SSL_CTX_use_cert_and_key(t->ssl, own->cert, own->key, own->rest, 1) != 1)
        return error_set(err, ERROR_INPUT, "the certificate %s is not taken by OpenSSL",
                         own->text.serial);
    set_modes(t, config);
    return true;
}

bool tls_context_new(const struct tls_config *config, struct tls_context **ret, struct error *err)
{
    struct tls_context *t = check_alloc_zero(1, sizeof(*t));
    t->holders = 1;
    t->role = config->role;
    if (!build(t, config, err)) {
        ERR_clear_error();
        tls_context_release(t);
        return false;
    }
    *ret = t;
    return true;
}

struct tls_context *tls_context_hold(struct tls_context *t)
{
    if (t != NULL)
        t->holders++;
    return t;
}

void tls_context_release(struct tls_context *t)
{
    if (t == NULL || --t->holders > 0)
        return;
    for (size_t i = 0; i < CERT_KIND_COUNT; i++) {
        X509_free(t->leaves[i].cert);
        sk_X509_pop_free(t->leaves[i].rest, X509_free);
        EVP_PKEY_free(t->leaves[i].key);
    }
    SSL_CTX_free(t->ssl);
    free(t->peer_san);
    free(t->sni);
    free(t);
}

enum tls_role tls_context_role(const struct tls_context *t)
{
    return t->role;
}

void tls_context_inherit(struct tls_context *to, struct tls_context *from)
{
    uint8_t keys[TICKET_KEY_BYTES];
    if (to == NULL || from == NULL || to == from || to->role != TLS_SERVER ||
        from->role != TLS_SERVER || !to->resumption || !from->resumption)
        return;
    if (SSL_CTX_get_tlsext_ticket_keys(from->ssl, keys, sizeof(keys)) == 1)
        (void)SSL_CTX_set_tlsext_ticket_keys(to->ssl, keys, sizeof(keys));
    OPENSSL_cleanse(keys, sizeof(keys));
}
