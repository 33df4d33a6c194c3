#ifndef CERTS_CERT_CHAIN_H
#define CERTS_CERT_CHAIN_H

/* What a certificate's PEM text says, and whether a chain holds before a bundle at a given moment:
 * for people, and for the refusal to write half a pair. What happens on the wire is net/tls's. */

#include "base/text.h"

#define CERT_CHAIN_MOST 64

struct cert_chain {
    char serial[44];  /* of the leaf, upper-case hex */
    char issuer[128]; /* its issuer's common name */
    char sans[1024];  /* "spiffe://...,payments.svc"; "..." at the end: there were more */
    uint64_t not_before_s, not_after_s;
    size_t certificate_count; /* with the intermediates */
    char root[128];           /* common name of the bundle's root that it ends in; "": none */
    char problem[200];        /* the first one; "": it holds */
};
struct cert_bundle {
    struct cert_bundle_root {
        char name[128]; /* its subject's common name */
        char serial[44];
        uint64_t not_before_s, not_after_s;
    } roots[CERT_CHAIN_MOST];
    size_t root_count;
};

/* False: the text holds no certificate, or more than CERT_CHAIN_MOST. A broken chain is no
 * failure, it is ${problem}. ${key_pem} and ${bundle_pem} may be NULL: then they are not judged. */
bool cert_chain_read(const char *chain_pem, const char *key_pem, const char *bundle_pem,
                     uint64_t wall_s, struct cert_chain *ret, struct error *err) WARN_UNUSED;
bool cert_bundle_read(const char *bundle_pem, struct cert_bundle *ret,
                      struct error *err) WARN_UNUSED;

#endif
