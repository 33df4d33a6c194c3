/* rate.limit (spec/verifier.md 3.4 RL1, policy-semantics.md D8): each endpoint's own proxy admits
 * at most burst + R w requests in w seconds, and refuses none while a bucket of that size cannot be
 * empty. */
#include "verify/claims.h"
#include "verify/flight.h"
#include "verify/retry_dead.h"

#include "base/clock.h"

#define REFUSED_LEAST 20
#define LENGTH_NS (5 * NS_PER_S)
#define EARLY_LEAST 3 /* refusals that nothing explains */
#define WAITED_NS (50 * NS_PER_MS)
#define SAFE_SHARE 0.8 /* of the burst: so much is left to the timing of arrivals */

static bool applies(const struct edge_policy *edge)
{
    return edge->rate.present && edge->rate.per_second.set && edge->rate.per_second.number > 0;
}

struct seen {
    uint64_t admitted, refused, over, over_count, over_bound, over_s, early, fullest;
    uint64_t most, most_bound;
    uint32_t endpoint;
};

static uint64_t burst_of(const struct edge_policy *edge)
{
    return edge->rate.burst.set ? edge->rate.burst.number : edge->rate.per_second.number;
}

/* When the endpoint's proxy let the try in: after the request was sent, or the try before known. */
static bool admission(const struct flight *f, const struct try *x, struct span *ret)
{
    const struct request *r = flight_of(f, x);
    if (r == NULL)
        return false;
    if (x->place > 1)
        return flight_retry(f, x, ret);
    *ret = (struct span){r->start_ns, x->head_ns};
    return r->start_ns <= x->head_ns;
}

static void look_at_endpoint(const struct edge_policy *edge, const struct flight *f,
                             uint32_t endpoint, struct seen *s, struct verdict *v)
{
    static const uint64_t widths[] = {1, 2, 5};
    const struct window *w = f->w;
    const struct track_host *host = &w->track->hosts[endpoint];
    struct intervals let_in = {0};
    for (uint32_t i = 0; i < host->count; i++) {
        const struct try *x = &w->track->tries[host->tries[i]];
        struct span when;
        if (x->head_ns >= w->span.from_ns && x->head_ns < w->span.to_ns && admission(f, x, &when))
            intervals_add(&let_in, when.from_ns, when.to_ns, host->tries[i]);
    }
    intervals_index(&let_in);
    s->admitted += let_in.count;
    for (size_t i = 0; i < let_in.count; i++)
        for (size_t k = 0; k < COUNT_OF(widths); k++) {
            uint64_t from = let_in.at[i].from_ns, to = from + widths[k] * NS_PER_S;
            uint64_t count = intervals_within(&let_in, from, to);
            uint64_t bound = burst_of(edge) + edge->rate.per_second.number * widths[k] + 1;
            if (s->most_bound == 0 || count * s->most_bound > s->most * bound) {
                s->most = count;
                s->most_bound = bound;
            }
            if (count <= bound)
                continue;
            if (s->over++ == 0 || count - bound > s->over_count - s->over_bound) {
                s->over_count = count;
                s->over_bound = bound;
                s->over_s = widths[k];
                s->endpoint = endpoint + 1;
            }
            window_witness(v, flight_of(f, &w->track->tries[let_in.at[i].of]), from);
        }
    intervals_release(&let_in);
}

static bool is_refusal(const struct request *r)
{
    return r->seen == 0 && r->r->status == STATUS_LIMITED;
}

/* So long after its begin the request sent its last try, or the mesh answered it. */
static uint64_t last_taken_ns(const struct track *t, const struct request *r)
{
    return r->last != TRACK_NONE ? t->tries[r->last].head_ns : r->done_ns;
}

/* One bucket that gets the requests of all callers, so that it is fuller than any endpoint's: while
 * it has room, no endpoint has a reason. (A retry is one more, when its request began.) */
static void look_at_refusals(const struct edge_policy *edge, const struct flight *f, struct seen *s,
                             struct verdict *v)
{
    const struct window *w = f->w;
    double level = 0, rate = (double)edge->rate.per_second.number / (double)NS_PER_S;
    double burst = (double)burst_of(edge);
    uint64_t last_ns = 0, dead_ns = retry_dead_before(w), waited_ns = 0;
    uint64_t drains_ns = (uint64_t)(burst / rate);
    bool fresh = true;
    for (uint32_t i = 0;
         i < w->track->request_count && w->track->requests[i].start_ns < w->span.to_ns; i++) {
        const struct request *r = &w->track->requests[i];
        level -= fresh ? 0 : rate * (double)(r->start_ns - last_ns);
        /* Tries that ended at a dead endpoint took their places too: a bucket was full, perhaps. */
        if (last_ns < dead_ns) {
            double left =
                burst - (r->start_ns > dead_ns ? rate * (double)(r->start_ns - dead_ns) : 0);
            level = level > left ? level : left;
        }
        level = (level < 0 ? 0 : level) + (r->seen > 1 ? (double)r->seen : 1);
        level = level < burst ? level : burst; /* what was refused took no place */
        fresh = false;
        last_ns = r->start_ns;
        /* One that waited took its place then, not when it began. */
        uint64_t taken_ns = last_taken_ns(w->track, r);
        if (taken_ns > r->start_ns + WAITED_NS && taken_ns > waited_ns)
            waited_ns = taken_ns;
        if (i < w->from || !window_has(w, r))
            continue;
        s->fullest = (uint64_t)level > s->fullest ? (uint64_t)level : s->fullest;
        if (!is_refusal(r))
            continue;
        s->refused++;
        /* At a dead endpoint tries end that nobody counts, each of which took its place. */
        if (level > SAFE_SHARE * burst || retry_dead_any(w, r) ||
            r->start_ns < waited_ns + drains_ns || !window_clean(w, r->start_ns, r->done_ns))
            continue;
        s->early++;
        window_witness(v, r, r->start_ns);
    }
}

static void decide(const struct edge_policy *edge, const struct window *w, const struct seen *s,
                   struct arena *arena, struct verdict *v)
{
    uint64_t length = track_active_ns(w->track, w->span.from_ns, w->span.to_ns),
             rate = edge->rate.per_second.number;
    if (s->over > 0) {
        verdict_fail(v, arena, "%llu admitted by %s/%u within %llu s, at most %llu may be%s",
                     (unsigned long long)s->over_count, edge->to, s->endpoint,
                     (unsigned long long)s->over_s, (unsigned long long)s->over_bound,
                     window_when(w, v, arena));
        v->certain = "one witness is enough: each was sent and seen within it";
    } else if (s->early >= EARLY_LEAST) {
        verdict_fail(v, arena, "%llu refused although no more than the limit was sent%s",
                     (unsigned long long)s->early, window_when(w, v, arena));
        v->certain = "all endpoints together had fewer requests than one may take";
    } else if (length < LENGTH_NS || s->admitted == 0) {
        window_too_few(w, v, arena, length / NS_PER_S, LENGTH_NS / NS_PER_S, "seconds of load");
    } else if (s->refused >= v->needed) {
        verdict_pass(v, arena, "%llu admitted of at most %llu; %llu refused",
                     (unsigned long long)s->most, (unsigned long long)s->most_bound,
                     (unsigned long long)s->refused);
        v->certain = verdict_excludes(s->refused, arena);
    } else if (s->refused == 0 && s->admitted * NS_PER_S * 2 >= rate * length &&
               (double)s->fullest <= SAFE_SHARE * (double)burst_of(edge)) {
        verdict_pass(v, arena, "none of %llu refused, and no more than the limit was sent",
                     (unsigned long long)s->admitted);
        v->certain = verdict_excludes(s->admitted, arena);
    } else {
        window_too_few(w, v, arena, s->refused, v->needed, "refusals");
    }
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct flight f;
    struct seen s = {0};
    verdict_policy(ret, &edge->rate.per_second, arena, "%llu a second, %llu at once, an endpoint",
                   (unsigned long long)edge->rate.per_second.number,
                   (unsigned long long)burst_of(edge));
    ret->unit = "refusals";
    ret->needed = window_floor(w, REFUSED_LEAST);
    if (!flight_init(&f, w, ret, arena))
        return;
    for (uint32_t i = 0; i < w->track->host_count; i++)
        look_at_endpoint(edge, &f, i, &s, ret);
    look_at_refusals(edge, &f, &s, ret);
    ret->seen = s.admitted + s.refused;
    ret->eligible = s.refused;
    ret->wrong = s.over > 0 ? s.over : s.early;
    decide(edge, w, &s, arena, ret);
    flight_release(&f);
}

const struct claim_type claim_rate_limit = {
    .id = "rate.limit",
    .word = "rate_limit",
    .only = "rate_limit",
    .help = "each endpoint admits what its rate limit says, and refuses nothing below it",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
