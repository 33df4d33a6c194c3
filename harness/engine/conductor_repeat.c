/* The confirmation stage: the phases of a walk are over, and some may be asked for again. */
#include "engine/conductor.h"

#include "base/clock.h"

#define REPEATS_MOST 64

/* What is asked of the whole scenario is asked now; the answers need no lab. */
static void finish(struct conductor *c, struct walk *w)
{
    struct error err = {0};
    if (w->subject && c->stopping == STOPPING_NOT && !asker_expects(c->asker, w, &err))
        conductor_stop(c, STOPPING_BROKEN, &err, 0);
    walk_finish(w);
}

/* Whether these phases are over by the deadline, should they last as long as they may. */
static bool is_time_for(const struct conductor *c, const struct walk *w, const uint32_t *ordinals,
                        size_t count)
{
    uint64_t now_ns = clock_now_ns(), sum = 0;
    for (size_t i = 0; i < count; i++) {
        const struct phase *p = &w->scenario->phases[ordinals[i]];
        sum += phase_most_ns(p) + p->settle_ns;
    }
    return c->deadline_ns == UINT64_MAX ||
           (c->deadline_ns > now_ns && sum < c->deadline_ns - now_ns);
}

/* Phases of the walk that are asked for again (the confirmation stage). The first time they are
 * walked whatever the deadline, for a FAIL that nobody tried to confirm would stand; what is only
 * undecided after that is not worth a run that ends as aborted. */
static size_t ask_repeats(struct conductor *c, const struct walk *w, uint32_t *ret, size_t most)
{
    size_t count = 0;
    if (c->options->repeats == NULL || c->stopping != STOPPING_NOT)
        return 0;
    conductor_write_own(c);
    if (conductor_commit(c))
        count = c->options->repeats(c->options->cookie, c->options->journal, w->plan->scenario,
                                    w->plan->arm, w->repeats, ret, most);
    c->away_ns = clock_now_ns();
    count = count < most ? count : most;
    return w->repeats == 0 || is_time_for(c, w, ret, count) ? count : 0;
}

void conductor_walk_idle(struct conductor *c, struct walk *w)
{
    uint32_t ordinals[REPEATS_MOST];
    size_t count = ask_repeats(c, w, ordinals, REPEATS_MOST);
    if (count > 0)
        walk_repeat(w, ordinals, count);
    else
        finish(c, w);
}

void conductor_arms_idle(struct conductor *c)
{
    uint32_t ordinals[REPEATS_MOST];
    size_t count = 0;
    for (size_t i = 0; i < c->walk_count; i++) {
        uint32_t asked[REPEATS_MOST];
        size_t more = ask_repeats(c, c->walks[i], asked, REPEATS_MOST);
        for (size_t k = 0; k < more; k++) {
            bool known = false;
            for (size_t n = 0; n < count; n++)
                known = known || ordinals[n] == asked[k];
            if (!known && count < REPEATS_MOST)
                ordinals[count++] = asked[k];
        }
    }
    for (size_t i = 0; i < c->walk_count; i++) {
        if (count > 0)
            walk_repeat(c->walks[i], ordinals, count);
        else
            finish(c, c->walks[i]);
    }
}
