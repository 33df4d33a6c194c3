#include "engine/channel.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct channel_context {
    SSL_CTX *ssl;
    struct psk psk;
};
struct channel {
    struct carrier wire; /* first */
    SSL *ssl;
};

/* SHA-256 is the hash that an external key is bound to where nothing else is said (RFC 8446
 * 4.2.11). */
static SSL_SESSION *session_of(SSL *ssl, const struct psk *psk)
{
    static const unsigned char aes_128_gcm_sha256[] = {0x13, 0x01};
    SSL_SESSION *s = SSL_SESSION_new();
    const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, aes_128_gcm_sha256);
    if (s != NULL && cipher != NULL &&
        SSL_SESSION_set1_master_key(s, psk->key, sizeof(psk->key)) == 1 &&
        SSL_SESSION_set_cipher(s, cipher) == 1 &&
        SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION) == 1)
        return s;
    SSL_SESSION_free(s);
    return NULL;
}

static const struct psk *psk_of(const SSL *ssl)
{
    return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

/* The conductor's: no session for an identity that is not the run's, so the handshake fails for
 * want of anything else to go on with. */
static int find_session(SSL *ssl, const unsigned char *identity, size_t len, SSL_SESSION **ret)
{
    const struct psk *psk = psk_of(ssl);
    *ret = NULL;
    if (len == strlen(psk->identity) && memcmp(identity, psk->identity, len) == 0)
        *ret = session_of(ssl, psk);
    return 1;
}

static int use_session(SSL *ssl, const EVP_MD *md, const unsigned char **ret_identity,
                       size_t *ret_len, SSL_SESSION **ret)
{
    const struct psk *psk = psk_of(ssl);
    *ret = NULL;
    *ret_identity = (const unsigned char *)psk->identity;
    *ret_len = strlen(psk->identity);
    if (md != NULL && EVP_MD_get_type(md) != NID_sha256)
        return 1;
    *ret = session_of(ssl, psk);
    return *ret != NULL;
}

struct channel_context *channel_context_new(enum channel_side side, const struct psk *psk)
{
    struct channel_context *c = check_alloc_zero(1, sizeof(*c));
    bool serves = side == CHANNEL_CONDUCTOR;
    c->psk = *psk;
    c->ssl = SSL_CTX_new(serves ? TLS_server_method() : TLS_client_method());
    INVARIANT(c->ssl != NULL && SSL_CTX_set_min_proto_version(c->ssl, TLS1_3_VERSION) == 1 &&
              SSL_CTX_set_max_proto_version(c->ssl, TLS1_3_VERSION) == 1 &&
              SSL_CTX_set_ciphersuites(c->ssl, "TLS_AES_128_GCM_SHA256") == 1 &&
              SSL_CTX_set_num_tickets(c->ssl, 0) == 1 &&
              SSL_CTX_set_max_early_data(c->ssl, 0) == 1);
    SSL_CTX_set_options(c->ssl, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(c->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_app_data(c->ssl, &c->psk);
    if (serves) {
        SSL_CTX_set_psk_find_session_callback(c->ssl, find_session);
    } else {
        SSL_CTX_set_psk_use_session_callback(c->ssl, use_session);
        /* No root is trusted: whoever answers with a certificate instead of the key is refused. */
        SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER, NULL);
    }
    return c;
}

void channel_context_free(struct channel_context *c)
{
    if (c == NULL)
        return;
    SSL_CTX_free(c->ssl);
    psk_wipe(&c->psk);
    free(c);
}

/* What OpenSSL said, as errno of a call that failed; 0 where it was the end of the stream. */
static ssize_t failed(struct channel *c, int rc)
{
    int what = SSL_get_error(c->ssl, rc);
    ERR_clear_error();
    if (what == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return -1;
}

static ssize_t channel_recv(struct carrier *w, void *to, size_t size)
{
    struct channel *c = (struct channel *)(void *)w;
    size_t n = 0;
    ERR_clear_error();
    int rc = SSL_read_ex(c->ssl, to, size, &n);
    return rc == 1 ? (ssize_t)n : failed(c, rc);
}

static ssize_t channel_send(struct carrier *w, const void *from, size_t size)
{
    struct channel *c = (struct channel *)(void *)w;
    size_t n = 0;
    ERR_clear_error();
    int rc = SSL_write_ex(c->ssl, from, size, &n);
    if (rc == 1)
        return (ssize_t)n;
    ssize_t got = failed(c, rc);
    if (got == 0) { /* the peer has closed: nobody reads this */
        errno = EPIPE;
        got = -1;
    }
    return got;
}

static void channel_close(struct carrier *w)
{
    struct channel *c = (struct channel *)(void *)w;
    ERR_clear_error();
    if (SSL_is_init_finished(c->ssl))
        (void)SSL_shutdown(c->ssl); /* our close_notify; the peer's is not waited for */
    ERR_clear_error();
    SSL_free(c->ssl);
    close(w->fd);
    free(c);
}

struct carrier *channel_new(struct channel_context *context, int take_fd)
{
    struct channel *c = check_alloc_zero(1, sizeof(*c));
    c->wire = (struct carrier){
        .fd = take_fd, .recv = channel_recv, .send = channel_send, .close = channel_close};
    c->ssl = SSL_new(context->ssl);
    INVARIANT(c->ssl != NULL && SSL_set_fd(c->ssl, take_fd) == 1);
    if (SSL_is_server(c->ssl))
        SSL_set_accept_state(c->ssl);
    else
        SSL_set_connect_state(c->ssl);
    return &c->wire;
}

/* The library's reason in words, or what the connection did. */
static void explain(const struct channel *c, int what, int sys, struct error *err)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);
    const char *peer = SSL_is_server(c->ssl) ? "an agent" : "the conductor";
    bool said = what == SSL_ERROR_SSL && reason != NULL &&
                ERR_GET_REASON(code) != SSL_R_UNEXPECTED_EOF_WHILE_READING;
    if (said)
        error_set(err, ERROR_PEER, "TLS with %s: %s", peer, reason);
    else if (what == SSL_ERROR_SYSCALL && sys != 0)
        error_system(err, sys, "TLS with %s", peer);
    else
        error_set(err, ERROR_SYSTEM, "%s closed the connection within the TLS handshake", peer);
    ERR_clear_error();
}

enum channel_step channel_step(struct carrier *w, struct error *err)
{
    struct channel *c = (struct channel *)(void *)w;
    ERR_clear_error();
    errno = 0;
    int rc = SSL_do_handshake(c->ssl), sys = errno;
    int what = SSL_get_error(c->ssl, rc);
    if (rc == 1 && SSL_session_reused(c->ssl) == 1) /* by the key: there is no other way */
        return CHANNEL_OPEN;
    if (rc != 1 && (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE))
        return CHANNEL_GOES_ON;
    explain(c, rc == 1 ? SSL_ERROR_SSL : what, sys, err);
    return CHANNEL_FAILED;
}
