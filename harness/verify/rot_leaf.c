/* rot.R3, rot.R4, rot.R5 (spec/verifier.md 3.6): the leaf that the mesh presents lives as long as
 * was declared, has not ended and is of a root that we trust, and keeps its names. Judged by what
 * was presented, in refused handshakes too: an Envoy presents an expired leaf without a word. */
#include "verify/claims.h"
#include "verify/rot_steps.h"

#include "base/clock.h"

#define LEAST 5
#define LIFE_SLACK_S 300 /* back-dating */
#define ENDED_SLACK_S 1
#define ENDED_SLACK_LINKERD_S 20
#define TTL_FIRST_S (UINT64_C(24) * 3600) /* of the lab's leaves before the first step */
#define SERIALS_MOST 256

static bool shows_leaf(const struct window *w, const struct shake *h)
{
    return shake_is_asked(w, h) && h->r->resumed == 0 && h->r->leaf_serial != 0 &&
           h->r->side == 0 && h->shown != SHOWN_DISTURBED;
}

static void few(const struct window *w, struct arena *arena, struct verdict *ret)
{
    window_too_few(w, ret, arena, ret->eligible, ret->needed, ret->unit);
}

/* ---- R4 ---- */

struct ended {
    uint64_t ended, strange, nearest_s;
    uint16_t endpoint;
    const char *root;
};

/* The mesh has been given a leaf that we trust, and shows one that we do not. */
static bool is_strange(const struct shakes *s, const struct window *w, const struct shake *h)
{
    struct bytes root = shake_root(journal_name(w->journal, h->r->root));
    return s->lab && root.len > 0 && h->fits == SURE_YES &&
           shakes_trusts(s, h->r->endpoint, root, h->r->at, h->end_ns) == SURE_NO;
}

static void count_ended(const struct shakes *s, const struct window *w, struct ended *e,
                        struct verdict *ret)
{
    bool linkerd = w->policy->flavour == FLAVOUR_LINKERD;
    uint64_t slack = linkerd ? ENDED_SLACK_LINKERD_S : ENDED_SLACK_S;
    for (size_t i = 0; i < s->count; i++) {
        const struct shake *h = &s->at[i];
        if (!shows_leaf(w, h) || h->r->not_after == 0)
            continue;
        bool ended = h->r->wall > h->r->not_after + slack, strange = is_strange(s, w, h);
        uint64_t left = h->r->not_after > h->r->wall ? h->r->not_after - h->r->wall : 0;
        e->nearest_s = left < e->nearest_s ? left : e->nearest_s;
        ret->eligible++;
        e->ended += ended;
        e->strange += strange;
        if (!ended && !strange)
            continue;
        e->endpoint = e->endpoint == 0 ? h->r->endpoint : e->endpoint;
        e->root = journal_name(w->journal, h->r->root);
        window_witness(ret, NULL, h->r->at);
    }
    ret->seen = ret->eligible;
    ret->wrong = e->ended + e->strange;
}

static void say_ended(const struct window *w, const struct ended *e, struct arena *arena,
                      struct verdict *ret)
{
    const char *when = window_when(w, ret, arena);
    if (e->ended > 0)
        verdict_fail(ret, arena,
                     "the mesh presented a leaf that had ended in %llu of %llu handshakes, first "
                     "to %s%s",
                     (unsigned long long)e->ended, (unsigned long long)ret->eligible,
                     shake_place(w, e->endpoint, arena), when);
    else
        verdict_fail(ret, arena,
                     "the mesh presented a leaf of %s in %llu of %llu handshakes, which nobody "
                     "trusts any more, first to %s%s",
                     e->root, (unsigned long long)e->strange, (unsigned long long)ret->eligible,
                     shake_place(w, e->endpoint, arena), when);
    ret->certain = "one witness is enough (class D): the leaf as it came";
}

static void judge_ended(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                        struct verdict *ret)
{
    struct shakes s;
    struct ended e = {.nearest_s = UINT64_MAX};
    (void)edge;
    shakes_init(&s, w);
    ret->unit = "handshakes with the mesh's leaf";
    ret->needed = window_floor(w, LEAST);
    verdict_policy(ret, NULL, arena, "the mesh presents no leaf that has ended");
    bool lacks = shakes_lack(&s, w, ret, arena);
    if (!lacks)
        count_ended(&s, w, &e, ret);
    uint64_t before_ns = e.strange > 0 ? ret->witness_ns : w->span.to_ns;
    bool open = !lacks && e.ended == 0 && shakes_untaken(&s, w, before_ns, ret, arena);
    shakes_release(&s);
    if (lacks || open)
        return;
    if (ret->wrong > 0)
        say_ended(w, &e, arena, ret);
    else if (ret->eligible < ret->needed)
        few(w, arena, ret);
    else
        verdict_pass(ret, arena,
                     "none of %llu leaves that the mesh presented had ended; the nearest had %llu "
                     "s left",
                     (unsigned long long)ret->eligible, (unsigned long long)e.nearest_s);
}

const struct claim_type claim_rot_R4 = {
    .id = "rot.R4",
    .word = "rotation",
    .only = "ended",
    .help = "the mesh presents no leaf that has ended, or that nobody trusts",
    .class = CLAIM_DETERMINISTIC,
    .applies = shakes_apply,
    .judge = judge_ended,
};

/* ---- the mesh's leaves, one a serial ---- */

struct serials {
    const struct shake *at[SERIALS_MOST]; /* the first that showed it */
    size_t count;
};

static void find_serials(const struct shakes *s, const struct window *w, struct serials *ret,
                         struct verdict *v)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct shake *h = &s->at[i];
        bool known = !shows_leaf(w, h) || ret->count == SERIALS_MOST;
        v->eligible += shows_leaf(w, h);
        for (size_t k = 0; k < ret->count && !known; k++)
            known = ret->at[k]->r->leaf_serial == h->r->leaf_serial;
        if (!known)
            ret->at[ret->count++] = h;
    }
}

/* The declared lifetime of a leaf of the mesh that the lab issued; 0: not known. */
static uint64_t ttl_of(const struct shakes *s, const struct window *w, const struct rot_step *steps,
                       size_t count, const char *serial)
{
    for (size_t i = 0; i < s->swap_count; i++) {
        const struct swap *swap = &s->swaps[i];
        const char *at = strstr(swap->what, " serial ");
        if (!swap->leaf || swap->endpoint != 0 || at == NULL || strcmp(at + 8, serial) != 0)
            continue;
        if (swap->from_ns < w->span.from_ns)
            return 0; /* of an earlier phase, whose steps are not asked here */
        for (size_t k = count; k > 0; k--)
            if (steps[k - 1].begin_ns <= swap->from_ns && steps[k - 1].ttl_ns != 0)
                return steps[k - 1].ttl_ns / NS_PER_S;
        return 0;
    }
    return TTL_FIRST_S; /* it was there from the beginning */
}

struct lifetimes {
    uint64_t judged, life_s, ttl_s; /* of the first that is wrong */
};

static void count_lives(const struct shakes *s, const struct window *w, struct arena *arena,
                        struct lifetimes *l, struct verdict *ret)
{
    struct serials *found = ARENA_ARRAY(arena, struct serials, 1);
    struct rot_step *steps = ARENA_ARRAY(arena, struct rot_step, ROT_STEPS_MOST);
    size_t count = rot_steps(s, w, arena, steps, ROT_STEPS_MOST);
    find_serials(s, w, found, ret);
    for (size_t i = 0; i < found->count; i++) {
        const struct handshake_record *r = found->at[i]->r;
        uint64_t ttl = ttl_of(s, w, steps, count, journal_name(w->journal, r->leaf_serial));
        uint64_t life = r->not_after - r->not_before;
        if (ttl == 0 || r->not_after < r->not_before)
            continue;
        l->judged++;
        if (life + LIFE_SLACK_S >= ttl && life <= ttl + LIFE_SLACK_S)
            continue;
        if (ret->wrong++ == 0) {
            l->life_s = life;
            l->ttl_s = ttl;
        }
        window_witness(ret, NULL, r->at);
    }
    ret->seen = ret->eligible;
}

static void judge_life(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                       struct verdict *ret)
{
    struct shakes s;
    struct lifetimes l = {0};
    (void)edge;
    shakes_init(&s, w);
    ret->unit = "handshakes with the mesh's leaf";
    ret->needed = window_floor(w, LEAST);
    verdict_policy(ret, NULL, arena, "each leaf lives as long as its ttl says");
    bool lacks = shakes_lack(&s, w, ret, arena), lab = s.lab;
    if (!lacks && lab)
        count_lives(&s, w, arena, &l, ret);
    shakes_release(&s);
    if (lacks)
        return;
    if (!lab) {
        verdict_nothing(ret, arena, "nobody declared how long this mesh's leaves live");
    } else if (ret->wrong > 0) {
        verdict_fail(ret, arena,
                     "%llu of %llu leaves of the mesh do not live as declared: %llu s, where %llu "
                     "s were asked for%s",
                     (unsigned long long)ret->wrong, (unsigned long long)l.judged,
                     (unsigned long long)l.life_s, (unsigned long long)l.ttl_s,
                     window_when(w, ret, arena));
        ret->certain = "one witness is enough (class D): the leaf as it came";
    } else if (ret->eligible < ret->needed) {
        few(w, arena, ret);
    } else if (l.judged == 0) {
        verdict_nothing(ret, arena, "the mesh's leaves are of an earlier phase");
    } else {
        verdict_pass(ret, arena, "%llu leaves of the mesh live as declared, give or take 5 min",
                     (unsigned long long)l.judged);
    }
}

const struct claim_type claim_rot_R3 = {
    .id = "rot.R3",
    .word = "rotation",
    .only = "lifetime",
    .help = "each new leaf lives as long as was declared",
    .class = CLAIM_DETERMINISTIC,
    .applies = shakes_apply,
    .judge = judge_life,
};

static void judge_names(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                        struct verdict *ret)
{
    struct shakes s;
    struct serials *found = ARENA_ARRAY(arena, struct serials, 1);
    const char *first = "", *other = "";
    (void)edge;
    shakes_init(&s, w);
    ret->unit = "handshakes with the mesh's leaf";
    ret->needed = window_floor(w, LEAST);
    verdict_policy(ret, NULL, arena, "a new leaf of the mesh has the names of the old one");
    bool lacks = shakes_lack(&s, w, ret, arena);
    find_serials(&s, w, found, ret);
    for (size_t i = 0; i < found->count; i++) {
        const char *sans = journal_name(w->journal, found->at[i]->r->sans);
        first = i == 0 ? sans : first;
        if (strcmp(sans, first) == 0)
            continue;
        ret->wrong++;
        other = sans;
        window_witness(ret, NULL, found->at[i]->r->at);
    }
    shakes_release(&s);
    ret->seen = ret->eligible;
    if (lacks)
        return;
    if (ret->wrong > 0) {
        verdict_fail(ret, arena,
                     "a new leaf of the mesh says \"%s\" where the old one said "
                     "\"%s\"%s",
                     other, first, window_when(w, ret, arena));
        ret->certain = "one witness is enough (class D): the leaf as it came";
    } else if (ret->eligible < ret->needed)
        few(w, arena, ret);
    else if (found->count < 2)
        verdict_nothing(ret, arena, "the mesh presented one leaf all the time");
    else
        verdict_pass(ret, arena, "%zu leaves of the mesh, all \"%s\"", found->count, first);
}

const struct claim_type claim_rot_R5 = {
    .id = "rot.R5",
    .word = "rotation",
    .only = "names",
    .help = "a new leaf of the mesh has the names of the old one",
    .class = CLAIM_DETERMINISTIC,
    .applies = shakes_apply,
    .judge = judge_names,
};
