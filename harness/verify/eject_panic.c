/* eject.panic (spec/verifier.md 3.3), the lower side of the cap: while one host more fails than may
 * be out, as many as may be are out. An Envoy in panic sends to all of them, although its gauges
 * say that they are ejected, which the upper side of the cap cannot see. */
#include "verify/backoff.h"
#include "verify/claims.h"
#include "verify/eject.h"

#include "base/clock.h"

#include <stdlib.h>

#define LEAST 20 /* tries in that state */
/* Tries on hosts that should be out: so many are no leak of one update. */
#define STRIKES_LEAST 20
/* A try that came so much later than its back-off explains had waited for a connection: its host
 * may be out. */
#define FRESH_NS (50 * NS_PER_MS)
#define DOUBLINGS 8 /* a back-off has its most by then */

struct host_state {
    uint64_t due_ns; /* it certainly was to be out from then on; 0: not */
    bool fails;      /* since then every try that it got */
};
/* A gap in the picks of one host, too short or in too little traffic for a silence, in which it may
 * have been out. */
struct gap {
    uint64_t begin_ns, end_ns;
};
/* What a silence was by the shortest ejection. */
enum lasted { UNKNOWN, TOO_SHORT, LONG_ENOUGH };
struct panic {
    struct ejector e;
    struct gap *gaps;
    size_t gap_count;
    enum lasted *lasted; /* [silence] */
    struct host_state *hosts;
    uint64_t states;   /* tries while as many were out as may be, and one more had long failed */
    uint64_t strikes;  /* tries on hosts that should be out, of the present run */
    uint64_t run_ns;   /* when the present run began; 0: none */
    uint64_t fresh_ns; /* what back-off and transport explain of a try's delay */
    uint64_t stale_ns; /* when the last one came that had waited longer; 0: none */
    uint64_t worst, worst_ns;
    uint32_t worst_out;
};

static uint64_t panic_percent(const struct edge_policy *edge)
{
    return edge->outlier.min_health_percent.set ? edge->outlier.min_health_percent.number : 0;
}

/* What a panic ends is over sooner than the shortest ejection can be. */
static void find_lasted(const struct window *w, struct panic *p)
{
    const struct track *t = w->track;
    p->lasted = check_alloc_zero(t->silence_count + 1, sizeof(*p->lasted));
    for (size_t i = 0; i < t->silence_count; i++) {
        struct outing o;
        if (eject_outing(w, &p->e, i, &o) && o.ended)
            p->lasted[i] = o.most_ns < o.short_ns                      ? TOO_SHORT
                           : o.k_most == 1 && o.least_ns >= o.short_ns ? LONG_ENOUGH
                                                                       : UNKNOWN;
    }
}

static enum lasted lasted(const struct panic *p, const struct track *t, uint32_t after)
{
    for (size_t i = 0; i < t->silence_count; i++)
        if (t->silences[i].after == after && p->lasted[i] != UNKNOWN)
            return p->lasted[i];
    return UNKNOWN;
}

static void find_gaps(const struct track *t, struct panic *p)
{
    p->gaps = check_alloc_zero((size_t)t->try_count + t->host_count + 1, sizeof(*p->gaps));
    for (uint32_t h = 0; h < t->host_count; h++) {
        uint64_t before = 0;
        for (uint32_t i = 0; i < t->hosts[h].count; i++) {
            const struct try *x = &t->tries[t->hosts[h].tries[i]];
            if (x->after_gap && before != 0 && lasted(p, t, t->hosts[h].tries[i]) != TOO_SHORT)
                p->gaps[p->gap_count++] = (struct gap){before, x->head_ns};
            before = x->head_ns;
        }
        /* The walk may have ended within one of whatever length. */
        if (before != 0 && t->unseen_ns != UINT64_MAX)
            p->gaps[p->gap_count++] = (struct gap){before, t->to_ns};
    }
}

/* No host went out or came back just before, nor may have, nor may be out unseen: an update that
 * waits for another is no panic. It waits for as long again as the other was before it (ADR 0036).
 * Who comes back sooner than an ejection ends waits for none. */
static bool is_settled(const struct panic *p, const struct track *t, uint64_t t_ns,
                       uint64_t grace_ns)
{
    uint64_t late_ns = grace_ns + p->e.merge_ns;
    for (size_t i = 0; i < p->gap_count; i++)
        if (p->gaps[i].begin_ns <= t_ns && p->gaps[i].end_ns + late_ns > t_ns)
            return false;
    for (size_t i = 0; i < t->silence_count; i++) {
        const struct silence *s = &t->silences[i];
        bool back = s->after != TRACK_NONE && s->end_ns <= t_ns;
        if ((s->begin_ns <= t_ns && s->begin_ns + (back ? grace_ns : late_ns) > t_ns) ||
            (back && p->lasted[i] != TOO_SHORT && s->end_ns + late_ns > t_ns))
            return false;
    }
    return true;
}

/* The mesh has seen that they fail: what fills the count may end long after it began. */
static uint32_t failing(const struct panic *p, uint32_t count, uint64_t t_ns)
{
    uint32_t sum = 0;
    for (uint32_t h = 0; h < count; h++)
        sum += p->hosts[h].fails && p->hosts[h].due_ns <= t_ns;
    return sum;
}

/* It was to be out for so long that an update which waits has shown it. */
static bool is_overdue(const struct track *t, const struct host_state *s, uint64_t t_ns,
                       uint64_t grace_ns)
{
    return s->due_ns != 0 && s->due_ns <= t_ns &&
           t_ns - s->due_ns >= grace_ns + spans_within(&t->taint, s->due_ns, t_ns);
}

/* More than may be out: a panic, were there one, would be seen by now. */
static bool are_overdue(const struct panic *p, const struct track *t, uint64_t t_ns,
                        uint64_t grace_ns)
{
    uint32_t sum = 0;
    for (uint32_t h = 0; h < t->host_count; h++)
        sum += is_overdue(t, &p->hosts[h], t_ns, grace_ns);
    return sum > p->e.cap;
}

/* Who is out has been out for so long that a panic, were there one, had put it back. */
static bool stays_out(const struct track *t, uint64_t t_ns, uint64_t grace_ns)
{
    for (size_t i = 0; i < t->silence_count; i++) {
        const struct silence *s = &t->silences[i];
        if (s->begin_ns <= t_ns && s->end_ns > t_ns && s->begin_ns + grace_ns > t_ns)
            return false;
    }
    return true;
}

static void end_run(struct panic *p)
{
    p->strikes = p->run_ns = 0;
}

/* A try on a host that has long been due: what the policy says cannot be true of this moment. */
static void strike(const struct window *w, struct panic *p, const struct try *x, uint32_t out,
                   struct verdict *ret)
{
    const struct track *t = w->track;
    p->run_ns = p->run_ns == 0 ? x->head_ns : p->run_ns;
    p->strikes++;
    if (p->strikes < STRIKES_LEAST || track_picks(t, p->run_ns, x->head_ns) < t->hosts[0].least)
        return;
    if (p->worst == 0) {
        p->worst_ns = p->run_ns;
        p->worst_out = out;
        window_witness(ret, NULL, p->run_ns);
    }
    p->worst = p->strikes > p->worst ? p->strikes : p->worst;
}

static void note(const struct track *t, struct panic *p, const struct try *x, uint32_t host,
                 uint32_t position)
{
    struct host_state *s = &p->hosts[host];
    if ((x->rule[0] & RULE_FAILED) == 0) {
        *s = (struct host_state){0};
        return;
    }
    if (x->seen_ns == UINT64_MAX || !eject_must(t, &p->e, host, position))
        return;
    s->fails = true;
    s->due_ns = s->due_ns == 0 ? x->seen_ns : s->due_ns;
}

/* Where no more failed than may be out, nothing panics. Only a mesh whose ejections are long enough
 * then shows a panic by short ones. */
static void prove_lengths(const struct track *t, struct panic *p)
{
    bool is_right = false, is_short = false;
    for (uint32_t i = 0; i < t->try_count; i++) {
        const struct try *x = &t->tries[i];
        uint32_t position = x->position;
        if (position == TRACK_NONE)
            continue;
        if (x->after_silence && failing(p, t->host_count, x->head_ns) <= p->e.cap) {
            is_right = is_right || lasted(p, t, i) == LONG_ENOUGH;
            is_short = is_short || lasted(p, t, i) == TOO_SHORT;
        }
        note(t, p, x, x->r->endpoint - 1u, position);
    }
    for (size_t i = 0; i < t->silence_count; i++)
        p->lasted[i] = is_right && !is_short ? p->lasted[i] : UNKNOWN;
    for (uint32_t h = 0; h < t->host_count; h++)
        p->hosts[h] = (struct host_state){0};
}

static void look_at(const struct window *w, struct panic *p, const struct try *x, uint32_t host,
                    uint32_t position, struct verdict *ret)
{
    const struct track *t = w->track;
    struct host_state *s = &p->hosts[host];
    uint64_t grace = p->e.merge_ns + EJECT_GRACE_NS;
    uint32_t out = eject_out(t, UINT32_MAX, x->head_ns);
    bool full = failing(p, t->host_count, x->head_ns) > p->e.cap;
    if (x->after_silence)
        s->due_ns = 0;
    if (full && out == p->e.cap && are_overdue(p, t, x->head_ns, grace) &&
        stays_out(t, x->head_ns, grace))
        p->states++;
    if (x->head_ns > p->fresh_ns && !eject_sent_after(t, x, x->head_ns - p->fresh_ns))
        p->stale_ns = x->head_ns;
    bool waits = p->stale_ns != 0 && x->head_ns < p->stale_ns + grace;
    if (!full || out >= p->e.cap || waits || !is_settled(p, t, x->head_ns, grace))
        end_run(p);
    else if (!spans_hold(&t->taint, x->head_ns) && is_overdue(t, s, x->head_ns, grace))
        strike(w, p, x, out, ret);
    note(t, p, x, host, position);
}

static void walk(const struct window *w, struct panic *p, struct verdict *ret)
{
    const struct track *t = w->track;
    uint32_t end = track_try_at(t, w->wide.to_ns);
    p->hosts = check_alloc_zero((size_t)t->host_count + 1, sizeof(*p->hosts));
    find_lasted(w, p);
    prove_lengths(t, p);
    find_gaps(t, p);
    for (uint32_t i = track_try_at(t, w->wide.from_ns); i < end; i++) {
        const struct try *x = &t->tries[i];
        if (x->position != TRACK_NONE)
            look_at(w, p, x, x->r->endpoint - 1u, x->position, ret);
    }
    free(p->hosts);
    free(p->gaps);
    free(p->lasted);
    p->hosts = NULL;
    p->gaps = NULL;
    p->lasted = NULL;
}

/* Whether somebody asked for just this: it shares its phase with the cap. */
static bool is_asked(const struct window *w)
{
    const json_t *only = w->asked == NULL ? NULL : json_object_get(w->asked->keys, "only");
    return only != NULL;
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    const struct track *t = w->track;
    struct panic p = {0};
    uint32_t n = t->host_count;
    ret->needed = window_enough(w, LEAST);
    ret->unit = "tries while one more than may be out had long failed";
    if (!ejector_init(&p.e, edge, n) || n == 0)
        return;
    verdict_policy(ret, &edge->outlier.max_ejection_percent, arena,
                   "%u of %u out while more fail, and not sent to", p.e.cap, n);
    uint64_t percent = panic_percent(edge);
    if (p.e.cap >= n || (n - p.e.cap) * UINT64_C(100) < percent * n) {
        ret->kind = VERDICT_NOT_APPLICABLE;
        ret->text = arena_printf(arena, "with %u of %u out the mesh may panic (below %llu %%)",
                                 p.e.cap, n, (unsigned long long)percent);
        return;
    }
    if (p.e.base_ns < 2 * p.e.merge_ns) {
        ret->kind = VERDICT_NOT_APPLICABLE;
        ret->text = "ejections so short may be over before an update that waits shows them";
        return;
    }
    uint32_t retries =
        edge->retry.attempts.number < DOUBLINGS ? (uint32_t)edge->retry.attempts.number : DOUBLINGS;
    p.fresh_ns = FRESH_NS + (retries > 0 ? backoff_most_ns(edge, retries) : 0);
    walk(w, &p, ret);
    ret->seen = ret->eligible = p.states + p.worst;
    ret->wrong = p.worst;
    if (p.worst > 0) {
        verdict_fail(
            ret, arena, "%u of %u out while %u fail: %llu tries on endpoints that should be out%s",
            p.worst_out, n, p.e.cap + 1, (unsigned long long)p.worst, window_when(w, ret, arena));
        ret->certain = "one witness is enough (class D): they had certainly failed often enough, "
                       "and long before";
    } else if (window_starved(w, ret, arena))
        return;
    else if (p.states == 0 && !is_asked(w)) {
        ret->kind = VERDICT_NOT_APPLICABLE;
        ret->text = "never did more fail than may be out";
    } else if (p.states < ret->needed)
        window_too_few(w, ret, arena, p.states, ret->needed, ret->unit);
    else
        verdict_pass(ret, arena, "%u of %u out, and not sent to, over %llu tries while more failed",
                     p.e.cap, n, (unsigned long long)p.states);
}

const struct claim_type claim_eject_panic = {
    .id = "eject.panic",
    .word = "ejection",
    .only = "panic",
    .help = "while more fail than may be out, as many as may be are out",
    .class = CLAIM_DETERMINISTIC,
    .applies = eject_applies,
    .judge = judge,
};
