/* tls.refuse[x] (spec/verifier.md 3.6): a wrong leaf of ours is never accepted, while the good one
 * of the same pair is. "Accepted" is the peer's first application byte: in TLS 1.3 a handshake that
 * is done is nothing yet. */
#include "verify/claims.h"
#include "verify/handshake.h"

#include "base/clock.h"

#define LEAST 5
#define CONTROL_LEAST 5
#define CONTROL_WITHIN_NS (5 * NS_PER_S)
#define PAIRS_MOST 256

/* One endpoint, one role of the mesh's proxy, one version of TLS. */
struct pair {
    uint16_t endpoint, version;
    uint8_t side;
    uint64_t accepted, refused, good, good_after;
    uint64_t first_ns, last_ns;
};

struct pairs {
    struct pair *at;
    size_t count;
    uint64_t resumed;
    uint16_t alert; /* plus 1: of the first refusal that has one */
    unsigned shown; /* bits of enum shown: what was shown, or meant to be */
    bool refused;   /* we refused the mesh's leaf in a skew */
};

static struct pair *pair_of(struct pairs *p, const struct shake *h, bool make)
{
    const struct handshake_record *r = h->r;
    for (size_t i = 0; i < p->count; i++)
        if (p->at[i].endpoint == r->endpoint && p->at[i].side == r->side &&
            p->at[i].version == r->version)
            return &p->at[i];
    if (!make || p->count == PAIRS_MOST)
        return NULL;
    struct pair *new = &p->at[p->count++];
    *new = (struct pair){.endpoint = r->endpoint,
                         .version = r->version,
                         .side = r->side,
                         .first_ns = r->at,
                         .last_ns = r->at};
    return new;
}

static void add_wrong(const struct shake *h, struct pairs *p, struct verdict *ret)
{
    /* Where the peer's Finished is the end of it, ending it before a byte is its word (measured on
     * Linkerd, which refuses a wrong name so: linkerd-measured.md 6). */
    bool refused = h->refused || h->ended;
    p->resumed += h->r->resumed != 0;
    if (!h->full || (!h->accepted && !refused))
        return;
    struct pair *pair = pair_of(p, h, true);
    if (pair == NULL)
        return;
    pair->last_ns = h->r->at;
    pair->accepted += h->accepted;
    pair->refused += refused;
    if (p->alert == 0 && refused)
        p->alert = h->r->alert_in;
    if (h->accepted)
        window_witness(ret, NULL, h->r->at);
}

/* Of the same pair, around the wrong ones; looked for beyond the phase too. */
static void add_good(const struct shakes *s, struct pairs *p)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct shake *h = &s->at[i];
        struct pair *pair =
            h->shown == SHOWN_GOOD && h->full && h->accepted ? pair_of(p, h, false) : NULL;
        if (pair == NULL || h->r->at + CONTROL_WITHIN_NS < pair->first_ns ||
            h->r->at > pair->last_ns + CONTROL_WITHIN_NS)
            continue;
        pair->good++;
        pair->good_after += h->r->at > pair->first_ns;
    }
}

/* A fault of the plan shows that leaf in this window: then it must be seen to. */
static bool plans(const struct step *steps, size_t count, enum shown x)
{
    for (size_t i = 0; i < count; i++)
        if ((steps[i].kind == STEP_FAULT && strcmp(steps[i].word, "cert") == 0 &&
             strcmp(step_text(&steps[i], "kind", ""), shown_words[x]) == 0) ||
            plans(steps[i].steps, steps[i].step_count, x))
            return true;
    return false;
}

static bool is_planned(const struct window *w, enum shown x)
{
    return (w->phase != NULL && plans(w->phase->steps, w->phase->step_count, x)) ||
           (w->scenario != NULL && plans(w->scenario->steps, w->scenario->step_count, x));
}

static void note_shown(const struct shakes *s, const struct window *w, struct pairs *p)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct shake *h = &s->at[i];
        if (!shake_is_asked(w, h))
            continue;
        if (h->shown < SHOWN_WRONG)
            p->shown |= 1U << h->shown;
        p->refused = p->refused || (h->fits == SURE_NO && h->refused);
    }
    for (unsigned x = 0; x < SHOWN_WRONG; x++)
        p->shown |= is_planned(w, (enum shown)x) ? 1U << x : 0;
}

/* The wrong leaves that one part of the word means, as bits; all when it is not named. */
static unsigned group_of(const struct window *w, enum shown x)
{
    static const uint8_t never[SHOWN_WRONG] = {0, 0, 1, 1, 2, 2, 2, 2},
                         because[SHOWN_WRONG] = {0, 1, 2, 2, 3, 4, 3, 3};
    bool refused = strcmp(w->asked->word, "refused") == 0;
    const uint8_t *parts = refused ? because : never;
    const char *named = refused ? window_key(w, "because") : NULL;
    unsigned group = 0;
    for (unsigned i = 0; i < SHOWN_WRONG; i++)
        if (parts[i] == parts[x] || (refused && (named == NULL || strcmp(named, "any") == 0)))
            group |= 1U << i;
    return group;
}

/* Whether the author asked for it by name, or for a refusal of whatever kind. */
static bool is_demanded(const struct window *w)
{
    return strcmp(w->asked->word, "refused") == 0 ||
           json_object_get(w->asked->keys, "never") != NULL;
}

/* What was to be shown, and was not; what nobody meant to show is not judged. Of what one part
 * means one is enough, and its first row speaks for all where none was. */
static void nothing_shown(const struct window *w, enum shown x, const struct pairs *p,
                          struct arena *arena, struct verdict *ret)
{
    unsigned group = group_of(w, x), first = group & ~(group - 1);
    bool root = (group & (1U << SHOWN_UNKNOWN_ROOT)) != 0;
    bool speaks =
        is_demanded(w) && (p->shown & group) == 0 && first == 1U << x && !(root && p->refused);
    if (p->resumed > 0) {
        verdict_open(ret, WHY_TOO_FEW, arena,
                     "all %llu handshakes resumed a session: a certificate was not asked for",
                     (unsigned long long)p->resumed);
        ret->needs = "tickets off";
    } else if (speaks || is_planned(w, x)) {
        window_too_few(w, ret, arena, 0, ret->needed, ret->unit);
    } else if (root && p->refused) {
        verdict_nothing(ret, arena, "we refused the mesh's leaf, not it ours: rot.R6 judges that");
    } else {
        verdict_nothing(ret, arena, "nobody showed the mesh %s here", shown_texts[x]);
    }
}

static void say_failed(const struct window *w, enum shown x, const struct pair *worst,
                       struct arena *arena, struct verdict *ret)
{
    verdict_fail(ret, arena,
                 "%llu of %llu handshakes with %s were accepted: %s showed it, and the mesh sent "
                 "its bytes all the same%s",
                 (unsigned long long)ret->wrong, (unsigned long long)ret->eligible, shown_texts[x],
                 shake_place(w, worst->endpoint, arena), window_when(w, ret, arena));
    ret->certain = "one witness is enough (class D): the peer's application bytes came";
}

static void say_too_few(const struct window *w, const struct pair *least, struct arena *arena,
                        struct verdict *ret)
{
    window_too_few(w, ret, arena, least->refused, ret->needed, ret->unit);
    ret->text = arena_printf(arena, "%s of %s", ret->text, shake_place(w, least->endpoint, arena));
}

static void say_no_control(const struct window *w, const struct pair *pair, struct arena *arena,
                           struct verdict *ret)
{
    verdict_open(ret, pair->good == 0 ? WHY_INSTRUMENT : WHY_TOO_FEW, arena,
                 "the good certificate was not accepted either: %llu handshakes of %s with it "
                 "around the wrong ones, %llu of them after the first; %u are needed",
                 (unsigned long long)pair->good, shake_place(w, pair->endpoint, arena),
                 (unsigned long long)pair->good_after, CONTROL_LEAST);
    ret->needs = "good handshakes between the wrong ones: a share below 100 % of the fault";
}

static void decide(const struct shakes *s, const struct window *w, enum shown x,
                   const struct pairs *p, struct arena *arena, struct verdict *ret)
{
    const struct pair *worst = NULL, *least = NULL, *bare = NULL;
    uint64_t good = 0;
    for (size_t i = 0; i < p->count; i++) {
        const struct pair *one = &p->at[i];
        ret->eligible += one->accepted + one->refused;
        ret->wrong += one->accepted;
        good += one->good;
        worst = worst == NULL && one->accepted > 0 ? one : worst;
        least = least == NULL || one->refused < least->refused ? one : least;
        if (bare == NULL && (one->good < CONTROL_LEAST || one->good_after == 0))
            bare = one;
    }
    ret->seen = ret->eligible;
    /* Of a root that it was told not to trust any more, and has not heard. */
    if (worst != NULL && x == SHOWN_UNKNOWN_ROOT && !is_planned(w, x) &&
        shakes_untaken(s, w, ret->witness_ns, ret, arena))
        return;
    if (worst != NULL) {
        say_failed(w, x, worst, arena, ret);
    } else if (least == NULL) {
        nothing_shown(w, x, p, arena, ret);
    } else if (least->refused < ret->needed) {
        say_too_few(w, least, arena, ret);
    } else if (bare != NULL) {
        say_no_control(w, bare, arena, ret);
    } else {
        const char *alert = p->alert == 0 ? "" : arena_printf(arena, ", alert %u", p->alert - 1);
        verdict_pass(ret, arena,
                     "none of %llu handshakes with %s was accepted%s; %llu with the good leaf "
                     "between them were",
                     (unsigned long long)ret->eligible, shown_texts[x], alert,
                     (unsigned long long)good);
        ret->certain = verdict_excludes(ret->eligible, arena);
    }
}

static void judge(enum shown x, const struct edge_policy *edge, const struct window *w,
                  struct arena *arena, struct verdict *ret)
{
    struct shakes s;
    struct pairs p = {.at = ARENA_ARRAY(arena, struct pair, PAIRS_MOST)};
    shakes_init(&s, w);
    ret->needed = window_floor(w, LEAST);
    ret->unit = "handshakes refused";
    verdict_policy(ret, edge->mtls.sends.set ? &edge->mtls.sends : NULL, arena,
                   "mutual TLS: %s is refused", shown_texts[x]);
    if (!shakes_lack(&s, w, ret, arena)) {
        for (size_t i = 0; i < s.count; i++)
            if (shake_is_asked(w, &s.at[i]) && s.at[i].shown == x)
                add_wrong(&s.at[i], &p, ret);
        note_shown(&s, w, &p);
        add_good(&s, &p);
        decide(&s, w, x, &p, arena, ret);
    }
    shakes_release(&s);
}

#define REFUSE(name, part, because, shown_) \
    static void judge_##name(const struct edge_policy *edge, const struct window *w, \
                             struct arena *arena, struct verdict *ret) \
    { \
        judge(shown_, edge, w, arena, ret); \
    } \
    const struct claim_type claim_tls_refuse_##name = { \
        .id = "tls.refuse[" #name "]", \
        .word = "mtls", \
        .only = part, \
        .also_word = "refused", \
        .also_only = because, \
        .help = "a wrong leaf of ours is never accepted: " #name, \
        .class = CLAIM_DETERMINISTIC, \
        .applies = shakes_apply, \
        .judge = judge_##name, \
    };
REFUSE(expired, "expired", "expired", SHOWN_EXPIRED)
REFUSE(not_yet_valid, "expired", "not_yet_valid", SHOWN_NOT_YET_VALID)
REFUSE(wrong_san, "wrong_identity", "wrong_identity", SHOWN_WRONG_SAN)
REFUSE(wrong_trust_domain, "wrong_identity", "wrong_identity", SHOWN_WRONG_TRUST_DOMAIN)
REFUSE(unknown_root, "unknown_root", "unknown_root", SHOWN_UNKNOWN_ROOT)
REFUSE(missing_intermediate, "unknown_root", "missing_intermediate", SHOWN_MISSING_INTERMEDIATE)
REFUSE(samename_root, "unknown_root", "unknown_root", SHOWN_SAMENAME_ROOT)
REFUSE(no_certificate, "unknown_root", "unknown_root", SHOWN_NO_CERTIFICATE)
