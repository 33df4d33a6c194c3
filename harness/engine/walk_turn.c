#include "engine/walk.h"

#include "base/clock.h"

/* An arm's turn, of those that a scenario's arms take (turns.h). Between two of them the arm
 * stands: it sends nothing, its phase's clock stands, and what is in force stays in force. The
 * journal keeps one row for the phase, and each block of it as two events; what lies between them
 * is no evidence. */

void walk_turn_event(struct walk *w, const char *what, uint64_t now_ns)
{
    walk_event(w, what, json_pack("{ss sI}", "arm", w->plan->arm, "block", (json_int_t)w->block),
               now_ns);
}

/* The load has nothing more to do in this turn; what it has under way ends by itself. */
static void rest(struct walk *w)
{
    struct error err = {0};
    w->has_turn = false;
    w->phase_loaded = false;
    for (size_t i = 0; w->load_started && i < w->load_count; i++)
        if (w->loads[i]->state == ACTOR_READY &&
            !actor_send(w->loads[i], CONTROL_STOP, json_object(), &err))
            walk_break(w, &err);
}

void walk_turn_phase_ended(struct walk *w, uint64_t now_ns)
{
    if (!w->in_turns)
        return;
    walk_turn_event(w, "block.end", now_ns);
    rest(w);
}

void walk_turn_over(struct hold *h, uint64_t now_ns)
{
    struct walk *w = (struct walk *)((char *)h - offsetof(struct walk, turn_hold));
    walk_phase_stop_holds(w);
    walk_certs_pause(w);
    walk_turn_event(w, "block.end", now_ns);
    rest(w);
    w->stood_ns = now_ns;
    w->state = WALK_STANDING;
    w->context->on_change(w->context->cookie, w);
}

void walk_turn_wait(struct walk *w)
{
    w->state = WALK_STANDING;
    w->context->on_change(w->context->cookie, w);
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void walk_turn(struct walk *w, uint64_t length_ns)
{
    struct error err = {0};
    uint64_t now_ns = loop_now_ns(w->context->loop);
    INVARIANT(w->state == WALK_STANDING);
    w->has_turn = true;
    if (w->phase == NULL) {
        w->block = 1;
        w->turn_until_ns = length_ns;
        walk_phase_next(w);
        return;
    }
    w->block++;
    w->goes_on = true;
    w->turn_until_ns = plus(w->stood_ns - w->phase_t0_ns, length_ns);
    w->phase_t0_ns += now_ns - w->stood_ns;
    w->state = WALK_ARMING;
    if (!walk_certs_resume(w, now_ns - w->stood_ns, &err)) {
        walk_break(w, &err);
        return;
    }
    walk_arm_update(w, false);
    walk_phase_on_armed(w);
}
