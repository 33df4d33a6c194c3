#include "explore/search.h"

#include "base/rng.h"

#define STREAM UINT64_C(0x736561726368) /* "search": the seeds of the runs */

struct search {
    const struct space *spaces;
    size_t space_count;
    const struct search_options *options;
    const struct search_oracle *oracle;
    struct search_result *result;
    uint64_t runs;       /* walked so far to look closer */
    uint64_t longest_ns; /* of one of them */
    uint64_t ends_ns;    /* of the budget in force */
    size_t broken;       /* in a row */
    bool stopped;
};

static uint64_t now_ns(const struct search *s)
{
    return s->oracle->now_ns(s->oracle->cookie);
}

/* One more run is likely to end in time; the first is always begun. */
static bool has_time(const struct search *s)
{
    return now_ns(s) + s->longest_ns < s->ends_ns;
}

static void keep(struct search *s, enum search_evidence from, enum search_evidence to)
{
    s->oracle->keep(s->oracle->cookie, from, to);
}

static void walk(struct search *s, struct trial *t, struct trial_result *ret)
{
    uint64_t began_ns = now_ns(s);
    uint64_t run = t->stage == TRIAL_DRAWN ? 0 : ++s->runs;
    struct rng rng = rng_for(s->options->seed, STREAM, t->number, run, 0);
    t->seed = rng_next(&rng);
    *ret = (struct trial_result){.end = TRIAL_BROKEN};
    s->oracle->judge(s->oracle->cookie, t, ret);
    uint64_t took_ns = now_ns(s) - began_ns;
    s->longest_ns = took_ns > s->longest_ns ? took_ns : s->longest_ns;
    s->broken = ret->end == TRIAL_BROKEN ? s->broken + 1 : 0;
    s->stopped = s->stopped || ret->end == TRIAL_STOPPED || s->broken >= SEARCH_BROKEN_MOST;
}

/* --- replays --- */

struct replaying {
    struct search *search;
    struct trial trial;
    struct trial_result last;
};

static bool fails_again(struct replaying *r, const struct schedule *schedule, uint32_t replay)
{
    struct trial t = r->trial;
    t.schedule = schedule;
    t.replay = replay;
    walk(r->search, &t, &r->last);
    return r->last.end == TRIAL_FAIL;
}

/* k of k. */
static bool fails(void *cookie, const struct schedule *schedule)
{
    struct replaying *r = cookie;
    for (uint32_t i = 1; i <= r->search->options->replays; i++)
        if (r->search->stopped || !fails_again(r, schedule, i))
            return false;
    keep(r->search, EVIDENCE_NEWEST, EVIDENCE_SMALLEST);
    return true;
}

static bool fits(void *cookie, const struct schedule *schedule)
{
    const struct replaying *r = cookie;
    struct error unused = {0};
    return space_fits(&r->search->spaces[r->trial.space], schedule, &unused);
}

static bool may_go_on(void *cookie)
{
    const struct replaying *r = cookie;
    return !r->search->stopped && has_time(r->search);
}

/* The drawn schedule FAILs in every replay, the first of them beside a right mesh. */
static bool stands(struct search *s, struct replaying *r, const struct schedule *schedule)
{
    for (uint32_t i = 1; i <= s->options->replays; i++) {
        r->trial.beside_right = i == 1;
        if (s->stopped || !fails_again(r, schedule, i))
            return false;
        if (i == 1) {
            s->result->failed.right_fails = r->last.right_fails;
            s->result->failed.doubted = r->last.doubted;
        }
        if (r->last.doubted)
            return false;
    }
    keep(s, EVIDENCE_CLOSER, EVIDENCE_DRAWN);
    keep(s, EVIDENCE_NEWEST, EVIDENCE_SMALLEST);
    return true;
}

/* Whatever ends the shrinking, the smallest that was seen to fail is kept. */
static void make_smaller(struct search *s, struct replaying *r)
{
    struct search_result *result = s->result;
    struct shrink_result shrunk;
    const struct shrink_oracle oracle = {
        .fails = fails, .fits = fits, .may_go_on = may_go_on, .cookie = r};
    r->trial.stage = TRIAL_SMALLER;
    r->trial.beside_right = false;
    shrink_schedule(&result->smallest, &oracle, &shrunk);
    result->tried = shrunk.asked;
    result->minimal = shrunk.minimal;
    if (s->stopped)
        return;
    r->trial.stage = TRIAL_LAST;
    r->trial.beside_right = true;
    result->last_failed = fails_again(r, &result->smallest, 1) && !r->last.doubted;
    if (!result->last_failed && !s->stopped) {
        /* Shrinking went where the judge errs, or where the failure shows only now and then: the
         * drawn schedule stands as it was found. */
        result->smallest = result->drawn;
        result->minimal = false;
        keep(s, EVIDENCE_SMALLEST, EVIDENCE_NEWEST);
    } else if (result->last_failed) {
        result->failed.right_fails = r->last.right_fails;
        keep(s, EVIDENCE_NEWEST, EVIDENCE_SMALLEST);
    }
}

/* A claim FAILed for the first time. True: that is what we found. */
static bool look_closer(struct search *s, const struct trial *t, const struct trial_result *first)
{
    struct search_result *result = s->result, before = *result;
    struct replaying r = {.search = s, .trial = *t};
    s->ends_ns = now_ns(s) + s->options->shrink_ns;
    result->failed = *first;
    result->drawn = result->smallest = *t->schedule;
    result->space = t->space;
    result->number = t->number;
    keep(s, EVIDENCE_NEWEST, EVIDENCE_CLOSER);
    r.trial.stage = TRIAL_REPLAY;
    r.trial.claim = result->failed.claim;
    r.trial.word = result->failed.word;
    r.trial.on = result->failed.on;
    if (stands(s, &r, &result->drawn)) {
        make_smaller(s, &r);
        result->end = SEARCH_FOUND;
        result->stopped = s->stopped;
        return true;
    }
    bool doubted = r.last.end == TRIAL_FAIL && r.last.doubted;
    if (doubted || before.end == SEARCH_ONCE) {
        uint64_t doubts = result->doubted + doubted;
        *result = before;
        result->doubted = doubts;
    } else {
        result->end = SEARCH_ONCE;
        keep(s, EVIDENCE_CLOSER, EVIDENCE_DRAWN);
    }
    return false;
}

bool search_run(const struct space *spaces, size_t space_count,
                const struct search_options *options, const struct search_oracle *oracle,
                struct search_result *ret, struct error *err)
{
    struct search s = {.spaces = spaces,
                       .space_count = space_count,
                       .options = options,
                       .oracle = oracle,
                       .result = ret};
    *ret = (struct search_result){.end = SEARCH_NOTHING};
    uint64_t ends_ns = now_ns(&s) + options->budget_ns;
    for (uint64_t number = 1; !s.stopped; number++) {
        struct schedule schedule;
        struct trial_result result;
        struct trial t = {
            .stage = TRIAL_DRAWN, .schedule = &schedule, .number = number, .replay = 1};
        s.ends_ns = ends_ns;
        if (number > 1 && !has_time(&s))
            break;
        t.space = (size_t)((number - 1) % space_count);
        if (!draw_schedule(&spaces[t.space], options->seed, number, &schedule, err))
            return false;
        walk(&s, &t, &result);
        if (result.end == TRIAL_STOPPED)
            break;
        ret->trials++;
        ret->decided += result.end == TRIAL_PASS || result.end == TRIAL_FAIL;
        uint64_t began_ns = now_ns(&s);
        if (result.end == TRIAL_FAIL && look_closer(&s, &t, &result))
            return true;
        /* What was spent on a closer look is not taken from the search. */
        ends_ns += now_ns(&s) - began_ns;
    }
    if (s.broken >= SEARCH_BROKEN_MOST)
        ret->end = ret->end == SEARCH_ONCE ? SEARCH_ONCE : SEARCH_BROKEN;
    else if (s.stopped)
        ret->stopped = true;
    if (s.stopped && ret->end == SEARCH_NOTHING)
        ret->end = SEARCH_STOPPED;
    return true;
}
