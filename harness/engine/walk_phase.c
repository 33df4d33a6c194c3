#include "engine/walk.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/units.h"
#include "engine/asker.h"
#include "journal/look.h"
#include "plan/probe.h"

#include <stdlib.h>

#define AWAIT_TICK_NS (50 * NS_PER_MS)
#define ARMED_WITHIN_NS (10 * NS_PER_S)
#define AWAITS_MOST 64

#define WALK_OF(hold_, field) ((struct walk *)((char *)(hold_)-offsetof(struct walk, field)))

static struct picks *picks_of(struct walk *w, const struct await *a)
{
    const char *service = a->step->on.to.service;
    size_t i = service == NULL ? SIZE_MAX : walk_find_service(w, service);
    return i == SIZE_MAX ? NULL : &w->services[i].picks;
}

void walk_phase_stop_holds(struct walk *w)
{
    struct loop *loop = w->context->loop;
    loop_hold_remove(loop, &w->end_hold);
    loop_hold_remove(loop, &w->edge_hold);
    loop_hold_remove(loop, &w->tick_hold);
    loop_hold_remove(loop, &w->turn_hold);
}

static void await_start(struct walk *w, struct await *a, uint64_t now_ns)
{
    struct error err = {0};
    await_begin(a, picks_of(w, a), now_ns);
    if (a->kind == AWAIT_HUMAN && !asker_await(w->context->asker, w, a, &err)) {
        walk_break(w, &err);
        return;
    }
    if (w->faults_held == a->holds_faults)
        return;
    w->faults_held = a->holds_faults;
    walk_arm_update(w, false);
}

/* An answer that comes in a pause counts when that is over. */
void walk_go_on(struct walk *w)
{
    bool waits = w->state == WALK_RUNNING || w->state == WALK_PAUSED || w->state == WALK_RESUMING;
    struct await *a = waits && w->await_next < w->await_count ? &w->awaits[w->await_next] : NULL;
    if (a != NULL && a->kind == AWAIT_HUMAN)
        await_on_human(a);
}

static void await_over(struct walk *w, const struct await *a, bool met, uint64_t now_ns)
{
    char after[32];
    const char *on = await_on(a);
    uint64_t after_ns = now_ns - a->begin_ns;
    if (a->kind == AWAIT_HUMAN && !met)
        asker_drop(w->context->asker, w, QUESTION_LATE);
    walk_event(w, "await",
               json_pack("{ss ss sb sI}", "word", a->step->word, "on", on, "met", met, "after_ns",
                         (json_int_t)after_ns),
               now_ns);
    units_print_duration(after_ns / NS_PER_MS * NS_PER_MS, after, sizeof(after));
    walk_tell(w, "await", "%s %s: %s after %s", a->step->word, on, met ? "seen" : "not seen",
              after);
}

/* The next await of the phase, or its end. */
static void await_next(struct walk *w, uint64_t now_ns)
{
    w->await_next++;
    if (w->await_next < w->await_count) {
        await_start(w, &w->awaits[w->await_next], now_ns);
        return;
    }
    bool held = w->faults_held;
    w->faults_held = false;
    if (w->phase->ends == PHASE_BY_AWAITS)
        walk_phase_end(w, "event");
    else if (held)
        walk_arm_update(w, false);
}

static void await_late(struct walk *w, const struct await *a, uint64_t now_ns)
{
    enum await_late late = a->late;
    await_over(w, a, false, now_ns);
    if (late == AWAIT_LATE_ABORT) {
        w->aborted_late = true;
        w->context->on_change(w->context->cookie, w);
    } else if (w->phase->ends == PHASE_BY_AWAITS) {
        walk_phase_end(w, "late");
    } else {
        await_next(w, now_ns);
    }
}

static void ask_probe(struct walk *w, struct await *a)
{
    uint64_t at_ns = 0;
    double value = 0;
    const struct probe_plan *probe = probe_find(w->scenario, a->probe);
    bool has = probe != NULL && w->context->newest(w->context->cookie, a->probe, &at_ns, &value);
    /* A sample of the client tells of the time before it. */
    bool early = has && probe->kind == PROBE_CLIENT && at_ns < a->begin_ns + probe->every_ns;
    await_on_probe(a, at_ns, has && !early && probe_wanted(probe, a->step->keys, value));
}

static void on_tick(struct hold *h, uint64_t now_ns)
{
    struct walk *w = WALK_OF(h, tick_hold);
    loop_hold_add(w->context->loop, h, now_ns + AWAIT_TICK_NS, on_tick);
    if (w->state != WALK_RUNNING || w->await_next >= w->await_count)
        return;
    struct await *a = &w->awaits[w->await_next];
    if (a->kind == AWAIT_CERT)
        await_on_cert(a, walk_certs_has(w, &a->step->on, a->root));
    if (a->kind == AWAIT_PROBE)
        ask_probe(w, a);
    if (await_met(a, picks_of(w, a), now_ns)) {
        await_over(w, a, true, now_ns);
        await_next(w, now_ns);
    } else if (now_ns - a->begin_ns >= a->within_ns) {
        await_late(w, a, now_ns);
    }
}

static void on_edge(struct hold *h, uint64_t now_ns)
{
    struct walk *w = WALK_OF(h, edge_hold);
    walk_arm_update(w, false);
    uint64_t next_ns = walk_arm_next_edge_ns(w, now_ns);
    if (next_ns != UINT64_MAX && hold_is_idle(h) && w->state == WALK_RUNNING)
        loop_hold_add(w->context->loop, h, next_ns, on_edge);
}

static void on_phase_over(struct hold *h, uint64_t now_ns)
{
    struct walk *w = WALK_OF(h, end_hold);
    (void)now_ns;
    walk_phase_end(w, w->phase->ends == PHASE_BY_AWAITS ? "late" : "clock");
}

static bool parse_awaits(struct walk *w, const struct phase *phase, struct error *err)
{
    w->await_count = 0;
    w->await_next = 0;
    free(w->awaits);
    w->awaits = check_alloc_zero(phase->step_count + 1, sizeof(*w->awaits));
    for (size_t i = 0; i < phase->step_count; i++) {
        if (phase->steps[i].kind != STEP_AWAIT)
            continue;
        if (!await_parse(&phase->steps[i], &w->awaits[w->await_count], err))
            return false;
        w->await_count++;
    }
    return true;
}

/* The phase, or its rest after a pause, in the journal. */
static bool begin_row(struct walk *w, const struct walk_run *run, bool resumed, uint64_t now_ns,
                      struct error *err)
{
    char name[LOOK_NAME_MOST];
    w->phase_id = ++w->context->next_phase;
    look_name(name, sizeof(name), w->phase->name, run->again, resumed);
    if (!store_phase_begin(w->context->store, w->phase_id, w->plan->scenario, w->plan->arm, name,
                           run->ordinal, now_ns, err))
        return false;
    walk_tell(w, "phase.start", "%s", name);
    return true;
}

static void begin(struct walk *w, const struct walk_run *run)
{
    struct error err = {0};
    if (!w->context->may_go_on(w->context->cookie, w, false))
        return;
    w->goes_on = false;
    w->ordinal = run->ordinal;
    w->phase = &w->scenario->phases[run->ordinal];
    w->state = WALK_ARMING;
    w->phase_t0_ns = loop_now_ns(w->context->loop);
    w->settle_ns = w->phase->settle_ns; /* the scenario's, where it has none of its own */
    w->phase_loaded = false;
    if (!parse_awaits(w, w->phase, &err) || !begin_row(w, run, false, w->phase_t0_ns, &err)) {
        walk_break(w, &err);
        return;
    }
    if (!walk_certs_begin(w, &err)) {
        walk_break(w, &err);
        return;
    }
    walk_arm_update(w, false);
    walk_phase_on_armed(w);
}

void walk_phase_next(struct walk *w)
{
    if (w->run_next >= w->run_count) {
        w->state = WALK_IDLE;
        w->context->on_change(w->context->cookie, w);
        return;
    }
    if (w->in_turns && !w->has_turn)
        walk_turn_wait(w);
    else if (walk_load_silent(w))
        begin(w, &w->runs[w->run_next++]);
}

static void start_clocks(struct walk *w, uint64_t elapsed_ns, uint64_t now_ns)
{
    struct loop *loop = w->context->loop;
    uint64_t lasting_ns =
        w->phase->ends == PHASE_BY_CLOCK ? w->phase->lasting_ns : w->phase->atmost_ns;
    if (lasting_ns > 0)
        loop_hold_add(loop, &w->end_hold, w->phase_t0_ns + lasting_ns, on_phase_over);
    if (w->in_turns && w->turn_until_ns < lasting_ns)
        loop_hold_add(loop, &w->turn_hold, w->phase_t0_ns + w->turn_until_ns, walk_turn_over);
    uint64_t edge_ns = walk_arm_next_edge_ns(w, w->phase_t0_ns + elapsed_ns);
    if (edge_ns != UINT64_MAX)
        loop_hold_add(loop, &w->edge_hold, edge_ns, on_edge);
    if (w->await_count > 0)
        loop_hold_add(loop, &w->tick_hold, now_ns + AWAIT_TICK_NS, on_tick);
}

static void run(struct walk *w)
{
    uint64_t now_ns = loop_now_ns(w->context->loop);
    w->state = WALK_RUNNING;
    walk_load_start(w);
    if (w->state != WALK_RUNNING)
        return;
    start_clocks(w, w->goes_on ? now_ns - w->phase_t0_ns : 0, now_ns);
    if (w->in_turns)
        walk_turn_event(w, "block.begin", now_ns);
    if (w->await_count > 0 && !w->goes_on)
        await_start(w, &w->awaits[0], now_ns);
}

/* Requests that tell when they are all done begin anew: those of the pause met no fault. Others
 * follow a clock of their own, which went on. */
void walk_phase_continue(struct walk *w)
{
    struct error err = {0};
    uint64_t now_ns = loop_now_ns(w->context->loop), stood_ns = now_ns - w->paused_ns;
    w->state = WALK_RUNNING;
    w->phase_t0_ns += stood_ns;
    if (!begin_row(w, &w->runs[w->run_next - 1], true, now_ns, &err)) {
        walk_break(w, &err);
        return;
    }
    bool fresh = !w->phase_loaded;
    if (fresh || w->phase->ends == PHASE_DECIDED)
        walk_load_start(w);
    if (w->state != WALK_RUNNING)
        return;
    start_clocks(w, w->paused_ns - (w->phase_t0_ns - stood_ns), now_ns);
    if (w->await_next >= w->await_count)
        return;
    struct await *a = &w->awaits[w->await_next];
    if (fresh)
        await_start(w, a, now_ns);
    else
        await_stood(a, picks_of(w, a), stood_ns, now_ns);
}

static void on_settled(struct hold *h, uint64_t now_ns)
{
    (void)now_ns;
    walk_phase_next(WALK_OF(h, stage_hold));
}

static void settle(struct walk *w)
{
    uint64_t settle_ns = w->settle_ns;
    w->phase = NULL;
    w->phase_id = 0;
    w->state = w->paused ? WALK_PAUSED : WALK_SETTLING;
    if (w->paused)
        return;
    if (settle_ns == 0 || w->run_next >= w->run_count)
        walk_phase_next(w);
    else
        loop_hold_add(w->context->loop, &w->stage_hold, loop_now_ns(w->context->loop) + settle_ns,
                      on_settled);
    if (w->state == WALK_SETTLING) /* another arm may go on meanwhile */
        w->context->on_change(w->context->cookie, w);
}

static void on_armed_late(struct hold *h, uint64_t now_ns)
{
    struct walk *w = WALK_OF(h, stage_hold);
    struct error err = {0};
    (void)now_ns;
    error_set(&err, ERROR_PEER, "an agent did not answer ARM or CERT within %d s",
              (int)(ARMED_WITHIN_NS / NS_PER_S));
    walk_break(w, &err);
}

bool walk_phase_settled(struct walk *w)
{
    struct loop *loop = w->context->loop;
    loop_hold_remove(loop, &w->stage_hold);
    if (walk_arm_settled(w) && walk_certs_settled(w))
        return true;
    loop_hold_add(loop, &w->stage_hold, loop_now_ns(loop) + ARMED_WITHIN_NS, on_armed_late);
    return false;
}

void walk_phase_on_armed(struct walk *w)
{
    if (w->state == WALK_PAUSED || w->state == WALK_RESUMING)
        walk_pause_on_armed(w);
    /* A killed process that is back, a control plane that is mended: what waited for it. */
    if (w->state == WALK_RUNNING || w->state == WALK_DISARMING)
        walk_arm_update(w, false);
    if ((w->state != WALK_ARMING && w->state != WALK_DISARMING) || !walk_phase_settled(w))
        return;
    if (w->state == WALK_ARMING)
        run(w);
    else
        settle(w);
}

void walk_phase_end(struct walk *w, const char *why)
{
    struct error err = {0};
    if (w->state != WALK_RUNNING && w->state != WALK_ARMING)
        return;
    uint64_t now_ns = loop_now_ns(w->context->loop);
    walk_phase_stop_holds(w);
    w->state = WALK_DISARMING;
    w->faults_held = false;
    walk_arm_phase_ended(w, w->ordinal);
    walk_certs_phase_ended(w);
    walk_fleet_phase_ended(w);
    if (!store_phase_end(w->context->store, w->phase_id, why, now_ns, &err)) {
        walk_break(w, &err);
        return;
    }
    walk_tell(w, "phase.end", "%s (%s)", w->phase->name, why);
    walk_turn_phase_ended(w, now_ns);
    if (w->subject && w->runs[w->run_next - 1].again == 0 &&
        !asker_expects(w->context->asker, w, &err)) {
        walk_break(w, &err);
        return;
    }
    walk_arm_update(w, false);
    walk_phase_on_armed(w);
}

void walk_phase_on_done(struct walk *w, struct actor *a, const json_t *done)
{
    a->stopped = (uint32_t)control_number(done, "stopped");
    if (a->stopped != 0) {
        walk_load_on_silent(w);
        return;
    }
    a->done = (uint32_t)control_number(done, "phase");
    if (w->state != WALK_RUNNING || w->phase->ends != PHASE_DECIDED)
        return;
    for (size_t i = 0; i < w->load_count; i++)
        if (w->loads[i]->done != w->phase_id)
            return;
    walk_phase_end(w, "decided");
}

static struct await *current_await(struct walk *w)
{
    return w->state == WALK_RUNNING && w->await_next < w->await_count ? &w->awaits[w->await_next]
                                                                      : NULL;
}

static bool is_of_await(const struct await *a, const struct walk_use *u)
{
    char usual[160];
    if (u->fault.common.name != NULL)
        return strcmp(u->fault.common.name, a->fault) == 0;
    snprintf(usual, sizeof(usual), "%s %s", u->step->word, u->step->on.text);
    return strcmp(usual, a->fault) == 0;
}

static void fired(struct walk *w, struct walk_use *u)
{
    struct await *a = current_await(w);
    u->fired++;
    if (!u->told_first) {
        u->told_first = true;
        walk_tell_fault(w, u, "fault.first", "");
    }
    if (a != NULL && a->kind == AWAIT_FIRED && is_of_await(a, u))
        await_on_fired(a);
}

/* ${bits}: faults that fired, by number modulo 32; ${id}: the one that ended it, which is exact. */
static void see_fired(struct walk *w, const struct actor *proxy, uint32_t bits, uint16_t id)
{
    for (size_t i = 0; i < w->use_count; i++) {
        struct walk_use *u = &w->uses[i];
        bool by_bit = (bits >> (u->fault.id % 32) & 1) != 0;
        if (u->on && u->service != SIZE_MAX && walk_is_proxy(&w->services[u->service], proxy) &&
            (by_bit || u->fault.id == id))
            fired(w, u);
    }
}

static void see_attempt(struct walk *w, struct actor *a, struct bytes body)
{
    struct attempt_record r;
    memcpy(&r, body.at, sizeof(r));
    for (size_t i = 0; i < w->service_count; i++)
        if (walk_is_proxy(&w->services[i], a))
            picks_add(&w->services[i].picks, &r, loop_now_ns(w->context->loop));
    if (r.fired != 0 || r.fault != 0)
        see_fired(w, a, r.fired, r.fault);
}

static void see_request(struct walk *w, struct actor *a, struct bytes body)
{
    struct request_record r;
    struct await *await = current_await(w);
    char edge[160];
    memcpy(&r, body.at, sizeof(r));
    if (w->state == WALK_CALMING) {
        walk_calm_on_request(w, a, &r);
        return;
    }
    w->context->on_request(w->context->cookie, w, a, &r);
    if (await == NULL || (await->kind != AWAIT_STEADY && await->kind != AWAIT_REQUESTS))
        return;
    const struct place *on = &await->step->on;
    snprintf(edge, sizeof(edge), "%s -> %s", on->from.service == NULL ? "client" : on->from.service,
             on->to.service == NULL ? "" : on->to.service);
    if (actor_name_is(a, r.edge, map_hash(edge, strlen(edge))))
        await_on_request(await, &r);
}

static void see_connection(struct walk *w, struct actor *a, struct bytes body)
{
    struct connection_record r;
    memcpy(&r, body.at, sizeof(r));
    if (r.fault != 0 && r.requests == 0) /* with requests the attempt told it */
        see_fired(w, a, 0, r.fault);
}

/* One that a fault touched and did not end (another leaf, a stall): no attempt or connection tells
 * it. */
static void see_handshake(struct walk *w, struct actor *a, struct bytes body)
{
    struct handshake_record r;
    memcpy(&r, body.at, sizeof(r));
    if (r.fault != 0 && r.result != HANDSHAKE_ENDED_BY_FAULT &&
        (r.flags & HANDSHAKE_PASSED_THROUGH) == 0)
        see_fired(w, a, 0, r.fault);
}

static void see_fault(struct walk *w, struct bytes body)
{
    struct fault_record r;
    memcpy(&r, body.at, sizeof(r));
    if (r.what != FAULT_EXPIRED)
        return;
    for (size_t i = 0; i < w->use_count; i++) {
        struct walk_use *u = &w->uses[i];
        if (u->fault.id != r.fault || !u->on || u->expired) /* each of its proxies says so */
            continue;
        u->expired = true;
        walk_tell_fault(w, u, "fault.expired", ": its ttl is over");
    }
}

void walk_phase_on_record(struct walk *w, struct actor *a, uint8_t kind, struct bytes body)
{
    if (kind == RECORD_ATTEMPT)
        see_attempt(w, a, body);
    else if (kind == RECORD_REQUEST)
        see_request(w, a, body);
    else if (kind == RECORD_CONNECTION)
        see_connection(w, a, body);
    else if (kind == RECORD_HANDSHAKE)
        see_handshake(w, a, body);
    else if (kind == RECORD_FAULT)
        see_fault(w, body);
}

void walk_progress(struct walk *w, uint64_t now_ns)
{
    uint64_t since_ns = now_ns > w->phase_t0_ns ? now_ns - w->phase_t0_ns : 0;
    if (w->state != WALK_RUNNING || w->phase == NULL)
        return;
    if (w->phase->ends == PHASE_BY_CLOCK)
        walk_tell(w, "progress", "%s: %u s of %u s", w->phase->name,
                  (unsigned)(since_ns / NS_PER_S), (unsigned)(w->phase->lasting_ns / NS_PER_S));
    else
        walk_tell(w, "progress", "%s: %u s", w->phase->name, (unsigned)(since_ns / NS_PER_S));
}
