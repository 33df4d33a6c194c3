#include "base/clock.h"
#include "base/units.h"
#include "certs/cert_set.h"
#include "engine/walk.h"
#include "faults/cert.h"
#include "plan/cert_step.h"

#include <stdlib.h>

/* The lab's certificates (scenario-language.md 1.6): one authority in memory for each walk, one
 * identity for each service and one for the mesh, and a rotation (certs/rotation.h) whose changes
 * are sent to whoever they are for. Keys go over the agents' inherited sockets alone: never into
 * the journal, an argument or a file of ours. What an agent was given it journals itself, on its
 * clock. */

#define TTL_FIRST_S (UINT64_C(24) * 3600)
#define BY_FALLBACK_NS (600 * NS_PER_S)
#define STEPS_MOST 4096
/* The mesh's main thread has its new leaf when it says so; its worker when that turns again. */
#define RECONNECT_AFTER_NS (200 * NS_PER_MS)

struct party {
    struct identity identity;
    struct cert_set set;
    uint64_t ttl_s;
    size_t service; /* SIZE_MAX: the mesh */
    uint32_t endpoint;
};
struct walk_certs {
    struct walk *walk;
    struct authority *authority;
    struct rotation rotation;
    struct party parties[ROTATION_PARTIES_MOST];
    char **sans; /* by service */
    char *client_san;
    uint64_t by_s;
    uint8_t reconnect[STEPS_MOST]; /* by the rotation's number of the step */
    const struct step *steps[STEPS_MOST];
    struct rotation **before; /* by phase: as it was when it first began; NULL: it has no step */
    bool each;                /* connections live for one answer, until the phase ends */
    enum cert_reconnect mesh_reconnect; /* due when the mesh has taken its new leaf */
    enum cert_reconnect late_reconnect; /* the same of a leaf that a cut withholds */
    struct hold next_hold, reconnect_hold;
};

static uint64_t wall_s(void)
{
    return clock_wall_ns() / NS_PER_S;
}

/* ---- leaves ---- */

struct next_root {
    const struct rotation *rotation;
    const char *name;
};

static bool see_rotate(void *cookie, const struct step *s, uint64_t from_ns)
{
    struct next_root *n = cookie;
    const struct rotation *r = n->rotation;
    const char *root = json_string_value(json_object_get(s->keys, "root"));
    (void)from_ns;
    if (strcmp(s->word, "rotate") != 0 || root == NULL || strcmp(root, r->roots[r->active]) == 0 ||
        (r->previous != ROTATION_NO_ROOT && strcmp(root, r->roots[r->previous]) == 0))
        return true;
    n->name = root;
    return false;
}

/* Of the leaf that `fault.cert kind = "new_root"` shows: that of the scenario's next rotation,
 * which may be planned in a later phase. */
static const char *next_root(const struct walk *w)
{
    const struct rotation *r = &w->certs->rotation;
    struct next_root n = {r, NULL};
    const struct scenario *s = w->scenario;
    for (size_t i = 0; i < s->phase_count && n.name == NULL; i++)
        (void)cert_steps_each(s->phases[i].steps, s->phases[i].step_count, 0, see_rotate, &n);
    return n.name != NULL ? n.name : rotation_root_of(r, CERT_NEW_ROOT);
}

static bool issue(struct walk *w, size_t party, const char *root, uint64_t ttl_s, struct error *err)
{
    struct walk_certs *c = w->certs;
    struct party *p = &c->parties[party];
    struct cert_set made;
    const struct cert_set_order order = {.identity = &p->identity,
                                         .root = root,
                                         .old_root = rotation_root_of(&c->rotation, CERT_OLD_ROOT),
                                         .new_root = next_root(w),
                                         .wall_s = wall_s(),
                                         .ttl_s = ttl_s,
                                         .by_s = c->by_s};
    if (!authority_add_root(c->authority, root, order.wall_s, err) ||
        !cert_set_make(c->authority, &order, &made, err))
        return false;
    cert_set_release(&p->set);
    p->set = made;
    p->ttl_s = ttl_s;
    return true;
}

/* {"trust": PEM, "leaves": {"good": {"chain", "key"}, ...}, "peer_san"}. The mesh gets its own leaf
 * alone: it is under test and presents nothing wrong. */
static json_t *tls_json(const struct walk *w, size_t party, struct error *err)
{
    const struct walk_certs *c = w->certs;
    const struct party *p = &c->parties[party];
    const struct rotation_party *r = &c->rotation.parties[party];
    const char *names[ROTATION_ROOTS_MOST];
    struct text trust;
    struct cert_leaf leaf;
    for (size_t i = 0; i < r->bundle_count; i++) {
        names[i] = c->rotation.roots[r->bundle[i]];
        if (!authority_add_root(c->authority, names[i], wall_s(), err))
            return NULL;
    }
    text_init(&trust, 256 * 1024);
    json_t *leaves = json_object(), *tls = NULL;
    for (unsigned kind = 0; kind < CERT_KIND_COUNT; kind++) {
        if ((kind == CERT_GOOD || p->service != SIZE_MAX) && cert_set_leaf(&p->set, kind, &leaf) &&
            leaf.chain_pem != NULL)
            json_object_set_new(leaves, cert_kind_word(kind),
                                json_pack("{ss ss}", "chain", leaf.chain_pem, "key", leaf.key_pem));
    }
    if (authority_bundle(c->authority, names, r->bundle_count, &trust, err))
        tls = json_pack("{ss sO ss}", "trust", text_get(&trust), "leaves", leaves, "peer_san",
                        c->client_san);
    text_release(&trust);
    json_decref(leaves);
    return tls;
}

static void bundle_print(const struct rotation *r, size_t party, struct text *to)
{
    const struct rotation_party *p = &r->parties[party];
    text_add(to, "bundle ");
    for (size_t i = 0; i < p->bundle_count; i++)
        text_add(to, "%s%s", i == 0 ? "" : ",", r->roots[p->bundle[i]]);
}

static void state_print(const struct walk_certs *c, size_t party, bool leaf, struct text *to)
{
    const struct issued *own = &c->parties[party].set.leaves[CERT_GOOD];
    if (leaf)
        text_add(to, "leaf %s serial %s", own->root, own->serial);
    else
        bundle_print(&c->rotation, party, to);
}

/* ---- what is sent ---- */

static bool send_cert(struct actor *a, json_t *take_body, struct error *err)
{
    if (a == NULL || a->state != ACTOR_READY) {
        json_decref(take_body);
        return true;
    }
    a->certs++;
    return actor_send(a, CONTROL_CERT, take_body, err);
}

/* To the endpoint, or to each of the mesh's proxies: they share one identity. */
static bool send_change(struct walk *w, const struct party *p, json_t *take_body, struct error *err)
{
    bool ok = true;
    if (p->service != SIZE_MAX)
        return send_cert(walk_certified(&w->services[p->service], p->endpoint), take_body, err);
    for (size_t i = 0; ok && i < w->mesh_count; i++)
        ok = send_cert(w->meshes[i].actor, json_incref(take_body), err);
    json_decref(take_body);
    return ok;
}

static const char *reconnect_word(enum cert_reconnect what)
{
    return what == CERT_RECONNECT_EACH ? "each" : what == CERT_RECONNECT_DRAIN ? "drain" : "none";
}

static bool renew_all(struct walk *w, enum cert_reconnect what, struct error *err)
{
    /* A step that ends connections once does not end what the phase asked for. */
    what = what == CERT_RECONNECT_DRAIN && w->certs->each ? CERT_RECONNECT_EACH : what;
    for (size_t i = 0; i < w->service_count; i++)
        for (size_t k = 0; k < w->services[i].proxy_count; k++)
            if (!send_cert(w->services[i].proxies[k],
                           json_pack("{si ss}", "step", 0, "reconnect", reconnect_word(what)), err))
                return false;
    return true;
}

static bool do_change(struct walk *w, const struct rotation_change *change, struct error *err)
{
    struct walk_certs *c = w->certs;
    struct party *p = &c->parties[change->party];
    enum cert_reconnect reconnect = change->leaf ? c->reconnect[change->step] : CERT_RECONNECT_NONE;
    if (reconnect == CERT_RECONNECT_DRAIN && c->each)
        reconnect = CERT_RECONNECT_EACH;
    struct text before, what;
    text_init(&before, 4096);
    text_init(&what, 4096);
    state_print(c, change->party, change->leaf, &before);
    /* A bundle is told as it is now: what it was is its last record. */
    const char *was = change->leaf ? text_get(&before) : "";
    bool ok =
        !change->leaf || issue(w, change->party, change->root, change->ttl_ns / NS_PER_S, err);
    json_t *tls = ok ? tls_json(w, change->party, err) : NULL;
    state_print(c, change->party, change->leaf, &what);
    bool mesh = p->service == SIZE_MAX;
    const char *name = c->rotation.parties[change->party].name;
    ok = tls != NULL &&
         send_change(w, p,
                     json_pack("{sI sI so ss ss ss ss}", "step", (json_int_t)change->step,
                               "endpoint", (json_int_t)p->endpoint, "tls", tls, "what",
                               text_get(&what), "before", was, "place", name, "reconnect",
                               reconnect_word(mesh ? CERT_RECONNECT_NONE : reconnect)),
                     err);
    c->each = c->each || reconnect == CERT_RECONNECT_EACH;
    if (mesh && reconnect != CERT_RECONNECT_NONE)
        c->mesh_reconnect = reconnect;
    if (ok)
        walk_tell(w, "cert", "%s: %s", name, text_get(&what));
    text_release(&before);
    text_release(&what);
    return ok;
}

static bool advance(struct walk *w, struct error *err);

static void on_next(struct hold *h, uint64_t now_ns)
{
    struct walk_certs *c =
        (struct walk_certs *)((char *)h - offsetof(struct walk_certs, next_hold));
    struct error err = {0};
    (void)now_ns;
    if (!advance(c->walk, &err))
        walk_break(c->walk, &err);
}

/* Does what is due, and waits for the next. Staggered steps may outlast their phase. */
static bool advance(struct walk *w, struct error *err)
{
    struct walk_certs *c = w->certs;
    struct loop *loop = w->context->loop;
    struct rotation_change change;
    uint64_t at_ns;
    while (rotation_advance(&c->rotation, loop_now_ns(loop), &change)) {
        if (!do_change(w, &change, err)) {
            if (err->source.file == NULL)
                err->source = c->steps[change.step]->source;
            return false;
        }
    }
    loop_hold_remove(loop, &c->next_hold);
    if (rotation_next(&c->rotation, &at_ns))
        loop_hold_add(loop, &c->next_hold, at_ns, on_next);
    return true;
}

static void on_reconnect(struct hold *h, uint64_t now_ns)
{
    struct walk_certs *c =
        (struct walk_certs *)((char *)h - offsetof(struct walk_certs, reconnect_hold));
    struct error err = {0};
    (void)now_ns;
    if (!renew_all(c->walk, c->mesh_reconnect, &err))
        walk_break(c->walk, &err);
    c->mesh_reconnect = CERT_RECONNECT_NONE;
}

static bool meshes_settled(const struct walk *w)
{
    for (size_t i = 0; i < w->mesh_count; i++)
        if (w->meshes[i].actor->certs != w->meshes[i].actor->certs_set)
            return false;
    return true;
}

static bool any_untaken(const struct walk *w)
{
    for (size_t i = 0; i < w->mesh_count; i++)
        if (w->meshes[i].untaken)
            return true;
    return false;
}

void walk_certs_on_set(struct walk *w, struct actor *a, const json_t *set)
{
    struct walk_certs *c = w->certs;
    struct loop *loop = w->context->loop;
    struct walk_mesh *mesh = walk_mesh_of(w, a);
    if (c == NULL || mesh == NULL)
        return;
    mesh->untaken = json_is_false(json_object_get(set, "taken"));
    /* Withheld (its control plane is cut): told once more when it has come, and then the
     * connections are to be made anew, though those of other meshes were long ago. */
    if (json_is_true(json_object_get(set, "withheld")) && c->mesh_reconnect != CERT_RECONNECT_NONE)
        c->late_reconnect = c->mesh_reconnect;
    if (json_is_true(json_object_get(set, "late")) && c->late_reconnect != CERT_RECONNECT_NONE)
        c->mesh_reconnect = c->late_reconnect;
    if (!meshes_settled(w) || w->state >= WALK_DRAINING || c->mesh_reconnect == CERT_RECONNECT_NONE)
        return;
    loop_hold_remove(loop, &c->reconnect_hold);
    loop_hold_add(loop, &c->reconnect_hold, loop_now_ns(loop) + RECONNECT_AFTER_NS, on_reconnect);
}

/* ---- the walk's calls ---- */

static bool add_identities(struct walk *w, struct error *err)
{
    struct walk_certs *c = w->certs;
    const struct scenario *s = w->scenario;
    const char *domain = s->mesh.trust_domain != NULL ? s->mesh.trust_domain : "cluster.local";
    struct party *mesh = &c->parties[cert_party_client(s)];
    c->sans = check_alloc_zero(w->service_count + 1, sizeof(*c->sans));
    for (size_t i = 0; i < w->service_count; i++) {
        for (uint32_t n = 1; n <= w->services[i].plan->endpoints; n++) {
            struct party *p = &c->parties[cert_party(s, i, n)];
            p->service = i;
            p->endpoint = n;
            if (!identity_add_istio(&p->identity, domain, "default", walk_identity(&w->services[i]),
                                    err))
                return false;
            if (n == 1)
                c->sans[i] = check_strdup(p->identity.sans[0].text);
        }
    }
    mesh->service = SIZE_MAX;
    if (!identity_add_istio(&mesh->identity, domain, "default", CERT_STEP_CLIENT, err))
        return false;
    c->client_san = check_strdup(mesh->identity.sans[0].text);
    return true;
}

/* One set of leaves serves all faults of the scenario, so they agree on how far off an expired leaf
 * is. */
static bool find_by(struct walk *w, struct error *err)
{
    uint64_t by_ns = 0, own_ns;
    enum cert_kind kind;
    for (size_t i = 0; i < w->use_count; i++) {
        if (!fault_cert_wants(&w->uses[i].fault, &kind, &own_ns) ||
            (kind != CERT_EXPIRED && kind != CERT_NOT_YET_VALID))
            continue;
        if (by_ns != 0 && by_ns != own_ns)
            return error_at(err, w->uses[i].step->source, ERROR_USAGE,
                            "fault.cert: by differs from that of another fault.cert; one scenario "
                            "has one");
        by_ns = own_ns;
    }
    w->certs->by_s = (by_ns != 0 ? by_ns : BY_FALLBACK_NS) / NS_PER_S;
    return true;
}

bool walk_certs_open(struct walk *w, struct error *err)
{
    if (!plan_lab_tls(w->scenario))
        return true;
    if (w->plan->driver != DRIVER_ENVOY)
        return error_at(err, w->scenario->lab.source, ERROR_USAGE,
                        "lab tls needs the driver envoy: the mesh that plays here has no TLS of "
                        "ours");
    struct walk_certs *c = w->certs = check_alloc_zero(1, sizeof(*c));
    c->walk = w;
    c->before = check_alloc_zero(w->scenario->phase_count + 1, sizeof(struct rotation *));
    c->authority = authority_new();
    rotation_init(&c->rotation, AUTHORITY_FIRST_ROOT);
    if (!cert_parties(w->scenario, &c->rotation, err) || !add_identities(w, err) ||
        !find_by(w, err))
        return false;
    for (size_t i = 0; i < c->rotation.party_count; i++)
        if (!issue(w, i, AUTHORITY_FIRST_ROOT, TTL_FIRST_S, err))
            return false;
    return true;
}

void walk_certs_stop(struct walk *w)
{
    if (w->certs == NULL)
        return;
    loop_hold_remove(w->context->loop, &w->certs->next_hold);
    loop_hold_remove(w->context->loop, &w->certs->reconnect_hold);
}

void walk_certs_pause(struct walk *w)
{
    if (w->certs != NULL)
        loop_hold_remove(w->context->loop, &w->certs->next_hold);
}

bool walk_certs_resume(struct walk *w, uint64_t stood_ns, struct error *err)
{
    if (w->certs == NULL)
        return true;
    rotation_shift(&w->certs->rotation, stood_ns);
    return advance(w, err);
}

void walk_certs_free(struct walk *w)
{
    struct walk_certs *c = w->certs;
    if (c == NULL)
        return;
    for (size_t i = 0; i < COUNT_OF(c->parties); i++)
        cert_set_release(&c->parties[i].set);
    for (size_t i = 0; c->sans != NULL && i < w->service_count; i++)
        free(c->sans[i]);
    for (size_t i = 0; i < w->scenario->phase_count; i++)
        free(c->before[i]);
    free(c->before);
    free(c->sans);
    free(c->client_san);
    authority_free(c->authority);
    free(c);
    w->certs = NULL;
}

json_t *walk_certs_setup(const struct walk *w, size_t service, uint32_t endpoint)
{
    struct error err = {0};
    if (w->certs == NULL || (service != SIZE_MAX && plan_is_plain(w->services[service].plan)))
        return NULL;
    json_t *tls = tls_json(w,
                           service == SIZE_MAX ? cert_party_client(w->scenario)
                                               : cert_party(w->scenario, service, endpoint),
                           &err);
    INVARIANT(tls != NULL); /* the first root is there */
    return tls;
}

const char *walk_certs_san(const struct walk *w, size_t service)
{
    return w->certs == NULL || service == SIZE_MAX ? NULL : w->certs->sans[service];
}

struct planning {
    struct walk *walk;
    struct error *err;
};

static bool plan_step(void *cookie, const struct step *s, uint64_t from_ns)
{
    struct planning *p = cookie;
    struct walk_certs *c = p->walk->certs;
    struct cert_step read;
    if (!cert_step_read(p->walk->scenario, s, p->walk->phase_t0_ns + from_ns, &read, p->err) ||
        !rotation_plan(&c->rotation, &read.step, p->err)) {
        if (p->err->source.file == NULL)
            p->err->source = s->source;
        return false;
    }
    if (c->rotation.step_count >= STEPS_MOST)
        return error_at(p->err, s->source, ERROR_LIMIT,
                        "more than the %d steps of certificates allowed in a run", STEPS_MOST - 1);
    c->reconnect[c->rotation.step_count] = (uint8_t)read.reconnect;
    c->steps[c->rotation.step_count] = s;
    return true;
}

/* Everyone as at ${to}: a bundle of another content, a leaf of another root. */
static bool restore(struct walk *w, const struct rotation *to, struct error *err)
{
    struct walk_certs *c = w->certs;
    struct rotation *now = &c->rotation;
    now->event_count = 0; /* staggered steps of an earlier run of the phase */
    now->active = to->active;
    now->previous = to->previous;
    for (size_t i = 0; i < now->party_count; i++) {
        struct rotation_party *p = &now->parties[i];
        const struct rotation_party was = *p, *then = &to->parties[i];
        struct rotation_change change = {.party = i,
                                         .root = now->roots[then->leaf_root],
                                         .ttl_ns = c->parties[i].ttl_s * NS_PER_S};
        p->leaf_root = then->leaf_root;
        p->bundle_count = then->bundle_count;
        memcpy(p->bundle, then->bundle, sizeof(p->bundle));
        if ((was.bundle_count != then->bundle_count ||
             memcmp(was.bundle, then->bundle, was.bundle_count) != 0) &&
            !do_change(w, &change, err))
            return false;
        change.leaf = true;
        if (was.leaf_root != then->leaf_root && !do_change(w, &change, err))
            return false;
    }
    return renew_all(w, CERT_RECONNECT_DRAIN, err);
}

/* A phase that is run once more begins as it did the first time. */
static bool begin_state(struct walk *w, struct error *err)
{
    struct walk_certs *c = w->certs;
    struct rotation **before = &c->before[w->ordinal];
    if (*before != NULL)
        return restore(w, *before, err);
    *before = check_alloc(sizeof(**before));
    **before = c->rotation;
    return true;
}

static bool has_step(void *cookie, const struct step *s, uint64_t from_ns)
{
    (void)cookie;
    (void)s;
    (void)from_ns;
    return false;
}

/* What an expectation judges by new handshakes must not be hidden by old connections: `rotation`
 * (unless handshakes = "none"), `refused`, and `mtls` while a wrong leaf is shown, make each answer
 * the last of its connection. */
struct asking {
    bool refused, rotation, mtls, wrong_leaf;
};

static void look_at(const struct step *steps, size_t count, struct asking *a)
{
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        const char *how = json_string_value(json_object_get(s->keys, "handshakes"));
        bool expect = s->kind == STEP_EXPECT;
        a->refused = a->refused || (expect && strcmp(s->word, "refused") == 0);
        a->rotation = a->rotation || (expect && strcmp(s->word, "rotation") == 0 &&
                                      (how == NULL || strcmp(how, "none") != 0));
        a->mtls = a->mtls || (expect && strcmp(s->word, "mtls") == 0);
        a->wrong_leaf = a->wrong_leaf || (s->kind == STEP_FAULT && strcmp(s->word, "cert") == 0);
        look_at(s->steps, s->step_count, a);
    }
}

static bool asks_new_handshakes(const struct phase *phase)
{
    struct asking a = {false};
    look_at(phase->steps, phase->step_count, &a);
    return a.refused || a.rotation || (a.mtls && a.wrong_leaf);
}

bool walk_certs_begin(struct walk *w, struct error *err)
{
    struct planning p = {w, err};
    const struct phase *phase = w->phase;
    if (w->certs != NULL && asks_new_handshakes(phase)) {
        w->certs->each = true;
        if (!renew_all(w, CERT_RECONNECT_EACH, err))
            return false;
    }
    if (w->certs == NULL || cert_steps_each(phase->steps, phase->step_count, 0, has_step, NULL))
        return true;
    if (!w->context->may_go_on(w->context->cookie, w, true))
        return true; /* refused: the conductor aborts at the turn's end */
    return begin_state(w, err) &&
           cert_steps_each(phase->steps, phase->step_count, 0, plan_step, &p) && advance(w, err);
}

void walk_certs_phase_ended(struct walk *w)
{
    struct error err = {0};
    if (w->certs == NULL || !w->certs->each)
        return;
    w->certs->each = false;
    if (!renew_all(w, CERT_RECONNECT_NONE, &err))
        walk_break(w, &err);
}

static bool party_has(const struct rotation *r, size_t party, const char *root)
{
    const struct rotation_party *p = &r->parties[party];
    bool has = strcmp(r->roots[p->leaf_root], root) == 0;
    for (size_t i = 0; i < p->bundle_count; i++)
        has = has || strcmp(r->roots[p->bundle[i]], root) == 0;
    return has;
}

bool walk_certs_has(const struct walk *w, const struct place *on, const char *root)
{
    const struct walk_certs *c = w->certs;
    size_t service = walk_find_service(w, on->to.service), found = 0;
    bool client = strcmp(on->to.service, CERT_STEP_CLIENT) == 0;
    if (c == NULL || !walk_certs_settled(w) || (client && any_untaken(w)))
        return false;
    for (size_t i = 0; i < c->rotation.party_count; i++) {
        const struct party *p = &c->parties[i];
        bool asked = client ? p->service == SIZE_MAX
                            : p->service == service && service != SIZE_MAX &&
                                  (on->to.endpoint == 0 || on->to.endpoint == p->endpoint);
        if (asked && !party_has(&c->rotation, i, root))
            return false;
        found += asked;
    }
    return found > 0;
}

bool walk_certs_settled(const struct walk *w)
{
    for (size_t i = 0; w->certs != NULL && i < w->actor_count; i++)
        if (w->actors[i].state == ACTOR_READY && w->actors[i].certs != w->actors[i].certs_set)
            return false;
    return true;
}
