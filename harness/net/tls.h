#ifndef NET_TLS_H
#define NET_TLS_H

/* What one side of an endpoint presents and demands in TLS: its own leaf and those that a fault may
 * choose instead, whom it trusts, and what it negotiates. A context is never changed once made: a
 * rotation makes a new one and swaps it, and connections keep the one that they began with. */

#include "certs/certs.h"

enum tls_role { TLS_SERVER, TLS_CLIENT };

struct tls_config {
    enum tls_role role;
    struct cert_leaf own;                     /* a server must have one */
    struct cert_leaf leaves[CERT_KIND_COUNT]; /* by enum cert_kind; without a chain: none of it */
    const char *trust_pem;                    /* roots; NULL: nothing is verified */
    const char *peer_san; /* that the peer's leaf must have: "spiffe://..." or DNS; NULL: any */
    const char *sni;      /* of a client; NULL: none */
    const char *alpn;     /* "h2,http/1.1"; NULL: by the proxy's protocol */
    uint16_t least_version, most_version; /* 0x0303, 0x0304; 0: TLS 1.2, TLS 1.3 */
    bool require_client;                  /* a server's: no handshake without a client's leaf */
    bool resumption;
};

struct tls_context;

/* Everything is copied; one holder, the maker. */
bool tls_context_new(const struct tls_config *config, struct tls_context **ret,
                     struct error *err) WARN_UNUSED;
/* ${t} may be NULL in both. */
struct tls_context *tls_context_hold(struct tls_context *t);
void tls_context_release(struct tls_context *t);
enum tls_role tls_context_role(const struct tls_context *t);

#endif
