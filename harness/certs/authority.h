#ifndef CERTS_AUTHORITY_H
#define CERTS_AUTHORITY_H

/* The lab's certificate authority: roots by name, each with one intermediate that signs the leaves,
 * and every wrong leaf of enum cert_kind. It has no clock (callers give the wall clock) and no
 * files (authority_store.h, cert_files.h). Keys live in memory and are wiped when freed. Not a CA
 * for anything that must last: no revocation, no audit. */

#include "certs/certs.h"
#include "certs/identity.h"

#define AUTHORITY_ROOTS_MOST 64
#define AUTHORITY_NAME_MOST_BYTES 64
#define AUTHORITY_LABEL_BYTES 96      /* a name and what is said beside it */
#define AUTHORITY_FIRST_ROOT "root-a" /* active at the start (scenario-language.md 1.6) */
#define AUTHORITY_SERIAL_BYTES 44
/* A leaf begins so much before it is issued: clocks of peers may be behind. rot.R3 allows 5 min. */
#define AUTHORITY_BACKDATE_S 60
/* Validity is in whole seconds and some stacks allow skew (Linkerd 20 s): nearer is no evidence. */
#define AUTHORITY_BY_LEAST_S 60

struct authority;

struct leaf_order {
    const struct identity *identity;
    const char *root;        /* must exist */
    enum cert_kind kind;     /* OLD_ROOT and NEW_ROOT are GOOD here: ${root} says which */
    uint64_t wall_s;         /* now */
    uint64_t ttl_s;          /* at least 1 */
    uint64_t by_s;           /* of EXPIRED, NOT_YET_VALID */
    bool omit_authority_key; /* SAMENAME_ROOT: without AKI Envoy answers 51 instead of 48 */
};
/* A leaf that was made, and what a journal says of it. */
struct issued {
    char *chain_pem, *key_pem;           /* NULL for CERT_NO_CERTIFICATE */
    char serial[AUTHORITY_SERIAL_BYTES]; /* upper-case hex; "" for CERT_NO_CERTIFICATE */
    char root[AUTHORITY_LABEL_BYTES];    /* "root-a", "unknown", "root-a (same name)" */
    enum cert_kind kind;
    uint64_t not_before_s, not_after_s;
};

struct authority *authority_new(void);
void authority_free(struct authority *a);

/* "root-b": letters, digits, '.', '-', '_'; at most 63 bytes. */
bool authority_name_check(const char *name, struct error *err) WARN_UNUSED;
/* A name that is there already changes nothing; a new one makes a root and an intermediate, both
 * good for ten years from an hour before ${wall_s}. */
bool authority_add_root(struct authority *a, const char *name, uint64_t wall_s,
                        struct error *err) WARN_UNUSED;
bool authority_has_root(const struct authority *a, const char *name);
/* Roots in the order in which they were made; those that skews need are not among them. */
size_t authority_root_count(const struct authority *a);
const char *authority_root_name(const struct authority *a, size_t n);

/* The roots' PEM one after the other in the order given: the bytes of a ca.crt. */
bool authority_bundle(const struct authority *a, const char *const *names, size_t count,
                      struct text *to, struct error *err) WARN_UNUSED;
/* Whether a leaf may live so long: less than its root. */
bool authority_ttl_check(uint64_t ttl_s, struct error *err) WARN_UNUSED;
/* The caller releases ${ret}. */
bool authority_issue(struct authority *a, const struct leaf_order *order, struct issued *ret,
                     struct error *err) WARN_UNUSED;
struct cert_leaf issued_leaf(const struct issued *i);
void issued_release(struct issued *i);

/* Leaves and roots made so far: the low part of the next serial (its high part is the wall clock,
 * so that serials sort by time and two labs do not meet). A store keeps it. */
uint64_t authority_counter(const struct authority *a);
void authority_set_counter(struct authority *a, uint64_t counter);

/* A root with its intermediate, as text. */
struct root_pems {
    char *root, *root_key, *intermediate, *intermediate_key;
};
bool authority_export(const struct authority *a, const char *name, struct root_pems *ret,
                      struct error *err) WARN_UNUSED;
/* Takes a root from elsewhere; its keys must be its certificates', and it must have signed the
 * intermediate. ${pems} stays the caller's. */
bool authority_import(struct authority *a, const char *name, const struct root_pems *pems,
                      struct error *err) WARN_UNUSED;
void root_pems_release(struct root_pems *p);

#endif
