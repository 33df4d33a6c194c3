#include "verify/discover.h"

#include "base/clock.h"
#include "base/sort.h"
#include "base/units.h"
#include "stats/exact.h"

#include <stdlib.h>
#include <string.h>

#define STARVED_PPM 200000 /* of a phase */
#define ARENA_MOST_BYTES ((size_t)4 * 1024 * 1024)

bool discover_span(const struct discovering *g, const char *phase, struct span *ret)
{
    const struct journal *j = g->h.journal;
    for (size_t i = 0; i < j->phase_count; i++) {
        const struct journal_phase *p = &j->phases[i];
        if (strcmp(p->name, phase) != 0 || strcmp(p->arm, SUBJECT) != 0)
            continue;
        *ret = (struct span){p->t0_ns, p->t1_ns};
        return true;
    }
    return false;
}

bool discover_starved(const struct discovering *g, const struct span *span)
{
    uint64_t length = (span->to_ns - span->from_ns) / 1000;
    return spans_within(&g->track->taint, span->from_ns, span->to_ns) / 1000 * 1000000 >
           length * STARVED_PPM;
}

const char *discover_text(struct discovering *g, enum discover_unit unit, uint64_t number)
{
    char text[32];
    struct arena *arena = &g->d->arena;
    if (unit == DISCOVER_NS)
        return arena_strdup(
            arena, units_print_duration(number / NS_PER_MS * NS_PER_MS, text, sizeof(text)));
    return arena_printf(arena, unit == DISCOVER_PERCENT ? "%llu %%" : "%llu",
                        (unsigned long long)number);
}

struct discovered *discover_row(struct discovering *g, const char *name, enum discover_unit unit,
                                const struct value *declared)
{
    INVARIANT(g->d->count < DISCOVER_ROWS_MOST);
    struct discovered *row = &g->d->rows[g->d->count++];
    bool given = declared != NULL && declared->set;
    *row = (struct discovered){
        .name = name, .unit = unit, .verdict = given ? DISCOVER_OPEN : DISCOVER_ALONE};
    if (given) {
        row->mark = *declared;
        row->declared = discover_text(g, unit, declared->number);
    }
    return row;
}

void discover_middle(struct discovered *row, uint64_t *values, size_t count)
{
    qsort(values, count, sizeof(*values), sort_by_u64);
    row->known = true;
    row->least = values[0];
    row->best = values[count / 2];
    row->most = values[count - 1];
    row->agree = row->instances = count;
}

const char *discover_share(const struct discovering *g, uint64_t agree, uint64_t n,
                           const char *unit)
{
    double least = exact_share_lo(agree, n, DISCOVER_CONFIDENCE);
    return arena_printf(&g->d->arena, "%llu of %llu %s (99 %%: %.0f %% of them or more)",
                        (unsigned long long)agree, (unsigned long long)n, unit, 100 * least);
}

/* The declared edge that the load is for. */
static const struct edge_policy *edge_of(const struct hearing *h)
{
    const struct scenario *s = &h->plan->scenarios[0];
    for (size_t i = 0; s->phase_count > 0 && i < h->edge_count; i++) {
        const struct place *on = &s->phases[0].loads[0].on;
        const struct edge_policy *edge = &h->edges[i].edge;
        if (h->edges[i].scenario == 0 && on->to.service != NULL &&
            strcmp(h->edges[i].arm, SUBJECT) == 0 && strcmp(edge->to, on->to.service) == 0)
            return edge;
    }
    return NULL;
}

/* Built by what behaves, not by what was declared: only whose rules they are is taken from there.
 */
static struct track *build_track(struct discovering *g)
{
    const struct edge_policy *edge = &g->d->declared;
    struct track_options o = {.arm = SUBJECT,
                              .service = edge->to,
                              .flavour = edge->flavour,
                              .endpoints = edge->endpoints,
                              .span = hearing_span(&g->h, 0, SUBJECT)};
    if (!discover_span(g, "calm", &o.baseline))
        o.baseline = o.span;
    if (o.span.to_ns < UINT64_MAX - 60 * NS_PER_S)
        o.span.to_ns += 60 * NS_PER_S;
    return track_new(g->h.journal, &o);
}

static bool begin(struct discovering *g, struct judgement *none, const struct journal *j,
                  struct error *err)
{
    static const struct judge_options options = {.partial = true};
    struct span span;
    if (!hearing_init(&g->h, j, &options, none, err))
        return false;
    const struct edge_policy *edge = g->h.plan->scenario_count == 0 ? NULL : edge_of(&g->h);
    if (edge == NULL || !discover_span(g, "answers", &span)) {
        hearing_release(&g->h);
        return error_set(err, ERROR_INPUT, "%s is no run of meshproof discover",
                         j->path == NULL ? "it" : j->path);
    }
    g->scenario = &g->h.plan->scenarios[0];
    g->d->declared = *edge;
    return true;
}

bool discover_infer(const struct journal *j, struct discovery *ret, struct error *err)
{
    struct judgement none = {0};
    struct discovering g = {.d = ret};
    *ret = (struct discovery){0};
    arena_init(&ret->arena, ARENA_MOST_BYTES);
    arena_init(&none.arena, ARENA_MOST_BYTES);
    bool ok = begin(&g, &none, j, err);
    if (ok) {
        /* The declared edge's texts outlive the hearing. */
        json_t *copy = edge_policy_to_json(&ret->declared);
        ok = edge_policy_from_json(copy, &ret->arena, &ret->declared, err);
        json_decref(copy);
        const struct edge_policy *edge = &ret->declared;
        ret->found = (struct edge_policy){.from = edge->from,
                                          .to = edge->to,
                                          .path = edge->path,
                                          .route = "as it behaves",
                                          .target = edge->target,
                                          .flavour = edge->flavour,
                                          .endpoints = edge->endpoints};
    }
    if (ok) {
        struct track *t = build_track(&g);
        g.track = t;
        g.window = (struct window){.journal = j,
                                   .track = t,
                                   .scenario = g.scenario,
                                   .policy = &ret->found,
                                   .span = {t->from_ns, t->to_ns},
                                   .wide = {t->from_ns, t->to_ns}};
        window_cut(&g.window);
        ret->requests = t->request_count;
        ret->tries = t->try_count;
        discover_retry(&g);
        discover_backoff(&g);
        discover_time(&g);
        discover_eject(&g);
        discover_limits(&g);
        track_free(t);
    }
    hearing_release(&g.h);
    arena_release(&none.arena);
    if (!ok)
        discovery_release(ret);
    return ok;
}

void discovery_release(struct discovery *d)
{
    arena_release(&d->arena);
    d->count = 0;
}

enum verdict_kind discovery_outcome(const struct discovery *d)
{
    enum verdict_kind outcome = VERDICT_PASS;
    for (size_t i = 0; i < d->count; i++) {
        enum discover_verdict v = d->rows[i].verdict;
        if (v == DISCOVER_DIFFERS)
            outcome = VERDICT_FAIL;
        if (v == DISCOVER_OPEN && outcome == VERDICT_PASS)
            outcome = VERDICT_INCONCLUSIVE;
    }
    return outcome;
}
