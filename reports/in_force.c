#include "reports/in_force.h"

#include "base/clock.h"

#include <stdlib.h>

#define SAME_NS (50 * NS_PER_MS) /* one step arms them one after the other */
#define ROWS_MOST 20000
#define ARENA_MOST_BYTES ((size_t)64 * 1024 * 1024)

static const char *text_of(const struct scene *s, uint64_t t_ns, uint16_t fault,
                           const char *otherwise)
{
    const struct judgement *g = s->report->judgement;
    uint32_t scenario = scene_scenario_at(s, t_ns);
    for (size_t i = 0; i < g->fault_count; i++)
        if (g->faults[i].fault == fault && g->faults[i].scenario == scenario)
            return g->faults[i].text;
    return otherwise;
}

static bool are_near(uint64_t a_ns, uint64_t b_ns)
{
    return (a_ns > b_ns ? a_ns - b_ns : b_ns - a_ns) <= SAME_NS;
}

/* Faults of one place and one span are one bar. */
static void add(struct in_force_list *l, const struct in_force *new)
{
    for (size_t i = l->count; i > 0; i--) {
        struct in_force *f = &l->at[i - 1];
        if (f->endpoint != new->endpoint || !are_near(f->from_ns, new->from_ns) ||
            !are_near(f->to_ns, new->to_ns) || strcmp(f->service, new->service) != 0)
            continue;
        f->faults++;
        f->idle += new->idle;
        return;
    }
    if (l->count == IN_FORCE_MOST) {
        l->left_out++;
        return;
    }
    if (l->count % 64 == 0)
        l->at = check_realloc(l->at, (l->count + 64) * sizeof(*l->at));
    l->at[l->count] = *new;
    l->at[l->count++].faults = 1;
}

/* What the judge counted of it: firings that the proxies do not know of, such as a listener that
 * was down. */
static bool was_judged_fired(const struct scene *s, const struct fault_record *r, uint64_t to_ns)
{
    const struct judgement *g = s->report->judgement;
    uint32_t scenario = scene_scenario_at(s, r->at);
    for (size_t i = 0; i < g->fault_count; i++) {
        const struct judged_fault *f = &g->faults[i];
        if (f->fault != r->fault || f->scenario != scenario || f->fired == 0)
            continue;
        for (size_t k = 0; k < g->phase_count; k++) {
            const struct judged_phase *p = &g->phases[k];
            if (p->scenario == scenario && p->ordinal == f->ordinal && p->again == f->again &&
                p->t0_ns < to_ns && p->t1_ns > r->at)
                return true;
        }
    }
    return false;
}

/* Firings by the rows that ended the fault at that time: the count of all its endpoints stands in
 * the row of one of them. */
static uint64_t fired_by(const struct journal *j, size_t index, uint64_t to_ns)
{
    uint64_t fired = 0;
    const struct fault_row *row = &j->faults[index];
    for (size_t k = index + 1; k < j->fault_count && j->faults[k].proc == row->proc &&
                               j->faults[k].r.at <= to_ns + SAME_NS;
         k++)
        if (j->faults[k].r.fault == row->r.fault && are_near(j->faults[k].r.at, to_ns))
            fired += j->faults[k].r.fired;
    return fired;
}

/* Rows of one process are in order of time: the end of a fault is the next of its number and
 * endpoint. */
static void read_row(const struct scene *s, struct in_force_list *l, size_t index,
                     const char *service)
{
    const struct journal *j = s->journal;
    const struct fault_row *row = &j->faults[index];
    uint64_t to_ns = s->end_ns, fired = 0;
    size_t end = index + 1;
    while (end < j->fault_count && j->faults[end].proc == row->proc &&
           (j->faults[end].r.fault != row->r.fault || j->faults[end].r.endpoint != row->r.endpoint))
        end++;
    if (end < j->fault_count && j->faults[end].proc == row->proc) {
        to_ns = j->faults[end].r.at;
        fired = fired_by(j, index, to_ns);
    }
    bool idle = fired == 0 && !was_judged_fired(s, &row->r, to_ns);
    const char *text = text_of(s, row->r.at, row->r.fault, journal_name(j, row->r.params));
    add(l, &(struct in_force){.service = service,
                              .endpoint = row->r.endpoint,
                              .from_ns = row->r.at,
                              .to_ns = to_ns,
                              .idle = idle ? 1 : 0,
                              .text = text});
}

static void read_stream(const struct scene *s, struct in_force_list *l)
{
    const struct journal *j = s->journal;
    for (size_t i = 0; i < j->fault_count; i++) {
        const struct journal_proc *p = journal_proc_of(j, j->faults[i].proc);
        if (j->faults[i].r.what != 0 || p == NULL || p->service == NULL ||
            !scene_is_subject(s, j->faults[i].proc))
            continue;
        if (i < ROWS_MOST)
            read_row(s, l, i, p->service);
        else
            l->left_out++;
    }
}

/* "payments/2"; false: it names no endpoint. */
static bool split_place(struct in_force_list *l, const char *place, const char **ret_service,
                        uint16_t *ret_endpoint)
{
    const char *slash = strrchr(place, '/');
    unsigned long number = slash == NULL ? 0 : strtoul(slash + 1, NULL, 10);
    if (strchr(place, ':') != NULL || number > UINT16_MAX)
        return false;
    *ret_endpoint = (uint16_t)number;
    *ret_service = slash == NULL ? place : arena_strndup(&l->arena, place, (size_t)(slash - place));
    return true;
}

/* Changes of the world by a fault: from when one was made to when it was undone. */
static void read_world(const struct scene *s, struct in_force_list *l)
{
    const struct journal *j = s->journal;
    size_t count = j->world_count < ROWS_MOST ? j->world_count : ROWS_MOST;
    for (size_t i = 0; i < count; i++) {
        const struct world_record *r = &j->worlds[i].r;
        const char *service;
        uint16_t endpoint;
        if (r->step != 1 || r->fault == 0 || r->entry == 0 ||
            !scene_is_subject(s, j->worlds[i].proc) ||
            !split_place(l, journal_name(j, r->place), &service, &endpoint))
            continue;
        uint64_t to_ns = s->end_ns;
        for (size_t k = 0; k < count; k++)
            if (j->worlds[k].r.entry == r->entry && j->worlds[k].r.step == 2 &&
                j->worlds[k].r.at >= r->at)
                to_ns = j->worlds[k].r.at;
        add(l, &(struct in_force){.service = service,
                                  .endpoint = endpoint,
                                  .from_ns = r->at,
                                  .to_ns = to_ns,
                                  .text = text_of(s, r->at, r->fault, journal_name(j, r->what))});
    }
}

static int by_place(const void *a, const void *b)
{
    const struct in_force *x = a, *y = b;
    int order = strcmp(x->service, y->service);
    if (order != 0)
        return order;
    if (x->endpoint != y->endpoint)
        return x->endpoint < y->endpoint ? -1 : 1;
    if (x->from_ns != y->from_ns)
        return x->from_ns < y->from_ns ? -1 : 1;
    return (x->to_ns > y->to_ns) - (x->to_ns < y->to_ns);
}

/* Bars that overlap lie below each other. */
static void give_rows(struct in_force_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        uint8_t row = 0;
        for (size_t k = 0; k < i; k++) {
            const struct in_force *before = &l->at[k];
            bool meets = strcmp(before->service, l->at[i].service) == 0 &&
                         (before->endpoint == l->at[i].endpoint || before->endpoint == 0) &&
                         before->from_ns < l->at[i].to_ns && before->to_ns > l->at[i].from_ns;
            if (meets && before->row >= row && row < UINT8_MAX)
                row = (uint8_t)(before->row + 1);
        }
        l->at[i].row = row;
    }
}

void in_force_read(const struct scene *s, struct in_force_list *ret)
{
    *ret = (struct in_force_list){0};
    arena_init(&ret->arena, ARENA_MOST_BYTES);
    read_stream(s, ret);
    read_world(s, ret);
    if (ret->count > 0)
        qsort(ret->at, ret->count, sizeof(*ret->at), by_place);
    give_rows(ret);
}

void in_force_release(struct in_force_list *l)
{
    free(l->at);
    arena_release(&l->arena);
    *l = (struct in_force_list){0};
}

bool in_force_is_on(const struct in_force *f, const char *service, uint16_t endpoint)
{
    return strcmp(f->service, service) == 0 && (f->endpoint == 0 || f->endpoint == endpoint);
}
