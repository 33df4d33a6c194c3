#include "live/live_model.h"
#include "journal/arm.h"

#include <stdlib.h>

struct live *live_new(const struct plan *plan, const char *run, const char *suite, const char *seed,
                      const char *target)
{
    struct live *l = check_alloc_zero(1, sizeof(*l));
    l->plan = plan;
    l->phase_now = SIZE_MAX;
    live_clean(l->head.run, sizeof(l->head.run), run);
    live_clean(l->head.suite, sizeof(l->head.suite), suite);
    live_clean(l->head.seed, sizeof(l->head.seed), seed);
    live_clean(l->head.target, sizeof(l->head.target), target);
    if (plan->scenario_count > 0)
        live_enter(l, 0);
    return l;
}

void live_free(struct live *l)
{
    if (l == NULL)
        return;
    live_lanes_close(l);
    free(l);
}

static const struct place *edge_of(const struct scenario *s)
{
    if (s->load_count > 0)
        return &s->loads[0].on;
    for (size_t i = 0; i < s->phase_count; i++)
        if (s->phases[i].load_count > 0)
            return &s->phases[i].loads[0].on;
    return NULL;
}

void live_enter(struct live *l, uint32_t scenario)
{
    const struct scenario *s = &l->plan->scenarios[scenario];
    if (l->scenario == s)
        return;
    bool beside = l->scenario != NULL && plan_same_arms(l->scenario, s);
    l->scenario = s;
    l->scenario_index = scenario;
    const struct place *edge = edge_of(s);
    live_clean(l->head.scenario, sizeof(l->head.scenario), s->name);
    if (beside) /* another arm's turn: the same phases, services and faults */
        return;
    live_clean(l->head.edge, sizeof(l->head.edge), edge == NULL ? "" : edge->text);
    live_lanes_open(l);
    live_faults_open(l);
    live_guards_open(l);
    live_phases_open(l);
}

static void take_record(struct live *l, const struct record_source *from, enum record_kind kind,
                        const void *record, uint64_t now_ns)
{
    bool of_run = from->arm == NULL || from->arm[0] == '\0';
    if (!of_run && !arm_is_subject(from->arm))
        return;
    if (kind == RECORD_ATTEMPT)
        live_attempt(l, from, record, now_ns);
    else if (kind == RECORD_HANDSHAKE)
        live_handshake(l, from, record);
    else if (kind == RECORD_REQUEST)
        live_request(l, from, record);
    else if (kind == RECORD_SAMPLE)
        live_sample(l, from, record);
    else if (kind == RECORD_WORLD)
        live_world(l, from, record);
    else if (kind == RECORD_FAULT)
        live_fault_seen(l, record);
}

void live_record(struct live *l, const struct record_source *from, enum record_kind kind,
                 const void *record, uint64_t now_ns)
{
    if (l->scenario == NULL)
        return;
    if (kind == RECORD_PHASE)
        live_phase(l, record);
    else if (kind == RECORD_EVENT)
        live_row(l, record);
    else if (kind == RECORD_END)
        live_end(l, record);
    else
        take_record(l, from, kind, record, now_ns);
}

void live_tick(struct live *l, uint64_t now_ns)
{
    live_lanes_tick(l, now_ns);
}

void live_journal(struct live *l, const char *path, uint64_t bytes)
{
    live_clean(l->head.journal, sizeof(l->head.journal), path);
    l->head.journal_bytes = bytes;
}

static enum live_state state_of(const struct live *l)
{
    if (l->done)
        return LIVE_DONE;
    if (l->undoing)
        return LIVE_UNDOING;
    if (l->paused)
        return LIVE_PAUSED;
    if (l->waiting)
        return LIVE_WAITING;
    return l->zero_ns == 0 ? LIVE_STARTING : LIVE_RUNNING;
}

void live_snapshot(const struct live *l, uint64_t now_ns, struct live_snapshot *ret)
{
    if (l->done)
        now_ns = l->done_ns;
    *ret = l->head;
    ret->state = state_of(l);
    ret->since_start_ns = live_since(l, now_ns);
    for (size_t i = 0; i < l->event_count; i++)
        ret->events[i] = l->events[(l->event_next + LIVE_EVENTS - 1 - i) % LIVE_EVENTS];
    ret->event_count = l->event_count;
    ret->phase_left_ns = UINT64_MAX;
    live_requests_show(l, ret);
    if (l->scenario == NULL)
        return;
    live_lanes_show(l, now_ns, ret);
    live_faults_show(l, now_ns, ret);
    live_guards_show(l, now_ns, ret);
    live_phases_show(l, now_ns, ret);
}
