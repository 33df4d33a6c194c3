#ifndef CERTS_MINT_H
#define CERTS_MINT_H

/* One X.509 certificate and one key at a time, made by OpenSSL 3.0: P-256, SHA-256, extensions as
 * RFC 5280 and the SPIFFE X.509-SVID say. Knows nothing of roots by name or of files. */

#include "certs/identity.h"

#include <openssl/x509.h>

struct mint_order {
    const char *common_name;         /* NULL: an empty subject; the SAN is critical then */
    const struct identity *identity; /* NULL: an authority's certificate */
    int path_length;                 /* of an authority; -1: no limit */
    uint64_t serial;
    uint64_t not_before_s, not_after_s; /* wall clock, seconds of the epoch */
    EVP_PKEY *key;                      /* the subject's; borrowed */
    X509 *issuer;                       /* borrowed; NULL: signed by itself */
    EVP_PKEY *issuer_key;               /* borrowed; NULL as ${issuer} */
    bool omit_authority_key; /* no authority key identifier: a verifier must then try by name alone
                              */
};

/* NULL: the library failed, with its reason. The caller's to free. */
EVP_PKEY *mint_key(struct error *err);
X509 *mint_certificate(const struct mint_order *order, struct error *err);
/* PEM text on the heap; a key's is the caller's to wipe (mint_wipe). NULL: the library failed. */
char *mint_certificate_pem(X509 *certificate, struct error *err);
char *mint_key_pem(EVP_PKEY *key, struct error *err);
/* Overwrites and frees a text; NULL is fine. */
void mint_wipe(char *text);
/* Upper-case hex without leading zero bytes, as OpenSSL prints it: the journal's form. */
void mint_serial(const X509 *certificate, char *to, size_t size);
/* "WHAT: REASON" of OpenSSL's error queue, which is emptied. Returns false. */
bool mint_failed(struct error *err, const char *what);

#endif
