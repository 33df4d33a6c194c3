/* The law of the gaps between tries: of failures that came at once, each gap by its place. */
#include "verify/discover.h"

#include "base/clock.h"
#include "base/units.h"
#include "stats/exact.h"

#include <string.h>

#define GAPS 3
#define VALUES_MOST 4096
#define LEAST 12
#define NONE_NS (4 * NS_PER_MS) /* a mesh that does not wait */
#define DELAY_NS \
    (8 * NS_PER_MS)  /* of the mesh's loop and ours, on top of a gap (verifier.md 8.3) */
#define LATE_PART 20 /* one gap in so many may be late by more: a busy machine */

struct gaps {
    uint64_t at[GAPS][VALUES_MOST];
    size_t count[GAPS];
};

static bool is_gap(const struct discovering *g, const struct try *x, uint64_t *ret_ns)
{
    const struct try *next = window_after(&g->window, x);
    if (next == NULL || next->late_read || x->late_read || x->left_ns != 0 || x->out_ns == 0 ||
        x->is_connection || next->head_ns < x->out_ns ||
        (next->r->n_mesh != 0 && next->r->n_mesh != x->r->n_mesh + 1))
        return false;
    *ret_ns = next->head_ns - x->out_ns;
    return window_clean(&g->window, x->out_ns, next->head_ns);
}

static void collect(struct discovering *g, struct gaps *ret)
{
    struct span span;
    ret->count[0] = ret->count[1] = ret->count[2] = 0;
    if (!discover_span(g, "answers", &span))
        return;
    for (uint32_t i = track_try_at(g->track, span.from_ns); i < g->track->try_count; i++) {
        const struct try *x = &g->track->tries[i];
        size_t place = x->place;
        uint64_t ns;
        if (x->head_ns >= span.to_ns)
            break;
        if (place == 0 || place > GAPS || x->request == TRACK_NONE || !is_gap(g, x, &ns) ||
            ret->count[place - 1] == VALUES_MOST)
            continue;
        ret->at[place - 1][ret->count[place - 1]++] = ns;
    }
}

/* How wide [0, w) may be when ${kept} of ${count} uniform gaps lie below ${largest}. */
static uint64_t width_most(uint64_t largest, size_t kept, size_t count)
{
    double share = exact_share_lo(kept, count, DISCOVER_CONFIDENCE);
    return share > 0 ? (uint64_t)((double)largest / share) : UINT64_MAX;
}

enum law { LAW_NONE, LAW_JITTER, LAW_CONSTANT, LAW_ADDED };
static const char *const law_names[] = {
    [LAW_NONE] = "at once",
    [LAW_JITTER] = "uniform from 0, twice as wide each time (Envoy)",
    [LAW_CONSTANT] = "constant",
    [LAW_ADDED] = "from a base to twice of it (Linkerd)",
};

static enum law law_of(const struct discovered *first, const struct discovered *second)
{
    if (first->most < NONE_NS || (first->best < NONE_NS / 2 && second->best < NONE_NS / 2))
        return LAW_NONE;
    if (first->most - first->least < first->best / 4 + 2 * NS_PER_MS)
        return LAW_CONSTANT;
    return first->least * 2 > first->best ? LAW_ADDED : LAW_JITTER;
}

/* Of the law's base: least, best, most. */
static void base_of(enum law law, const struct discovered *first, size_t count,
                    struct discovered *row)
{
    uint64_t largest = first->most;
    row->known = true;
    switch (law) {
    case LAW_NONE:
        row->best = row->least = row->most = 0;
        return;
    case LAW_CONSTANT:
        row->best = first->best;
        row->least = first->least;
        row->most = first->most;
        return;
    case LAW_ADDED:
        row->best = first->least;
        row->least = first->least > DELAY_NS ? first->least - DELAY_NS : 0;
        row->most = first->least + NS_PER_MS;
        return;
    case LAW_JITTER:
        row->best = largest * (count + 1) / count;
        row->least = largest > DELAY_NS ? largest - DELAY_NS : 0;
        row->most = width_most(largest, count - count / LATE_PART, count);
        return;
    }
}

/* The longest are left out: some were late for reasons of the machine. */
static void middle_of(struct discovered *row, struct gaps *gaps, size_t place)
{
    size_t count = gaps->count[place];
    if (count == 0)
        return;
    discover_middle(row, gaps->at[place], count);
    row->most = gaps->at[place][count - 1 - count / LATE_PART];
}

void discover_backoff(struct discovering *g)
{
    struct gaps *gaps = ARENA_ARRAY(&g->d->arena, struct gaps, 1);
    struct discovered first = {0}, second = {0};
    char a[32], b[32];
    struct span span;
    const struct edge_policy *edge = &g->d->declared;
    struct discovered *row =
        discover_row(g, "retry.backoff_base", DISCOVER_NS, &edge->retry.backoff_base);
    collect(g, gaps);
    row->instances = row->agree = gaps->count[0];
    if (gaps->count[0] < LEAST) {
        bool retries = g->d->found.retry.attempts.number > 0;
        row->how = arena_printf(&g->d->arena, "%zu gaps, %d are needed", gaps->count[0], LEAST);
        if (!retries) {
            row->how = "nothing is retried";
            row->verdict = DISCOVER_ALONE;
        }
        return;
    }
    if (discover_span(g, "answers", &span) && discover_starved(g, &span)) {
        row->how = "the machine was starved";
        return;
    }
    middle_of(&first, gaps, 0);
    middle_of(&second, gaps, 1);
    enum law law = law_of(&first, &second);
    base_of(law, &first, gaps->count[0], row);
    row->how =
        arena_printf(&g->d->arena, "%s: %zu first gaps to %s, %zu second to %s", law_names[law],
                     gaps->count[0], verdict_span(first.most, a, sizeof(a)), gaps->count[1],
                     gaps->count[1] == 0 ? "-" : verdict_span(second.most, b, sizeof(b)));
    g->d->found.retry.backoff_base =
        (struct value){.number = row->best, .set = true, .origin = "seen"};
    if (row->declared != NULL && edge->retry.attempts.number > 0) {
        uint64_t asked = edge->retry.backoff_base.number;
        enum law due = edge->flavour == FLAVOUR_LINKERD ? LAW_ADDED : LAW_JITTER;
        bool same = law == due && asked >= row->least && asked <= row->most;
        row->verdict = same ? DISCOVER_SAME : DISCOVER_DIFFERS;
    }
}
