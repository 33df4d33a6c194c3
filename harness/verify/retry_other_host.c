/* retry.other_host (spec/verifier.md 3.1): the first retry goes to another endpoint. Later ones may
 * find all hosts tried, which is legal. */
#include "verify/claims.h"
#include "verify/eject.h"
#include "verify/window.h"

#include "base/clock.h"
#include "stats/exact.h"

#define LEAST 60
#define NEAR_NS (200 * NS_PER_MS)
/* Legal are at most 2.5 % (Envoy redraws five times; measured 6 of 240 for the worst balancer). */
#define SAME_HOST_MOST 0.25

static bool applies(const struct edge_policy *edge)
{
    return edge->flavour == FLAVOUR_ENVOY && edge->retry.other_host && edge->retry.attempts.set &&
           edge->retry.attempts.number > 0 && edge->endpoints != 1;
}

static bool arrived(const struct track *t, uint32_t index)
{
    return !t->tries[index].is_connection;
}

/* Some other endpoint had tries just before and just after: it was in, and the retry had where to
 * go. One whose connections broke before any request shows no retry that went there. */
static bool has_other(const struct track *t, uint32_t host, uint64_t t_ns)
{
    for (uint32_t h = 0; h < t->host_count; h++) {
        const struct track_host *other = &t->hosts[h];
        uint32_t after = eject_position_after(t, h, t_ns);
        if (h != host && after > 0 && after < other->count && arrived(t, other->tries[after]) &&
            arrived(t, other->tries[after - 1]) &&
            t->tries[other->tries[after]].head_ns <= t_ns + NEAR_NS &&
            t->tries[other->tries[after - 1]].head_ns + NEAR_NS >= t_ns)
            return true;
    }
    return false;
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    const struct track *t = w->track;
    uint64_t first_retries = 0, same = 0;
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &t->requests[i];
        const struct try *x = window_has(w, r) ? window_first(w, r) : NULL;
        const struct try *again = x == NULL ? NULL : window_after(w, x);
        if (again == NULL || x->late_read || again->late_read || again->r->n_mesh > 2 ||
            x->r->n_mesh > 1 || x->r->endpoint == 0 ||
            !has_other(t, x->r->endpoint - 1u, again->head_ns))
            continue;
        first_retries++;
        if (x->r->endpoint == again->r->endpoint) {
            same++;
            window_witness(ret, r, again->head_ns);
        }
    }
    ret->seen = ret->eligible = first_retries;
    ret->wrong = same;
    ret->needed = window_floor(w, LEAST);
    ret->unit = "first retries";
    verdict_policy(ret, &edge->retry.attempts, arena, "a retry goes to another endpoint");
    double tail = exact_binom_tail_ge(same, first_retries, SAME_HOST_MOST);
    if (t->host_count < 2)
        verdict_open(ret, WHY_CAPABILITY, arena, "only one endpoint: a retry has no other");
    else if (first_retries > 0 && tail <= w->alpha) {
        verdict_fail(ret, arena, "%llu of %llu first retries went to the same endpoint%s",
                     (unsigned long long)same, (unsigned long long)first_retries,
                     window_when(w, ret, arena));
        ret->certain = arena_printf(arena, "at most %.0f %% may; by chance %.1g (class P)",
                                    SAME_HOST_MOST * 100, tail);
    } else if (first_retries < ret->needed)
        window_too_few(w, ret, arena, first_retries, ret->needed, ret->unit);
    else
        verdict_pass(ret, arena, "another endpoint on %llu of %llu first retries",
                     (unsigned long long)(first_retries - same), (unsigned long long)first_retries);
}

const struct claim_type claim_retry_other_host = {
    .id = "retry.other_host",
    .word = "retries",
    .only = "other_host",
    .help = "the first retry goes to another endpoint",
    .class = CLAIM_PROBABILISTIC,
    .applies = applies,
    .judge = judge,
};
