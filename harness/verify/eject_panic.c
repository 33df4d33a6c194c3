/* eject.panic (spec/verifier.md 3.3), the lower side of the cap: while one host more fails than may
 * be out, as many as may be are out. An Envoy in panic sends to all of them, although its gauges
 * say that they are ejected, which the upper side of the cap cannot see. */
#include "verify/claims.h"
#include "verify/eject.h"

#include "base/clock.h"

#include <stdlib.h>

#define LEAST 20 /* tries in that state */
/* Tries on hosts that should be out: so many are no leak of one update. */
#define STRIKES_LEAST 20
#define GRACE_NS (400 * NS_PER_MS)

struct host_state {
    uint64_t due_ns; /* it certainly was to be out from then on; 0: not */
    bool fails;      /* since then every try that it got */
};
/* A gap in the picks of one host, too short or in too little traffic for a silence, in which it may
 * have been out. */
struct gap {
    uint64_t begin_ns, end_ns;
};
struct panic {
    struct ejector e;
    struct gap *gaps;
    size_t gap_count;
    struct host_state *hosts;
    uint64_t states;  /* tries while as many were out as may be, and one more failed */
    uint64_t strikes; /* tries on hosts that should be out, of the present run */
    uint64_t run_ns;  /* when the present run began; 0: none */
    uint64_t worst, worst_ns;
    uint32_t worst_out;
};

static uint64_t panic_percent(const struct edge_policy *edge)
{
    return edge->outlier.min_health_percent.set ? edge->outlier.min_health_percent.number : 0;
}

static void find_gaps(const struct track *t, struct panic *p)
{
    p->gaps = check_alloc_zero((size_t)t->try_count + t->host_count + 1, sizeof(*p->gaps));
    for (uint32_t h = 0; h < t->host_count; h++) {
        uint64_t before = 0;
        for (uint32_t i = 0; i < t->hosts[h].count; i++) {
            const struct try *x = &t->tries[t->hosts[h].tries[i]];
            if (x->after_gap && before != 0)
                p->gaps[p->gap_count++] = (struct gap){before, x->head_ns};
            before = x->head_ns;
        }
        /* The walk may have ended within one of whatever length. */
        if (before != 0 && t->unseen_ns != UINT64_MAX)
            p->gaps[p->gap_count++] = (struct gap){before, t->to_ns};
    }
}

/* No host went out or came back just before, nor may have, nor may be out unseen: an update that
 * waits for another is no panic. */
static bool is_settled(const struct panic *p, const struct track *t, uint64_t t_ns,
                       uint64_t grace_ns)
{
    for (size_t i = 0; i < p->gap_count; i++)
        if (p->gaps[i].begin_ns <= t_ns && p->gaps[i].end_ns + grace_ns > t_ns)
            return false;
    for (size_t i = 0; i < t->silence_count; i++) {
        const struct silence *s = &t->silences[i];
        if ((s->begin_ns <= t_ns && s->begin_ns + grace_ns > t_ns) ||
            (s->after != TRACK_NONE && s->end_ns <= t_ns && s->end_ns + grace_ns > t_ns))
            return false;
    }
    return true;
}

static uint32_t failing(const struct panic *p, uint32_t count)
{
    uint32_t sum = 0;
    for (uint32_t h = 0; h < count; h++)
        sum += p->hosts[h].fails;
    return sum;
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

static void look_at(const struct window *w, struct panic *p, const struct try *x, uint32_t host,
                    uint32_t position, struct verdict *ret)
{
    const struct track *t = w->track;
    struct host_state *s = &p->hosts[host];
    uint64_t grace = p->e.merge_ns + GRACE_NS;
    uint32_t out = eject_out(t, UINT32_MAX, x->head_ns);
    bool full = failing(p, t->host_count) > p->e.cap;
    if (x->after_silence)
        s->due_ns = 0;
    if (full && out == p->e.cap)
        p->states++;
    if (!full || out >= p->e.cap || !is_settled(p, t, x->head_ns, grace))
        end_run(p);
    else if (s->due_ns != 0 && !spans_hold(&t->taint, x->head_ns) &&
             x->head_ns - s->due_ns >= grace + spans_within(&t->taint, s->due_ns, x->head_ns))
        strike(w, p, x, out, ret);
    if ((x->rule[0] & RULE_FAILED) == 0) {
        *s = (struct host_state){0};
        return;
    }
    if (x->seen_ns == UINT64_MAX || !eject_must(t, &p->e, host, position))
        return;
    s->fails = true;
    s->due_ns = s->due_ns == 0 ? x->seen_ns : s->due_ns;
}

static void walk(const struct window *w, struct panic *p, struct verdict *ret)
{
    const struct track *t = w->track;
    uint32_t end = track_try_at(t, w->wide.to_ns);
    p->hosts = check_alloc_zero((size_t)t->host_count + 1, sizeof(*p->hosts));
    find_gaps(t, p);
    for (uint32_t i = track_try_at(t, w->wide.from_ns); i < end; i++) {
        uint32_t position = track_position(t, i);
        if (position != TRACK_NONE)
            look_at(w, p, &t->tries[i], t->tries[i].r->endpoint - 1u, position, ret);
    }
    free(p->hosts);
    free(p->gaps);
    p->hosts = NULL;
    p->gaps = NULL;
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
    ret->unit = "tries while one more failed than may be out";
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
