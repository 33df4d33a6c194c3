#ifndef NET_TLS_PEER_TEST_H
#define NET_TLS_PEER_TEST_H

/* For tests of TLS: OpenSSL on the other end of a rig's peers, by memory BIOs in the same thread,
 * and certificates of a lab's authority. What was received is plaintext in ${got}. */

#include "certs/authority.h"
#include "certs/cert_set.h"
#include "net/script_test.h"
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#define SERVER_SAN "spiffe://td/ns/shop/sa/payments"
#define SERVER_NAME "payments.shop"
#define CLIENT_SAN "spiffe://td/ns/shop/sa/checkout"

struct lab {
    struct authority *authority;
    struct cert_set server, client;
    struct text bundle;
    struct identity server_id, client_id;
};

static inline void lab_make(struct lab *lab, const char *san, struct identity *id,
                            struct cert_set *set)
{
    struct error err = {0};
    *id = (struct identity){.san_count = 0};
    assert_true(identity_add(id, san, &err) &&
                (set != &lab->server || identity_add(id, SERVER_NAME, &err)));
    const struct cert_set_order order = {.identity = id,
                                         .root = "root-a",
                                         .old_root = "root-old",
                                         .new_root = "root-new",
                                         .wall_s = clock_wall_ns() / NS_PER_S,
                                         .ttl_s = 3600,
                                         .by_s = 600};
    if (!cert_set_make(lab->authority, &order, set, &err))
        fail_msg("%s", err.text);
}

static inline void lab_open(struct lab *lab)
{
    struct error err = {0};
    const char *const trusted[] = {"root-a"};
    lab->authority = authority_new();
    assert_true(authority_add_root(lab->authority, "root-a", clock_wall_ns() / NS_PER_S, &err));
    lab_make(lab, SERVER_SAN, &lab->server_id, &lab->server);
    lab_make(lab, CLIENT_SAN, &lab->client_id, &lab->client);
    text_init(&lab->bundle, 65536);
    assert_true(authority_bundle(lab->authority, trusted, 1, &lab->bundle, &err));
}

static inline void lab_close(struct lab *lab)
{
    text_release(&lab->bundle);
    cert_set_release(&lab->server);
    cert_set_release(&lab->client);
    authority_free(lab->authority);
}

static inline struct cert_leaf lab_leaf(const struct cert_set *set, enum cert_kind kind)
{
    struct cert_leaf leaf = {NULL, NULL};
    assert_true(cert_set_leaf(set, kind, &leaf));
    return leaf;
}

/* What an endpoint serves, with all wrong leaves; ${mutual}: clients must show theirs. */
static inline struct tls_config lab_serves(const struct lab *lab, bool mutual)
{
    struct tls_config config = {.role = TLS_SERVER, .own = lab_leaf(&lab->server, CERT_GOOD)};
    for (unsigned i = CERT_EXPIRED; i < CERT_KIND_COUNT; i++)
        config.leaves[i] = lab_leaf(&lab->server, (enum cert_kind)i);
    if (mutual) {
        config.trust_pem = text_get(&lab->bundle);
        config.peer_san = CLIENT_SAN;
        config.require_client = true;
    }
    return config;
}
static inline struct tls_config lab_dials(const struct lab *lab)
{
    return (struct tls_config){.role = TLS_CLIENT,
                               .own = lab_leaf(&lab->client, CERT_GOOD),
                               .trust_pem = text_get(&lab->bundle),
                               .peer_san = SERVER_SAN,
                               .sni = "payments.shop"};
}
static inline struct tls_context *lab_context(const struct tls_config *config)
{
    struct tls_context *ctx = NULL;
    struct error err = {0};
    if (!tls_context_new(config, &ctx, &err))
        fail_msg("%s", err.text);
    return ctx;
}

/* One end. */
struct secure {
    struct peer *peer;
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
    struct buffer got;
    size_t fed;
    bool done, failed, ended; /* handshake; fatal; close_notify */
    uint16_t alert;           /* description plus 1, of the peer's */
    uint8_t messages[32];     /* of the handshake, as they came */
    size_t message_count;
    struct secure *next;
};
static struct secure *secures;

static inline void secure_on_info(const SSL *ssl, int where, int value)
{
    struct secure *s = SSL_get_app_data(ssl);
    if ((where & SSL_CB_ALERT) != 0 && (where & SSL_CB_READ) != 0 && (value & 0xff) != 0)
        s->alert = (uint16_t)((value & 0xff) + 1);
}
static inline void secure_on_message(int writes, int version, int type, const void *at, size_t len,
                                     SSL *ssl, void *cookie)
{
    struct secure *s = SSL_get_app_data(ssl);
    (void)version;
    (void)cookie;
    if (writes == 0 && type == SSL3_RT_HANDSHAKE && len > 0 && s->message_count < 32)
        s->messages[s->message_count++] = *(const uint8_t *)at;
}

struct secure_options {
    bool server;
    int version;           /* both least and most; 0: any */
    struct cert_leaf own;  /* chain NULL: none */
    const char *trust_pem; /* NULL: verify nothing */
    const char *sni;
    bool asks_client;
    bool resumes;
    SSL_SESSION *session;
    bool takes_alpn;     /* a server: the first that it is offered */
    SSL_CTX *shared;     /* another's, with its keys */
    const char *suites;  /* of 1.3; NULL: all */
    const uint8_t *alpn; /* on the wire */
    size_t alpn_len;
};

static inline X509 *secure_certificate(BIO *b)
{
    return PEM_read_bio_X509(b, NULL, NULL, NULL);
}

static inline void secure_use(SSL_CTX *ctx, const struct secure_options *o)
{
    if (o->own.chain_pem != NULL) {
        BIO *b = BIO_new_mem_buf(o->own.chain_pem, -1), *k = BIO_new_mem_buf(o->own.key_pem, -1);
        X509 *x = secure_certificate(b), *more = NULL;
        EVP_PKEY *key = PEM_read_bio_PrivateKey(k, NULL, NULL, NULL);
        assert_int_equal(SSL_CTX_use_certificate(ctx, x), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
        while ((more = secure_certificate(b)) != NULL)
            assert_int_equal(SSL_CTX_add0_chain_cert(ctx, more), 1);
        X509_free(x);
        EVP_PKEY_free(key);
        BIO_free(b);
        BIO_free(k);
    }
    if (o->trust_pem != NULL) {
        BIO *b = BIO_new_mem_buf(o->trust_pem, -1);
        X509 *root = NULL;
        while ((root = secure_certificate(b)) != NULL) {
            assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), root), 1);
            X509_free(root);
        }
        BIO_free(b);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    }
    ERR_clear_error();
    if (o->asks_client)
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
}

static inline int secure_on_alpn(SSL *ssl, const unsigned char **ret_at, unsigned char *ret_len,
                                 const unsigned char *theirs, unsigned len, void *cookie)
{
    (void)ssl;
    (void)cookie;
    assert_true(len > 1);
    *ret_len = theirs[0];
    *ret_at = theirs + 1;
    return SSL_TLSEXT_ERR_OK;
}

static inline void secure_pump(struct secure *s);

static inline SSL_CTX *secure_context(const struct secure_options *o)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    if (o->version != 0) {
        SSL_CTX_set_min_proto_version(ctx, o->version);
        SSL_CTX_set_max_proto_version(ctx, o->version);
    }
    secure_use(ctx, o);
    if (o->suites != NULL)
        assert_int_equal(SSL_CTX_set_ciphersuites(ctx, o->suites), 1);
    if (o->resumes)
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"t", 1);
    if (o->takes_alpn)
        SSL_CTX_set_alpn_select_cb(ctx, secure_on_alpn, NULL);
    return ctx;
}

static inline void secure_open(struct secure *s, struct peer *peer, const struct secure_options *o)
{
    *s = (struct secure){.peer = peer, .next = secures};
    secures = s;
    if (o->shared == NULL) {
        s->ctx = secure_context(o);
    } else {
        s->ctx = o->shared;
        SSL_CTX_up_ref(s->ctx);
    }
    s->ssl = SSL_new(s->ctx);
    SSL_set_app_data(s->ssl, s);
    SSL_set_info_callback(s->ssl, secure_on_info);
    SSL_set_msg_callback(s->ssl, secure_on_message);
    s->in = BIO_new(BIO_s_mem());
    s->out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(s->in, -1);
    SSL_set_bio(s->ssl, s->in, s->out);
    buffer_init(&s->got, (size_t)64 * 1024 * 1024);
    if (o->server) {
        SSL_set_accept_state(s->ssl);
    } else {
        SSL_set_connect_state(s->ssl);
        if (o->sni != NULL)
            SSL_set_tlsext_host_name(s->ssl, o->sni);
        if (o->alpn != NULL)
            SSL_set_alpn_protos(s->ssl, o->alpn, (unsigned)o->alpn_len);
        if (o->session != NULL)
            SSL_set_session(s->ssl, o->session);
    }
    secure_pump(s);
}

static inline void secure_close(struct secure *s)
{
    struct secure **at = &secures;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    SSL_set_shutdown(s->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(s->ssl);
    SSL_CTX_free(s->ctx);
    buffer_release(&s->got);
}

/* What waits goes out as far as the socket takes it. */
static inline void secure_send(struct secure *s)
{
    char *at = NULL;
    long len = BIO_get_mem_data(s->out, &at);
    if (len <= 0 || !s->peer->open || s->peer->rst)
        return;
    ssize_t n = send(s->peer->watch.fd, at, (size_t)len, MSG_NOSIGNAL);
    if (n <= 0)
        return;
    for (ssize_t left = n; left > 0;) { /* a memory BIO gives bytes back by being read */
        char gone[16384];
        int took = BIO_read(s->out, gone, left < 16384 ? (int)left : 16384);
        assert_true(took > 0);
        left -= took;
    }
}

static inline void secure_pump(struct secure *s)
{
    uint8_t bytes[16384];
    struct error err = {0};
    struct peer *p = s->peer;
    if (p->in.len > s->fed) {
        assert_int_equal(BIO_write(s->in, p->in.at + s->fed, (int)(p->in.len - s->fed)),
                         (int)(p->in.len - s->fed));
        s->fed = 0;
        p->in.len = 0;
    }
    if (!s->done && !s->failed) {
        int result = SSL_do_handshake(s->ssl);
        s->done = result == 1;
        int error = SSL_get_error(s->ssl, result);
        s->failed = !s->done && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
    }
    while (s->done && !s->failed && !s->ended) {
        size_t n = 0;
        int result = SSL_read_ex(s->ssl, bytes, sizeof(bytes), &n);
        int error = SSL_get_error(s->ssl, result);
        if (result == 1)
            assert_true(buffer_add(&s->got, bytes, n, &err));
        else if (error == SSL_ERROR_ZERO_RETURN)
            s->ended = true;
        else if (error != SSL_ERROR_WANT_READ)
            s->failed = true;
        if (result != 1)
            break;
    }
    ERR_clear_error();
    secure_send(s);
}

static inline void secure_pump_all(void)
{
    for (struct secure *s = secures; s != NULL; s = s->next)
        secure_pump(s);
}

struct secure_want {
    bool (*until)(void *cookie);
    void *cookie;
};
static inline bool secure_until(struct rig *rig, void *cookie)
{
    struct secure_want *want = cookie;
    (void)rig;
    secure_pump_all();
    return want->until(want->cookie);
}
static inline void secure_await(struct rig *rig, bool (*until)(void *cookie), void *cookie)
{
    struct secure_want want = {until, cookie};
    rig_await_polling(rig, secure_until, &want);
}

static inline bool secure_is_done(void *cookie)
{
    const struct secure *s = cookie;
    if (s->failed || s->peer->fin || s->peer->rst)
        fail_msg("the handshake failed: alert %d, fin %d, rst %d", s->alert - 1, s->peer->fin,
                 s->peer->rst);
    return s->done;
}
static inline bool secure_is_over(void *cookie)
{
    const struct secure *s = cookie;
    return s->failed || s->ended || s->peer->fin || s->peer->rst;
}
static inline bool secure_is_gone(void *cookie)
{
    const struct secure *s = cookie;
    return s->peer->fin || s->peer->rst;
}
struct secure_text {
    struct secure *s;
    const char *text;
    size_t len;
};
static inline bool secure_has_text(void *cookie)
{
    const struct secure_text *want = cookie;
    const struct buffer *b = &want->s->got;
    if (want->text == NULL)
        return b->len >= want->len;
    return b->len > 0 && memmem(b->at, b->len, want->text, strlen(want->text)) != NULL;
}
static inline void secure_await_text(struct secure *s, const char *text)
{
    struct secure_text want = {s, text, 0};
    secure_await(s->peer->rig, secure_has_text, &want);
}
static inline void secure_await_bytes(struct secure *s, size_t len)
{
    struct secure_text want = {s, NULL, len};
    secure_await(s->peer->rig, secure_has_text, &want);
}
static inline void secure_say_bytes(struct secure *s, struct bytes b)
{
    size_t n = 0;
    assert_int_equal(SSL_write_ex(s->ssl, b.at, b.len, &n), 1);
    assert_int_equal(n, b.len);
    secure_send(s);
}
static inline void secure_say(struct secure *s, const char *text)
{
    secure_say_bytes(s, bytes_of(text));
}

static inline bool secure_has_handshakes(struct rig *rig, void *cookie)
{
    secure_pump_all();
    (void)rig_records(rig);
    return rig->handshake_count >= *(size_t *)cookie;
}
static inline struct handshake_record *await_handshake(struct rig *rig, size_t count)
{
    rig_await_polling(rig, secure_has_handshakes, &count);
    return &rig->handshake[count - 1];
}
static inline bool secure_until_accepted(struct rig *rig, void *cookie)
{
    secure_pump_all();
    return rig->accepted >= *(size_t *)cookie;
}
/* The ${count}-th backend connection, while TLS ends need to be pumped. */
static inline struct peer *secure_await_server(struct rig *rig, size_t count)
{
    rig_await_polling(rig, secure_until_accepted, &count);
    return rig->server[count - 1];
}
static inline bool secure_until_text(struct rig *rig, void *cookie)
{
    secure_pump_all();
    return rig_until_text(rig, cookie);
}
static inline void secure_await_plain(struct peer *p, const char *text)
{
    struct rig_want want = {p, text, strlen(text)};
    rig_await_polling(p->rig, secure_until_text, &want);
}

/* The lab of a whole group of tests. */
static struct lab lab;

static inline int lab_set_up(void **state)
{
    (void)state;
    lab_open(&lab);
    return 0;
}
static inline int lab_tear_down(void **state)
{
    (void)state;
    lab_close(&lab);
    return 0;
}

/* NULL: that side is plaintext. */
static inline struct rig *lab_rig(enum proxy_protocol protocol, const struct tls_config *serves,
                                  const struct tls_config *dials)
{
    struct rig_options options = {.protocol = protocol};
    secures = NULL; /* a test that failed has left its own */
    options.serves = serves == NULL ? NULL : lab_context(serves);
    options.dials = dials == NULL ? NULL : lab_context(dials);
    struct rig *rig = rig_open_with(&options);
    tls_context_release(options.serves);
    tls_context_release(options.dials);
    return rig;
}

#endif
