/* Timers: what one may explain, and whether lateness is the mesh's or the machine's. */
#include "verify/backoff.h"
#include "verify/window.h"

#include "base/clock.h"
#include "base/sort.h"

#include <stdlib.h>

/* Envoy's timers fire up to 4.5 ms early (measured); twice that. */
#define TIMER_SLACK_NS (10 * NS_PER_MS)
/* What a mesh that stood still ends in its next turn. */
#define TOGETHER_NS (10 * NS_PER_MS)

static uint64_t per_try_ns(const struct edge_policy *edge)
{
    return edge->retry.per_try_timeout.set ? edge->retry.per_try_timeout.number : 0;
}

bool window_other_cause(const struct window *w, const struct request *r, const struct try *x)
{
    const struct try *next = window_after(w, x);
    if (x->left_ns != 0 || x->late_read || next == NULL || next->late_read)
        return true;
    uint64_t per_try = per_try_ns(w->policy);
    if (per_try == 0)
        return false;
    /* The clock of a try starts when the mesh knew of the one before: its answer, or, where a timer
     * may have come first (our reading was late), the earliest that this timer could fire. */
    uint64_t start = r->start_ns;
    uint32_t place = 1;
    const struct try *first = window_first(w, r);
    if (!w->track->same_clock && first != NULL)
        start = first->head_ns;
    for (const struct try *y = first; y != NULL && y != x; y = window_after(w, y)) {
        const struct try *then = window_after(w, y);
        uint64_t known = y->out_ns != 0 ? y->out_ns : y->head_ns, fires = start + per_try;
        /* Linkerd's back-off has a low bound. */
        known += backoff_least_ns(w->policy, place);
        fires += backoff_least_ns(w->policy, place++);
        bool timer = y->left_ns != 0 || y->late_read || then->late_read ||
                     then->head_ns + TIMER_SLACK_NS >= fires;
        start = timer && fires < known + TIMER_SLACK_NS ? fires - TIMER_SLACK_NS : known;
    }
    return next->head_ns + TIMER_SLACK_NS >= start + per_try + backoff_least_ns(w->policy, place);
}

bool window_timer_ended(const struct window *w, const struct request *r, bool per_try)
{
    const struct edge_policy *edge = w->policy;
    uint64_t limit = UINT64_MAX,
             whole = edge->request_timeout.set ? edge->request_timeout.number : 0;
    if (whole != 0)
        limit = whole;
    if (per_try && per_try_ns(edge) != 0 && per_try_ns(edge) < limit)
        limit = per_try_ns(edge);
    if (limit == UINT64_MAX)
        return false;
    return r->done_ns == 0 || r->done_ns - r->start_ns + TIMER_SLACK_NS >= limit;
}

struct late window_late(const struct window *w, uint64_t late, uint64_t n, uint64_t tolerance_ns)
{
    const struct track *t = w->track;
    uint64_t count = 0, delayed = 0;
    if (late == 0) /* whatever the machine's own delays are */
        return late_test(0, n, 0, 0, w->alpha);
    uint64_t *took = check_alloc((size_t)(w->to - w->from + 1) * sizeof(*took));
    /* By the stall guard only: by their own latency they would prove themselves. */
    for (uint32_t i = w->from; i < w->to; i++)
        if (t->requests[i].clear)
            took[count++] = t->requests[i].done_ns - t->requests[i].start_ns;
    uint64_t median = count == 0 ? 0 : track_median(took, count);
    for (uint64_t i = 0; i < count; i++)
        delayed += took[i] > median + tolerance_ns;
    free(took);
    return late_test(late, n, delayed, count, w->alpha);
}

void late_ends_add(struct late_ends *ends, uint64_t t_ns)
{
    if (ends->count == ends->room) {
        ends->room = ends->room == 0 ? 64 : ends->room * 2;
        ends->at = check_realloc(ends->at, ends->room * sizeof(*ends->at));
    }
    ends->at[ends->count++] = t_ns;
}

void late_ends_release(struct late_ends *ends)
{
    free(ends->at);
    *ends = (struct late_ends){0};
}

struct late window_late_together(const struct window *w, struct late_ends *late, uint64_t n,
                                 uint64_t tolerance_ns)
{
    uint64_t delays = 0, since = 0;
    if (late->count == 0)
        return window_late(w, 0, n, tolerance_ns);
    sort_rows(late->at, late->count, sizeof(*late->at), sort_by_u64);
    for (size_t i = 0; i < late->count; i++) {
        if (delays > 0 && late->at[i] <= since + TOGETHER_NS)
            continue;
        since = late->at[i];
        delays++;
    }
    /* The same share of fewer draws. */
    double each = (double)late->count / (double)delays;
    struct late ret = window_late(w, delays, (uint64_t)((double)n / each + 0.5), tolerance_ns);
    ret.needed = (uint64_t)((double)ret.needed * each);
    return ret;
}

void window_too_few(const struct window *w, struct verdict *v, struct arena *arena, uint64_t have,
                    uint64_t need, const char *unit)
{
    v->eligible = have;
    v->needed = need;
    v->unit = unit;
    if (have == 0) {
        verdict_open(v, WHY_NEVER_FIRED, arena, "no %s in this phase: nothing to judge by", unit);
        v->needs = arena_printf(arena, "%llu %s", (unsigned long long)need, unit);
        return;
    }
    verdict_open(v, WHY_TOO_FEW, arena, "only %llu of %llu %s", (unsigned long long)have,
                 (unsigned long long)need, unit);
    uint64_t missing = need > have ? need - have : 0;
    double length = (double)(w->span.to_ns - w->span.from_ns) / (double)NS_PER_S;
    v->needs =
        arena_printf(arena, "%llu more %s: about %.0f s at this rate", (unsigned long long)missing,
                     unit, length * (double)missing / (double)have + 0.5);
}

void window_undecided(const struct window *w, struct verdict *v, struct arena *arena,
                      const struct late *test, uint64_t late, uint64_t n, const char *unit)
{
    (void)w;
    verdict_open(v, WHY_TOO_FEW, arena,
                 "%llu of %llu %s were off, which this machine's own delays may explain",
                 (unsigned long long)late, (unsigned long long)n, unit);
    v->needed = test->needed;
    v->needs = test->needed == 0
                   ? "a calmer machine: clean background requests in this phase were as late"
                   : arena_printf(arena, "%llu %s at the present share",
                                  (unsigned long long)test->needed, unit);
}
