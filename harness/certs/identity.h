#ifndef CERTS_IDENTITY_H
#define CERTS_IDENTITY_H

/* Who a leaf says that it is: the subject alternative names, checked as their standards write them.
 * Linkerd's identities are DNS names, Istio's and SPIFFE's are URIs. No X.509 here. */

#include "base/text.h"

#define IDENTITY_SANS_MOST 16
#define IDENTITY_SAN_MOST_BYTES 512

enum san_kind { SAN_URI, SAN_DNS, SAN_IP };
struct san {
    enum san_kind kind;
    char text[IDENTITY_SAN_MOST_BYTES];
};
struct identity {
    struct san sans[IDENTITY_SANS_MOST];
    size_t san_count;
};

/* spiffe://TD/ns/NS/sa/SA (Istio's form of a SPIFFE id). */
bool identity_add_istio(struct identity *id, const char *trust_domain, const char *ns,
                        const char *account, struct error *err) WARN_UNUSED;
/* ACCOUNT.NS.serviceaccount.identity.linkerd.TD, a DNS name (Linkerd's identity). */
bool identity_add_linkerd(struct identity *id, const char *trust_domain, const char *ns,
                          const char *account, struct error *err) WARN_UNUSED;
/* By its look: "spiffe://..." (SPIFFE ID, sections 2.1 to 2.4), an IPv4 or IPv6 address, else a DNS
 * name of RFC 1123 (a wildcard's first label may be "*"). */
bool identity_add(struct identity *id, const char *text, struct error *err) WARN_UNUSED;
/* Another account of the same trust domain ("not-ACCOUNT"): never one that ${id} is. */
bool identity_other_account(const struct identity *id, struct identity *ret,
                            struct error *err) WARN_UNUSED;
/* The same path in another trust domain; false when no name of ${id} has a trust domain. */
bool identity_other_domain(const struct identity *id, struct identity *ret,
                           struct error *err) WARN_UNUSED;
/* "spiffe://td/ns/x/sa/y,payments.svc": comma between, as the journal has it. */
void identity_print(const struct identity *id, struct text *to);
/* A short name for a folder: the account of a mesh's identity, else the first name. At most 63
 * bytes of [a-z0-9.-]. Returns ${to}. */
const char *identity_short(const struct identity *id, char *to, size_t size);

#endif
