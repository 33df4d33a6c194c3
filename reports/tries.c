#include "reports/tries.h"
#include "journal/arm.h"

#include <stdlib.h>

static int by_time(const void *a, const void *b)
{
    const struct attempt_row *const *x = a, *const *y = b;
    return (*x)->r.at < (*y)->r.at ? -1 : (*x)->r.at > (*y)->r.at;
}

static const char *service_of(const struct journal *j, const struct attempt_row *row)
{
    const struct journal_proc *proc = journal_proc_of(j, row->proc);
    return proc == NULL || proc->service == NULL ? "?" : proc->service;
}

static size_t find_lane(const struct tries *t, const struct attempt_row *row)
{
    const char *service = service_of(t->report->journal, row);
    size_t i = 0;
    while (i < t->lane_count &&
           (t->lanes[i].endpoint != row->r.endpoint || strcmp(t->lanes[i].service, service) != 0))
        i++;
    return i;
}

size_t tries_lane(const struct tries *t, const struct attempt_row *row)
{
    size_t i = find_lane(t, row);
    return i == t->lane_count ? TRIES_LANES - 1 : i;
}

static void add_lane(struct tries *t, const struct attempt_row *row)
{
    if (find_lane(t, row) < t->lane_count)
        return;
    t->more_lanes = t->lane_count == TRIES_LANES;
    if (t->more_lanes)
        return;
    t->lanes[t->lane_count++] =
        (struct tries_lane){service_of(t->report->journal, row), row->r.endpoint};
}

/* Faults are numbered anew in each scenario. */
static void find_scenario(struct tries *t)
{
    const struct journal *j = t->report->journal;
    const struct journal_proc *proc =
        t->request == NULL ? NULL : journal_proc_of(j, (uint32_t)t->request->id_hi);
    t->scenario = UINT32_MAX;
    for (size_t i = 0; i < j->phase_count; i++)
        if (j->phases[i].t0_ns <= t->zero_ns &&
            (j->phases[i].t1_ns == UINT64_MAX || t->zero_ns < j->phases[i].t1_ns) &&
            arm_is_subject(j->phases[i].arm) &&
            (proc == NULL || !arm_is_subject(proc->arm) ||
             strcmp(proc->arm, j->phases[i].arm) == 0))
            t->scenario = j->phases[i].scenario;
}

bool tries_collect(const struct report *report, uint64_t id_hi, uint64_t id_lo, struct tries *ret)
{
    const struct journal *j = report->journal;
    *ret = (struct tries){.report = report};
    for (size_t i = 0; i < j->request_count && ret->request == NULL; i++) {
        if (j->requests[i].r.id_hi == id_hi && j->requests[i].r.id_lo == id_lo)
            ret->request = &j->requests[i].r;
    }
    ret->rows = check_alloc_zero(j->attempt_count + 1, sizeof(struct attempt_row *));
    for (size_t i = 0; i < j->attempt_count; i++) {
        if (j->attempts[i].r.id_hi == id_hi && j->attempts[i].r.id_lo == id_lo)
            ret->rows[ret->count++] = &j->attempts[i];
    }
    qsort(ret->rows, ret->count, sizeof(struct attempt_row *), by_time);
    for (size_t i = 0; i < ret->count; i++)
        add_lane(ret, ret->rows[i]);
    if (ret->request != NULL)
        ret->zero_ns = ret->request->due + ret->request->start;
    else if (ret->count > 0)
        ret->zero_ns = ret->rows[0]->r.at;
    find_scenario(ret);
    return ret->request != NULL || ret->count > 0;
}

void tries_release(struct tries *t)
{
    free(t->rows);
    *t = (struct tries){0};
}

const char *tries_fault(const struct tries *t, uint16_t fault)
{
    const struct judgement *g = t->report->judgement;
    for (size_t i = 0; i < g->fault_count; i++) {
        if (g->faults[i].fault == fault &&
            (t->scenario == UINT32_MAX || g->faults[i].scenario == t->scenario))
            return g->faults[i].text;
    }
    return "a fault";
}

bool tries_left(const struct attempt_record *r)
{
    return r->left != 0 && (r->out == 0 || r->left < r->out);
}

uint64_t tries_end_ns(const struct attempt_record *r)
{
    if (r->left != 0)
        return r->at + r->left;
    return r->out != 0 ? r->at + r->out : 0;
}

const char *tries_reason(const struct tries *t, const struct attempt_row *row)
{
    const struct journal *j = t->report->journal;
    const struct attempt_record *a = &row->r;
    if (a->outcome != OUTCOME_BAD_REQUEST && a->outcome != OUTCOME_BAD_RESPONSE)
        return NULL;
    for (size_t i = 0; i < j->refusal_count; i++) {
        const struct refusal_record *r = &j->refusals[i].r;
        if (j->refusals[i].proc == row->proc && r->mesh_conn == a->conn &&
            (r->stream != 0 ? r->stream == a->stream
                            : r->sequence == 0 || r->sequence == a->sequence))
            return journal_name(j, r->reason);
    }
    return NULL;
}
