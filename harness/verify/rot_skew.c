/* rot.R6 and rot.resumption (spec/verifier.md 3.6): while the declared steps leave a pair unfit, no
 * new handshake of it is accepted; a resumed session is, which is a finding. */
#include "verify/claims.h"
#include "verify/eject.h"
#include "verify/handshake.h"

#include "base/clock.h"

#define LEAST 5
#define CONTROL_LEAST 5
#define CONTROL_WITHIN_NS (5 * NS_PER_S)
#define SKEWS_MOST 256
#define ENDPOINTS_MOST 1000

struct unfit {
    struct skew skews[SKEWS_MOST];
    size_t skew_count;
    uint64_t refused[ENDPOINTS_MOST + 1];
    bool skewed[ENDPOINTS_MOST + 1];
    uint64_t total, accepted, plain, good;
    uint64_t first_ns, last_ns;
    uint16_t endpoint; /* of the first that was accepted */
};

/* Ejection ends refusals after c of them. */
static uint64_t least_of(const struct edge_policy *edge)
{
    uint64_t c = edge->outlier.present ? outlier_rule_threshold(&edge->outlier, true) : 0;
    return c != 0 && c < LEAST ? c : LEAST;
}

static void count_unfit(const struct shakes *s, const struct window *w, struct unfit *u,
                        struct verdict *ret)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct shake *h = &s->at[i];
        if (!shake_is_asked(w, h) || h->r->endpoint > ENDPOINTS_MOST)
            continue;
        u->plain += h->r->side == 0 && h->r->first_byte != 0 && h->r->first_byte != 0x16;
        if (h->fits != SURE_NO || !h->full)
            continue;
        /* Ours that we should not have taken is no fault of the mesh's. */
        bool bad = h->accepted && h->ours_unfit;
        if (!bad && !h->refused && !h->ended)
            continue;
        u->skewed[h->r->endpoint] = true;
        u->first_ns = u->first_ns == 0 ? h->r->at : u->first_ns;
        u->last_ns = h->r->at;
        u->total++;
        u->refused[h->r->endpoint] += !bad;
        if (bad) {
            u->endpoint = u->accepted++ == 0 ? h->r->endpoint : u->endpoint;
            window_witness(ret, NULL, h->r->at);
        }
    }
}

/* Of the pairs that fit, around the ones that do not. */
static void count_good(const struct shakes *s, struct unfit *u)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct shake *h = &s->at[i];
        u->good += h->full && h->accepted && h->fits == SURE_YES &&
                   h->r->at + CONTROL_WITHIN_NS >= u->first_ns &&
                   h->r->at <= u->last_ns + CONTROL_WITHIN_NS;
    }
}

static void decide(const struct shakes *s, const struct window *w, struct unfit *u,
                   struct arena *arena, struct verdict *ret)
{
    uint64_t least = UINT64_MAX;
    uint32_t rare = 0;
    for (uint32_t e = 1; e <= ENDPOINTS_MOST; e++)
        if (u->skewed[e] && u->refused[e] < least) {
            least = u->refused[e];
            rare = e;
        }
    ret->seen = ret->eligible = u->total;
    ret->wrong = u->accepted + u->plain;
    uint64_t before_ns = u->accepted > 0 ? ret->witness_ns : w->span.to_ns;
    if (u->plain == 0 && shakes_untaken(s, w, before_ns, ret, arena))
        return;
    if (u->accepted > 0) {
        verdict_fail(ret, arena,
                     "%llu of %llu new handshakes were accepted though the mesh cannot trust the "
                     "leaf that %s showed%s",
                     (unsigned long long)u->accepted, (unsigned long long)u->total,
                     shake_place(w, u->endpoint, arena), window_when(w, ret, arena));
        ret->certain = "one witness is enough (class D): the peer's application bytes came";
    } else if (u->plain > 0) {
        verdict_fail(ret, arena, "%llu connections began in plain text during the skew",
                     (unsigned long long)u->plain);
        ret->certain = "one witness is enough (class D): the first byte on the wire";
    } else if (u->skew_count == 0 && u->total == 0) {
        verdict_nothing(ret, arena, "the steps leave no pair unfit for long");
    } else if (least == UINT64_MAX || least < ret->needed) {
        window_too_few(w, ret, arena, least == UINT64_MAX ? 0 : least, ret->needed, ret->unit);
        if (rare != 0)
            ret->text =
                arena_printf(arena, "%s of %s", ret->text, shake_place(w, (uint16_t)rare, arena));
    } else if (u->good < CONTROL_LEAST) {
        verdict_open(ret, u->good == 0 ? WHY_INSTRUMENT : WHY_TOO_FEW, arena,
                     "the pairs that fit were not accepted either: %llu handshakes around the "
                     "skew; %u are needed",
                     (unsigned long long)u->good, CONTROL_LEAST);
        ret->needs = "pairs that fit, beside the one that does not";
    } else {
        verdict_pass(ret, arena,
                     "all %llu new handshakes of a pair that does not fit were refused; %llu that "
                     "fit were accepted around them",
                     (unsigned long long)u->total, (unsigned long long)u->good);
        ret->certain = verdict_excludes(u->total, arena);
    }
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct shakes s;
    struct unfit *u = ARENA_ARRAY(arena, struct unfit, 1);
    shakes_init(&s, w);
    ret->unit = "refused handshakes of a pair that does not fit";
    ret->needed = window_floor(w, least_of(edge));
    verdict_policy(ret, NULL, arena, "a pair that does not trust each other gets no connection");
    if (!shakes_lack(&s, w, ret, arena)) {
        u->skew_count = shakes_skews(&s, w, u->skews, SKEWS_MOST);
        for (size_t i = 0; i < u->skew_count; i++)
            if (u->skews[i].endpoint <= ENDPOINTS_MOST)
                u->skewed[u->skews[i].endpoint] = true;
        count_unfit(&s, w, u, ret);
        count_good(&s, u);
        decide(&s, w, u, arena, ret);
    }
    shakes_release(&s);
}

const struct claim_type claim_rot_R6 = {
    .id = "rot.R6",
    .word = "rotation",
    .only = "skew",
    .help = "in a skew no new handshake of the unfit pair is accepted",
    .class = CLAIM_DETERMINISTIC,
    .applies = shakes_apply,
    .judge = judge,
};

/* The last change of what an endpoint presents before ${t_ns}; NULL: none. */
static const struct swap *last_leaf(const struct shakes *s, uint16_t endpoint, uint64_t t_ns)
{
    const struct swap *found = NULL;
    for (size_t i = 0; i < s->swap_count; i++)
        if (s->swaps[i].leaf && s->swaps[i].endpoint == endpoint && s->swaps[i].to_ns <= t_ns)
            found = &s->swaps[i];
    return found;
}

static void judge_resumption(const struct edge_policy *edge, const struct window *w,
                             struct arena *arena, struct verdict *ret)
{
    struct shakes s;
    uint64_t resumed = 0, old = 0, ago_ns = 0;
    char ago[32];
    (void)edge;
    shakes_init(&s, w);
    ret->unit = "resumed handshakes";
    verdict_policy(ret, NULL, arena, "a finding: what a resumed session hides of a rotation");
    for (size_t i = 0; i < s.count; i++) {
        const struct shake *h = &s.at[i];
        if (!shake_is_asked(w, h) || h->r->resumed == 0 || !h->accepted)
            continue;
        const struct swap *leaf = last_leaf(&s, h->r->endpoint, h->r->at);
        resumed++;
        if (leaf == NULL)
            continue;
        old++;
        ago_ns = h->r->at - leaf->from_ns > ago_ns ? h->r->at - leaf->from_ns : ago_ns;
    }
    shakes_release(&s);
    ret->seen = ret->eligible = resumed;
    if (resumed == 0)
        verdict_nothing(ret, arena, "no session was resumed here");
    else
        verdict_pass(ret, arena,
                     "%llu of %llu resumed sessions were accepted after our leaf had "
                     "changed%s%s%s",
                     (unsigned long long)old, (unsigned long long)resumed,
                     old > 0 ? ", up to " : "",
                     old > 0 ? verdict_span(ago_ns, ago, sizeof(ago)) : "",
                     old > 0 ? " ago: no certificate was asked for" : "");
}

const struct claim_type claim_rot_resumption = {
    .id = "rot.resumption",
    .word = "rotation",
    .only = "resumption",
    .help = "a finding: connections that resumption lets through",
    .class = CLAIM_DETERMINISTIC,
    .applies = shakes_apply,
    .judge = judge_resumption,
};
