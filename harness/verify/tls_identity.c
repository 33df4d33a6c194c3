/* tls.client_identity (spec/verifier.md 3.6): the mesh's leaf says who it is, once, and rightly. */
#include "verify/claims.h"
#include "verify/handshake.h"

#define LEAST 5
#define ENDPOINTS_MOST 1000
#define TLS_1_3 0x0304
#define ALERT_CERTIFICATE_REQUIRED 116
#define ALERT_HANDSHAKE_FAILURE 40 /* of TLS 1.2 */

/* A server that demands a leaf and gets none says so by the alert alone (tls-measured.md 7.2). */
static bool showed_none(const struct handshake_record *r)
{
    if ((r->flags & HANDSHAKE_CERTIFICATE_RECEIVED) != 0)
        return false;
    unsigned want = r->version == TLS_1_3 ? ALERT_CERTIFICATE_REQUIRED : ALERT_HANDSHAKE_FAILURE;
    return r->first_app != 0 || r->alert_out == want + 1;
}

/* How many names of that kind ("URI:", "DNS:") there are. */
static unsigned names_of(const char *sans, const char *kind)
{
    unsigned count = 0;
    for (const char *at = sans; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        count += strncmp(at, kind, 4) == 0;
    }
    return count;
}

/* Who the mesh is by declaration; NULL: an external mesh, whose identity nobody declared. */
static const char *declared(const struct shakes *s, const struct window *w, struct arena *arena)
{
    const char *domain = s->lab ? w->scenario->mesh.trust_domain : NULL;
    if (!s->lab || w->policy->flavour == FLAVOUR_LINKERD)
        return NULL;
    return arena_printf(arena, "URI:spiffe://%s/ns/default/sa/client",
                        domain == NULL ? "cluster.local" : domain);
}

static const char *wrong_of(const struct window *w, const struct shake *h, const char *wanted,
                            struct arena *arena)
{
    const char *sans = journal_name(w->journal, h->r->sans);
    const char *kind = w->policy->flavour == FLAVOUR_LINKERD ? "DNS:" : "URI:";
    if (showed_none(h->r))
        return "it showed no leaf";
    unsigned names = names_of(sans, kind);
    if (names != 1)
        return arena_printf(arena, "its leaf has %u names of the kind %.3s (\"%s\")", names, kind,
                            sans);
    if (wanted != NULL && strcmp(sans, wanted) != 0)
        return arena_printf(arena, "its leaf says \"%s\"", sans);
    return NULL;
}

struct names {
    uint32_t seen[ENDPOINTS_MOST + 1]; /* by endpoint */
    const char *name, *wrong;          /* of the last; what the first wrong one was */
};

static void count(const struct shakes *s, const struct window *w, const char *wanted,
                  struct names *n, struct arena *arena, struct verdict *ret)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct shake *h = &s->at[i];
        bool told = (h->r->flags & HANDSHAKE_CERTIFICATE_RECEIVED) != 0 || showed_none(h->r);
        if (!shake_is_asked(w, h) || !h->full || !told || h->r->endpoint > ENDPOINTS_MOST)
            continue;
        const char *wrong = wrong_of(w, h, wanted, arena);
        n->seen[h->r->endpoint]++;
        n->name = journal_name(w->journal, h->r->sans);
        ret->eligible++;
        ret->wrong += wrong != NULL;
        if (wrong != NULL && n->wrong == NULL) {
            n->wrong = wrong;
            window_witness(ret, NULL, h->r->at);
        }
    }
}

/* The endpoint with the fewest; 0: there is none. */
static uint16_t rarest(const struct window *w, const struct names *n)
{
    uint32_t asked = w->asked->has_on ? w->asked->on.to.endpoint : 0;
    uint16_t rare = (uint16_t)asked;
    for (uint32_t e = 1; e <= w->track->host_count && e <= ENDPOINTS_MOST && asked == 0; e++)
        rare = rare == 0 || n->seen[e] < n->seen[rare] ? (uint16_t)e : rare;
    return rare <= ENDPOINTS_MOST ? rare : 0;
}

static void decide(const struct window *w, const char *wanted, const struct names *n,
                   struct arena *arena, struct verdict *ret)
{
    uint16_t rare = rarest(w, n);
    const char *name = wanted == NULL ? "one name" : wanted + 4;
    ret->seen = ret->eligible;
    if (ret->wrong > 0) {
        verdict_fail(ret, arena,
                     "%llu of %llu handshakes of the mesh are not its own: %s; %s is declared%s",
                     (unsigned long long)ret->wrong, (unsigned long long)ret->eligible, n->wrong,
                     name, window_when(w, ret, arena));
        ret->certain = "one witness is enough (class D): the leaf as it came";
    } else if (n->seen[rare] < ret->needed) {
        window_too_few(w, ret, arena, n->seen[rare], ret->needed, ret->unit);
        if (ret->seen > 0)
            ret->text = arena_printf(arena, "%s at %s", ret->text, shake_place(w, rare, arena));
    } else {
        verdict_pass(ret, arena, "the mesh was %s in each of %llu handshakes", n->name,
                     (unsigned long long)ret->eligible);
        ret->certain = verdict_excludes(ret->eligible, arena);
    }
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct shakes s;
    struct names *n = ARENA_ARRAY(arena, struct names, 1);
    shakes_init(&s, w);
    const char *wanted = declared(&s, w, arena);
    ret->unit = "handshakes with the mesh's leaf";
    ret->needed = window_floor(w, LEAST);
    verdict_policy(ret, edge->mtls.sends.set ? &edge->mtls.sends : NULL, arena, "the mesh is %s",
                   wanted == NULL ? "one identity" : wanted + 4);
    bool lacks = shakes_lack(&s, w, ret, arena);
    if (!lacks)
        count(&s, w, wanted, n, arena, ret);
    shakes_release(&s);
    if (!lacks)
        decide(w, wanted, n, arena, ret);
}

const struct claim_type claim_tls_client_identity = {
    .id = "tls.client_identity",
    .word = "mtls",
    .only = "wrong_identity",
    .help = "the mesh's own leaf has one name, the declared one",
    .class = CLAIM_DETERMINISTIC,
    .applies = shakes_apply,
    .judge = judge,
};
