#ifndef LIVE_REPLAY_TEST_H
#define LIVE_REPLAY_TEST_H

/* Feeds a live model with a real journal as the run did: rows in the order in which they came. */

#include "base/clock.h"
#include "live/live.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define REPLAY_JOURNAL "suites/selftest/live/run.db"

struct replay_row {
    uint64_t at_ns; /* when it came */
    enum record_kind kind;
    uint32_t proc;
    const void *record;
};
struct replay {
    struct journal *journal;
    struct plan *plan;
    struct replay_row *rows;
    struct journal_phase *begins; /* rows of phases that began */
    struct journal_end end;
    size_t count, next;
    struct live *live;
};

static const char *replay_name(const void *names, uint32_t id)
{
    return journal_name(names, id);
}

static void replay_add(struct replay *r, uint64_t at_ns, enum record_kind kind, uint32_t proc,
                       const void *record)
{
    r->rows[r->count++] = (struct replay_row){at_ns, kind, proc, record};
}

static int replay_order(const void *a, const void *b)
{
    const struct replay_row *x = a, *y = b;
    if (x->at_ns != y->at_ns)
        return x->at_ns < y->at_ns ? -1 : 1;
    return (x->kind > y->kind) - (x->kind < y->kind);
}

static uint64_t replay_most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void replay_collect(struct replay *r)
{
    struct journal *j = r->journal;
    for (size_t i = 0; i < j->attempt_count; i++) {
        const struct attempt_record *a = &j->attempts[i].r;
        replay_add(r, a->at + replay_most(a->done, replay_most(a->out, a->left)), RECORD_ATTEMPT,
                   j->attempts[i].proc, a);
    }
    for (size_t i = 0; i < j->request_count; i++)
        replay_add(r, j->requests[i].r.due + j->requests[i].r.done, RECORD_REQUEST,
                   j->requests[i].proc, &j->requests[i].r);
    for (size_t i = 0; i < j->handshake_count; i++)
        replay_add(r, j->handshakes[i].r.at + j->handshakes[i].r.done, RECORD_HANDSHAKE,
                   j->handshakes[i].proc, &j->handshakes[i].r);
    for (size_t i = 0; i < j->sample_count; i++)
        replay_add(r, j->samples[i].r.at + j->samples[i].r.answer, RECORD_SAMPLE,
                   j->samples[i].proc, &j->samples[i].r);
    for (size_t i = 0; i < j->world_count; i++)
        replay_add(r, j->worlds[i].r.at + j->worlds[i].r.after, RECORD_WORLD, j->worlds[i].proc,
                   &j->worlds[i].r);
    for (size_t i = 0; i < j->phase_count; i++) {
        r->begins[i] = j->phases[i];
        r->begins[i].why = NULL;
        replay_add(r, j->phases[i].t0_ns, RECORD_PHASE, 0, &r->begins[i]);
        if (j->phases[i].why != NULL)
            replay_add(r, j->phases[i].t1_ns, RECORD_PHASE, 0, &j->phases[i]);
    }
    for (size_t i = 0; i < j->event_count; i++)
        replay_add(r, j->events[i].t_ns, RECORD_EVENT, 0, &j->events[i]);
    r->end = (struct journal_end){.how = j->end_how, .t_ns = j->end_ns};
    if (j->end_how != NULL)
        replay_add(r, j->end_ns, RECORD_END, 0, &r->end);
}

/* ${change}, may be NULL: what is to be another in the journal. */
static void replay_open_changed(struct replay *r, const char *path,
                                void (*change)(struct journal *j))
{
    struct error err = {0};
    *r = (struct replay){0};
    if (!journal_open(path, &r->journal, &err))
        fail_msg("%s: %s", path, err.text);
    if (change != NULL)
        change(r->journal);
    if (!plan_from_json(r->journal->plan, &r->plan, &err))
        fail_msg("%s: %s", path, err.text);
    const struct journal *j = r->journal;
    r->rows = check_alloc_zero(j->attempt_count + j->request_count + j->handshake_count +
                                   j->sample_count + j->world_count + 2 * j->phase_count +
                                   j->event_count + 1,
                               sizeof(*r->rows));
    r->begins = check_alloc_zero(j->phase_count + 1, sizeof(*r->begins));
    replay_collect(r);
    qsort(r->rows, r->count, sizeof(*r->rows), replay_order);
    r->live = live_new(r->plan, "f8f36d8e", r->plan->suite, "51f30c2a", "istio@1.31");
    live_journal(r->live, "run.db", 2400000);
}

static inline void replay_open(struct replay *r, const char *path)
{
    replay_open_changed(r, path, NULL);
}

static void replay_close(struct replay *r)
{
    live_free(r->live);
    free(r->rows);
    free(r->begins);
    plan_free(r->plan);
    journal_free(r->journal);
}

/* The first phase's begin. */
static uint64_t replay_zero_ns(const struct replay *r)
{
    return r->journal->phases[0].t0_ns;
}

/* All that came until then, and a tick each quarter of a second. */
static void replay_until(struct replay *r, uint64_t since_ns)
{
    uint64_t until_ns = replay_zero_ns(r) + since_ns;
    uint64_t tick_ns = r->next == 0 ? replay_zero_ns(r) : r->rows[r->next - 1].at_ns;
    for (; r->next < r->count && r->rows[r->next].at_ns <= until_ns; r->next++) {
        const struct replay_row *row = &r->rows[r->next];
        const struct journal_proc *proc = journal_proc_of(r->journal, row->proc);
        struct record_source from = {.role = "", .arm = "", .service = ""};
        if (proc != NULL)
            from = (struct record_source){.proc = row->proc,
                                          .role = proc->role,
                                          .arm = proc->arm,
                                          .service = proc->service,
                                          .name = replay_name,
                                          .names = r->journal};
        for (; tick_ns < row->at_ns; tick_ns += 250 * NS_PER_MS)
            live_tick(r->live, tick_ns);
        live_record(r->live, &from, row->kind, row->record, row->at_ns);
    }
    live_tick(r->live, until_ns);
}

static void replay_show(const struct replay *r, uint64_t since_ns, struct live_snapshot *ret)
{
    live_snapshot(r->live, replay_zero_ns(r) + since_ns, ret);
}

static inline void replay_verdicts(struct live *l, const struct judgement *so_far,
                                   uint64_t as_of_ns)
{
    struct live_judged *rows = check_alloc_zero(LIVE_JUDGED_MOST, sizeof(*rows));
    live_judged(l, rows, live_judged_of(so_far, rows, LIVE_JUDGED_MOST), as_of_ns);
    free(rows);
}

#endif
