/* backoff.max (spec/verifier.md 3.1): no gap before a retry is longer than the law allows; for
 * Linkerd none is shorter either. */
#include "verify/backoff.h"
#include "verify/claims.h"

#include "base/clock.h"

#define FIRST_LEAST 30
#define LATER_LEAST 10
#define SHORT_NS (1 * NS_PER_MS)

struct gaps {
    uint64_t count, late, soon;
    struct extent extent;
    struct late test;
};

/* A ServiceProfile's retries are made at once. */
static bool at_once(const struct edge_policy *edge)
{
    return edge->flavour == FLAVOUR_LINKERD && edge->retry.by_budget;
}

static bool applies(const struct edge_policy *edge)
{
    return edge->flavour != FLAVOUR_L4 &&
           (at_once(edge) || (edge->retry.attempts.set && edge->retry.attempts.number > 0));
}

static uint64_t least_ns(const struct edge_policy *edge, uint32_t n)
{
    return at_once(edge) ? 0 : backoff_least_ns(edge, n);
}

static uint64_t most_ns(const struct edge_policy *edge, uint32_t n)
{
    return (at_once(edge) ? 0 : backoff_most_ns(edge, n)) + BACKOFF_TOLERANCE_NS;
}

static void collect(const struct edge_policy *edge, const struct window *w, struct gaps *gaps,
                    struct verdict *ret)
{
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        if (!window_has(w, r))
            continue;
        for (const struct try *x = window_first(w, r); x != NULL; x = window_after(w, x)) {
            uint64_t gap;
            if (x->place > BACKOFF_GAPS_MOST || !backoff_gap(w, x, &gap))
                continue;
            struct gaps *g = &gaps[x->place - 1];
            uint64_t least = least_ns(edge, x->place);
            bool late = gap > most_ns(edge, x->place);
            bool soon = gap + SHORT_NS < least;
            extent_add(&g->extent, gap);
            g->count++;
            g->late += late;
            g->soon += soon;
            if (late || soon)
                window_witness(ret, r, x->out_ns);
        }
    }
}

static void fail(const struct edge_policy *edge, const struct window *w, const struct gaps *g,
                 uint32_t n, struct arena *arena, struct verdict *ret)
{
    char range[48], bound[32];
    verdict_range(g->extent.least, g->extent.most, range, sizeof(range));
    uint64_t count = g->soon > 0 ? g->soon : g->late;
    verdict_span(g->soon > 0 ? least_ns(edge, n) : most_ns(edge, n), bound, sizeof(bound));
    verdict_fail(ret, arena, "gap %u: %llu of %llu %s than %s (%s)%s", n, (unsigned long long)count,
                 (unsigned long long)g->count, g->soon > 0 ? "shorter" : "longer", bound, range,
                 window_when(w, ret, arena));
    ret->certain =
        g->soon > 0
            ? "one witness is enough: a gap after an answer is never measured too short"
            : arena_printf(arena, "by this machine's own delays %.1g (class T)", g->test.tail);
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct gaps gaps[BACKOFF_GAPS_MOST] = {0};
    uint32_t used = at_once(edge) ? 1 : (uint32_t)edge->retry.attempts.number;
    used = used < BACKOFF_GAPS_MOST ? used : BACKOFF_GAPS_MOST;
    collect(edge, w, gaps, ret);
    ret->unit = "gaps";
    ret->needed = window_floor(w, FIRST_LEAST);
    if (at_once(edge))
        verdict_policy(ret, &edge->retry.conditions, arena, "retries without a back-off");
    else
        verdict_policy(ret, &edge->retry.backoff_base, arena, "back-off within its law");
    struct text line;
    text_init(&line, 256);
    uint32_t few = 0, open = 0;
    for (uint32_t n = 1; n <= used; n++) {
        struct gaps *g = &gaps[n - 1];
        char range[48];
        ret->seen += g->count;
        ret->wrong += g->late + g->soon;
        g->test = window_late(w, g->late, g->count, BACKOFF_TOLERANCE_NS);
        bool late = g->test.verdict == LATE_FAIL && !window_starved(w, ret, arena);
        if (ret->kind != VERDICT_FAIL && (g->soon > 0 || late))
            fail(edge, w, g, n, arena, ret);
        if (few == 0 && g->count < (n == 1 ? ret->needed : LATER_LEAST))
            few = n;
        if (open == 0 && g->count > 0 && g->test.verdict == LATE_UNDECIDED)
            open = n;
        text_add(&line, "%sgap %u %s (%llu)", n == 1 ? "" : ", ", n,
                 verdict_range(g->extent.least, g->extent.most, range, sizeof(range)),
                 (unsigned long long)g->count);
    }
    ret->eligible = ret->seen;
    if (ret->kind == VERDICT_FAIL || window_starved(w, ret, arena))
        ;
    else if (few != 0)
        window_too_few(w, ret, arena, gaps[few - 1].count, few == 1 ? ret->needed : LATER_LEAST,
                       arena_printf(arena, "gaps before retry %u", few));
    else if (open != 0)
        window_undecided(w, ret, arena, &gaps[open - 1].test, gaps[open - 1].late,
                         gaps[open - 1].count, arena_printf(arena, "gaps before retry %u", open));
    else
        verdict_pass(ret, arena, "%s", text_get(&line));
    text_release(&line);
}

const struct claim_type claim_backoff_max = {
    .id = "backoff.max",
    .word = "retries",
    .only = "spacing",
    .help = "no gap before a retry is longer than the back-off allows",
    .class = CLAIM_TIMING,
    .applies = applies,
    .judge = judge,
};
