#include "engine/walk_world.h"

#include "base/clock.h"
#include "engine/walk_target.h"
#include "journal/arm.h"
#include "journal/recorder.h"
#include "world/guardian.h"
#include "world/undo_lab.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* World faults of a walk: the ledger and the guardian of the run, what is common to all of them
 * (the promise, the record, the ttl), and whose turn it is: walk_process.c kills, stops and
 * restarts, walk_netem.c impairs devices, walk_cut.c cuts control planes. */

#define LEAVE_WITHIN_NS (2 * NS_PER_S)
#define TTL_MARGIN_NS (60 * NS_PER_S)
#define TTL_LEAST_NS (1800 * NS_PER_S)

/* --- the ledger and the guardian of a run --- */

static bool has_world_fault(const struct step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct fault_type *type =
            steps[i].kind == STEP_FAULT ? fault_type_find(steps[i].word) : NULL;
        if ((type != NULL && type->world != WORLD_NONE) ||
            has_world_fault(steps[i].steps, steps[i].step_count))
            return true;
    }
    return false;
}

static bool changes_world(const struct scenario *s)
{
    bool any = has_world_fault(s->steps, s->step_count);
    for (size_t i = 0; i < s->phase_count && !any; i++)
        any = has_world_fault(s->phases[i].steps, s->phases[i].step_count);
    return any;
}

static bool make_folder(const char *path, struct error *err)
{
    char *copy = check_strdup(path), *folder = dirname(copy);
    bool ok = true;
    for (char *at = folder + 1; ok && at != NULL;) {
        at = strchr(at, '/');
        if (at != NULL)
            *at = '\0';
        ok = mkdir(folder, 0700) == 0 || errno == EEXIST ||
             error_system(err, errno, "making %s", folder);
        if (at != NULL)
            *at++ = '/';
    }
    free(copy);
    return ok;
}

bool walk_world_open(struct walk_context *c, const struct walk_plan *walks, size_t count,
                     struct error *err)
{
    const struct engine_options *o = c->options;
    uint64_t ttl_ns = o->deadline_ns > TTL_LEAST_NS ? o->deadline_ns : TTL_LEAST_NS;
    bool any = false;
    for (size_t i = 0; i < count && !any; i++)
        any = changes_world(walks[i].scenario_plan);
    if (!any)
        return true;
    if (o->ledger == NULL)
        return error_set(err, ERROR_USAGE, "this run changes the world and has no ledger");
    return make_folder(o->ledger, err) && undo_open(o->ledger, o->run, &c->undo, err) &&
           guardian_start(o->ledger, ttl_ns + TTL_MARGIN_NS, &c->guardian, err);
}

/* The ledger is closed before: what it promises is the guardian's from here on. */
static void leave(struct walk_context *c)
{
    bool changes = c->undo != NULL && undo_outstanding(c->undo) > 0;
    if (!changes)
        guardian_end(c->guardian);
    undo_close(c->undo);
    if (changes && !guardian_leave(c->guardian, LEAVE_WITHIN_NS))
        error_set(&c->not_undone, ERROR_SYSTEM,
                  "left at once, and the guardian has not said within %d s that all is back",
                  (int)(LEAVE_WITHIN_NS / NS_PER_S));
    c->undo = NULL;
    c->guardian = NULL;
}

void walk_world_shut(struct walk_context *c)
{
    struct error err = {0};
    if (c->leaving) {
        leave(c);
        return;
    }
    if (c->undo != NULL && !undo_revert_all(c->undo, &err) && c->not_undone.kind == ERROR_NONE)
        c->not_undone = err;
    guardian_end(c->guardian);
    undo_close(c->undo);
    c->guardian = NULL;
    c->undo = NULL;
}

bool walk_world_collect(struct walk *w, const struct step *step, struct walk_use *u,
                        struct error *err)
{
    enum world_kind kind = u->fault.type->world;
    if (kind == WORLD_NETEM)
        return walk_netem_collect(w, step, u, err);
    return kind == WORLD_CUT ? walk_cut_collect(w, step, u, err)
                             : walk_process_collect(w, step, u, err);
}

bool walk_world_is_proxy(const struct fault_use *use)
{
    return use->type->world == WORLD_CUT || walk_process_is_proxy(use);
}

/* --- records --- */

void walk_target_journal(struct walk_target *t, enum world_step step, const char *before,
                         const char *after, bool ok, uint64_t since_ns)
{
    struct recorder *own = t->walk->context->own;
    struct world_record r = {.at = since_ns,
                             .after = clock_now_ns() - since_ns + 1,
                             .entry = t->entry,
                             .fault = t->use->fault.id,
                             .step = (uint8_t)step,
                             .read_back_ok = ok};
    if (own == NULL)
        return;
    r.what = recorder_name(own, bytes_of(t->use->step->word));
    char place[160]; /* an arm among others, and a control, name themselves */
    const char *arm = t->walk->plan->arm;
    bool alone = strcmp(arm, ARM_SUBJECT) == 0;
    snprintf(place, sizeof(place), "%s%s%s", alone ? "" : arm_shown(arm), alone ? "" : ": ",
             t->place);
    r.place = recorder_name(own, bytes_of(place));
    r.before = recorder_name(own, bytes_of(before));
    r.after_text = recorder_name(own, bytes_of(after));
    recorder_emit(own, RECORD_WORLD, &r);
}

void walk_target_not_undone(struct walk *w, const struct error *why)
{
    if (w->context->not_undone.kind == ERROR_NONE)
        w->context->not_undone = *why;
    walk_tell(w, "undo.failed", "%s", why->text);
}

bool walk_target_promise(struct walk_target *t, const struct undo_type *type, json_t *take_note,
                         const char *before, const char *after, struct error *err)
{
    uint64_t since_ns = clock_now_ns();
    if (!undo_promise(t->walk->context->undo, type, take_note, &t->entry, err))
        return false;
    walk_target_journal(t, STEP_PROMISED, before, after, true, since_ns);
    return true;
}

bool walk_target_promise_lab(struct walk_target *t, const char *before, const char *after,
                             struct error *err)
{
    struct process self;
    return process_read(getpid(), &self, err) &&
           walk_target_promise(t, &undo_lab,
                               undo_lab_note(t->use->fault.type->name, t->place, &self), before,
                               after, err);
}

void walk_target_end(struct walk_target *t, const char *before, const char *after,
                     uint64_t since_ns)
{
    t->state = TARGET_IDLE;
    walk_target_journal(t, STEP_UNDONE, before, after, true, since_ns);
}

struct walk_target *walk_target_find(const struct walk *w, const struct actor *a,
                                     enum target_state state)
{
    for (size_t i = 0; i < w->use_count; i++)
        for (size_t k = 0; k < w->uses[i].target_count; k++)
            if (w->uses[i].targets[k].actor == a && w->uses[i].targets[k].state == state &&
                !w->uses[i].targets[k].relayed)
                return &w->uses[i].targets[k];
    return NULL;
}

/* --- the clock of each --- */

/* Of a kill that lives on: not again before the walk asks. */
static void expire(struct walk_target *t)
{
    t->use->expired = true;
    walk_tell(t->walk, "fault.expired", "%s on %s: its ttl is over", t->use->step->word, t->place);
    struct fault_record r = {.at = loop_now_ns(t->walk->context->loop),
                             .fault = t->use->fault.id,
                             .what = FAULT_EXPIRED};
    struct recorder *own = t->walk->context->own;
    if (own != NULL) {
        r.place = recorder_name(own, bytes_of(t->place));
        recorder_emit(own, RECORD_FAULT, &r);
    }
}

static void on_hold(struct hold *h, uint64_t now_ns)
{
    struct walk_target *t = (struct walk_target *)(void *)h;
    if (t->walk->state >= WALK_DRAINING) /* the lab ends, and this with it */
        return;
    if (t->use->on && t->use->fault.type->world != WORLD_RESTART)
        expire(t);
    if (t->use->by_agent) {
        walk_impair_disarm(t);
        walk_arm_send(t->walk, t->use->service);
    } else if (t->state == TARGET_IMPAIRED) {
        walk_netem_disarm(t);
    } else if (t->state == TARGET_CUT) {
        walk_cut_disarm(t);
    } else {
        walk_process_due(t, now_ns);
    }
}

void walk_target_wait(struct walk_target *t, uint64_t at_ns)
{
    struct loop *loop = t->walk->context->loop;
    loop_hold_remove(loop, &t->hold);
    loop_hold_add(loop, &t->hold, at_ns, on_hold);
}

/* --- in force, and back --- */

bool walk_world_idle(const struct walk_use *u)
{
    for (size_t i = 0; i < u->target_count; i++)
        if (u->targets[i].state != TARGET_IDLE)
            return false;
    return true;
}

static bool arm(struct walk *w, struct walk_use *u, struct error *err)
{
    enum world_kind kind = u->fault.type->world;
    if (kind == WORLD_NETEM)
        return u->by_agent ? walk_impair_arm(w, u, err) : walk_netem_arm(w, u, err);
    return kind == WORLD_CUT ? walk_cut_arm(w, u, err) : walk_process_arm(w, u, err);
}

void walk_world_arm(struct walk *w, struct walk_use *u)
{
    struct error err = {0};
    uint64_t now_ns = loop_now_ns(w->context->loop);
    if (!arm(w, u, &err)) {
        walk_break(w, &err);
        return;
    }
    if (u->fault.type->world != WORLD_RESTART && u->ttl_ns < UINT64_MAX - now_ns)
        for (size_t i = 0; i < u->target_count; i++)
            walk_target_wait(&u->targets[i], now_ns + u->ttl_ns);
}

void walk_world_disarm(struct walk *w, struct walk_use *u)
{
    for (size_t i = u->target_count; i-- > 0;) {
        struct walk_target *t = &u->targets[i];
        if (u->by_agent) {
            loop_hold_remove(w->context->loop, &t->hold);
            walk_impair_disarm(t);
        } else if (t->state == TARGET_IMPAIRED) {
            loop_hold_remove(w->context->loop, &t->hold);
            walk_netem_disarm(t);
        } else if (u->fault.type->world == WORLD_CUT) {
            loop_hold_remove(w->context->loop, &t->hold);
            walk_cut_disarm(t);
        } else {
            walk_process_disarm(t);
        }
    }
}

bool walk_world_settled(const struct walk *w)
{
    for (size_t i = 0; i < w->use_count; i++)
        for (size_t k = 0; k < w->uses[i].target_count; k++) {
            enum target_state state = w->uses[i].targets[k].state;
            if (w->uses[i].on ? state == TARGET_CUTTING : state != TARGET_IDLE)
                return false;
        }
    return true;
}

/* The lab goes with its walk, and what was killed in it with it: then there is nothing to start
 * again. */
void walk_world_close(struct walk *w)
{
    for (size_t i = w->use_count; i-- > 0;)
        for (size_t k = w->uses[i].target_count; k-- > 0;) {
            struct walk_target *t = &w->uses[i].targets[k];
            struct error err = {0};
            uint64_t now_ns = clock_now_ns();
            loop_hold_remove(w->context->loop, &t->hold);
            /* What was changed outside of the lab is the guardian's; the lab has been killed. */
            if (w->context->leaving && (t->state == TARGET_STOPPED || t->state == TARGET_IMPAIRED))
                continue;
            if (t->state == TARGET_STOPPED && !walk_backend_is(t))
                walk_process_disarm(t);
            if (t->state == TARGET_IMPAIRED && !t->use->by_agent)
                walk_netem_disarm(t);
            if (t->state == TARGET_IDLE)
                continue;
            if (!undo_confirm(w->context->undo, t->entry, &err))
                walk_target_not_undone(w, &err);
            walk_target_end(t, "down", "the lab has ended", now_ns);
        }
}
