#include "certs/authority.h"

#include "certs/mint.h"

#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>

#define CA_BEFORE_S 3600
#define CA_LIFE_S (UINT64_C(3650) * 24 * 3600)
#define COUNTER_BITS 20
#define PEM_MOST_BYTES 65536

struct root {
    char name[AUTHORITY_LABEL_BYTES];
    X509 *root, *intermediate;
    EVP_PKEY *root_key, *intermediate_key;
    bool hidden; /* made for a skew: nobody trusts it */
};
struct authority {
    struct root *roots[AUTHORITY_ROOTS_MOST];
    size_t count;
    uint64_t counter;
};

struct authority *authority_new(void)
{
    return check_alloc_zero(1, sizeof(struct authority));
}

static void root_free(struct root *r)
{
    X509_free(r->root);
    X509_free(r->intermediate);
    EVP_PKEY_free(r->root_key); /* clears the private number */
    EVP_PKEY_free(r->intermediate_key);
    free(r);
}

void authority_free(struct authority *a)
{
    if (a == NULL)
        return;
    for (size_t i = 0; i < a->count; i++)
        root_free(a->roots[i]);
    free(a);
}

bool authority_name_check(const char *name, struct error *err)
{
    size_t len = strlen(name);
    bool good = len > 0 && len < AUTHORITY_NAME_MOST_BYTES && name[0] != '.' && name[0] != '-';
    for (size_t i = 0; i < len && good; i++) {
        char c = name[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '-' || c == '_';
    }
    return good ||
           error_set(
               err, ERROR_INPUT,
               "\"%.80s\" is no name of a root or a place; one is like root-b: letters, digits, "
               "'.', '-' and '_', at most %d bytes",
               name, AUTHORITY_NAME_MOST_BYTES - 1);
}

static struct root *find(const struct authority *a, const char *name, bool hidden)
{
    for (size_t i = 0; i < a->count; i++) {
        if (a->roots[i]->hidden == hidden && strcmp(a->roots[i]->name, name) == 0)
            return a->roots[i];
    }
    return NULL;
}

bool authority_has_root(const struct authority *a, const char *name)
{
    return find(a, name, false) != NULL;
}

static uint64_t next_serial(struct authority *a, uint64_t wall_s)
{
    a->counter++;
    return (wall_s << COUNTER_BITS) | (a->counter & ((1U << COUNTER_BITS) - 1));
}

/* The two certificates; ${subject} is the name that they carry, the same for a samename root. */
static bool fill(struct authority *a, struct root *r, const char *subject, uint64_t wall_s,
                 bool omit_authority_key, struct error *err)
{
    char of_intermediate[AUTHORITY_NAME_MOST_BYTES + 16];
    struct mint_order order = {
        .common_name = subject,
        .path_length = -1,
        .serial = next_serial(a, wall_s),
        .not_before_s = wall_s > CA_BEFORE_S ? wall_s - CA_BEFORE_S : 0,
        .not_after_s = wall_s + CA_LIFE_S,
        .omit_authority_key = omit_authority_key,
    };
    r->root_key = order.key = mint_key(err);
    r->root = r->root_key == NULL ? NULL : mint_certificate(&order, err);
    if (r->root == NULL)
        return false;
    snprintf(of_intermediate, sizeof(of_intermediate), "%s intermediate", subject);
    order.common_name = of_intermediate;
    order.path_length = 0;
    order.serial = next_serial(a, wall_s);
    order.issuer = r->root;
    order.issuer_key = r->root_key;
    r->intermediate_key = order.key = mint_key(err);
    r->intermediate = r->intermediate_key == NULL ? NULL : mint_certificate(&order, err);
    return r->intermediate != NULL;
}

static struct root *append(struct authority *a, const char *name, bool hidden, struct error *err)
{
    if (a->count == AUTHORITY_ROOTS_MOST) {
        error_set(err, ERROR_LIMIT, "more than the %d roots allowed", AUTHORITY_ROOTS_MOST);
        return NULL;
    }
    struct root *r = check_alloc_zero(1, sizeof(*r));
    snprintf(r->name, sizeof(r->name), "%s", name);
    r->hidden = hidden;
    a->roots[a->count++] = r;
    return r;
}

static struct root *make(struct authority *a, const char *name, const char *subject, bool hidden,
                         uint64_t wall_s, bool omit_authority_key, struct error *err)
{
    struct root *r = append(a, name, hidden, err);
    if (r == NULL || fill(a, r, subject, wall_s, omit_authority_key, err))
        return r;
    a->count--;
    root_free(r);
    return NULL;
}

bool authority_add_root(struct authority *a, const char *name, uint64_t wall_s, struct error *err)
{
    if (!authority_name_check(name, err))
        return false;
    return find(a, name, false) != NULL || make(a, name, name, false, wall_s, false, err) != NULL;
}

size_t authority_root_count(const struct authority *a)
{
    size_t count = 0;
    for (size_t i = 0; i < a->count; i++)
        count += !a->roots[i]->hidden;
    return count;
}

const char *authority_root_name(const struct authority *a, size_t n)
{
    for (size_t i = 0; i < a->count; i++) {
        if (!a->roots[i]->hidden && n-- == 0)
            return a->roots[i]->name;
    }
    UNREACHABLE();
}

static bool no_such_root(const struct authority *a, const char *name, struct error *err)
{
    struct text names;
    text_init(&names, 160);
    for (size_t i = 0; i < authority_root_count(a); i++)
        text_add(&names, "%s%s", i == 0 ? "" : ", ", authority_root_name(a, i));
    error_set(err, ERROR_INPUT, "there is no root \"%.63s\"; there is %s", name,
              names.len == 0 ? "none" : text_get(&names));
    text_release(&names);
    return false;
}

static bool add_pem(X509 *certificate, struct text *to, struct error *err)
{
    char *pem = mint_certificate_pem(certificate, err);
    if (pem == NULL)
        return false;
    text_add(to, "%s", pem);
    free(pem);
    return !to->full || error_set(err, ERROR_LIMIT, "more certificates than the %zu bytes allowed",
                                  to->max_bytes);
}

bool authority_bundle(const struct authority *a, const char *const *names, size_t count,
                      struct text *to, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct root *r = find(a, names[i], false);
        if (r == NULL)
            return no_such_root(a, names[i], err);
        if (!add_pem(r->root, to, err))
            return false;
    }
    return true;
}

/* The root that signs: the one asked for, or one that nobody trusts. */
static const struct root *signer(struct authority *a, const struct leaf_order *o, struct error *err)
{
    char name[AUTHORITY_LABEL_BYTES];
    const struct root *r = find(a, o->root, false);
    if (r == NULL) {
        no_such_root(a, o->root, err);
        return NULL;
    }
    if (o->kind == CERT_UNKNOWN_ROOT) {
        r = find(a, "unknown", true);
        return r != NULL ? r : make(a, "unknown", "unknown root", true, o->wall_s, false, err);
    }
    if (o->kind == CERT_SAMENAME_ROOT) {
        snprintf(name, sizeof(name), "%s (same name%s)", o->root,
                 o->omit_authority_key ? ", no AKI" : "");
        r = find(a, name, true);
        return r != NULL ? r : make(a, name, o->root, true, o->wall_s, o->omit_authority_key, err);
    }
    return r;
}

bool authority_ttl_check(uint64_t ttl_s, struct error *err)
{
    if (ttl_s > 0 && ttl_s <= CA_LIFE_S - CA_BEFORE_S)
        return true;
    return error_set(err, ERROR_LIMIT,
                     "a leaf lives at least 1 s and less than its root (%" PRIu64
                     " days), not %" PRIu64 " s",
                     CA_LIFE_S / 86400, ttl_s);
}

static bool set_span(const struct leaf_order *o, struct issued *i, struct error *err)
{
    bool moved = o->kind == CERT_EXPIRED || o->kind == CERT_NOT_YET_VALID;
    if (!authority_ttl_check(o->ttl_s, err))
        return false;
    if (moved && (o->by_s < AUTHORITY_BY_LEAST_S || o->by_s > CA_LIFE_S))
        return error_set(err, ERROR_INPUT,
                         "%s by %" PRIu64 " s; it must be at least %d s, for some meshes forgive "
                         "less, and at most %" PRIu64 " days",
                         cert_kind_word(o->kind), o->by_s, AUTHORITY_BY_LEAST_S, CA_LIFE_S / 86400);
    i->not_before_s = o->wall_s - AUTHORITY_BACKDATE_S;
    i->not_after_s = o->wall_s + o->ttl_s;
    if (o->kind == CERT_EXPIRED) {
        i->not_after_s = o->wall_s - o->by_s;
        i->not_before_s = i->not_after_s - o->ttl_s;
    } else if (o->kind == CERT_NOT_YET_VALID) {
        i->not_before_s = o->wall_s + o->by_s;
        i->not_after_s = i->not_before_s + o->ttl_s;
    }
    return true;
}

static bool set_chain(struct issued *i, X509 *leaf, const struct root *r, struct error *err)
{
    struct text chain;
    text_init(&chain, PEM_MOST_BYTES);
    bool ok = add_pem(leaf, &chain, err) &&
              (i->kind == CERT_MISSING_INTERMEDIATE || add_pem(r->intermediate, &chain, err));
    i->chain_pem = text_take(&chain);
    return ok;
}

static bool sign(struct authority *a, const struct leaf_order *o, const struct identity *id,
                 struct issued *ret, struct error *err)
{
    const struct root *r = signer(a, o, err);
    EVP_PKEY *key = r == NULL ? NULL : mint_key(err);
    if (key == NULL)
        return false;
    struct mint_order order = {
        .identity = id,
        .serial = next_serial(a, o->wall_s),
        .not_before_s = ret->not_before_s,
        .not_after_s = ret->not_after_s,
        .key = key,
        .issuer = r->intermediate,
        .issuer_key = r->intermediate_key,
        .omit_authority_key = o->kind == CERT_SAMENAME_ROOT && o->omit_authority_key,
    };
    X509 *leaf = mint_certificate(&order, err);
    bool ok = leaf != NULL && set_chain(ret, leaf, r, err) &&
              (ret->key_pem = mint_key_pem(key, err)) != NULL;
    if (ok) {
        mint_serial(leaf, ret->serial, sizeof(ret->serial));
        snprintf(ret->root, sizeof(ret->root), "%s", r->name);
    }
    X509_free(leaf);
    EVP_PKEY_free(key);
    return ok;
}

bool authority_issue(struct authority *a, const struct leaf_order *o, struct issued *ret,
                     struct error *err)
{
    struct identity other;
    const struct identity *id = o->identity;
    *ret = (struct issued){.kind = o->kind};
    INVARIANT((unsigned)o->kind < CERT_KIND_COUNT && o->wall_s > CA_LIFE_S * 2);
    if (o->kind == CERT_NO_CERTIFICATE)
        return true;
    if (id->san_count == 0)
        return error_set(err, ERROR_INPUT, "a leaf needs at least one name");
    if (o->kind == CERT_WRONG_SAN || o->kind == CERT_WRONG_TRUST_DOMAIN) {
        if (o->kind == CERT_WRONG_SAN ? !identity_other_account(id, &other, err)
                                      : !identity_other_domain(id, &other, err))
            return false;
        id = &other;
    }
    if (set_span(o, ret, err) && sign(a, o, id, ret, err))
        return true;
    issued_release(ret);
    return false;
}

struct cert_leaf issued_leaf(const struct issued *i)
{
    return (struct cert_leaf){.chain_pem = i->chain_pem, .key_pem = i->key_pem};
}

void issued_release(struct issued *i)
{
    free(i->chain_pem);
    mint_wipe(i->key_pem);
    *i = (struct issued){0};
}

uint64_t authority_counter(const struct authority *a)
{
    return a->counter;
}

void authority_set_counter(struct authority *a, uint64_t counter)
{
    a->counter = counter;
}

bool authority_export(const struct authority *a, const char *name, struct root_pems *ret,
                      struct error *err)
{
    const struct root *r = find(a, name, false);
    *ret = (struct root_pems){0};
    if (r == NULL)
        return no_such_root(a, name, err);
    if ((ret->root = mint_certificate_pem(r->root, err)) != NULL &&
        (ret->intermediate = mint_certificate_pem(r->intermediate, err)) != NULL &&
        (ret->root_key = mint_key_pem(r->root_key, err)) != NULL &&
        (ret->intermediate_key = mint_key_pem(r->intermediate_key, err)) != NULL)
        return true;
    root_pems_release(ret);
    return false;
}

static bool not_pem(const char *what, struct error *err)
{
    ERR_clear_error();
    return error_set(err, ERROR_INPUT, "the %s or its key is not PEM", what);
}

static bool read_pair(const char *pem, const char *key_pem, const char *what, X509 **ret,
                      EVP_PKEY **ret_key, struct error *err)
{
    char no_password[] = ""; /* else OpenSSL asks the terminal */
    BIO *of_pem = BIO_new_mem_buf(pem, -1), *of_key = BIO_new_mem_buf(key_pem, -1);
    *ret = of_pem == NULL ? NULL : PEM_read_bio_X509(of_pem, NULL, NULL, NULL);
    *ret_key = of_key == NULL ? NULL : PEM_read_bio_PrivateKey(of_key, NULL, NULL, no_password);
    BIO_free(of_pem);
    BIO_free(of_key);
    if (*ret == NULL || *ret_key == NULL)
        return not_pem(what, err);
    return X509_check_private_key(*ret, *ret_key) == 1 ||
           error_set(err, ERROR_INPUT, "the key of the %s is another certificate's", what);
}

bool authority_import(struct authority *a, const char *name, const struct root_pems *pems,
                      struct error *err)
{
    if (!authority_name_check(name, err))
        return false;
    if (find(a, name, false) != NULL)
        return error_set(err, ERROR_INPUT, "there are two roots \"%s\"", name);
    struct root *r = append(a, name, false, err);
    if (r == NULL)
        return false;
    if (read_pair(pems->root, pems->root_key, "root", &r->root, &r->root_key, err) &&
        read_pair(pems->intermediate, pems->intermediate_key, "intermediate", &r->intermediate,
                  &r->intermediate_key, err) &&
        (X509_verify(r->intermediate, r->root_key) == 1 ||
         error_set(err, ERROR_INPUT, "the intermediate was not signed by the root")))
        return true;
    a->count--;
    root_free(r);
    return false;
}

void root_pems_release(struct root_pems *p)
{
    free(p->root);
    free(p->intermediate);
    mint_wipe(p->root_key);
    mint_wipe(p->intermediate_key);
    *p = (struct root_pems){0};
}
