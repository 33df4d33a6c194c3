#include "standalone/proxy_tls.h"

#include "base/clock.h"
#include "base/text.h"
#include "certs/cert_files.h"
#include "certs/cert_set.h"
#include "certs/cert_store.h"
#include "certs/mint.h"
#include "faults/cert.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>

#define LEAF_TTL_S ((uint64_t)365 * 24 * 3600) /* a proxy must not outlive its lab's leaf */
#define BY_DEFAULT_NS (600 * NS_PER_S)         /* fault.cert's own */
#define READS_MOST 3 /* of a pair that is being swapped while we read it */

static const char *const side_words[2] = {"tls", "to_tls"};
static const char *const keys_of[2][9] = {
    {"cert", "key", "trust", "lab", "identity", "min", "max", "resumption", NULL},
    {"cert", "key", "trust", "name", "min", "max", "resumption", NULL},
};

/* One side while it is read. */
struct reading {
    enum side side;
    const json_t *keys;
    char *cert, *key, *trust;
    struct issued leaves[CERT_KIND_COUNT];
    bool has[CERT_KIND_COUNT];
    uint64_t by_ns[CERT_KIND_COUNT];
    bool wanted[CERT_KIND_COUNT];
    EVP_MD_CTX *digest;
};

static const char *word_of(const struct reading *r, const char *key)
{
    return json_string_value(json_object_get(r->keys, key));
}

static void digest_add(const struct reading *r, const char *text)
{
    INVARIANT(EVP_DigestUpdate(r->digest, text == NULL ? "" : text,
                               text == NULL ? 1 : strlen(text) + 1) == 1);
}

static bool check_keys(const struct reading *r, struct error *err)
{
    const char *const *known = keys_of[r->side], *side = side_words[r->side], *key;
    json_t *value;
    size_t count = 0;
    while (known[count] != NULL)
        count++;
    json_object_foreach((json_t *)(uintptr_t)r->keys, key, value)
    {
        size_t i = 0;
        while (i < count && strcmp(known[i], key) != 0)
            i++;
        const char *near = i < count ? NULL : text_nearest(key, known, count);
        if (i == count)
            return error_set(err, ERROR_INPUT, "%s has no key \"%.30s\"%s%s%s", side, key,
                             near != NULL ? " (did you mean \"" : "", near != NULL ? near : "",
                             near != NULL ? "\"?)" : "");
        bool is_flag = strcmp(key, "resumption") == 0;
        if (is_flag ? !json_is_boolean(value)
                    : !json_is_string(value) || *json_string_value(value) == '\0' ||
                          strlen(json_string_value(value)) != json_string_length(value))
            return error_set(err, ERROR_INPUT, "%s.%s must be %s", side, key,
                             is_flag ? "true or false" : "a text");
    }
    return true;
}

/* Which keys go together. */
static bool check_pairs(const struct reading *r, struct error *err)
{
    const char *side = side_words[r->side];
    bool cert = word_of(r, "cert") != NULL, key = word_of(r, "key") != NULL;
    bool lab = word_of(r, "lab") != NULL, identity = word_of(r, "identity") != NULL;
    if (cert != key)
        return error_set(err, ERROR_INPUT, "%s has %s without %s", side, cert ? "cert" : "key",
                         cert ? "key" : "cert");
    if (lab != identity)
        return error_set(err, ERROR_INPUT, "%s has %s without %s", side, lab ? "lab" : "identity",
                         lab ? "identity, such as \"spiffe://cluster.local/ns/shop/sa/payments\""
                             : "lab, a folder made by meshproof certs new");
    if (r->side == SIDE_REQUEST && !cert && !lab)
        return error_set(err, ERROR_INPUT, "tls needs cert and key, or lab and identity");
    const char *least = word_of(r, "min"), *most = word_of(r, "max");
    if (least != NULL && most != NULL && strcmp(least, most) > 0)
        return error_set(err, ERROR_INPUT, "%s.min is %.10s, which is above max, %.10s", side,
                         least, most);
    return true;
}

static bool read_version(const struct reading *r, const char *key, uint16_t *ret, struct error *err)
{
    const char *word = word_of(r, key);
    *ret = word == NULL ? 0 : strcmp(word, "1.2") == 0 ? 0x0303 : 0x0304;
    return word == NULL || strcmp(word, "1.2") == 0 || strcmp(word, "1.3") == 0 ||
           error_set(err, ERROR_INPUT, "%s.%s is \"%.20s\"; it must be \"1.2\" or \"1.3\"",
                     side_words[r->side], key, word);
}

/* ${mark}: what its text has when it is what it should be. */
static bool read_file(const struct reading *r, const char *key, const char *mark, const char *what,
                      char **ret, struct error *err)
{
    const char *path = word_of(r, key);
    struct error why = {0};
    mint_wipe(*ret);
    *ret = NULL;
    if (path == NULL)
        return true;
    *ret = cert_file_read(AT_FDCWD, path, &why);
    if (*ret != NULL && strstr(*ret, mark) != NULL)
        return true;
    if (*ret != NULL)
        return error_set(err, ERROR_INPUT, "%s.%s: %.200s: expected %s, and it has none",
                         side_words[r->side], key, path, what);
    return error_set(err, ERROR_INPUT, "%s.%s: %s%.200s", side_words[r->side], key,
                     why.text[0] == '\0' ? "there is no file " : "",
                     why.text[0] == '\0' ? path : why.text);
}

/* Roots beside the active one, in the order in which they were made; else names nobody trusts. */
static void neighbours(const struct cert_store *s, const char **ret_old, const char **ret_new)
{
    size_t count = authority_root_count(s->authority), at = 0;
    while (at + 1 < count && strcmp(authority_root_name(s->authority, at), s->active) != 0)
        at++;
    *ret_old = at > 0 ? authority_root_name(s->authority, at - 1) : "never-trusted-old";
    *ret_new = at + 1 < count ? authority_root_name(s->authority, at + 1) : "never-trusted-new";
}

static bool issue_all(struct reading *r, struct cert_store *s, const struct identity *id,
                      struct error *err)
{
    uint64_t wall_s = clock_wall_ns() / NS_PER_S;
    const char *older, *newer;
    struct identity other;
    struct error none = {0};
    neighbours(s, &older, &newer);
    bool ok = authority_add_root(s->authority, older, wall_s, err) &&
              authority_add_root(s->authority, newer, wall_s, err);
    for (unsigned i = 0; i < CERT_KIND_COUNT && ok; i++) {
        enum cert_kind kind = (enum cert_kind)i;
        const struct leaf_order order = {.identity = id,
                                         .root = kind == CERT_OLD_ROOT   ? older
                                                 : kind == CERT_NEW_ROOT ? newer
                                                                         : s->active,
                                         .kind = kind,
                                         .wall_s = wall_s,
                                         .ttl_s = LEAF_TTL_S,
                                         .by_s = r->by_ns[i] / NS_PER_S};
        if (kind == CERT_NO_CERTIFICATE ||
            (kind == CERT_WRONG_TRUST_DOMAIN && !identity_other_domain(id, &other, &none)))
            continue;
        ok = r->has[i] = authority_issue(s->authority, &order, &r->leaves[i], err);
    }
    return ok;
}

/* "spiffe://td/ns/x/sa/y,payments.svc": one leaf of several names. */
static bool read_identity(struct identity *id, const char *list, struct error *err)
{
    char one[IDENTITY_SAN_MOST_BYTES];
    for (const char *at = list; at != NULL; at = strchr(at, ','), at = at == NULL ? NULL : at + 1) {
        size_t len = strcspn(at, ",");
        if (len >= sizeof(one))
            return error_set(err, ERROR_LIMIT, "a name of more than the %zu bytes allowed",
                             sizeof(one) - 1);
        snprintf(one, sizeof(one), "%.*s", (int)len, at);
        if (!identity_add(id, one, err))
            return false;
    }
    return true;
}

static bool read_lab(struct reading *r, struct error *err)
{
    const char *dir = word_of(r, "lab"), *name = word_of(r, "identity");
    struct cert_store *s = NULL;
    struct identity id = {0};
    struct root_pems pems = {0};
    if (dir == NULL)
        return true;
    if (!read_identity(&id, name, err)) {
        error_prefix(err, "tls.identity: ");
        return false;
    }
    if (!cert_store_open(dir, false, &s, err)) {
        error_prefix(err, "tls.lab: ");
        return false;
    }
    bool ok = authority_export(s->authority, s->active, &pems, err) && issue_all(r, s, &id, err);
    digest_add(r, s->active);
    digest_add(r, pems.root);
    digest_add(r, pems.intermediate);
    for (size_t i = 0; i < authority_root_count(s->authority); i++)
        digest_add(r, authority_root_name(s->authority, i));
    EVP_DigestUpdate(r->digest, r->by_ns, sizeof(r->by_ns));
    root_pems_release(&pems);
    cert_store_close(s);
    return ok;
}

/* What the faults ask for must be there when they fire. */
static bool check_wanted(const struct reading *r, struct error *err)
{
    for (unsigned i = 0; i < CERT_KIND_COUNT; i++) {
        const char *kind = cert_kind_word((enum cert_kind)i);
        bool dials = i == CERT_NO_CERTIFICATE;
        if (!r->wanted[i] || dials != (r->side == SIDE_RESPONSE) || (dials && r->keys != NULL))
            continue;
        if (dials)
            return error_set(err, ERROR_INPUT,
                             "fault.cert kind %s is about what the backend is shown; it needs "
                             "to_tls (--to-tls)",
                             kind);
        if (word_of(r, "lab") == NULL)
            return error_set(err, ERROR_INPUT,
                             "fault.cert kind %s needs an authority to make that leaf: tls with "
                             "lab and identity (--tls-lab DIR --tls-identity ID; meshproof certs "
                             "new DIR makes one)",
                             kind);
        if (!r->has[i])
            return error_set(err, ERROR_INPUT,
                             "fault.cert kind %s: tls.identity \"%.100s\" can have no such leaf",
                             kind, word_of(r, "identity"));
    }
    return true;
}

static bool make_context(const struct reading *r, struct tls_context **ret, struct error *err)
{
    const char *name = word_of(r, "name");
    bool serves = r->side == SIDE_REQUEST, is_uri = name != NULL && strstr(name, "://") != NULL;
    struct tls_config config = {.role = serves ? TLS_SERVER : TLS_CLIENT,
                                .own = {r->cert, r->key},
                                .trust_pem = r->trust,
                                .peer_san = r->trust == NULL ? NULL : name,
                                .sni = is_uri ? NULL : name,
                                .require_client = serves && r->trust != NULL,
                                .resumption = json_is_true(json_object_get(r->keys, "resumption"))};
    if (!read_version(r, "min", &config.least_version, err) ||
        !read_version(r, "max", &config.most_version, err))
        return false;
    for (unsigned i = 0; i < CERT_KIND_COUNT; i++)
        if (r->has[i])
            config.leaves[i] = issued_leaf(&r->leaves[i]);
    if (r->cert == NULL)
        config.own = config.leaves[CERT_GOOD];
    return tls_context_new(&config, ret, err);
}

/* A pair is two files: one that is swapped between our two reads is read again. */
static bool read_pair(struct reading *r, struct tls_context **ret, struct error *err)
{
    static const char leaf[] = "-----BEGIN CERTIFICATE-----";
    const char *cert = word_of(r, "cert"), *trust = word_of(r, "trust");
    for (unsigned i = 0; i < READS_MOST; i++) {
        *err = (struct error){0};
        if (!read_file(r, "cert", leaf, "a PEM certificate", &r->cert, err) ||
            !read_file(r, "key", "PRIVATE KEY-----", "a PEM private key", &r->key, err) ||
            !read_file(r, "trust", leaf, "PEM certificates", &r->trust, err))
            return false;
        if (make_context(r, ret, err))
            return true;
    }
    error_prefix(err, "%s: %s%.150s%s%.150s%s", side_words[r->side],
                 cert == NULL ? "" : "certificate ", cert == NULL ? "" : cert,
                 cert == NULL ? "" : " with its key ", cert == NULL ? "" : word_of(r, "key"),
                 cert == NULL ? "" : ": ");
    if (trust != NULL && strstr(err->text, "trust bundle") != NULL)
        error_prefix(err, "%.150s: ", trust);
    return false;
}

static bool read_side(struct reading *r, struct proxy_tls *ret, struct error *err)
{
    if (r->keys == NULL)
        return check_wanted(r, err);
    r->digest = EVP_MD_CTX_new();
    INVARIANT(r->digest != NULL && EVP_DigestInit_ex(r->digest, EVP_sha256(), NULL) == 1);
    bool ok = check_keys(r, err) && check_pairs(r, err) && read_lab(r, err) &&
              check_wanted(r, err) && read_pair(r, &ret->contexts[r->side], err);
    if (ok) {
        digest_add(r, r->cert);
        digest_add(r, r->key);
        digest_add(r, r->trust);
        INVARIANT(EVP_DigestFinal_ex(r->digest, ret->digest[r->side], NULL) == 1);
    }
    EVP_MD_CTX_free(r->digest);
    for (size_t i = 0; i < CERT_KIND_COUNT; i++)
        issued_release(&r->leaves[i]);
    mint_wipe(r->cert);
    mint_wipe(r->key);
    mint_wipe(r->trust);
    return ok;
}

static bool note_wanted(struct reading *r, const struct fault_use *const *faults, size_t count,
                        struct error *err)
{
    for (size_t i = 0; i < CERT_KIND_COUNT; i++)
        r->by_ns[i] = BY_DEFAULT_NS;
    for (size_t i = 0; i < count; i++) {
        enum cert_kind kind;
        uint64_t by_ns;
        if (!fault_cert_wants(faults[i], &kind, &by_ns))
            continue;
        if (r->wanted[kind] && r->by_ns[kind] != by_ns)
            return error_set(err, ERROR_INPUT,
                             "two fault.cert of kind %s with different by; a proxy has one leaf of "
                             "each kind",
                             cert_kind_word(kind));
        r->wanted[kind] = true;
        r->by_ns[kind] = by_ns;
    }
    return true;
}

bool proxy_tls_read(const json_t *proxy, const struct fault_use *const *faults, size_t fault_count,
                    struct proxy_tls *ret, struct error *err)
{
    struct reading asked = {0};
    *ret = (struct proxy_tls){0};
    if (!note_wanted(&asked, faults, fault_count, err))
        return false;
    for (unsigned side = 0; side < 2; side++) {
        json_t *keys = json_object_get(proxy, side_words[side]);
        struct reading r = asked;
        /* `true` is for Lua, where an empty table is no object. */
        if (keys != NULL && json_is_true(keys) && side == SIDE_RESPONSE)
            ret->keys[side] = json_object();
        else if (json_is_object(keys))
            ret->keys[side] = json_deep_copy(keys);
        else if (keys != NULL)
            return error_set(err, ERROR_INPUT, "%s must be an object%s", side_words[side],
                             side == SIDE_RESPONSE
                                 ? " or true"
                                 : " such as {\"cert\": \"tls.crt\", \"key\": \"tls.key\"}");
        r.side = (enum side)side;
        r.keys = ret->keys[side];
        if (!read_side(&r, ret, err))
            return false;
    }
    return true;
}

void proxy_tls_release(struct proxy_tls *t)
{
    for (unsigned side = 0; side < 2; side++) {
        json_decref(t->keys[side]);
        tls_context_release(t->contexts[side]);
    }
    *t = (struct proxy_tls){0};
}

bool proxy_tls_same_keys(const struct proxy_tls *a, const struct proxy_tls *b)
{
    bool same = true;
    for (unsigned side = 0; side < 2; side++)
        same = same && (a->keys[side] == NULL
                            ? b->keys[side] == NULL
                            : b->keys[side] != NULL && json_equal(a->keys[side], b->keys[side]));
    return same;
}

void proxy_tls_describe(const struct proxy_tls *t, json_t *proxy)
{
    for (unsigned side = 0; side < 2; side++)
        if (t->keys[side] != NULL)
            json_object_set_new(proxy, side_words[side], json_deep_copy(t->keys[side]));
}
