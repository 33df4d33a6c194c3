/* rot.R2 (spec/verifier.md 3.6): a mesh that renews its own leaves does so at the time that its
 * data plane says: 0.49 to 0.51 of the lifetime (Istio's agent), 0.5 (ztunnel), 0.7 (Linkerd). Only
 * what was seen to begin and to end is judged, so leaves must live no longer than the run. */
#include "verify/claims.h"
#include "verify/handshake.h"

#include "base/clock.h"

#define LATE_SLACK_S 5
#define EARLY_SLACK_S 1

struct share {
    double least, most;
};

static struct share share_of(const struct edge_policy *edge)
{
    if (edge->target.mesh == MESH_LINKERD)
        return (struct share){0.7, 0.7};
    if (edge->target.mesh == MESH_ISTIO_AMBIENT)
        return (struct share){0.5, 0.5};
    return (struct share){0.49, 0.51};
}

/* One leaf of the mesh, from the first handshake that showed it to the first that showed another.
 */
struct tenure {
    uint32_t serial;
    bool begun; /* another was shown before: so its first showing is near its issue */
    uint64_t first_s, last_s, not_after_s;
};

struct renewals {
    uint64_t judged, early, late;
    double share; /* of the first that was wrong */
    struct share wanted;
};

static void add(const struct tenure *t, const struct shake *next, struct renewals *n,
                struct verdict *ret)
{
    uint64_t life = t->not_after_s > t->first_s ? t->not_after_s - t->first_s : 0;
    if (!t->begun || life == 0)
        return;
    double from = (double)t->first_s;
    double least = from + n->wanted.least * (double)life - EARLY_SLACK_S;
    double most = from + n->wanted.most * (double)life + LATE_SLACK_S;
    /* The new one was there already: too soon for certain. The old one still was: too late. */
    bool early = (double)next->r->wall<least, late = (double)t->last_s> most;
    n->judged++;
    n->early += early;
    n->late += late;
    if (!early && !late)
        return;
    if (n->share == 0)
        n->share = ((double)(early ? next->r->wall : t->last_s) - from) / (double)life;
    window_witness(ret, NULL, next->r->at);
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct shakes s;
    struct tenure now = {0};
    struct renewals n = {.wanted = share_of(edge)};
    shakes_init(&s, w);
    ret->unit = "renewals seen whole";
    ret->needed = 1;
    verdict_policy(ret, NULL, arena, "a leaf is renewed at %.2f of its lifetime", n.wanted.most);
    for (size_t i = 0; !s.lab && i < s.count; i++) {
        const struct shake *h = &s.at[i];
        if (!shake_is_asked(w, h) || h->r->resumed != 0 || h->r->leaf_serial == 0 ||
            h->r->side != 0)
            continue;
        if (now.serial != h->r->leaf_serial) {
            bool first = now.serial == 0;
            if (!first)
                add(&now, h, &n, ret);
            now = (struct tenure){.serial = h->r->leaf_serial,
                                  .begun = !first,
                                  .first_s = h->r->wall,
                                  .not_after_s = h->r->not_after};
        }
        now.last_s = h->r->wall;
    }
    bool lab = s.lab;
    shakes_release(&s);
    ret->seen = ret->eligible = n.judged;
    ret->wrong = n.early + n.late;
    if (lab)
        verdict_nothing(ret, arena, "the mesh's leaves are the lab's: it does not renew them");
    else if (ret->wrong > 0) {
        verdict_fail(ret, arena, "%llu of %llu renewals came %s: at %.2f of the lifetime%s",
                     (unsigned long long)ret->wrong, (unsigned long long)n.judged,
                     n.early > 0 ? "early" : "late", n.share, window_when(w, ret, arena));
        ret->certain = "no delay of this machine's is as long (class T)";
    } else if (n.judged == 0)
        verdict_nothing(ret, arena,
                        "no renewal was seen from its issue to the next: leaves live "
                        "longer than the run");
    else
        verdict_pass(ret, arena,
                     "%llu renewals at %.2f of the lifetime, give or take the gap "
                     "between two handshakes",
                     (unsigned long long)n.judged, n.wanted.most);
}

const struct claim_type claim_rot_R2 = {
    .id = "rot.R2",
    .word = "rotation",
    .only = "renewal",
    .help = "a mesh renews its leaves when it should",
    .class = CLAIM_TIMING,
    .applies = shakes_apply,
    .judge = judge,
};
