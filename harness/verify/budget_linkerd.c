/* budget.linkerd (spec/verifier.md 3.4 BU2, policy-semantics.md D4): the tokens of a
 * ServiceProfile. In no window of half a ttl more retries than the reserve and what the good
 * answers of one and a half ttl paid in. A retry counts only when it was certainly taken within the
 * window, an answer already when it may have been. */
#include "verify/claims.h"
#include "verify/flight.h"

#include "base/clock.h"
#include "base/units.h"

#define REQUESTS_LEAST 50
#define PPM 1000000

static bool applies(const struct edge_policy *edge)
{
    return edge->flavour == FLAVOUR_LINKERD && edge->retry.by_budget &&
           edge->budget.kind == BUDGET_LINKERD;
}

struct tokens {
    struct intervals retries; /* [the try before was known, the head]: within it the mesh decided */
    struct intervals oks;     /* [the answer went out, its request's end] */
    struct intervals failures;
    uint64_t ttl_ns, reserve, ratio_ppm;
    uint64_t retried, requests;
};

/* Certainly a failure that the profile may retry; all else may have paid in. */
static bool is_retryable(const struct edge_policy *edge, const struct try *x)
{
    struct failure f = window_failure(x);
    if (f.kind != FAILURE_CAUSE || (f.cause != CAUSE_STATUS && f.cause != CAUSE_RESET))
        return false;
    /* Without response classes a failure is any 5xx (D4). */
    bool usual = edge->retry.on == 0 && !status_set_any(&edge->retry.codes);
    return usual ? f.cause == CAUSE_RESET || f.status >= 500
                 : retry_rule_covers(edge, f.cause, f.status);
}

/* What the endpoint's own proxy refused is an answer too, and paid in (D8); no endpoint saw it. */
static void gather_refused(const struct edge_policy *edge, const struct window *w, struct tokens *t)
{
    for (uint32_t i = 0; edge->rate.present && i < w->track->request_count; i++) {
        const struct request *r = &w->track->requests[i];
        if (r->r->status == STATUS_LIMITED)
            intervals_add(&t->oks, r->start_ns, r->done_ns == 0 ? UINT64_MAX : r->done_ns, i);
    }
}

static void gather(const struct edge_policy *edge, const struct flight *f, struct tokens *t)
{
    const struct window *w = f->w;
    for (uint32_t i = 0; i < w->track->try_count; i++) {
        const struct try *x = &w->track->tries[i];
        const struct request *r = x->request == TRACK_NONE ? NULL : &w->track->requests[x->request];
        struct span taken;
        if (flight_retry(f, x, &taken))
            intervals_add(&t->retries, taken.from_ns, taken.to_ns, i);
        if (is_retryable(edge, x))
            intervals_add(&t->failures, x->out_ns, x->out_ns, i);
        else
            intervals_add(&t->oks, x->out_ns != 0 ? x->out_ns : x->head_ns,
                          r != NULL && r->done_ns > x->head_ns ? r->done_ns : UINT64_MAX, i);
    }
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        if (!window_has(w, r))
            continue;
        t->requests++;
        t->retried += window_retries(r);
    }
    gather_refused(edge, w, t);
    intervals_index(&t->retries);
    intervals_index(&t->oks);
    intervals_index(&t->failures);
}

/* Tokens are whole: so many answers pay for one retry (ratio at most 1), or one answer for so
 * many. */
static uint64_t paid_by(uint64_t oks, uint64_t ratio_ppm)
{
    if (ratio_ppm == 0)
        return 0;
    if (ratio_ppm <= PPM)
        return oks / (PPM / ratio_ppm);
    uint64_t withdrawal = (uint64_t)1000 * PPM / ratio_ppm;
    return oks * 1000 / (withdrawal == 0 ? 1 : withdrawal);
}

static uint64_t bound_from(const struct tokens *t, uint64_t from_ns, uint64_t to_ns)
{
    uint64_t before = from_ns > t->ttl_ns ? from_ns - t->ttl_ns : 0;
    return t->reserve + paid_by(intervals_touching(&t->oks, before, to_ns), t->ratio_ppm) + 1;
}

struct worst {
    uint64_t retries, bound, over, offered, of_bound; /* the window nearest to its bound */
};

static void look(const struct flight *f, const struct tokens *t, struct worst *s, struct verdict *v)
{
    const struct window *w = f->w;
    for (size_t i = 0; i < t->retries.count; i++) {
        uint64_t from = t->retries.at[i].from_ns, to = from + t->ttl_ns / 2;
        if (from < w->span.from_ns || from >= w->span.to_ns)
            continue;
        uint64_t retries = intervals_within(&t->retries, from, to), bound = bound_from(t, from, to);
        uint64_t offered = intervals_within(&t->failures, from, to);
        if (s->bound == 0 || retries * s->bound > s->retries * bound) {
            s->retries = retries;
            s->bound = bound;
        }
        if (s->of_bound == 0 || offered * s->of_bound > s->offered * bound) {
            s->offered = offered;
            s->of_bound = bound;
        }
        if (retries <= bound)
            continue;
        s->over++;
        window_witness(v, flight_of(f, &w->track->tries[t->retries.at[i].of]), from);
    }
}

/* The suite's own wish: retries as a share of requests, a census. */
static bool misses_wish(const struct window *w, const struct tokens *t, struct arena *arena,
                        struct verdict *v)
{
    uint64_t most_ppm;
    struct error err = {0};
    const char *wish = window_key(w, "atmost");
    if (wish == NULL || !units_parse_share(wish, &most_ppm, &err) || t->requests < REQUESTS_LEAST ||
        (double)t->retried * PPM <= (double)most_ppm * (double)t->requests)
        return false;
    verdict_fail(v, arena, "%llu retries of %llu requests; wish: at most %s",
                 (unsigned long long)t->retried, (unsigned long long)t->requests, wish);
    v->certain = "a census of the phase, no inference";
    return true;
}

static void decide(const struct flight *f, const struct tokens *t, struct arena *arena,
                   struct verdict *v)
{
    char half[32];
    struct worst s = {0};
    look(f, t, &s, v);
    units_print_duration(t->ttl_ns / 2, half, sizeof(half));
    v->seen = t->requests;
    v->eligible = s.offered;
    v->wrong = s.over;
    if (s.over > 0) {
        verdict_fail(v, arena, "%llu retries within %s, %llu are paid for%s",
                     (unsigned long long)s.retries, half, (unsigned long long)s.bound,
                     window_when(f->w, v, arena));
        v->certain = "one witness is enough (class D)";
    } else if (misses_wish(f->w, t, arena, v)) {
        return;
    } else if (s.bound == 0 || s.offered * 2 < s.of_bound * 3) {
        verdict_open(
            v, s.bound == 0 ? WHY_NEVER_FIRED : WHY_TOO_FEW, arena,
            "the budget was never under stress: %llu failures within %s of a bound of %llu",
            (unsigned long long)s.offered, half, (unsigned long long)s.of_bound);
        v->needs = arena_printf(arena, "%llu failures to retry within %s",
                                (unsigned long long)(bound_from(t, 0, 0) * 3 / 2 + 1), half);
    } else {
        verdict_pass(v, arena, "%llu retries within %s of at most %llu; %llu failed there",
                     (unsigned long long)s.retries, half, (unsigned long long)s.bound,
                     (unsigned long long)s.offered);
        v->certain = verdict_excludes(s.offered, arena);
    }
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    const struct budget_rule *b = &edge->budget;
    struct tokens t = {.ttl_ns = b->interval.number,
                       .reserve = b->least.number * (b->interval.number / NS_PER_S),
                       .ratio_ppm = b->ratio_ppm.number};
    struct flight f;
    char share[32], ttl[32];
    units_print_share(t.ratio_ppm, share, sizeof(share));
    units_print_duration(t.ttl_ns, ttl, sizeof(ttl));
    verdict_policy(ret, b->ratio_ppm.set ? &b->ratio_ppm : &b->least, arena,
                   "retries: %s of the answers, and %llu a second, over %s", share,
                   (unsigned long long)b->least.number, ttl);
    ret->unit = "failures to retry";
    if (!flight_init(&f, w, ret, arena))
        return;
    gather(edge, &f, &t);
    decide(&f, &t, arena, ret);
    intervals_release(&t.retries);
    intervals_release(&t.oks);
    intervals_release(&t.failures);
    flight_release(&f);
}

const struct claim_type claim_budget_linkerd = {
    .id = "budget.linkerd",
    .word = "budget",
    .only = "budget",
    .help = "no more retries than the ServiceProfile's tokens pay for",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
