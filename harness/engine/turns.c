#include "engine/turns.h"

#include "base/clock.h"

#include <stdlib.h>

#define BLOCK_NS (10 * NS_PER_S)
#define GAP_NS (500 * NS_PER_MS) /* what is under way ends before the next arm sends */
#define BLOCKS_MOST 2000         /* of one arm; walked thrice: NUMBERS_MOST of agent_load.c */

struct turn {
    struct walk *walk;
    size_t run;         /* of the walk's runs */
    uint64_t length_ns; /* of the phase's own time; UINT64_MAX: to its end */
};
struct turns {
    struct loop *loop;
    struct walk *const *walks;
    size_t count;
    uint64_t seed, block_ns;
    struct turn *list; /* of the phase under way */
    size_t list_count, next;
    bool given; /* a turn that was not yet seen to be over */
    struct hold gap_hold;
};

static bool can_be_cut(const struct scenario *s, const struct phase *phase)
{
    bool own = phase->load_count > 0;
    const struct load_plan *loads = own ? phase->loads : s->loads;
    size_t count = own ? phase->load_count : s->load_count;
    for (size_t i = 0; i < phase->step_count; i++)
        if (phase->steps[i].kind == STEP_AWAIT)
            return false;
    for (size_t i = 0; i < count; i++)
        if (loads[i].tagged_count > 0 || loads[i].ramp_ns > 0)
            return false;
    return phase->ends == PHASE_BY_CLOCK;
}

static uint64_t rounds_of(const struct scenario *s, const struct phase *p, uint64_t block_ns)
{
    return can_be_cut(s, p) ? (p->lasting_ns + block_ns - 1) / block_ns : 1;
}

bool turns_check(const struct scenario *s, uint64_t block_ns, struct error *err)
{
    uint64_t rounds = 0, block = block_ns == 0 ? BLOCK_NS : block_ns;
    for (size_t i = 0; i < s->phase_count; i++)
        rounds += rounds_of(s, &s->phases[i], block);
    return rounds <= BLOCKS_MOST ||
           error_at(err, s->source, ERROR_LIMIT,
                    "the arms of \"%.80s\" have %llu blocks each; at most %d are allowed",
                    s->arms_of == NULL ? s->name : s->arms_of, (unsigned long long)rounds,
                    BLOCKS_MOST);
}

struct turns *turns_new(struct loop *loop, struct walk *const *walks, size_t count, uint64_t seed,
                        uint64_t block_ns)
{
    struct turns *t = check_alloc_zero(1, sizeof(*t));
    t->loop = loop;
    t->walks = walks;
    t->count = count;
    t->seed = seed;
    t->block_ns = block_ns == 0 ? BLOCK_NS : block_ns;
    for (size_t i = 0; i < count; i++)
        walks[i]->in_turns = true;
    return t;
}

void turns_free(struct turns *t)
{
    if (t == NULL)
        return;
    loop_hold_remove(t->loop, &t->gap_hold);
    free(t->list);
    free(t);
}

static void deal_round(struct turns *t, size_t round, size_t run, uint64_t length_ns)
{
    struct turn *turns = &t->list[round * t->count];
    struct rng rng = rng_for(t->seed, 0x7475726e, run, round, 0);
    for (size_t i = 0; i < t->count; i++)
        turns[i] = (struct turn){t->walks[i], run, length_ns};
    rng_shuffle(&rng, turns, t->count, sizeof(*turns));
}

/* The turns of the next phase, once all arms stand before it. */
static bool deal(struct turns *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->walks[i]->state != WALK_STANDING || t->walks[i]->phase != NULL)
            return false;
    const struct walk *first = t->walks[0];
    const struct phase *phase = &first->scenario->phases[first->runs[first->run_next].ordinal];
    uint64_t rounds = rounds_of(first->scenario, phase, t->block_ns);
    free(t->list);
    t->list_count = (size_t)rounds * t->count;
    t->list = check_alloc_zero(t->list_count, sizeof(*t->list));
    t->next = 0;
    for (size_t r = 0; r < rounds; r++)
        deal_round(t, r, first->run_next, rounds == 1 ? UINT64_MAX : t->block_ns);
    return true;
}

/* A block that began late ends late, and leaves less to those after it. */
static bool is_over(const struct turn *turn)
{
    return turn->walk->phase == NULL && turn->walk->run_next > turn->run;
}

/* All turns were had, and a phase is not over: nobody may wait for ever. */
static struct walk *left_amid(const struct turns *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->walks[i]->state == WALK_STANDING && t->walks[i]->phase != NULL)
            return t->walks[i];
    return NULL;
}

/* It has its turn still: a phase is under way, or on its way in or out. */
static bool is_busy(const struct walk *w)
{
    return w->state == WALK_ARMING || w->state == WALK_RUNNING || w->state == WALK_DISARMING ||
           w->state == WALK_PAUSED || w->state == WALK_RESUMING;
}

static void on_gap_over(struct hold *h, uint64_t now_ns)
{
    (void)now_ns;
    turns_step((struct turns *)((char *)h - offsetof(struct turns, gap_hold)));
}

void turns_step(struct turns *t)
{
    if (!hold_is_idle(&t->gap_hold))
        return;
    for (size_t i = 0; i < t->count; i++)
        if (is_busy(t->walks[i]) || t->walks[i]->paused)
            return;
    if (t->given) {
        t->given = false;
        loop_hold_add(t->loop, &t->gap_hold, loop_now_ns(t->loop) + GAP_NS, on_gap_over);
        return;
    }
    while (t->next < t->list_count && is_over(&t->list[t->next]))
        t->next++;
    struct walk *left = t->next == t->list_count ? left_amid(t) : NULL;
    if (left != NULL) {
        t->given = true;
        walk_turn(left, UINT64_MAX);
        return;
    }
    if (t->next == t->list_count && !deal(t))
        return;
    const struct turn *turn = &t->list[t->next];
    if (turn->walk->state != WALK_STANDING) /* it settles */
        return;
    t->next++;
    t->given = true;
    walk_turn(turn->walk, turn->length_ns);
}
