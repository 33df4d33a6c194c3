/* cb.pending (spec/verifier.md 3.4 CB2): the queue for a connection is as long as max_pending, no
 * longer and no shorter. Held against what waits, never against connections plus queue: while its
 * connection is made, every request is pending. */
#include "verify/claims.h"
#include "verify/flight.h"

#define DROPS_LEAST 10

static bool applies(const struct edge_policy *edge)
{
    const struct pool_rule *p = &edge->pool;
    return edge->flavour == FLAVOUR_ENVOY && p->max_pending.set && p->max_pending.number > 0 &&
           p->max_connections.set && p->max_connections.number > 0;
}

struct seen {
    uint64_t peak, over, drops, early, early_waiting;
    uint64_t full; /* when one was refused at most so many waited: the queue is no longer */
};

static void look_at_queue(const struct flight *f, uint64_t bound, struct seen *s, struct verdict *v)
{
    const struct window *w = f->w;
    for (size_t i = 0; i < f->waiting.count; i++) {
        const struct interval *x = &f->waiting.at[i];
        if (x->from_ns < w->span.from_ns || x->from_ns >= w->span.to_ns ||
            !window_clean(w, x->from_ns, x->from_ns))
            continue;
        uint64_t now = intervals_covering(&f->waiting, x->from_ns, x->from_ns);
        s->peak = now > s->peak ? now : s->peak;
        if (now <= bound)
            continue;
        s->over++;
        window_witness(v, &w->track->requests[x->of], x->from_ns);
    }
}

static void look_at_drops(const struct flight *f, struct seen *s, struct verdict *v)
{
    const struct window *w = f->w;
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        if (!window_has(w, r) || !flight_is_drop(r) || flight_requests_explain(f, r))
            continue;
        uint64_t waiting = flight_waiting_most(f, r), others = waiting > 0 ? waiting - 1 : 0;
        s->full = s->drops == 0 || others < s->full ? others : s->full;
        s->drops++;
        if (flight_pending_explains(f, r))
            continue;
        s->early_waiting = waiting > s->early_waiting ? waiting : s->early_waiting;
        s->early++;
        window_witness(v, r, r->start_ns);
    }
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    uint64_t limit = edge->pool.max_pending.number;
    struct flight f;
    struct seen s = {0};
    verdict_policy(ret, &edge->pool.max_pending, arena, "at most %llu wait for a connection",
                   (unsigned long long)limit);
    ret->unit = "requests";
    ret->needed = window_floor(w, DROPS_LEAST);
    if (!flight_init(&f, w, ret, arena))
        return;
    uint64_t bound = (limit + f.workers - 1) * f.proxies;
    look_at_queue(&f, bound, &s, ret);
    look_at_drops(&f, &s, ret);
    ret->seen = ret->eligible = s.drops;
    ret->wrong = s.over > 0 ? s.over : s.early;
    if (s.over > 0)
        verdict_fail(ret, arena, "%llu requests waited at once, at most %llu can%s",
                     (unsigned long long)s.peak, (unsigned long long)bound,
                     window_when(w, ret, arena));
    else if (s.early > 0)
        verdict_fail(ret, arena, "%llu requests refused while at most %llu of %llu waited%s",
                     (unsigned long long)s.early, (unsigned long long)s.early_waiting,
                     (unsigned long long)limit, window_when(w, ret, arena));
    else if (s.drops < ret->needed)
        window_too_few(w, ret, arena, s.drops, ret->needed, "requests refused by the full queue");
    else if (s.peak + f.workers <= limit) {
        verdict_open(ret, WHY_TOO_FEW, arena, "never more than %llu of %llu were seen waiting",
                     (unsigned long long)s.peak, (unsigned long long)limit);
        ret->needs = "slow answers, and requests one by one until some are refused";
    } else if (s.full >= 2 * bound) {
        verdict_open(ret, WHY_TOO_FEW, arena,
                     "%llu of %llu certainly waited, but up to %llu may have waited when one was "
                     "refused: a queue twice as long is not excluded",
                     (unsigned long long)s.peak, (unsigned long long)limit,
                     (unsigned long long)s.full);
        ret->needs = "slow answers, and requests one by one until some are refused";
    } else
        verdict_pass(ret, arena, "%llu of %llu waited at once; %llu refused, only when it was full",
                     (unsigned long long)s.peak, (unsigned long long)limit,
                     (unsigned long long)s.drops);
    if (ret->kind == VERDICT_FAIL)
        ret->certain = "one witness is enough (class D)";
    else if (ret->kind == VERDICT_PASS)
        ret->certain = verdict_excludes(s.drops, arena);
    flight_release(&f);
}

const struct claim_type claim_cb_pending = {
    .id = "cb.pending",
    .word = "breaker",
    .only = "pending",
    .help = "the queue for a connection is as long as declared",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
