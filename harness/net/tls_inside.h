#ifndef NET_TLS_INSIDE_H
#define NET_TLS_INSIDE_H

/* What the files of net/tls* share among themselves, and nobody else. */

#include "net/tls_conn.h"

#include <openssl/ssl.h>

/* tls_x509.c: certificates as the journal names them. */
#define TLS_TEXT_BYTES 512
struct tls_text {
    char serial[48], issuer[TLS_TEXT_BYTES], sans[TLS_TEXT_BYTES], root[TLS_TEXT_BYTES];
    uint64_t not_before_s, not_after_s;
};
/* ${top}: the last certificate of its chain, which may be the root itself; NULL: ${leaf} alone. */
void tls_text_read(X509 *leaf, X509 *top, struct tls_text *ret);
/* A "spiffe://..." URI, or a DNS name. */
bool tls_has_san(X509 *leaf, const char *san);
/* All of a PEM text, in order; the caller releases them. False with a sentence. */
bool tls_read_chain(const char *pem, STACK_OF(X509) * *ret, struct error *err) WARN_UNUSED;
EVP_PKEY *tls_read_key(const char *pem);

/* tls_context.c */
struct tls_leaf {
    bool chosen; /* there is such a choice */
    X509 *cert;  /* NULL: none is presented */
    STACK_OF(X509) * rest;
    EVP_PKEY *key;
    struct tls_text text;
};
struct tls_context {
    unsigned holders;
    enum tls_role role;
    SSL_CTX *ssl;
    char *peer_san, *sni;
    uint8_t alpn[64]; /* as on the wire */
    size_t alpn_len;  /* 0: by protocol */
    bool verifies, resumption;
    struct tls_leaf leaves[CERT_KIND_COUNT]; /* [CERT_GOOD]: its own */
};
/* The new context of an endpoint goes on with the tickets of the old one: a session outlives a
 * rotation, as it does with one SSL_CTX whose leaf changes (tls-measured.md section 3). */
void tls_context_inherit(struct tls_context *to, struct tls_context *from);

/* What a fault may stop at, of what waits to be sent: which records carry which message. */
#define TLS_SPANS_MOST 32
struct tls_span {
    uint8_t type, message; /* content type; first byte of a handshake message */
    uint16_t end;          /* the first record behind it */
};

#define TLS_SECRET_BYTES 48

struct tls {
    struct conn *conn;
    struct tls_context *ctx;
    SSL *ssl;
    enum side side;
    void (*wake)(struct conn *c);

    struct buffer wire;          /* encrypted, not sent yet */
    size_t wire_from, wire_free; /* sent; may be sent */
    enum io later;               /* what the next read gives */
    bool done, complete;         /* done: for the relay; complete: for OpenSSL */
    bool failed, eof, reset, notified;

    struct handshake_record record;
    struct tls_text peer;
    bool peer_seen, timed_out, not_tls, told_why;
    char sni[256];
    bool offers_session;
    struct bytes offers_alpn, offers_versions; /* while the ClientHello is looked at */
    struct tls_view view;                      /* once it is done */

    /* the fault that has it (tls_gate.c) */
    struct chain_run own_run;
    struct arena arena;
    struct chain_run *run; /* NULL: no fault may touch it */
    bool halted;           /* it said HOLD, CLOSE or RESET at ${halted_at} */
    bool waits;            /* and that is where we are */
    enum tls_message halted_at;
    struct halt halt;
    uint16_t slot;
    uint8_t passed; /* bit per enum tls_message: has been asked, and let through */
    enum cert_kind kind;
    bool ended_by_fault;
    struct tls_span spans[TLS_SPANS_MOST];
    size_t span_count;
    uint16_t records_made, records_free, records_sealed;
    uint8_t secret[TLS_SECRET_BYTES];
    size_t secret_len;

    struct hold limit, hold;
};
struct tls *tls_of(const SSL *ssl);

/* tls_bio.c */
BIO *tls_bio_new(struct tls *t);
/* Sends what may be sent; DONE: all of it, AGAIN: the socket is full, RESET. Keeps conn->sealed. */
enum io tls_bio_flush(struct tls *t);

/* tls_watch.c: what happens, as record.h names it. */
void tls_watch_context(SSL_CTX *ctx);
void tls_watch_begin(struct tls *t);
void tls_watch_emit(struct tls *t, enum conn_closer by, bool reset);
uint64_t tls_watch_span(const struct tls *t);

/* tls_offer.c */
void tls_offer_context(const struct tls_context *ctx);
void tls_offer_begin(struct tls *t);

/* tls_gate.c */
void tls_gate_context(SSL_CTX *ctx, enum tls_role role);
void tls_gate_begin(struct tls *t);
void tls_gate_note(struct tls *t, int type, const uint8_t *at, size_t len);
/* Lets go on what of the wire no fault holds. False: one does (t->waits). */
bool tls_gate_open(struct tls *t);
/* What holds it was disarmed: it is asked again in the next turn. */
void tls_gate_wake(struct tls *t);
/* The alert, if one was asked for, into the wire, in the place of all that a fault held back. */
void tls_gate_alert(struct tls *t);

/* tls_seal.c: an alert (level, description) under the handshake keys of TLS 1.3. False: not to be
 * had. */
#define TLS_SEALED_ALERT_BYTES 24
bool tls_seal_alert(uint16_t cipher, const uint8_t *secret, uint64_t sequence,
                    const uint8_t alert[2], uint8_t ret_record[TLS_SEALED_ALERT_BYTES]);

#endif
