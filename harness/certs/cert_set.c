#include "certs/cert_set.h"

static const char *root_of(const struct cert_set_order *o, enum cert_kind kind)
{
    return kind == CERT_OLD_ROOT ? o->old_root : kind == CERT_NEW_ROOT ? o->new_root : o->root;
}

bool cert_set_make(struct authority *a, const struct cert_set_order *o, struct cert_set *ret,
                   struct error *err)
{
    struct identity other;
    struct error none = {0};
    *ret = (struct cert_set){0};
    bool ok = authority_add_root(a, o->old_root, o->wall_s, err) &&
              authority_add_root(a, o->new_root, o->wall_s, err);
    for (unsigned i = 0; i < CERT_KIND_COUNT && ok; i++) {
        enum cert_kind kind = (enum cert_kind)i;
        const struct leaf_order order = {.identity = o->identity,
                                         .root = root_of(o, kind),
                                         .kind = kind,
                                         .wall_s = o->wall_s,
                                         .ttl_s = o->ttl_s,
                                         .by_s = o->by_s};
        if (kind == CERT_WRONG_TRUST_DOMAIN && !identity_other_domain(o->identity, &other, &none))
            continue;
        ok = ret->has[i] = authority_issue(a, &order, &ret->leaves[i], err);
    }
    if (!ok)
        cert_set_release(ret);
    return ok;
}

void cert_set_release(struct cert_set *s)
{
    for (unsigned i = 0; i < CERT_KIND_COUNT; i++)
        issued_release(&s->leaves[i]);
    *s = (struct cert_set){0};
}

bool cert_set_leaf(const struct cert_set *s, enum cert_kind kind, struct cert_leaf *ret)
{
    INVARIANT((unsigned)kind < CERT_KIND_COUNT);
    if (s->has[kind])
        *ret = issued_leaf(&s->leaves[kind]);
    return s->has[kind];
}
