/* cb.requests (spec/verifier.md 3.4 CB1): never more requests at once than max_requests, and none
 * refused below it. */
#include "verify/claims.h"
#include "verify/flight.h"

#define DROPS_LEAST 20
#define HELD_LEAST 20
#define LIMIT_MOST 2000 /* the load generator's own cap is there too */

static bool applies(const struct edge_policy *edge)
{
    return edge->flavour == FLAVOUR_ENVOY && edge->pool.max_requests.set &&
           edge->pool.max_requests.number > 0;
}

struct seen {
    uint64_t held, peak, over, drops, early, early_flight;
};

static void look_at_tries(const struct flight *f, uint64_t bound, struct seen *s, struct verdict *v)
{
    const struct window *w = f->w;
    for (size_t i = 0; i < f->tries.count; i++) {
        const struct interval *x = &f->tries.at[i];
        if (x->from_ns < w->span.from_ns || x->from_ns >= w->span.to_ns)
            continue;
        uint64_t now = intervals_covering(&f->tries, x->from_ns, x->from_ns);
        s->held++;
        s->peak = now > s->peak ? now : s->peak;
        if (now <= bound)
            continue;
        s->over++;
        window_witness(v, flight_of(f, &w->track->tries[x->of]), x->from_ns);
    }
}

static void look_at_drops(const struct flight *f, struct seen *s, struct verdict *v)
{
    const struct window *w = f->w;
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        if (!window_has(w, r) || !flight_is_drop(r))
            continue;
        s->drops++;
        if (flight_requests_explain(f, r) || flight_pending_explains(f, r))
            continue;
        uint64_t flight = flight_most(f, r);
        s->early_flight = flight > s->early_flight ? flight : s->early_flight;
        s->early++;
        window_witness(v, r, r->start_ns);
    }
}

/* The limit of connections, where one is set, lets so few through that this one is never met. */
static bool is_hidden(const struct flight *f, uint64_t limit)
{
    const struct value *most = &f->w->policy->pool.max_connections;
    return most->set && most->number > 0 &&
           most->number + f->workers * f->w->track->host_count - 1 < limit;
}

static void open_or_pass(const struct flight *f, const struct seen *s, uint64_t limit,
                         struct arena *arena, struct verdict *v)
{
    const struct window *w = f->w;
    if (limit > LIMIT_MOST || is_hidden(f, limit)) {
        verdict_open(v, WHY_CAPABILITY, arena,
                     limit > LIMIT_MOST
                         ? "a limit of %llu is more than the load generator can fill"
                         : "max_connections is reached before %llu requests are at once",
                     (unsigned long long)limit);
        v->needs = limit > LIMIT_MOST
                       ? arena_printf(arena, "--inflight %llu", (unsigned long long)limit + 36)
                       : "a limit of connections above that of requests";
    } else if (s->drops < v->needed) {
        window_too_few(w, v, arena, s->drops, v->needed, "requests refused by the limit");
    } else if (s->held < HELD_LEAST || s->peak + f->workers <= limit) {
        verdict_open(v, WHY_TOO_FEW, arena, "never more than %llu of %llu tries at once",
                     (unsigned long long)s->peak, (unsigned long long)limit);
        v->needs = arena_printf(arena, "answers so slow that %llu requests are in flight",
                                (unsigned long long)(limit + f->workers + 20));
    } else {
        verdict_pass(v, arena, "%llu of %llu at once; %llu refused, none of them below the limit",
                     (unsigned long long)s->peak, (unsigned long long)limit,
                     (unsigned long long)s->drops);
        v->certain = verdict_excludes(s->drops, arena);
    }
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    uint64_t limit = edge->pool.max_requests.number;
    struct flight f;
    struct seen s = {0};
    verdict_policy(ret, &edge->pool.max_requests, arena, "at most %llu requests at once",
                   (unsigned long long)limit);
    ret->unit = "requests";
    ret->needed = window_floor(w, DROPS_LEAST);
    if (!flight_init(&f, w, ret, arena))
        return;
    uint64_t bound = (limit + f.workers - 1) * f.proxies;
    look_at_tries(&f, bound, &s, ret);
    look_at_drops(&f, &s, ret);
    ret->seen = s.held + s.drops;
    ret->eligible = s.drops;
    ret->wrong = s.over > 0 ? s.over : s.early;
    if (s.over > 0)
        verdict_fail(ret, arena, "%llu tries at once, at most %llu can be%s",
                     (unsigned long long)s.peak, (unsigned long long)bound,
                     window_when(w, ret, arena));
    else if (s.early > 0)
        verdict_fail(ret, arena, "%llu requests refused with at most %llu of %llu in flight%s",
                     (unsigned long long)s.early, (unsigned long long)s.early_flight,
                     (unsigned long long)limit, window_when(w, ret, arena));
    else
        open_or_pass(&f, &s, limit, arena, ret);
    if (ret->kind == VERDICT_FAIL)
        ret->certain = "one witness is enough (class D)";
    flight_release(&f);
}

const struct claim_type claim_cb_requests = {
    .id = "cb.requests",
    .word = "breaker",
    .only = "requests",
    .help = "no more requests at once than the limit, and none refused below it",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
