/* backoff.law (spec/verifier.md 3.1): the first gaps are drawn evenly over the back-off's width.
 * One gap a request: gaps of different requests are independent draws. */
#include "verify/backoff.h"
#include "verify/claims.h"

#include "base/clock.h"
#include "base/sort.h"
#include "stats/exact.h"

#include <math.h>
#include <stdlib.h>

#define LEAST 40
/* What a shared machine adds to a gap (measured up to 8 ms; late by 6 never came near the limit).
 */
#define SHIFT_NS ((double)(6 * NS_PER_MS))
/* A right law is off by more once in a hundred samples: such a one is neither shown nor refuted. */
#define DOUBT 0.01

/* Linkerd has a law for each gap, which share the level. */
static double level_of(const struct edge_policy *edge, const struct window *w)
{
    return edge->flavour == FLAVOUR_LINKERD ? w->alpha / BACKOFF_GAPS_MOST : w->alpha;
}

static bool applies(const struct edge_policy *edge)
{
    return edge->flavour != FLAVOUR_L4 && edge->retry.attempts.set &&
           edge->retry.attempts.number > 0;
}

static double law(double x, double width)
{
    if (x <= 0)
        return 0;
    return x < width ? x / width : 1;
}

/* The gaps before one retry, sorted, and how many more there may have been that nobody saw. */
struct sample {
    uint64_t *gaps;
    size_t count, unseen;
    double early, late; /* the largest excess of what was seen over the law, and of the shifted law
                           over it: drawn too early, too late */
    bool soon, tardy;   /* so, whatever the unseen ones were */
};

/* Which retry meets a dead endpoint may hang on its gap, where loads and the endpoints' turn keep
 * time: the unseen ones may all be long, or all be short. */
static void look_at(struct sample *s, double level, uint64_t least_ns, double width)
{
    double all = (double)(s->count + s->unseen), most_early = 0, most_late = 0;
    for (size_t i = 0; i < s->count; i++) {
        double x = (double)s->gaps[i] - (double)least_ns, count = (double)s->count;
        s->early = fmax(s->early, (double)(i + 1) / count - law(x, width));
        s->late = fmax(s->late, law(x - SHIFT_NS, width) - (double)i / count);
        most_early = fmax(most_early, (double)(i + 1) / all - law(x, width));
        most_late = fmax(most_late, law(x - SHIFT_NS, width) - (double)(i + s->unseen) / all);
    }
    double limit = exact_dkw_eps(s->count + s->unseen, level);
    s->soon = s->count > 0 && most_early > limit;
    s->tardy = s->count > 0 && most_late > limit;
}

/* Those before retry ${n}; the caller frees ${ret->gaps}. */
static void sample_take(const struct edge_policy *edge, const struct window *w, uint32_t n,
                        struct sample *ret)
{
    *ret =
        (struct sample){.gaps = check_alloc_zero((size_t)(w->to - w->from) + 1, sizeof(uint64_t))};
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        const struct try *x = window_has(w, r) ? window_first(w, r) : NULL;
        while (x != NULL && x->place < n)
            x = window_after(w, x);
        if (x == NULL || x->place != n)
            continue;
        if (backoff_gap(w, x, &ret->gaps[ret->count]))
            ret->count++;
        else
            ret->unseen += backoff_unseen(w, x);
    }
    if (ret->count > 0)
        qsort(ret->gaps, ret->count, sizeof(*ret->gaps), sort_by_u64);
    look_at(ret, level_of(edge, w), backoff_least_ns(edge, n), (double)backoff_width_ns(edge, n));
}

/* Of later gaps none is asked for, but what is offered must be even too: Linkerd draws each by its
 * own width. (An Envoy's later ones have two laws that are right: policy-semantics.md A4.) */
static bool later_fails(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                        struct verdict *ret)
{
    for (uint32_t n = 2; edge->flavour == FLAVOUR_LINKERD && n <= BACKOFF_GAPS_MOST; n++) {
        struct sample s;
        sample_take(edge, w, n, &s);
        free(s.gaps);
        if (!s.soon && !s.tardy)
            continue;
        ret->wrong = 1;
        ret->seen = ret->eligible = s.count;
        verdict_fail(ret, arena, "%zu gaps before retry %u come too %s: off by %.2f of %.2f",
                     s.count, n, s.soon ? "soon" : "late", s.soon ? s.early : s.late,
                     exact_dkw_eps(s.count, level_of(edge, w)));
        ret->certain = "the exact band of Dvoretzky, Kiefer and Wolfowitz (class P)";
        return true;
    }
    return false;
}

/* So many gaps would tell, if they were off by as much. */
static void leave_open(double level, double off, const struct sample *s, struct arena *arena,
                       struct verdict *ret)
{
    double limit = exact_dkw_eps(s->count, level);
    if (off > limit) {
        verdict_open(ret, WHY_TOO_FEW, arena,
                     "%zu first gaps are off by %.2f of %.2f, and %zu more nobody saw", s->count,
                     off, limit, s->unseen);
        ret->needs = "first gaps in a phase in which no endpoint is down";
        return;
    }
    verdict_open(ret, WHY_TOO_FEW, arena,
                 "%zu first gaps are off by %.2f, less than the %.2f that would tell", s->count,
                 off, limit);
    ret->needed = (uint64_t)ceil(log(1 / level) / (2 * off * off)) + 1;
    ret->needs =
        arena_printf(arena, "%llu first gaps in one phase", (unsigned long long)ret->needed);
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct sample s;
    sample_take(edge, w, 1, &s);
    size_t count = s.count;
    double limit = exact_dkw_eps(count, level_of(edge, w)), off = fmax(s.early, s.late);
    char span[32], median[32];
    verdict_span(backoff_width_ns(edge, 1), span, sizeof(span));
    verdict_span(count == 0 ? 0 : s.gaps[count / 2], median, sizeof(median));
    free(s.gaps);
    ret->seen = ret->eligible = count;
    ret->needed = window_floor(w, LEAST);
    ret->unit = "first gaps";
    verdict_policy(ret, &edge->retry.backoff_base, arena, "first gap drawn evenly over %s", span);
    if (window_starved(w, ret, arena))
        return;
    if (later_fails(edge, w, arena, ret))
        return;
    if (s.soon || s.tardy) {
        ret->wrong = 1;
        verdict_fail(ret, arena, "%zu first gaps come too %s: median %s, off by %.2f of %.2f",
                     count, s.soon ? "soon" : "late", median, off, limit);
        ret->certain = "the exact band of Dvoretzky, Kiefer and Wolfowitz (class P)";
    } else if (count < ret->needed) {
        window_too_few(w, ret, arena, count, ret->needed, ret->unit);
    } else if (off > exact_dkw_eps(count, DOUBT)) {
        leave_open(level_of(edge, w), off, &s, arena, ret);
    } else {
        verdict_pass(ret, arena, "%zu first gaps even over %s: off by %.2f of at most %.2f", count,
                     span, off, limit);
    }
}

const struct claim_type claim_backoff_law = {
    .id = "backoff.law",
    .word = "retries",
    .only = "spacing",
    .help = "the first gap is drawn evenly over the back-off's width",
    .class = CLAIM_PROBABILISTIC,
    .applies = applies,
    .judge = judge,
};
