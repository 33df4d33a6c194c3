#ifndef CERTS_CERTS_H
#define CERTS_CERTS_H

/* The words of certificates: which leaf a side presents. Making them is authority.h's part, serving
 * them net/tls's, choosing them `fault.cert`'s (spec/scenario-language.md 1.5).
 *
 * GOOD is not a skew: it is what a side presents when nobody asks for another. */

#include "base/error.h"

enum cert_kind {
    CERT_GOOD,
    CERT_EXPIRED,              /* ended ${by} ago */
    CERT_NOT_YET_VALID,        /* begins in ${by} */
    CERT_WRONG_SAN,            /* another service account of the same trust domain */
    CERT_WRONG_TRUST_DOMAIN,   /* the same path in another trust domain */
    CERT_UNKNOWN_ROOT,         /* of a root that nobody was given */
    CERT_MISSING_INTERMEDIATE, /* the leaf alone, without its issuer */
    CERT_SAMENAME_ROOT,        /* of a root with the trusted one's subject and another key */
    CERT_NO_CERTIFICATE,       /* none: only where our side is the client */
    CERT_OLD_ROOT,             /* of the root that was active before the last rotation */
    CERT_NEW_ROOT,             /* of the root that will be active after the next rotation */
    CERT_KIND_COUNT,
};

/* What a side presents. Both are PEM text: the leaf first, then its intermediates; the root is
 * never in the chain. Both are NULL for CERT_NO_CERTIFICATE. Borrowed from whoever made them. */
struct cert_leaf {
    const char *chain_pem, *key_pem;
};

/* The kinds' words by number ("good", "expired", ...), NULL at the end: the rows of `fault.cert`
 * point at [1]. */
extern const char *const cert_kind_words[CERT_KIND_COUNT + 1];
/* The word of ${kind}, which must be below CERT_KIND_COUNT. */
const char *cert_kind_word(enum cert_kind kind);
/* False, with the words in the sentence, when there is no such kind. */
bool cert_kind_parse(const char *word, enum cert_kind *ret, struct error *err) WARN_UNUSED;

#endif
