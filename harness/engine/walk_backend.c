#include "engine/walk_target.h"
#include "engine/walk_world.h"

#include "base/clock.h"
#include "faults/process.h"

/* fault.kill, fault.pause and fault.restart of an endpoint that dials in. Its backend is the child
 * of its proxy's agent, which is told by ARM what is to become of it, and says ARMED when that is
 * so: the read-back that the ledger and the journal go by. An endpoint that passes on to what runs
 * already has none: its proxy plays it dead (ADR 0032). */

#define END_SEEN_AGAIN_NS (20 * NS_PER_MS)

bool walk_backend_is(const struct walk_target *t)
{
    return t->actor->id != NULL;
}

/* --- acts, by the ARM that follows --- */

static void ask(struct walk_target *t)
{
    t->asked = true;
    t->since_ns = clock_now_ns();
}

bool walk_backend_stop(struct walk_target *t, struct error *err)
{
    if (!walk_target_promise_lab(t, "running", "stopped", err))
        return false;
    t->state = TARGET_STOPPED;
    ask(t);
    actor_stopped(t->actor, t->since_ns); /* its silence is ours from now on */
    return true;
}

void walk_backend_kill(struct walk_target *t)
{
    ask(t);
    if (!t->relayed)
        actor_expect_end(t->actor);
}

/* It is told to end when its proxy's agent knows of it: else its end would be a loss. */
void walk_backend_end(struct walk_target *t)
{
    ask(t);
}

void walk_backend_go_on(struct walk_target *t)
{
    t->state = TARGET_GOING_ON;
    t->since_ns = clock_now_ns();
    walk_arm_send(t->walk, t->use->service);
}

/* Its proxy listens again. */
static void open_again(struct walk_target *t)
{
    t->since_ns = clock_now_ns();
    t->state = TARGET_STARTING;
    t->use->stands_in = false;
    walk_arm_send(t->walk, t->use->service);
}

void walk_backend_start(struct walk_target *t)
{
    struct walk_context *c = t->walk->context;
    struct error err = {0};
    if (t->relayed) {
        open_again(t);
        return;
    }
    if (!actor_expect_again(t->actor, c->next_proc + 1, &err)) {
        if (err.kind != ERROR_NONE)
            walk_break(t->walk, &err);
        else
            walk_target_wait(t, loop_now_ns(c->loop) + END_SEEN_AGAIN_NS);
        return;
    }
    c->next_proc++;
    t->state = TARGET_STARTING;
    walk_arm_send(t->walk, t->use->service);
}

static const char *wanted_of(const struct walk_target *t)
{
    if (t->relayed || !walk_backend_is(t))
        return NULL;
    return t->state == TARGET_DOWN      ? "dead"
           : t->state == TARGET_ENDING  ? "ending"
           : t->state == TARGET_STOPPED ? "paused"
                                        : NULL;
}

static bool is_process(const struct walk_use *u)
{
    enum world_kind kind = u->fault.type->world;
    return kind == WORLD_KILL || kind == WORLD_PAUSE || kind == WORLD_RESTART;
}

const char *walk_backend_wanted(const struct walk *w, size_t service, uint32_t first,
                                uint32_t count)
{
    for (size_t i = 0; i < w->use_count; i++) {
        const struct walk_use *u = &w->uses[i];
        for (size_t k = 0; u->service == service && is_process(u) && k < u->target_count; k++) {
            const struct walk_target *t = &u->targets[k];
            const char *wanted = wanted_of(t);
            uint32_t endpoint = wanted == NULL ? 0 : walk_target_endpoint(t);
            if (endpoint >= first && endpoint - first < count)
                return wanted;
        }
    }
    return NULL;
}

/* --- what its proxy's agent says --- */

static bool note_done(struct walk_target *t, struct error *err)
{
    bool pause = t->use->fault.type->world == WORLD_PAUSE;
    if (!undo_done(t->walk->context->undo, t->entry, err))
        return false;
    walk_target_journal(t, STEP_DONE, pause ? "running" : "up", pause ? "stopped" : "killed", true,
                        t->since_ns);
    return true;
}

static bool note_back(struct walk_target *t, struct error *err)
{
    bool pause = t->state == TARGET_GOING_ON;
    if (pause)
        actor_goes_on(t->actor, clock_now_ns());
    if (!undo_confirm(t->walk->context->undo, t->entry, err))
        return false;
    walk_target_end(t, pause ? "stopped" : "down", pause ? "running" : "up", t->since_ns);
    return true;
}

static bool on_armed(struct walk_target *t, struct error *err)
{
    const struct fault_process *asked = t->use->fault.params;
    bool was_asked = t->asked;
    t->asked = false;
    if (was_asked && t->state == TARGET_ENDING) {
        actor_drain(t->actor, asked->grace);
        walk_target_wait(t, loop_now_ns(t->walk->context->loop) + asked->grace);
        return true;
    }
    if (was_asked && !note_done(t, err))
        return false;
    if (t->state == TARGET_GOING_ON || (t->relayed && t->state == TARGET_STARTING))
        return note_back(t, err);
    return true;
}

void walk_backend_on_armed(struct walk *w, const struct actor *proxy)
{
    struct error err = {0};
    for (size_t i = 0; i < w->use_count; i++) {
        struct walk_use *u = &w->uses[i];
        for (size_t k = 0; is_process(u) && k < u->target_count; k++) {
            struct walk_target *t = &u->targets[k];
            bool is_its = t->state != TARGET_IDLE && walk_backend_is(t) &&
                          proxy->armed == proxy->generation &&
                          walk_proxy_of(&w->services[u->service], walk_target_endpoint(t)) == proxy;
            if (is_its && !on_armed(t, &err))
                walk_break(w, &err);
        }
    }
}

static void end_with_agent(struct walk_target *t)
{
    struct walk *w = t->walk;
    struct error err = {0};
    bool pause = t->use->fault.type->world == WORLD_PAUSE;
    uint64_t since_ns = clock_now_ns();
    loop_hold_remove(w->context->loop, &t->hold);
    t->asked = false;
    if (!t->relayed && !pause)
        actor_expect_end(t->actor); /* of one that was to dial in: it does not any more */
    if (undo_confirm(w->context->undo, t->entry, &err))
        walk_target_end(t, pause ? "stopped" : "down", "its agent was lost", since_ns);
    else
        walk_break(w, &err);
}

void walk_backend_on_lost(struct walk *w, const struct actor *proxy)
{
    for (size_t i = 0; i < w->use_count; i++) {
        struct walk_use *u = &w->uses[i];
        for (size_t k = 0; is_process(u) && k < u->target_count; k++) {
            struct walk_target *t = &u->targets[k];
            if (t->state != TARGET_IDLE && walk_backend_is(t) &&
                walk_proxy_of(&w->services[u->service], walk_target_endpoint(t)) == proxy)
                end_with_agent(t);
        }
    }
}
