#ifndef CERTS_CERT_STORE_H
#define CERTS_CERT_STORE_H

/* A lab authority in a directory, for `meshproof certs` and for suites that hand files to a mesh:
 *
 *     DIR/authority.json               active root, places, what each of them trusts; no secrets
 *     DIR/roots/NAME/                  root.crt root.key intermediate.crt intermediate.key (0600)
 *     DIR/PLACE/                       tls.crt tls.key ca.crt, swapped as Kubernetes does
 *
 * One writer at a time: the directory is locked while it is open. */

#include "certs/authority.h"

#define CERT_STORE_PLACES_MOST 64
#define CERT_STORE_ROOTS_MOST 32

struct cert_place {
    char name[AUTHORITY_NAME_MOST_BYTES];
    struct identity identity;
    char root[AUTHORITY_NAME_MOST_BYTES]; /* of its leaf */
    enum cert_kind kind;                  /* of its leaf */
    uint64_t ttl_s;
    char trusts[CERT_STORE_ROOTS_MOST][AUTHORITY_NAME_MOST_BYTES]; /* in the order of ca.crt */
    size_t trust_count;
};
struct cert_store {
    char *dir;
    int fd; /* of the directory, locked */
    struct authority *authority;
    char active[AUTHORITY_NAME_MOST_BYTES];
    struct cert_place *places;
    size_t place_count;
};

/* A new directory with ${first_root}, active, and no place; refused where there is one already. */
bool cert_store_new(const char *dir, const char *first_root, uint64_t wall_ns,
                    struct cert_store **ret, struct error *err) WARN_UNUSED;
/* ${to_change}: locked against all others, not only against writers. */
bool cert_store_open(const char *dir, bool to_change, struct cert_store **ret,
                     struct error *err) WARN_UNUSED;
void cert_store_close(struct cert_store *s);

/* A place is a folder beside the authority's own. */
bool cert_store_place_check(const char *name, struct error *err) WARN_UNUSED;
/* A place with a leaf of the active root, which it trusts alone. */
bool cert_store_add_place(struct cert_store *s, const char *name, const struct identity *identity,
                          uint64_t ttl_s, uint64_t wall_ns, struct error *err) WARN_UNUSED;
/* NULL: there is none of that name. */
struct cert_place *cert_store_find(struct cert_store *s, const char *name);

/* The three steps of a rotation. ${places}: which of them (count 0: all). ${ret_changed}: how many
 * files' directories were swapped. A root's new name makes a new root (trust, issue). */
struct cert_step {
    const char *root;          /* needed */
    const char *const *places; /* names */
    size_t place_count;
    uint64_t wall_ns;
    bool skew; /* do it even if a pair of places cannot meet then, which is refused otherwise */
    /* of issue */
    enum cert_kind kind;
    uint64_t ttl_s; /* 0: as before */
    uint64_t by_s;
    bool omit_authority_key; /* as leaf_order's */
};
bool cert_store_trust(struct cert_store *s, const struct cert_step *step, size_t *ret_changed,
                      struct error *err) WARN_UNUSED;
/* Makes the root active as well when all places are meant and the leaf is a good one. */
bool cert_store_issue(struct cert_store *s, const struct cert_step *step, size_t *ret_changed,
                      struct error *err) WARN_UNUSED;
/* Refused when a place would trust nobody. */
bool cert_store_drop(struct cert_store *s, const struct cert_step *step, size_t *ret_changed,
                     struct error *err) WARN_UNUSED;

/* The next pair that cannot meet because ${verifier} does not trust the root of ${presenter}'s leaf
 * (leaves with another skew are not among them). Begin with both at 0; false: no more. */
bool cert_store_skew(const struct cert_store *s, size_t *presenter, size_t *verifier);

#endif
