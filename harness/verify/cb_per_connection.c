/* cb.per_connection (spec/verifier.md 3.4 CB3): a connection carries at most so many requests. Our
 * own side numbers them, so one too many is a witness whatever else was lost. */
#include "verify/claims.h"
#include "verify/window.h"

#define FULL_LEAST 3

static bool applies(const struct edge_policy *edge)
{
    return edge->flavour == FLAVOUR_ENVOY && edge->pool.requests_per_connection.set &&
           edge->pool.requests_per_connection.number > 0;
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    const struct track *t = w->track;
    uint64_t limit = edge->pool.requests_per_connection.number, full = 0, most = 0;
    uint32_t end = track_try_at(t, w->span.to_ns);
    verdict_policy(ret, &edge->pool.requests_per_connection, arena,
                   "at most %llu requests on a connection", (unsigned long long)limit);
    ret->unit = "full connections";
    ret->needed = window_floor(w, FULL_LEAST);
    for (uint32_t i = track_try_at(t, w->span.from_ns); i < end; i++) {
        const struct try *x = &t->tries[i];
        const struct request *r = x->request == TRACK_NONE ? NULL : &t->requests[x->request];
        if (x->is_connection || (w->edge != 0 && (r == NULL || r->r->edge != w->edge)))
            continue;
        ret->seen++;
        full += x->r->sequence == limit;
        most = x->r->sequence > most ? x->r->sequence : most;
        if (x->r->sequence <= limit)
            continue;
        ret->wrong++;
        window_witness(ret, r, x->head_ns);
    }
    ret->eligible = full;
    if (ret->wrong > 0) {
        verdict_fail(ret, arena, "%llu requests on one connection%s", (unsigned long long)most,
                     window_when(w, ret, arena));
        ret->certain = "one witness is enough (class D)";
    } else if (full < ret->needed) {
        window_too_few(w, ret, arena, full, ret->needed, ret->unit);
    } else {
        verdict_pass(ret, arena, "%llu connections carried %llu requests, none more",
                     (unsigned long long)full, (unsigned long long)limit);
        ret->certain = verdict_excludes(full, arena);
    }
}

const struct claim_type claim_cb_per_connection = {
    .id = "cb.per_connection",
    .word = "breaker",
    .only = "per_connection",
    .help = "no connection carries more requests than declared",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
