#include "reports/scene.h"

#include "base/clock.h"
#include "journal/arm.h"
#include "verify/timeout.h"

#include <stdlib.h>

#define ARENA_MOST_BYTES ((size_t)64 * 1024 * 1024)

static int by_start(const void *a, const void *b)
{
    const struct journal_phase *const *x = a, *const *y = b;
    if ((*x)->t0_ns != (*y)->t0_ns)
        return (*x)->t0_ns < (*y)->t0_ns ? -1 : 1;
    return (*x)->phase < (*y)->phase ? -1 : (*x)->phase > (*y)->phase;
}

static void find_phases(struct scene *s)
{
    const struct journal *j = s->journal;
    s->phases = ARENA_ARRAY(&s->arena, const struct journal_phase *, j->phase_count + 1);
    for (size_t i = 0; i < j->phase_count; i++)
        if (arm_is_subject(j->phases[i].arm))
            s->phases[s->phase_count++] = &j->phases[i];
    qsort(s->phases, s->phase_count, sizeof(s->phases[0]), by_start);
}

/* The last moment that anything tells of: for a phase that never ended. */
static uint64_t last_seen(const struct scene *s)
{
    const struct journal *j = s->journal;
    uint64_t last = j->end_ns;
    for (size_t i = 0; i < j->attempt_count; i++)
        last = j->attempts[i].r.at > last ? j->attempts[i].r.at : last;
    for (size_t i = 0; i < j->request_count; i++)
        last = j->requests[i].r.due > last ? j->requests[i].r.due : last;
    return last;
}

static void find_span(struct scene *s)
{
    bool open = false;
    for (size_t i = 0; i < s->phase_count; i++) {
        const struct journal_phase *p = s->phases[i];
        s->zero_ns = i == 0 ? p->t0_ns : s->zero_ns;
        open = open || p->t1_ns == UINT64_MAX;
        if (p->t1_ns != UINT64_MAX && p->t1_ns > s->end_ns)
            s->end_ns = p->t1_ns;
        if (p->why != NULL && strcmp(p->why, "abort") == 0)
            s->abort_ns = p->t1_ns;
    }
    uint64_t last = open ? last_seen(s) : s->end_ns;
    s->end_ns = last > s->end_ns ? last : s->end_ns;
    if (s->end_ns < s->zero_ns)
        s->end_ns = s->zero_ns;
    if (report_ending(s->journal) == ENDED_ABORTED && s->abort_ns == 0)
        s->abort_ns = s->end_ns;
}

static bool is_known(const struct scene *s, uint32_t scenario, const struct edge_policy *edge)
{
    for (size_t i = 0; i < s->edge_count; i++)
        if (s->edges[i].scenario == scenario && strcmp(s->edges[i].policy->from, edge->from) == 0 &&
            strcmp(s->edges[i].policy->to, edge->to) == 0)
            return true;
    return false;
}

static uint32_t requests_on(const struct track *t, uint32_t edge)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < t->request_count; i++)
        count += t->requests[i].r->edge == edge ? 1 : 0;
    return count;
}

/* Several routes of one edge are one edge here, with the policy of the first. */
static void find_edges(struct scene *s)
{
    struct hearing *h = &s->hearing;
    s->edges = ARENA_ARRAY(&s->arena, struct scene_edge, h->edge_count + 1);
    for (size_t i = 0; i < h->edge_count; i++) {
        const struct arm_edge *e = &h->edges[i];
        if (!arm_is_subject(e->arm) || e->edge.from == NULL || e->edge.to == NULL ||
            e->scenario >= h->plan->scenario_count || is_known(s, e->scenario, &e->edge) ||
            hearing_span(h, e->scenario, e->arm).from_ns == UINT64_MAX)
            continue;
        const struct track *t = hearing_track(h, e->scenario, e->arm, e->edge.to, &e->edge);
        const char *name = arena_printf(&s->arena, "%s -> %s", e->edge.from, e->edge.to);
        const char *shown = arena_printf(&s->arena, "%s \xE2\x86\x92 %s", e->edge.from, e->edge.to);
        uint32_t requests = requests_on(t, journal_find_name(s->journal, name));
        if (requests > 0 || t->try_count > 0)
            s->edges[s->edge_count++] =
                (struct scene_edge){e->scenario, &e->edge, t, name, shown, requests};
    }
}

struct scene *scene_new(const struct report *report)
{
    static const struct judge_options usual = {.partial = true};
    struct error err = {0};
    struct scene *s = check_alloc_zero(1, sizeof(*s));
    s->report = report;
    s->journal = report->journal;
    arena_init(&s->arena, ARENA_MOST_BYTES);
    arena_init(&s->none.arena, ARENA_MOST_BYTES);
    find_phases(s);
    find_span(s);
    s->heard = hearing_init(&s->hearing, s->journal, &usual, &s->none, &err);
    if (s->heard)
        find_edges(s);
    return s;
}

void scene_free(struct scene *s)
{
    if (s == NULL)
        return;
    if (s->heard)
        hearing_release(&s->hearing);
    arena_release(&s->none.arena);
    arena_release(&s->arena);
    free(s);
}

const struct scene *scene_get(const struct report *report, struct scene **own)
{
    *own = NULL;
    if (report->scene != NULL)
        return report->scene;
    return *own = scene_new(report);
}

bool scene_is_subject(const struct scene *s, uint32_t proc)
{
    const struct journal_proc *p = journal_proc_of(s->journal, proc);
    return p != NULL && (p->arm == NULL || p->arm[0] == '\0' || arm_is_subject(p->arm));
}

bool scene_is_load(const struct scene *s, uint32_t proc)
{
    const struct journal_proc *p = journal_proc_of(s->journal, proc);
    return p != NULL && p->role != NULL && strcmp(p->role, "load") == 0 &&
           scene_is_subject(s, proc);
}

uint64_t scene_timeout_ns(const struct scene *s, bool per_try)
{
    uint64_t found = 0;
    bool any = false;
    for (size_t i = 0; i < s->edge_count; i++) {
        const struct edge_policy *p = s->edges[i].policy;
        uint64_t ns = per_try ? timeout_try_ns(p) : timeout_request_ns(p);
        if (s->edges[i].requests == 0)
            continue;
        if (any && ns != found)
            return 0;
        found = ns;
        any = true;
    }
    return found;
}

static const struct phase *planned(const struct scenario *s, const struct journal_phase *phase)
{
    for (size_t i = 0; i < s->phase_count; i++)
        if (i == phase->ordinal)
            return &s->phases[i];
    return NULL;
}

bool scene_window(const struct scene *s, const struct scene_edge *e,
                  const struct journal_phase *phase, struct window *ret)
{
    const struct scenario *scenario = &s->hearing.plan->scenarios[e->scenario];
    struct span span = {e->track->from_ns, e->track->to_ns};
    if (phase != NULL)
        span = (struct span){phase->t0_ns, phase->t1_ns};
    if (span.from_ns >= span.to_ns)
        return false;
    *ret = (struct window){
        .journal = s->journal,
        .track = e->track,
        .scenario = scenario,
        .phase = phase == NULL ? NULL : planned(scenario, phase),
        .policy = e->policy,
        .span = span,
        .wide = span,
        .edge = journal_find_name(s->journal, e->name),
        .alpha = s->hearing.alpha,
    };
    window_cut(ret);
    return true;
}

uint64_t scene_time(const struct scene *s, uint64_t t_ns)
{
    return t_ns > s->zero_ns ? t_ns - s->zero_ns : 0;
}

uint32_t scene_scenario_at(const struct scene *s, uint64_t t_ns)
{
    uint32_t found = UINT32_MAX;
    for (size_t i = 0; i < s->phase_count && s->phases[i]->t0_ns <= t_ns; i++)
        found = s->phases[i]->scenario;
    return found;
}

const char *scene_scenario_name(const struct scene *s, uint32_t scenario)
{
    const struct plan *plan = s->report->plan;
    const char *name =
        plan != NULL && scenario < plan->scenario_count ? plan->scenarios[scenario].name : NULL;
    return name == NULL ? "" : name;
}

bool scene_is_on(const char *on, const char *service)
{
    const char *arrow = on == NULL ? NULL : strstr(on, " -> ");
    const char *to = arrow == NULL ? on : arrow + 4;
    size_t len = strlen(service);
    return to != NULL && strncmp(to, service, len) == 0 && (to[len] == '\0' || to[len] == '/');
}

const struct judged *scene_failure(const struct scene *s, uint32_t scenario, const char *service,
                                   const char *claim)
{
    const struct judgement *g = s->report->judgement;
    size_t len = strlen(claim);
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *d = &g->verdicts[i];
        bool meant = claim[len - 1] == '.' ? strncmp(d->claim->id, claim, len) == 0
                                           : strcmp(d->claim->id, claim) == 0;
        if (meant && d->scenario == scenario && d->verdict.kind == VERDICT_FAIL &&
            arm_is_subject(d->arm) && scene_is_on(d->on, service))
            return d;
    }
    return NULL;
}
