#include "engine/walk.h"

#include "base/clock.h"

/* The loads of a walk: all of them are silent before a phase begins, and start once its faults are
 * in force. Between those two moments nothing is sent, so that no request of the phase before, or
 * of the settling after it, lies in a phase that did not ask for it: the agents hear of a new phase
 * after it has begun, by as much as a message takes. */

#define WALK_OF(hold_, field) ((struct walk *)((char *)(hold_)-offsetof(struct walk, field)))
#define SILENT_WITHIN_NS (10 * NS_PER_S)

static void on_silent_late(struct hold *h, uint64_t now_ns)
{
    struct error err = {0};
    (void)now_ns;
    error_set(&err, ERROR_PEER, "a load agent did not answer STOP within %d s",
              (int)(SILENT_WITHIN_NS / NS_PER_S));
    walk_break(WALK_OF(h, stage_hold), &err);
}

/* One that is away answers when it is back; one that is lost is the end of the run. */
static bool all_have_said_so(const struct walk *w)
{
    for (size_t i = 0; i < w->load_count; i++)
        if (w->loads[i]->stopped != w->silences)
            return false;
    return true;
}

bool walk_load_silent(struct walk *w)
{
    struct error err = {0};
    struct loop *loop = w->context->loop;
    if (!w->load_started || w->load_silent || w->in_turns) /* a turn ends by a STOP of its own */
        return true;
    w->silences++;
    w->state = WALK_SETTLING;
    for (size_t i = 0; i < w->load_count; i++)
        if (!actor_send(w->loads[i], CONTROL_STOP,
                        json_pack("{sI}", "number", (json_int_t)w->silences), &err)) {
            walk_break(w, &err);
            return false;
        }
    loop_hold_add(loop, &w->stage_hold, loop_now_ns(loop) + SILENT_WITHIN_NS, on_silent_late);
    walk_load_on_silent(w); /* none is there to be waited for */
    return false;
}

void walk_load_on_silent(struct walk *w)
{
    bool waits = w->state == WALK_SETTLING && !hold_is_idle(&w->stage_hold) &&
                 w->stage_hold.fire == on_silent_late;
    if (!waits || !all_have_said_so(w))
        return;
    loop_hold_remove(w->context->loop, &w->stage_hold);
    w->load_silent = true;
    walk_phase_next(w);
}

void walk_load_start(struct walk *w)
{
    struct error err = {0};
    uint64_t seed = w->runs[w->run_next - 1].seed, in_ns = walk_fleet_barrier(w);
    if (w->in_turns && w->block > 1) /* all arms send alike, and no block as the one before */
        seed = rng_mix(seed ^ rng_mix(w->block));
    bool ok = true;
    for (size_t i = 0; ok && i < w->load_count; i++) {
        if (w->load_started && !w->load_silent) /* it went on through a pause, or a turn's end */
            ok = actor_send(w->loads[i], CONTROL_STOP, json_object(), &err);
        ok = ok && actor_send(w->loads[i], CONTROL_START,
                              json_pack("{sI sI sI sI}", "phase", (json_int_t)w->phase_id,
                                        "ordinal", (json_int_t)w->ordinal, "seed", (json_int_t)seed,
                                        "in_ns", (json_int_t)in_ns),
                              &err);
    }
    w->load_started = true;
    w->load_silent = false;
    w->phase_loaded = true;
    w->phase_t0_ns += in_ns; /* the phase lasts as long as its load does */
    if (!ok)
        walk_break(w, &err);
}
