#include "certs/rotation.h"

#include <stdlib.h>
#include <string.h>

#define BEFORE "root-before" /* of OLD_ROOT when there was no rotation */
#define AFTER "root-after"   /* of NEW_ROOT when none is planned */

static uint8_t find_root(const struct rotation *r, const char *name)
{
    for (size_t i = 0; i < r->root_count; i++) {
        if (strcmp(r->roots[i], name) == 0)
            return (uint8_t)i;
    }
    return ROTATION_NO_ROOT;
}

/* NULL is no root, and no failure. */
static bool take_root(struct rotation *r, const char *name, uint8_t *ret, struct error *err)
{
    *ret = name == NULL ? ROTATION_NO_ROOT : find_root(r, name);
    if (name == NULL || *ret != ROTATION_NO_ROOT)
        return true;
    if (r->root_count == ROTATION_ROOTS_MOST)
        return error_set(err, ERROR_LIMIT, "more than the %d roots allowed in a rotation",
                         ROTATION_ROOTS_MOST);
    if (strlen(name) >= ROTATION_NAME_BYTES)
        return error_set(err, ERROR_LIMIT, "root \"%.40s...\": a name has at most %d bytes", name,
                         ROTATION_NAME_BYTES - 1);
    *ret = (uint8_t)r->root_count;
    snprintf(r->roots[r->root_count++], ROTATION_NAME_BYTES, "%s", name);
    return true;
}

void rotation_init(struct rotation *r, const char *first_root)
{
    struct error err = {0};
    *r = (struct rotation){.previous = ROTATION_NO_ROOT};
    INVARIANT(take_root(r, first_root, &r->active, &err));
}

size_t rotation_join(struct rotation *r, const char *name, struct error *err)
{
    if (r->party_count == ROTATION_PARTIES_MOST) {
        error_set(err, ERROR_LIMIT, "more than the %d parties allowed in a rotation",
                  ROTATION_PARTIES_MOST);
        return SIZE_MAX;
    }
    struct rotation_party *p = &r->parties[r->party_count];
    *p = (struct rotation_party){.bundle = {r->active}, .bundle_count = 1, .leaf_root = r->active};
    snprintf(p->name, sizeof(p->name), "%s", name);
    return r->party_count++;
}

static void insert(struct rotation *r, const struct rotation_event *e)
{
    size_t at = r->event_count;
    while (at > 0 && r->events[at - 1].at_ns > e->at_ns)
        at--;
    memmove(&r->events[at + 1], &r->events[at], (r->event_count - at) * sizeof(*e));
    r->events[at] = *e;
    r->event_count++;
}

static bool trusts(const struct rotation_party *p, uint8_t root)
{
    return p->bundle_count > 0 && memchr(p->bundle, root, p->bundle_count) != NULL;
}

/* Removes first and adds at the end, so that one event may do both. */
static bool change_bundle(struct rotation_party *p, const struct rotation_event *e)
{
    bool changed = false;
    if (e->add == e->drop)
        return false;
    if (e->drop != ROTATION_NO_ROOT && trusts(p, e->drop)) {
        uint8_t *at = memchr(p->bundle, e->drop, p->bundle_count);
        memmove(at, at + 1, (size_t)(p->bundle + p->bundle_count - at) - 1);
        p->bundle_count--;
        changed = true;
    }
    if (e->add != ROTATION_NO_ROOT && !trusts(p, e->add)) {
        p->bundle[p->bundle_count++] = e->add;
        changed = true;
    }
    return changed;
}

static void change_leaf(struct rotation *r, struct rotation_party *p,
                        const struct rotation_event *e)
{
    if (e->verb == ROTATION_ROTATE && e->root != r->active) {
        r->previous = r->active;
        r->active = e->root;
    }
    p->leaf_root = e->root == ROTATION_NO_ROOT ? r->active : e->root;
    p->leaf_ends_ns = e->ttl_ns == 0 ? 0 : e->issued_ns + e->ttl_ns;
    p->generation++;
}

bool rotation_next(const struct rotation *r, uint64_t *ret_at_ns)
{
    if (r->event_count > 0)
        *ret_at_ns = r->events[0].at_ns;
    return r->event_count > 0;
}

void rotation_shift(struct rotation *r, uint64_t by_ns)
{
    for (size_t i = 0; i < r->event_count; i++) {
        r->events[i].at_ns += by_ns;
        r->events[i].issued_ns += by_ns;
    }
}

bool rotation_advance(struct rotation *r, uint64_t now_ns, struct rotation_change *ret)
{
    while (r->event_count > 0 && r->events[0].at_ns <= now_ns) {
        struct rotation_event e = r->events[0];
        struct rotation_party *p = &r->parties[e.party];
        r->event_count--;
        memmove(&r->events[0], &r->events[1], r->event_count * sizeof(e));
        *ret = (struct rotation_change){.step = e.step,
                                        .party = e.party,
                                        .leaf = e.verb != ROTATION_TRUST,
                                        .issued_ns = e.issued_ns,
                                        .ttl_ns = e.ttl_ns};
        if (ret->leaf) {
            change_leaf(r, p, &e);
            ret->root = r->roots[p->leaf_root];
            return true;
        }
        if (change_bundle(p, &e)) {
            ret->root = r->roots[e.add != ROTATION_NO_ROOT ? e.add : e.drop];
            return true;
        }
    }
    return false;
}

/* Runs a copy to the end of what is planned. */
bool rotation_check(const struct rotation *r, struct error *err)
{
    struct rotation_change change;
    struct rotation *ahead = check_alloc(sizeof(*ahead));
    bool ok = true;
    *ahead = *r;
    while (ok && rotation_advance(ahead, UINT64_MAX, &change)) {
        if (ahead->parties[change.party].bundle_count == 0)
            ok = error_set(err, ERROR_INPUT,
                           "dropping %s would leave %s without any root to trust; add another one "
                           "first",
                           change.root, ahead->parties[change.party].name);
    }
    free(ahead);
    return ok;
}

static bool plan(struct rotation *r, const struct rotation_step *s, struct error *err)
{
    size_t count = s->to_count == 0 ? r->party_count : s->to_count;
    struct rotation_event e = {
        .verb = (uint8_t)s->verb, .ttl_ns = s->ttl_ns, .step = ++r->step_count};
    if (s->verb == ROTATION_TRUST && s->add == NULL && s->drop == NULL)
        return error_set(err, ERROR_INPUT, "cert.trust needs add or drop");
    if (s->verb == ROTATION_ROTATE && s->root == NULL)
        return error_set(err, ERROR_INPUT, "cert.rotate needs a root");
    if (s->verb == ROTATION_TRUST && s->drop != NULL && find_root(r, s->drop) == ROTATION_NO_ROOT)
        return error_set(err, ERROR_INPUT, "cert.trust: there is no root \"%.63s\" to drop",
                         s->drop);
    if (!take_root(r, s->add, &e.add, err) || !take_root(r, s->drop, &e.drop, err) ||
        !take_root(r, s->root, &e.root, err))
        return false;
    if (count > ROTATION_EVENTS_MOST - r->event_count)
        return error_set(err, ERROR_LIMIT, "more than the %d changes allowed in a rotation",
                         ROTATION_EVENTS_MOST);
    for (size_t i = 0; i < count; i++) {
        e.party = (uint8_t)(s->to_count == 0 ? i : s->to[i]);
        INVARIANT(e.party < r->party_count);
        e.issued_ns = s->at_ns + i * s->stagger_ns;
        e.at_ns = e.issued_ns + s->overlap_ns;
        insert(r, &e);
    }
    return true;
}

bool rotation_plan(struct rotation *r, const struct rotation_step *step, struct error *err)
{
    struct rotation *before = check_alloc(sizeof(*before));
    *before = *r;
    bool ok = plan(r, step, err);
    if (!ok)
        *r = *before;
    free(before);
    return ok;
}

const char *rotation_root_of(const struct rotation *r, enum cert_kind kind)
{
    if (kind == CERT_OLD_ROOT)
        return r->previous == ROTATION_NO_ROOT ? BEFORE : r->roots[r->previous];
    for (size_t i = 0; i < r->event_count && kind == CERT_NEW_ROOT; i++) {
        if (r->events[i].verb == ROTATION_ROTATE && r->events[i].root != r->active)
            return r->roots[r->events[i].root];
    }
    return kind == CERT_NEW_ROOT ? AFTER : r->roots[r->active];
}

static bool accepts(const struct rotation *r, const struct rotation_party *verifier,
                    const struct rotation_party *presenter, uint64_t now_ns)
{
    switch (presenter->presents) {
    case CERT_GOOD:
        return trusts(verifier, presenter->leaf_root) &&
               (presenter->leaf_ends_ns == 0 || now_ns < presenter->leaf_ends_ns);
    case CERT_OLD_ROOT:
    case CERT_NEW_ROOT: {
        uint8_t root = find_root(r, rotation_root_of(r, presenter->presents));
        return root != ROTATION_NO_ROOT && trusts(verifier, root);
    }
    case CERT_EXPIRED:
    case CERT_NOT_YET_VALID:
    case CERT_WRONG_SAN:
    case CERT_WRONG_TRUST_DOMAIN:
    case CERT_UNKNOWN_ROOT:
    case CERT_MISSING_INTERMEDIATE:
    case CERT_SAMENAME_ROOT:
    case CERT_NO_CERTIFICATE:
    case CERT_KIND_COUNT:
        return false;
    }
    UNREACHABLE();
}

struct rotation_expect rotation_expect(const struct rotation *r, size_t client, size_t server,
                                       bool tls13, uint64_t now_ns)
{
    const struct rotation_party *c = &r->parties[client], *s = &r->parties[server];
    /* The client is shown the server's leaf before it shows its own, in both versions. */
    if (!accepts(r, c, s, now_ns))
        return (struct rotation_expect){ROTATION_CLIENT, ROTATION_CONNECT_FAILURE};
    if (!accepts(r, s, c, now_ns))
        return (struct rotation_expect){ROTATION_SERVER,
                                        tls13 ? ROTATION_TERMINATION : ROTATION_CONNECT_FAILURE};
    return (struct rotation_expect){ROTATION_NOBODY, ROTATION_ANSWERED};
}
