/* metrics.retries (spec/verifier.md 3.7): the mesh counts the retries that the wire saw. */
#include "verify/claims.h"
#include "verify/metrics.h"

#define LEAST 10

static bool applies(const struct edge_policy *edge)
{
    return edge->flavour != FLAVOUR_L4 &&
           ((edge->retry.attempts.set && edge->retry.attempts.number > 0) || edge->retry.by_budget);
}

/* A ServiceProfile's retries have no counter of their own: all tries of the route but the first. */
static bool counted(const struct meter *m, uint64_t *ret)
{
    if (m->known[MEANING_RETRIES]) {
        *ret = m->value[MEANING_RETRIES];
        return true;
    }
    uint64_t requests = m->value[MEANING_ROUTE_REQUESTS], tries = m->value[MEANING_ROUTE_TRIES];
    *ret = tries > requests ? tries - requests : 0;
    return m->known[MEANING_ROUTE_REQUESTS] && m->known[MEANING_ROUTE_TRIES];
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct meter m;
    struct wire wire;
    uint64_t mesh;
    ret->unit = "retries";
    ret->needed = window_floor(w, LEAST);
    verdict_policy(ret, &edge->retry.attempts, arena, "the mesh counts the retries that it makes");
    if (!metrics_read(w, &m, &wire, ret, arena))
        return;
    ret->seen = ret->eligible = wire.retries.least;
    if (!counted(&m, &mesh)) {
        metrics_unknown(ret, arena, ret->unit);
        return;
    }
    if (metrics_differ(w, &m, &wire, "retries", mesh, &wire.retries, ret, arena)) {
        if (ret->kind == VERDICT_FAIL && wire.first_retried != TRACK_NONE) {
            const struct request *r = &w->track->requests[wire.first_retried];
            ret->witness_ns = 0;
            window_witness(ret, r, r->start_ns);
        }
        return;
    }
    if (wire.retries.least < ret->needed) {
        window_too_few(w, ret, arena, wire.retries.least, ret->needed, ret->unit);
        return;
    }
    verdict_pass(ret, arena, "mesh counted %llu retries, wire %s", (unsigned long long)mesh,
                 metrics_bounds_print(&wire.retries, arena));
}

const struct claim_type claim_metrics_retries = {
    .id = "metrics.retries",
    .word = "metrics",
    .only = "retries",
    .help = "the mesh counts the retries that it makes",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
