#ifndef CERTS_CERT_SET_H
#define CERTS_CERT_SET_H

/* All leaves that one identity may be told to present, by enum cert_kind: what an endpoint needs so
 * that `fault.cert` only chooses. Made once a rotation step, for making costs two signatures each.
 */

#include "certs/authority.h"

struct cert_set {
    struct issued leaves[CERT_KIND_COUNT];
    bool has[CERT_KIND_COUNT]; /* false: this identity cannot have it (no trust domain to be wrong)
                                */
};
struct cert_set_order {
    const struct identity *identity;
    const char *root;                /* of all but the two: the one that its leaf is of now */
    const char *old_root, *new_root; /* rotation_root_of; made when they are not there */
    uint64_t wall_s, ttl_s, by_s;
};
/* The caller releases ${ret}. */
bool cert_set_make(struct authority *a, const struct cert_set_order *order, struct cert_set *ret,
                   struct error *err) WARN_UNUSED;
void cert_set_release(struct cert_set *s);
/* False: the set has none of that kind. Borrowed until the release. */
bool cert_set_leaf(const struct cert_set *s, enum cert_kind kind, struct cert_leaf *ret);

#endif
