#include "engine/conductor.h"

#include "base/clock.h"
#include "base/units.h"
#include "engine/run_row.h"
#include "engine/walk_world.h"
#include "plan/window.h"

#include <stdlib.h>
#include <unistd.h>

#define COMMIT_EVERY_NS (100 * NS_PER_MS)
#define HOST_EVERY_NS (NS_PER_S)
#define RECOVER_NS (10 * NS_PER_S)
#define OWN_BYTES_MOST ((size_t)1024 * 1024)
#define STALL_MOST_NS (2 * NS_PER_S)
#define DISK_LEAST_BYTES (UINT64_C(256) * 1024 * 1024)

#define CONDUCTOR_PROC 1

static void abort_all(struct conductor *c, uint64_t for_ns)
{
    char text[320];
    error_format(&c->why, text, sizeof(text));
    guard_watch_rest(c->guards);
    asker_drop(c->asker, NULL, QUESTION_DROPPED);
    for (size_t i = 0; i < c->walk_count; i++) {
        struct walk *w = c->walks[i];
        if (w->state < WALK_RECOVERING)
            walk_event(w, "abort", json_pack("{ss ss}", "arm", w->plan->arm, "why", text),
                       loop_now_ns(c->loop));
        walk_abort(w, text, for_ns);
    }
}

/* How long the load runs on after an abort. */
uint64_t conductor_recover_ns(const struct conductor *c)
{
    return c->options->recover_ns == 0 ? RECOVER_NS : c->options->recover_ns;
}

void conductor_stop(struct conductor *c, enum stopping how, const struct error *why,
                    uint64_t for_ns)
{
    if (c->context.leaving && how == STOPPING_BROKEN) /* agents that we killed */
        return;
    c->paused = false;
    loop_hold_remove(c->loop, &c->pause_hold);
    if (c->stopping == STOPPING_NOT || (how == STOPPING_BROKEN && c->stopping == STOPPING_ABORT)) {
        c->stopping = how;
        c->why = *why;
    }
    abort_all(c, for_ns);
}

bool conductor_commit(struct conductor *c)
{
    struct error err = {0};
    if (store_commit(c->store, &err)) {
        conductor_intake_committed(c);
        return true;
    }
    conductor_stop(c, STOPPING_BROKEN, &err, 0);
    return false;
}

static bool on_own_frame(void *cookie, const struct frame *frame, struct bytes body,
                         struct error *err)
{
    struct conductor *c = cookie;
    return store_frame(c->store, CONDUCTOR_PROC, frame->seq, frame->kind, body, err);
}

/* What we stamp ourselves takes the agents' way into the journal. */
void conductor_write_own(struct conductor *c)
{
    struct buffer bytes;
    struct error err = {0};
    buffer_init(&bytes, OWN_BYTES_MOST);
    recorder_take(c->own, &bytes);
    if (!frame_reader_feed(&c->own_reader, buffer_view(&bytes), &err))
        conductor_stop(c, STOPPING_BROKEN, &err, 0);
    buffer_release(&bytes);
}

static void on_commit(struct hold *h, uint64_t now_ns)
{
    struct conductor *c = (struct conductor *)((char *)h - offsetof(struct conductor, commit_hold));
    loop_hold_add(c->loop, h, now_ns + COMMIT_EVERY_NS, on_commit);
    conductor_write_own(c);
    conductor_commit(c);
}

/* No recovery is looked at: its records would need the room that is missing. */
static void look_at_disk(struct conductor *c)
{
    const struct engine_options *o = c->options;
    uint64_t least = o->disk_least_bytes == 0 ? DISK_LEAST_BYTES : o->disk_least_bytes;
    uint64_t have = host_disk_free(o->journal);
    struct error why = {0};
    if (c->stopping != STOPPING_NOT || have >= least)
        return;
    error_set(&why, ERROR_LIMIT, "%s is on a disk with %lluMiB free; it needs %lluMiB", o->journal,
              (unsigned long long)(have >> 20), (unsigned long long)(least >> 20));
    conductor_stop(c, STOPPING_ABORT, &why, 0);
}

static void on_host(struct hold *h, uint64_t now_ns)
{
    struct conductor *c = (struct conductor *)((char *)h - offsetof(struct conductor, host_hold));
    struct host_record r;
    loop_hold_add(c->loop, h, now_ns + HOST_EVERY_NS, on_host);
    for (size_t i = 0; i < c->walk_count; i++)
        walk_progress(c->walks[i], now_ns);
    if (host_look(&c->host, &r))
        recorder_emit(c->own, RECORD_HOST, &r);
    look_at_disk(c);
}

/* Nobody was there to end a fault or to see a guard trip. While the judge reads for us between
 * phases, and while agents are started and ended between scenarios, that is so by our own will. */
static void look_at_stall(struct conductor *c, const struct stall_seen *stall)
{
    uint64_t most_ns = c->options->stall_most_ns == 0 ? STALL_MOST_NS : c->options->stall_most_ns;
    uint64_t lasted_ns = stall->fired_ns - stall->due_ns;
    struct error why = {0};
    char span[32];
    if (c->stopping != STOPPING_NOT || lasted_ns < most_ns || stall->due_ns <= c->away_ns ||
        !c->begun) /* agents are on their way: nothing is armed, and no guard is due */
        return;
    units_print_duration(lasted_ns / NS_PER_MS * NS_PER_MS, span, sizeof(span));
    error_set(&why, ERROR_LIMIT, "our own loop stalled for %s", span);
    conductor_stop(c, STOPPING_ABORT, &why, conductor_recover_ns(c));
}

static void on_stall(const struct stall_seen *stall, void *cookie)
{
    struct conductor *c = cookie;
    struct stall_record r = {.at = stall->due_ns,
                             .fired = stall->fired_ns - stall->due_ns,
                             .run_delay = stall->run_delay_ns,
                             .turn = stall->turn_ns};
    recorder_emit(c->own, RECORD_STALL, &r);
    look_at_stall(c, stall);
}

static void write_clock(struct conductor *c)
{
    struct clock_identity clock;
    char host[256] = "";
    clock_identity_read(&clock);
    gethostname(host, sizeof(host) - 1);
    struct clock_record r = {.at = clock_now_ns(), .time_ns_inode = clock.time_ns_inode};
    r.boot_id = recorder_name(c->own, bytes_of(clock.boot_id));
    r.host = recorder_name(c->own, bytes_of(host));
    recorder_emit(c->own, RECORD_CLOCK, &r);
}

static void on_deadline(struct hold *h, uint64_t now_ns)
{
    struct conductor *c =
        (struct conductor *)((char *)h - offsetof(struct conductor, deadline_hold));
    struct error why = {0};
    (void)now_ns;
    error_set(&why, ERROR_LIMIT, "the deadline has passed");
    conductor_stop(c, STOPPING_ABORT, &why, conductor_recover_ns(c));
}

static bool all_are(const struct conductor *c, enum walk_state state)
{
    for (size_t i = 0; i < c->walk_count; i++)
        if (c->walks[i]->state != state)
            return false;
    return true;
}

/* Rule 1 of scenario-language.md 2: nothing was done yet. Rule 2: what was done is undone. */
static void on_guard_trip(void *cookie, const struct guard_plan *guard, const struct error *why,
                          bool refused)
{
    struct conductor *c = cookie;
    char where[400];
    if (!refused && c->walk_count > 0) {
        source_format(guard->source, false, where, sizeof(where));
        walk_event(
            c->walks[0], "guard_trip",
            json_pack("{ss ss ss*}", "guard", why->text, "where", where, "note", guard->note),
            loop_now_ns(c->loop));
        walk_tell(c->walks[0], "guard.trip", "%s", why->text);
    }
    conductor_stop(c, refused ? STOPPING_BROKEN : STOPPING_ABORT, why,
                   refused ? 0 : conductor_recover_ns(c));
    loop_defer(c->loop, &c->step);
}

static void on_guard_ready(void *cookie)
{
    struct conductor *c = cookie;
    if (!c->begun)
        loop_defer(c->loop, &c->step);
}

static bool check_windows(const struct scenario *s, struct error *err)
{
    for (size_t i = 0; i < s->guard_count; i++)
        if (s->guards[i].kind == GUARD_WINDOW && !window_open(&s->guards[i], clock_wall_ns(), err))
            return false;
    return true;
}

/* In the middle of a walk's own step: it is aborted once that is over. */
static bool may_go_on(void *cookie, struct walk *w, bool arming)
{
    struct conductor *c = cookie;
    struct error why = {0};
    if (c->refused.kind != ERROR_NONE || c->stopping != STOPPING_NOT)
        return false;
    bool good = true; /* a control has neither guards nor load of its own to ask */
    if (!arming)
        good = check_windows(w->scenario, &why);
    else if (w->subject)
        good = guard_watch_may_arm(c->guards, loop_now_ns(c->loop), &why);
    if (good)
        return true;
    c->refused = why;
    c->nothing_done = arming;
    loop_defer(c->loop, &c->step);
    return false;
}

static void on_request(void *cookie, struct walk *w, const struct actor *from,
                       const struct request_record *r)
{
    const struct conductor *c = cookie;
    if (w->subject)
        guard_watch_on_request(c->guards, from, r);
}

static bool newest(void *cookie, const char *probe, uint64_t *ret_at_ns, double *ret_value)
{
    const struct conductor *c = cookie;
    struct sample_seen seen;
    if (!guard_watch_newest(c->guards, probe, &seen))
        return false;
    *ret_at_ns = seen.at_ns;
    *ret_value = seen.value;
    return true;
}

static void look_at_trouble(struct conductor *c)
{
    if (c->refused.kind != ERROR_NONE && c->stopping == STOPPING_NOT)
        conductor_stop(c, c->nothing_done ? STOPPING_BROKEN : STOPPING_ABORT, &c->refused,
                       c->nothing_done ? 0 : conductor_recover_ns(c));
    for (size_t i = 0; i < c->walk_count; i++) {
        struct walk *w = c->walks[i];
        struct error why = {0};
        if (w->broken.kind != ERROR_NONE && c->stopping != STOPPING_BROKEN)
            conductor_stop(c, STOPPING_BROKEN, &w->broken, 0);
        if (!w->aborted_late)
            continue;
        w->aborted_late = false;
        error_set(&why, ERROR_LIMIT, "an await of phase \"%s\" was late",
                  w->phase == NULL ? "" : w->phase->name);
        if (w->subject)
            conductor_stop(c, STOPPING_ABORT, &why, conductor_recover_ns(c));
        else
            walk_abort(w, why.text, 0);
    }
}

/* Rule 1 of scenario-language.md 2: the last of it is that each edge answers. Controls are ours: a
 * judge's matter. */
static void begin(struct conductor *c)
{
    bool calm = true;
    for (size_t i = 0; i < c->walk_count; i++) {
        struct walk *w = c->walks[i];
        if (w->plan->uncalm || !w->subject || w->calm != NULL)
            continue;
        calm = false;
        walk_calm(w);
    }
    if (!calm)
        return;
    c->begun = true;
    for (size_t i = 0; i < c->walk_count; i++)
        walk_begin(c->walks[i]);
}

static bool fleet_is_ready(const struct conductor *c)
{
    struct fleet *f = c->options->fleet;
    return f == NULL || f->ready == NULL || f->ready(f);
}

/* After any walk changed: at the end of the turn, so that no walk is in the middle of something. */
static void on_step(struct loop_task *t)
{
    struct conductor *c = (struct conductor *)((char *)t - offsetof(struct conductor, step));
    look_at_trouble(c);
    if (!c->begun && !c->paused && c->stopping == STOPPING_NOT && all_are(c, WALK_READY) &&
        guard_watch_ready(c->guards) && asker_approved(c->asker) && fleet_is_ready(c))
        begin(c);
    if (c->turns != NULL && !c->paused && all_are(c, WALK_IDLE))
        conductor_arms_idle(c);
    if (c->turns != NULL && !c->paused && c->begun)
        turns_step(c->turns);
    for (size_t i = 0; i < c->walk_count && !c->paused; i++)
        if (c->walks[i]->state == WALK_IDLE && (c->turns == NULL || c->stopping != STOPPING_NOT))
            conductor_walk_idle(c, c->walks[i]);
    if (!all_are(c, WALK_DONE))
        return;
    if (c->stopping == STOPPING_NOT && asker_is_waiting(c->asker))
        guard_watch_rest(c->guards); /* there is nothing left that could do harm */
    else
        loop_stop(c->loop);
}

static void on_change(void *cookie, struct walk *w)
{
    struct conductor *c = cookie;
    (void)w;
    loop_defer(c->loop, &c->step);
}

/* What people say, or do not say. */
static void on_answered(void *cookie)
{
    struct conductor *c = cookie;
    loop_defer(c->loop, &c->step);
}

static void on_asker_trouble(void *cookie, const struct error *why, bool refused)
{
    conductor_stop(cookie, refused ? STOPPING_ABORT : STOPPING_BROKEN, why, 0);
}

static bool start_child(void *cookie, const char *role, const char *service, int netns_fd,
                        struct child *ret, struct error *err)
{
    const struct conductor *c = cookie;
    (void)service;
    return place_local_start(c->options->program, role, netns_fd, ret, err);
}

/* The run's deadline or the scenario's, whichever comes first. */
static void set_deadline(struct conductor *c, const struct scenario *scenario)
{
    uint64_t at_ns = UINT64_MAX;
    if (c->options->deadline_ns > 0)
        at_ns = c->context.start_ns + c->options->deadline_ns;
    if (scenario->deadline_ns > 0 && clock_now_ns() + scenario->deadline_ns < at_ns)
        at_ns = clock_now_ns() + scenario->deadline_ns;
    loop_hold_remove(c->loop, &c->deadline_hold);
    if (at_ns != UINT64_MAX)
        loop_hold_add(c->loop, &c->deadline_hold, at_ns, on_deadline);
    c->deadline_ns = at_ns;
}

/* Walks that stand beside each other. False when none could be started. */
static bool run_scenario(struct conductor *c, const struct walk_plan *plans, size_t count,
                         struct error *err)
{
    const struct guard_events events = {on_guard_ready, on_guard_trip, c};
    const struct scenario *scenario = plans[0].scenario_plan;
    bool taking_turns = count > 1 && plans[0].group != NULL;
    if (taking_turns && c->options->fleet != NULL)
        return error_at(err, scenario->source, ERROR_USAGE,
                        "scenario \"%.80s\": arms take turns in the lab only, for the agents of a "
                        "cluster are one lab",
                        scenario->arms_of);
    bool ok = (!taking_turns || turns_check(scenario, c->options->block_ns, err)) &&
              check_windows(scenario, err) &&
              guard_watch_new(c->loop, c->own, scenario, &events, &c->guards, err);
    c->walks = check_alloc_zero(count, sizeof(*c->walks));
    c->walk_count = 0;
    c->begun = false;
    set_deadline(c, plans[0].scenario_plan);
    for (size_t i = 0; ok && i < count; i++) {
        ok = walk_open(&c->context, &plans[i], &c->walks[i], err);
        c->walk_count += c->walks[i] != NULL;
    }
    c->away_ns = clock_now_ns();
    if (ok && taking_turns)
        c->turns = turns_new(c->loop, c->walks, count, c->options->seed, c->options->block_ns);
    ok = ok && asker_approvals(c->asker, &plans[0], err);
    if (ok)
        guard_watch_start(c->guards);
    if (ok)
        ok = loop_run(c->loop, err);
    asker_drop(c->asker, NULL, QUESTION_DROPPED);
    loop_settle(c->loop);
    guard_watch_free(c->guards);
    c->guards = NULL;
    turns_free(c->turns);
    c->turns = NULL;
    conductor_write_own(c);
    for (size_t i = 0; i < c->walk_count; i++) {
        if (c->walks[i]->broken.kind != ERROR_NONE && c->stopping != STOPPING_BROKEN &&
            !c->context.leaving) {
            c->stopping = STOPPING_BROKEN;
            c->why = c->walks[i]->broken;
        }
        walk_free(c->walks[i]);
    }
    loop_settle(c->loop);
    free(c->walks);
    c->walks = NULL;
    c->walk_count = 0;
    return ok;
}

static bool open_parts(struct conductor *c, const struct plan *plan, struct error *err)
{
    const struct engine_options *o = c->options;
    c->own = recorder_new(-1, OWN_BYTES_MOST);
    frame_reader_init(&c->own_reader, on_own_frame, c);
    if (!store_open(o->journal, &c->store, err) || !loop_new(&c->loop, err))
        return false;
    if (o->on_record != NULL)
        store_tap(c->store, o->on_record, o->cookie);
    if (!run_row_head(c->store, CONDUCTOR_PROC, o, plan, err) || !conductor_take_signals(c, err) ||
        !conductor_intake_open(c, err))
        return false;
    c->context = (struct walk_context){
        .loop = c->loop,
        .store = c->store,
        .options = o,
        .starter = {.start = start_child, .cookie = c},
        .next_proc = CONDUCTOR_PROC,
        .start_ns = clock_now_ns(),
        .own = c->own,
        .on_change = on_change,
        .may_go_on = may_go_on,
        .on_request = on_request,
        .newest = newest,
        .intake = c->intake,
        .psk = c->psk_text,
        .cookie = c,
    };
    const struct asker_events people = {on_answered, on_asker_trouble, c};
    c->asker = asker_new(c->loop, c->store, o, c->context.start_ns, &people);
    c->context.asker = c->asker;
    c->step.run = on_step;
    write_clock(c);
    loop_on_stall(c->loop, on_stall, c);
    loop_hold_add(c->loop, &c->commit_hold, c->context.start_ns + COMMIT_EVERY_NS, on_commit);
    loop_hold_add(c->loop, &c->host_hold, c->context.start_ns, on_host);
    return true;
}

static bool write_end(struct conductor *c, struct error *err)
{
    char how[400], text[320];
    error_format(&c->why, text, sizeof(text));
    if (c->stopping == STOPPING_NOT)
        snprintf(how, sizeof(how), "complete");
    else
        snprintf(how, sizeof(how), "%s: %s", c->stopping == STOPPING_ABORT ? "aborted" : "broken",
                 text);
    conductor_write_own(c);
    return run_row_end(c->store, how, c->stopping == STOPPING_NOT, c->signals, err);
}

static void look_on(struct conductor *c)
{
    c->steer = steer_new(&conductor_steer_acts, c);
    asker_serve(c->asker, c->steer);
    if (c->options->on_begin != NULL)
        c->options->on_begin(c->options->cookie, c->steer, c->loop);
}

static void release(struct conductor *c)
{
    if (c->steer != NULL && c->options->on_end != NULL)
        c->options->on_end(c->options->cookie);
    steer_free(c->steer);
    if (c->loop != NULL) {
        loop_on_stall(c->loop, NULL, NULL);
        loop_hold_remove(c->loop, &c->commit_hold);
        loop_hold_remove(c->loop, &c->host_hold);
        loop_hold_remove(c->loop, &c->deadline_hold);
        loop_hold_remove(c->loop, &c->pause_hold);
    }
    asker_free(c->asker);
    conductor_intake_close(c);
    loop_free(c->loop);
    conductor_intake_free(c);
    frame_reader_release(&c->own_reader);
    recorder_free(c->own);
}

/* Walks of one scenario, or arms of one. */
static bool stand_beside(const struct walk_plan *a, const struct walk_plan *b)
{
    return a->scenario == b->scenario ||
           (a->group != NULL && b->group != NULL && strcmp(a->group, b->group) == 0);
}

bool engine_run(const struct plan *plan, const struct walk_plan *walks, size_t walk_count,
                const struct engine_options *options, enum engine_outcome *ret_outcome,
                struct error *err)
{
    struct conductor c = {.options = options};
    struct error why = {0};
    bool ok = open_parts(&c, plan, err) && walk_world_open(&c.context, walks, walk_count, err);
    if (ok)
        look_on(&c);
    for (size_t i = 0, next; ok && i < walk_count && c.stopping == STOPPING_NOT; i = next) {
        for (next = i + 1; next < walk_count && stand_beside(&walks[i], &walks[next]); next++)
            ;
        ok = run_scenario(&c, walks + i, next - i, &why);
        if (!ok && i > 0) { /* what went before is evidence all the same */
            c.stopping = STOPPING_BROKEN;
            c.why = why;
            ok = true;
        } else if (!ok && err != NULL) {
            *err = why;
        }
    }
    walk_world_shut(&c.context);
    if (ok && !write_end(&c, err))
        ok = false;
    if (c.store != NULL && !store_close(c.store, ok && !c.context.leaving, ok ? err : NULL))
        ok = false;
    release(&c);
    if (ok && c.stopping != STOPPING_NOT && err != NULL)
        *err = c.why;
    *ret_outcome = c.stopping == STOPPING_NOT     ? ENGINE_COMPLETE
                   : c.context.leaving            ? ENGINE_LEFT
                   : c.stopping == STOPPING_ABORT ? ENGINE_ABORTED
                                                  : ENGINE_BROKEN;
    ok = ok && !c.context.leaving;
    if (c.context.not_undone.kind == ERROR_NONE)
        return ok;
    *ret_outcome = ENGINE_NOT_UNDONE;
    if (err != NULL)
        *err = c.context.not_undone;
    return ok;
}
