/* The endpoints' side: what the fault proxy reads, does, and writes down of each try. */
#include "simulate/scene.h"

#define WORK_NS (80 * NS_PER_US)
#define WORK_MORE_NS (120 * NS_PER_US)
#define STREAK_SUCCESSES 2
#define STREAM_CANCEL 8 /* RFC 9113 7 */

static uint32_t take_slot(struct scene *s)
{
    if (s->visit_free_count > 0)
        return s->visits_free[--s->visit_free_count];
    if (s->visit_count == s->visit_room) {
        s->visit_room = s->visit_room == 0 ? 64 : s->visit_room * 2;
        s->visits = check_realloc(s->visits, s->visit_room * sizeof(*s->visits));
        s->visits_free = check_realloc(s->visits_free, s->visit_room * sizeof(*s->visits_free));
    }
    s->visits[s->visit_count].own = 0;
    return s->visit_count++;
}

static void free_slot(struct scene *s, uint32_t visit)
{
    s->visits[visit].ended = true;
    s->visits[visit].own++;
    s->visits_free[s->visit_free_count++] = visit;
}

uint32_t visit_new(struct scene *s, uint32_t errand, uint32_t host)
{
    const struct errand *f = &s->errands[errand];
    uint32_t visit = take_slot(s), own = s->visits[visit].own;
    uint64_t tries = f->clock.tries < UINT16_MAX ? f->clock.tries : UINT16_MAX;
    struct visit *v = &s->visits[visit];
    *v = (struct visit){.errand = errand, .own = own, .host = host};
    v->life = f->life;
    v->epoch = f->epoch;
    v->r.id_hi = f->r.id_hi;
    v->r.id_lo = f->r.id_lo;
    v->r.conn = f->conn.number;
    v->r.sequence = f->conn.carried + 1;
    v->r.tag = f->r.tag;
    v->r.endpoint = (uint16_t)(host + 1);
    v->r.k = (uint16_t)tries;
    v->r.n_mesh = s->model.flavour == FLAVOUR_LINKERD ? 0 : (uint16_t)tries;
    v->r.verb = f->r.verb;
    v->r.how_tied = TIED_OWN_ID;
    if (f->grpc)
        stream_of_visit(v, f);
    return visit;
}

static void write_down(struct scene *s, uint32_t proc, const struct attempt_record *r)
{
    if (s->now_ns >= s->lose_from_ns && s->now_ns < s->lose_to_ns &&
        rng_chance_ppm(&s->rng, 500000)) {
        s->lost_first_ns = s->lost == 0 ? s->now_ns : s->lost_first_ns;
        s->lost_last_ns = s->now_ns;
        s->lost++;
        return;
    }
    journal_add(s->journal, proc, RECORD_ATTEMPT, r);
}

static void streak_add(struct scene_host *h, bool failed)
{
    h->failed[h->ended % SCENE_STREAK] = failed ? 1 : 0;
    h->ended++;
}

/* A success heals a run of failures, but a run that is about to eject only by two of them: one may
 * have been out of order (spec/verifier.md 4.1). */
static bool withholds(const struct scene_host *h, uint32_t limit)
{
    uint64_t known = h->ended < SCENE_STREAK ? h->ended : SCENE_STREAK;
    uint32_t run = 0, successes = 0;
    for (uint64_t i = h->ended - known; i != h->ended; i++) {
        successes = h->failed[i % SCENE_STREAK] != 0 ? 0 : successes + 1;
        if (successes == 0)
            run++;
        else if (run + 1 < limit || successes >= STREAK_SUCCESSES)
            run = 0;
    }
    return (uint64_t)run + h->open + 1 >= limit;
}

/* What the streak guard counts, as outlier detection does: codes in heads, none in trailers. */
static bool has_failed(const struct attempt_record *r)
{
    struct try_result x = {.end = TRY_ANSWERED,
                           .status = r->status,
                           .grpc_status = r->grpc_where == 1 ? r->grpc_status - 1u : TRY_NO_GRPC};
    return model_outlier_result(&x) != OUTLIER_SUCCESS;
}

static void note_left(struct visit *v, uint64_t left_ns)
{
    v->r.left = left_ns;
    v->r.left_kind = v->grpc ? LEFT_RST_STREAM : LEFT_RST;
    v->r.left_code = v->grpc ? STREAM_CANCEL : 0;
}

static void finish(struct scene *s, uint32_t visit, enum attempt_outcome outcome)
{
    struct visit *v = &s->visits[visit];
    struct scene_host *h = &s->hosts[v->host];
    bool held = v->rigged && (v->rig.kind == RIG_HOLD || v->rig.kind == RIG_SLOW);
    if (v->counted_open)
        h->open--;
    if (outcome != OUTCOME_LEFT || held)
        streak_add(h, outcome != OUTCOME_ANSWERED || has_failed(&v->r));
    v->r.outcome = (uint16_t)outcome;
    write_down(s, SCENE_PROC_PROXY, &v->r);
    free_slot(s, visit);
}

/* What the conductor sees, for awaits. */
static void observe(struct scene *s, uint32_t host)
{
    for (uint32_t i = 0; i < s->host_count; i++)
        if (i != host)
            s->hosts[i].elsewhere++;
    struct scene_host *h = &s->hosts[host];
    uint64_t gap_ns = h->last_ns == 0 ? 0 : s->now_ns - h->last_ns;
    if (gap_ns > 0 && gap_ns < NS_PER_S / 2)
        h->gap_ns = h->gap_ns == 0 ? gap_ns : h->gap_ns - h->gap_ns / 16 + gap_ns / 16;
    h->last_ns = s->now_ns;
    h->elsewhere = 0;
    h->picks++;
}

static void choose(struct scene *s, struct visit *v)
{
    struct scene_host *h = &s->hosts[v->host];
    struct rig_try x = {.id = v->r.id_lo, .host = v->host, .tag = v->r.tag, .k = v->r.k};
    size_t nth = 0;
    for (const struct rig *rig; (rig = rigs_find(&s->rigs, &nth, &x, s->now_ns)) != NULL;) {
        /* One that only slows lets the next ones have their say. */
        if (rig->kind == RIG_SLOW && !v->rigged) {
            v->rig = *rig;
            v->rigged = true;
            v->slow_ns = rig->wait_ns;
            rigs_fire(&s->rigs, rig);
            v->r.fired |= UINT32_C(1) << (rig->step->fault % 32);
            v->r.fault = rig->step->fault;
            continue;
        }
        if (rig->streak > 0 && withholds(h, rig->streak)) {
            v->r.guarded |= UINT32_C(1) << (rig->step->fault % 32);
            continue;
        }
        v->rig = *rig;
        v->rigged = true;
        rigs_fire(&s->rigs, rig);
        v->r.fired |= UINT32_C(1) << (rig->step->fault % 32);
        v->r.fault = rig->step->fault;
        break;
    }
    v->counted_open = v->rigged;
    h->open += v->counted_open;
}

static void on_head(struct scene *s, uint32_t visit)
{
    struct visit *v = &s->visits[visit];
    struct errand *f = &s->errands[v->errand];
    uint64_t work_ns = WORK_NS + rng_below(&s->rng, WORK_MORE_NS);
    v->read = true;
    /* The mesh had left before we read: the reset may have taken the bytes with it. */
    if (v->left_ns != 0 && rng_chance_ppm(&s->rng, 500000)) {
        free_slot(s, visit);
        return;
    }
    if (f->life == v->life)
        v->r.k = (uint16_t)++f->arrivals;
    v->r.at = s->now_ns;
    observe(s, v->host);
    if (v->left_ns != 0) {
        note_left(v, 1);
        finish(s, visit, OUTCOME_LEFT);
        return;
    }
    choose(s, v);
    if (v->rigged && v->rig.kind == RIG_HOLD) {
        if (f->life == v->life)
            scene_add(s, EVENT_GIVE_UP, v->errand, v->life, f->r.due + s->edge_patience_ns);
        return;
    }
    if (v->rigged)
        work_ns += v->slow_ns + (v->rig.kind == RIG_SLOW ? 0 : v->rig.wait_ns);
    scene_add(s, EVENT_OUT, visit, v->own, s->now_ns + work_ns);
}

static void on_out(struct scene *s, uint32_t visit)
{
    struct visit *v = &s->visits[visit];
    struct errand *f = &s->errands[v->errand];
    enum rig_kind kind = !v->rigged ? RIG_SLOW : v->rig.kind;
    struct try_result result = {
        .end = TRY_ANSWERED, .status = 200, .grpc_status = TRY_NO_GRPC, .written = true};
    enum attempt_outcome outcome = OUTCOME_ANSWERED;
    if (kind == RIG_STATUS)
        result.status = v->rig.status;
    if (kind == RIG_RESET || kind == RIG_STREAM || kind == RIG_FIN) {
        result.end = kind == RIG_FIN ? TRY_EOF : TRY_RESET;
        result.status = 0;
        outcome = kind == RIG_FIN ? OUTCOME_CLOSED_BY_FAULT : OUTCOME_RESET_BY_FAULT;
    }
    if (kind == RIG_STARTED)
        outcome = OUTCOME_RESET_BY_FAULT;
    if (v->grpc && kind == RIG_RESET) {
        v->r.flags |= v->rig.works ? ATTEMPT_EFFECT : 0;
        stream_cut(s, v->host, v->r.fault);
        return;
    }
    if (v->grpc && kind != RIG_STREAM)
        stream_answer(v, f, &result);
    v->r.out = s->now_ns - v->r.at;
    v->r.status = result.status;
    if (result.end == TRY_ANSWERED)
        v->r.head_out = v->r.out;
    if (!v->rigged || v->rig.works)
        v->r.flags |= ATTEMPT_EFFECT;
    if (outcome == OUTCOME_ANSWERED)
        v->r.done = v->r.out + NS_PER_US;
    if (f->life == v->life && f->epoch == v->epoch) {
        uint64_t at_ns = s->now_ns + noise_leg_ns(&s->noise);
        f->result = result;
        f->breaks = kind == RIG_STARTED;
        f->broke = false;
        scene_add(s, EVENT_ANSWER, v->errand, f->epoch, at_ns);
        if (kind == RIG_STARTED)
            scene_add(s, EVENT_BREAK, v->errand, f->epoch, at_ns + NS_PER_MS);
    }
    finish(s, visit, outcome);
}

void visit_event(struct scene *s, const struct event *e)
{
    struct visit *v = &s->visits[e->index];
    if (v->own != e->epoch)
        return;
    switch (e->kind) {
    case EVENT_HEAD:
        on_head(s, e->index);
        return;
    case EVENT_OUT:
        on_out(s, e->index);
        return;
    default:
        break;
    }
    if (!v->read) {
        v->left_ns = s->now_ns;
        return;
    }
    note_left(v, s->now_ns > v->r.at ? s->now_ns - v->r.at : 1);
    finish(s, e->index, OUTCOME_LEFT);
}

void visit_leave(struct scene *s, uint32_t visit, uint32_t life)
{
    scene_add(s, EVENT_LEFT, visit, life, s->now_ns + noise_leg_ns(&s->noise));
}

uint64_t visit_accept_reset(struct scene *s, uint32_t host, const struct rig *rig)
{
    struct connection_record c = {.at = noise_turn_ns(&s->noise, NOISE_PROXY, s->now_ns),
                                  .close = 20 * NS_PER_US,
                                  .conn = ++s->conn_count,
                                  .endpoint = (uint16_t)(host + 1),
                                  .fault = rig->step->fault,
                                  .reset = 1,
                                  .closed_by = 2};
    journal_add(s->journal, SCENE_PROC_PROXY, RECORD_CONNECTION, &c);
    return c.at;
}

void visit_reset(struct scene *s, uint32_t visit, uint16_t fault)
{
    struct visit *v = &s->visits[visit];
    if (!v->read) { /* on its way: nobody reads it any more */
        free_slot(s, visit);
        return;
    }
    v->r.out = s->now_ns > v->r.at ? s->now_ns - v->r.at : 1;
    v->r.fault = fault;
    finish(s, visit, OUTCOME_RESET_BY_FAULT);
}
