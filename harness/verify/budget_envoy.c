/* budget.envoy (spec/verifier.md 3.4 BU1, policy-semantics.md A6): retries at once, never retries
 * of a total. Judged at the moment when a retry was taken: those that were certainly under way all
 * that time, against the largest bound that the requests in flight then allow. */
#include "verify/claims.h"
#include "verify/flight.h"

#include "base/clock.h"
#include "base/units.h"

#define REFUSED_LEAST 10
#define REQUESTS_LEAST 50
#define READ_NS (20 * NS_PER_MS) /* an attempt may be started so long before it is read */
#define PPM 1000000

static bool has_budget(const struct edge_policy *edge)
{
    return edge->budget.kind == BUDGET_ENVOY;
}

static bool applies(const struct edge_policy *edge)
{
    return edge->flavour == FLAVOUR_ENVOY && edge->retry.attempts.number > 0 &&
           (has_budget(edge) || (edge->pool.max_retries.set && edge->pool.max_retries.number > 0));
}

/* Istio programs the greatest number there is (policy-semantics.md A6). */
static const char *by_default(const struct edge_policy *edge, struct arena *arena)
{
    char target[40];
    if (edge->flavour != FLAVOUR_ENVOY || applies(edge))
        return NULL;
    return arena_printf(arena, "none declared: no limit on retries at once (default of %s)",
                        target_print(edge->target, target, sizeof(target)));
}

struct seen {
    uint64_t retries, requests, refused, over, over_now, over_bound, peak, peak_bound;
    bool reached;
};

/* The most that may be at once when ${active} are in flight. */
static uint64_t allowed(const struct edge_policy *edge, uint64_t active)
{
    if (!has_budget(edge))
        return edge->pool.max_retries.number;
    uint64_t share = (uint64_t)((double)edge->budget.ratio_ppm.number * (double)active / PPM),
             least = edge->budget.least.number;
    return share > least ? share : least;
}

/* What the percentage is of: requests in flight and, with an interval, the tries that it saw begin,
 * those too that never reached an endpoint: the most in ${taken}. */
static uint64_t active_most(const struct edge_policy *edge, const struct flight *f,
                            const struct intervals *heads, const struct span *taken)
{
    uint64_t active = intervals_touching(&f->requests, taken->from_ns, taken->to_ns);
    uint64_t interval = has_budget(edge) ? edge->budget.interval.number : 0;
    if (interval == 0)
        return active;
    uint64_t from = taken->from_ns > interval ? taken->from_ns - interval : 0;
    return active + intervals_touching(heads, from, taken->to_ns + READ_NS) +
           track_hidden(f->w->track, from, taken->to_ns);
}

/* The same at one moment, and of an interval what is left when its last tenth is forgotten: the
 * bound that a mesh which fills it has met. */
static uint64_t active_least(const struct edge_policy *edge, const struct flight *f,
                             const struct intervals *heads, uint64_t t_ns)
{
    uint64_t active = intervals_touching(&f->requests, t_ns, t_ns);
    uint64_t interval = has_budget(edge) ? edge->budget.interval.number / 10 * 9 : 0;
    if (interval == 0)
        return active;
    return active + intervals_within(heads, t_ns > interval ? t_ns - interval : 0, t_ns);
}

/* Retries that were out, as certainly as f->tries has it; and as they may have been: from the
 * moment when the try before was known. */
static void gather(const struct flight *f, struct intervals *out, struct intervals *may,
                   struct intervals *heads)
{
    const struct track *t = f->w->track;
    /* One that was cut begins like all others, though nothing certain shows when it ended. */
    for (uint32_t i = 0; i < t->try_count; i++)
        if (flight_of(f, &t->tries[i]) != NULL)
            intervals_add(heads, t->tries[i].head_ns, t->tries[i].head_ns, i);
    for (size_t i = 0; i < f->tries.count; i++) {
        const struct interval *x = &f->tries.at[i];
        struct span taken;
        if (!flight_retry(f, &f->w->track->tries[x->of], &taken))
            continue;
        intervals_add(out, x->from_ns, x->to_ns, x->of);
        intervals_add(may, taken.from_ns, x->to_ns, x->of);
    }
    intervals_index(out);
    intervals_index(may);
    intervals_index(heads);
}

static void look(const struct edge_policy *edge, const struct flight *f, struct seen *s,
                 struct verdict *v)
{
    const struct window *w = f->w;
    struct intervals out = {0}, may = {0}, heads = {0};
    gather(f, &out, &may, &heads);
    for (size_t i = 0; i < out.count; i++) {
        const struct try *x = &w->track->tries[out.at[i].of];
        struct span taken = {0};
        if (x->head_ns < w->span.from_ns || x->head_ns >= w->span.to_ns ||
            !flight_retry(f, x, &taken))
            continue;
        uint64_t bound = allowed(edge, active_most(edge, f, &heads, &taken)) * f->proxies;
        /* Itself is not among those that were out before it was taken. */
        uint64_t now = intervals_covering(&out, taken.from_ns, taken.to_ns);
        now -= now > 0 && taken.from_ns >= x->head_ns;
        uint64_t perhaps = intervals_touching(&may, x->head_ns, x->head_ns);
        if (perhaps > s->peak) {
            s->peak = perhaps;
            s->peak_bound = bound;
        }
        uint64_t full = allowed(edge, active_least(edge, f, &heads, taken.from_ns)) * f->proxies;
        s->reached = s->reached || perhaps + 1 >= full;
        if (now + 1 <= bound + f->workers - 1)
            continue;
        s->over++;
        if (now + 1 > s->over_now) {
            s->over_now = now + 1;
            s->over_bound = bound + f->workers - 1;
        }
        window_witness(v, flight_of(f, x), x->head_ns);
    }
    intervals_release(&out);
    intervals_release(&may);
    intervals_release(&heads);
}

/* Ended by a failure that is retried, with tries left, and no timer can be why: a retry that was
 * refused (its own failure, without a mark of the mesh's). */
static bool was_refused(const struct edge_policy *edge, const struct flight *f,
                        const struct request *r)
{
    const struct try *last = window_last(f->w, r);
    if (last == NULL || window_tries(r) > edge->retry.attempts.number || r->refused > 0 ||
        window_timer_ended(f->w, r, false))
        return false;
    struct failure e = window_failure(last);
    return e.kind == FAILURE_CAUSE && e.cause == CAUSE_STATUS &&
           retry_rule_covers(edge, e.cause, e.status) && r->r->status == e.status;
}

static bool misses_wish(const struct window *w, const struct seen *s, struct arena *arena,
                        struct verdict *v)
{
    uint64_t most_ppm;
    struct error err = {0};
    const char *wish = window_key(w, "atmost");
    if (wish == NULL || !units_parse_share(wish, &most_ppm, &err) || s->requests < REQUESTS_LEAST ||
        (double)s->retries * PPM <= (double)most_ppm * (double)s->requests)
        return false;
    verdict_fail(v, arena, "%llu retries of %llu requests; wish: at most %s",
                 (unsigned long long)s->retries, (unsigned long long)s->requests, wish);
    v->certain = "a census of the phase, no inference";
    return true;
}

static void say_policy(const struct edge_policy *edge, struct arena *arena, struct verdict *v)
{
    char share[32];
    if (!has_budget(edge)) {
        verdict_policy(v, &edge->pool.max_retries, arena, "at most %llu retries at once",
                       (unsigned long long)edge->pool.max_retries.number);
        return;
    }
    units_print_share(edge->budget.ratio_ppm.number, share, sizeof(share));
    verdict_policy(v, &edge->budget.ratio_ppm, arena,
                   "retries at once: %s of the requests in flight, at least %llu", share,
                   (unsigned long long)edge->budget.least.number);
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct flight f;
    struct seen s = {0};
    say_policy(edge, arena, ret);
    ret->unit = "refused retries";
    ret->needed = window_floor(w, REFUSED_LEAST);
    if (!flight_init(&f, w, ret, arena))
        return;
    look(edge, &f, &s, ret);
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        if (!window_has(w, r))
            continue;
        s.requests++;
        s.retries += window_retries(r);
        s.refused += was_refused(edge, &f, r);
    }
    ret->seen = s.requests;
    ret->eligible = s.refused;
    ret->wrong = s.over;
    if (s.over > 0) {
        verdict_fail(ret, arena, "%llu retries at once, at most %llu can be then%s",
                     (unsigned long long)s.over_now, (unsigned long long)s.over_bound,
                     window_when(w, ret, arena));
        ret->certain = "one witness is enough: each was out before the next was taken";
    } else if (misses_wish(w, &s, arena, ret)) {
        ret->wrong = s.retries;
    } else if (s.refused < ret->needed) {
        window_too_few(w, ret, arena, s.refused, ret->needed, ret->unit);
    } else if (!s.reached) {
        verdict_open(ret, WHY_TOO_FEW, arena,
                     "limit never reached: not distinguished (%llu retries at once of %llu)",
                     (unsigned long long)s.peak, (unsigned long long)s.peak_bound);
        ret->needs = "20 clients or more whose every request fails after 100 ms";
    } else {
        verdict_pass(ret, arena, "at most %llu retries at once, %llu allowed then; %llu refused",
                     (unsigned long long)s.peak, (unsigned long long)s.peak_bound,
                     (unsigned long long)s.refused);
        ret->certain = verdict_excludes(s.refused, arena);
    }
    flight_release(&f);
}

const struct claim_type claim_budget_envoy = {
    .id = "budget.envoy",
    .word = "budget",
    .only = "budget",
    .help = "no more retries at once than the budget or max_retries allows",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
    .by_default = by_default,
};
