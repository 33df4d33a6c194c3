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

/* The largest excess of the sample over the law (drawn too early), and of the shifted law over it
 * (too late). */
static void excesses(const uint64_t *sorted, size_t count, uint64_t least_ns, double width,
                     double *ret_early, double *ret_late)
{
    *ret_early = *ret_late = 0;
    for (size_t i = 0; i < count; i++) {
        double x = (double)sorted[i] - (double)least_ns;
        double early = (double)(i + 1) / (double)count - law(x, width);
        double late = law(x - SHIFT_NS, width) - (double)i / (double)count;
        *ret_early = early > *ret_early ? early : *ret_early;
        *ret_late = late > *ret_late ? late : *ret_late;
    }
}

/* Those before retry ${n}, sorted; the caller frees them. */
static uint64_t *gaps_of(const struct window *w, uint32_t n, size_t *ret_count)
{
    uint64_t *gaps = check_alloc_zero((size_t)(w->to - w->from) + 1, sizeof(*gaps));
    *ret_count = 0;
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        const struct try *x = window_has(w, r) ? window_first(w, r) : NULL;
        while (x != NULL && x->place < n)
            x = window_after(w, x);
        if (x != NULL && x->place == n && backoff_gap(w, x, &gaps[*ret_count]))
            (*ret_count)++;
    }
    if (*ret_count > 0)
        qsort(gaps, *ret_count, sizeof(*gaps), sort_by_u64);
    return gaps;
}

/* Of later gaps none is asked for, but what is offered must be even too: Linkerd draws each by its
 * own width. (An Envoy's later ones have two laws that are right: policy-semantics.md A4.) */
static bool later_fails(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                        struct verdict *ret)
{
    for (uint32_t n = 2; edge->flavour == FLAVOUR_LINKERD && n <= BACKOFF_GAPS_MOST; n++) {
        size_t count;
        uint64_t *gaps = gaps_of(w, n, &count);
        double early, late, width = (double)backoff_width_ns(edge, n);
        excesses(gaps, count, backoff_least_ns(edge, n), width, &early, &late);
        free(gaps);
        double limit = exact_dkw_eps(count, level_of(edge, w));
        if (count == 0 || (early <= limit && late <= limit))
            continue;
        ret->wrong = 1;
        ret->seen = ret->eligible = count;
        verdict_fail(ret, arena, "%zu gaps before retry %u come too %s: off by %.2f of %.2f", count,
                     n, early > limit ? "soon" : "late", early > limit ? early : late, limit);
        ret->certain = "the exact band of Dvoretzky, Kiefer and Wolfowitz (class P)";
        return true;
    }
    return false;
}

/* So many gaps would tell, if they were off by as much. */
static void leave_open(double level, double off, double limit, struct arena *arena,
                       struct verdict *ret)
{
    verdict_open(ret, WHY_TOO_FEW, arena,
                 "%llu first gaps are off by %.2f, less than the %.2f that would tell",
                 (unsigned long long)ret->eligible, off, limit);
    ret->needed = (uint64_t)ceil(log(1 / level) / (2 * off * off)) + 1;
    ret->needs =
        arena_printf(arena, "%llu first gaps in one phase", (unsigned long long)ret->needed);
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    size_t count;
    uint64_t *gaps = gaps_of(w, 1, &count);
    double early, late, width = (double)backoff_width_ns(edge, 1);
    excesses(gaps, count, backoff_least_ns(edge, 1), width, &early, &late);
    double limit = exact_dkw_eps(count, level_of(edge, w)), off = early > late ? early : late;
    char span[32], median[32];
    verdict_span((uint64_t)width, span, sizeof(span));
    verdict_span(count == 0 ? 0 : gaps[count / 2], median, sizeof(median));
    free(gaps);
    ret->seen = ret->eligible = count;
    ret->needed = window_floor(w, LEAST);
    ret->unit = "first gaps";
    verdict_policy(ret, &edge->retry.backoff_base, arena, "first gap drawn evenly over %s", span);
    if (window_starved(w, ret, arena))
        return;
    if (later_fails(edge, w, arena, ret))
        return;
    if (count > 0 && (early > limit || late > limit)) {
        ret->wrong = 1;
        verdict_fail(ret, arena, "%zu first gaps come too %s: median %s, off by %.2f of %.2f",
                     count, early > limit ? "soon" : "late", median, off, limit);
        ret->certain = "the exact band of Dvoretzky, Kiefer and Wolfowitz (class P)";
    } else if (count < ret->needed) {
        window_too_few(w, ret, arena, count, ret->needed, ret->unit);
    } else if (off > exact_dkw_eps(count, DOUBT)) {
        leave_open(level_of(edge, w), off, limit, arena, ret);
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
