#include "reports/counted.h"
#include "journal/arm.h"

struct counter {
    enum meaning meaning;
    const char *claim;
};
static const struct counter counters[] = {
    {MEANING_REQUESTS, "metrics.requests"},     {MEANING_RETRIES, "metrics.retries"},
    {MEANING_TRY_TIMEOUTS, "metrics.timeouts"}, {MEANING_TIMEOUTS, "metrics.timeouts"},
    {MEANING_STATUS_2XX, "metrics.statuses"},   {MEANING_STATUS_3XX, "metrics.statuses"},
    {MEANING_STATUS_4XX, "metrics.statuses"},   {MEANING_STATUS_5XX, "metrics.statuses"},
};
_Static_assert(COUNT_OF(counters) == COUNTED_ROWS, "a row each");

/* What the wire says of a counter; false: it has no bounds of its own. */
static bool wire_of(const struct wire *w, enum meaning m, struct metrics_bounds *ret)
{
    if (m == MEANING_REQUESTS)
        *ret = w->tries;
    else if (m == MEANING_RETRIES)
        *ret = w->retries;
    else if (m >= MEANING_STATUS_1XX && m <= MEANING_STATUS_5XX)
        *ret = w->status[m - MEANING_STATUS_1XX];
    else if (m == MEANING_TRY_TIMEOUTS)
        *ret = (struct metrics_bounds){w->cut_try.least, w->cut.most};
    else if (m == MEANING_TIMEOUTS)
        *ret = (struct metrics_bounds){w->cut_whole.least, w->cut.most};
    else
        return false;
    return true;
}

const struct judged *counted_verdict(const struct scene *s, const struct scene_edge *e,
                                     const char *claim)
{
    const struct judgement *g = s->report->judgement;
    const struct judged *found = NULL;
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *d = &g->verdicts[i];
        bool edge = d->on != NULL && strstr(d->on, " -> ") != NULL;
        bool on = d->on == NULL ||
                  (edge ? strcmp(d->on, e->name) == 0 : scene_is_on(d->on, e->policy->to));
        if (strncmp(d->claim->id, claim, strlen(claim)) != 0 || d->scenario != e->scenario ||
            !arm_is_subject(d->arm) || !on || d->verdict.kind == VERDICT_NOT_APPLICABLE)
            continue;
        if (found == NULL ||
            verdict_worse(found->verdict.kind, d->verdict.kind) != found->verdict.kind)
            found = d;
    }
    return found;
}

/* The phase that the verdict is of; NULL: the whole scenario. */
static const struct journal_phase *phase_of(const struct scene *s, const struct judged *d)
{
    for (size_t i = 0; d != NULL && i < s->phase_count; i++)
        if (s->phases[i]->scenario == d->scenario && s->phases[i]->ordinal == d->ordinal)
            return s->phases[i];
    return NULL;
}

static void find_names(const struct journal *j, const char *names[MEANINGS])
{
    for (size_t i = 0; i < j->metric_count; i++) {
        const struct metric_record *r = &j->metrics[i].r;
        enum meaning m = meaning_of(journal_name(j, r->name), journal_name(j, r->labels));
        if (m != MEANINGS && names[m] == NULL)
            names[m] = journal_name(j, r->name);
    }
}

static uint64_t off_by(uint64_t mesh, const struct metrics_bounds *wire)
{
    if (mesh < wire->least)
        return wire->least - mesh;
    return mesh > wire->most ? mesh - wire->most : 0;
}

bool counted_read(const struct scene *s, const struct scene_edge *e, struct arena *arena,
                  struct counted *ret, const char **ret_why)
{
    const char *names[MEANINGS] = {NULL};
    struct window w;
    struct wire wire;
    struct verdict v = {.kind = VERDICT_INCONCLUSIVE};
    *ret = (struct counted){.phase = phase_of(s, counted_verdict(s, e, "metrics."))};
    if (!scene_window(s, e, ret->phase, &w))
        return false;
    if (!meter_read(&w, &ret->meter, &v, arena)) {
        *ret_why = v.text;
        return false;
    }
    wire_read(&w, &ret->meter, &wire);
    find_names(s->journal, names);
    for (size_t i = 0; i < COUNT_OF(counters); i++) {
        enum meaning m = counters[i].meaning;
        struct metrics_bounds bounds;
        if (!ret->meter.known[m] || names[m] == NULL || !wire_of(&wire, m, &bounds))
            continue;
        ret->rows[ret->count++] =
            (struct counted_row){.name = names[m],
                                 .mesh = ret->meter.value[m],
                                 .wire = bounds,
                                 .off = off_by(ret->meter.value[m], &bounds),
                                 .verdict = counted_verdict(s, e, counters[i].claim)};
    }
    return ret->count > 0;
}
