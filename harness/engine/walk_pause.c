#include "engine/walk.h"

/* A pause of a walk, and its end. Between being asked and standing still lies the way of the faults
 * out, and of killed processes back; a resume that comes meanwhile waits for that. */

#define WALK_OF(hold_, field) ((struct walk *)((char *)(hold_)-offsetof(struct walk, field)))

static void on_settled(struct hold *h, uint64_t now_ns)
{
    struct walk *w = WALK_OF(h, stage_hold);
    struct error err = {0};
    if (!walk_certs_resume(w, now_ns - w->paused_ns, &err))
        walk_break(w, &err);
    else if (w->phase == NULL)
        walk_phase_next(w);
    else
        walk_phase_continue(w);
}

/* The faults are back, or out: the next thing. */
static void step(struct walk *w)
{
    struct loop *loop = w->context->loop;
    if (!walk_phase_settled(w))
        return;
    if (w->state == WALK_PAUSED && !w->paused) {
        w->state = WALK_RESUMING;
        walk_arm_update(w, false);
        if (!walk_phase_settled(w))
            return;
    }
    if (w->state == WALK_RESUMING)
        loop_hold_add(loop, &w->stage_hold, loop_now_ns(loop) + w->settle_ns, on_settled);
}

void walk_pause_on_armed(struct walk *w)
{
    bool settling = w->state == WALK_RESUMING && !hold_is_idle(&w->stage_hold) &&
                    w->stage_hold.fire == on_settled;
    if (!settling)
        step(w);
}

bool walk_pause(struct walk *w)
{
    struct error err = {0};
    uint64_t now_ns = loop_now_ns(w->context->loop);
    bool in_phase = w->state == WALK_RUNNING || w->state == WALK_ARMING;
    if (w->state >= WALK_RECOVERING || w->paused)
        return w->paused;
    w->paused = true;
    if (w->state != WALK_RESUMING && w->state != WALK_PAUSED) /* else it stands since then */
        w->paused_ns = now_ns;
    walk_certs_pause(w);
    if (in_phase) {
        walk_phase_stop_holds(w);
        if (!store_phase_end(w->context->store, w->phase_id, "pause", now_ns, &err)) {
            walk_break(w, &err);
            return true;
        }
        walk_tell(w, "phase.end", "%s (pause)", w->phase->name);
    }
    if (in_phase || w->state == WALK_SETTLING || w->state == WALK_RESUMING)
        w->state = WALK_PAUSED;
    walk_arm_update(w, false);
    if (w->state == WALK_PAUSED)
        step(w);
    else
        walk_phase_on_armed(w);
    return true;
}

void walk_resume(struct walk *w)
{
    struct error err = {0};
    if (!w->paused || w->state >= WALK_RECOVERING)
        return;
    w->paused = false;
    if (w->state == WALK_PAUSED) {
        step(w);
        return;
    }
    if (w->state != WALK_DISARMING) /* nothing is in force yet, or any more */
        return;
    if (!walk_certs_resume(w, loop_now_ns(w->context->loop) - w->paused_ns, &err)) {
        walk_break(w, &err);
        return;
    }
    walk_arm_update(w, false); /* what is carried over */
    walk_phase_on_armed(w);
}
