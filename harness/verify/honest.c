/* honest (spec/verifier.md 3.7, XX1): a status is an endpoint's own, or one that the target's table
 * says its proxy makes (policy-semantics.md A8, D7). */
#include "verify/claims.h"
#include "verify/making.h"
#include "verify/window.h"

#define LEAST 100

static bool applies(const struct edge_policy *edge)
{
    return edge->flavour != FLAVOUR_L4;
}

static bool proxy_makes(enum flavour flavour, uint32_t status)
{
    static const uint16_t envoy[] = {400, 403, 404, 408, 413, 426, 429,
                                     431, 499, 500, 502, 503, 504, 507};
    static const uint16_t linkerd[] = {400, 403, 404, 408, 413, 429, 431, 500, 502, 503, 504};
    const uint16_t *of = flavour == FLAVOUR_LINKERD ? linkerd : envoy;
    size_t count = flavour == FLAVOUR_LINKERD ? COUNT_OF(linkerd) : COUNT_OF(envoy);
    for (size_t i = 0; i < count; i++)
        if (of[i] == status)
            return true;
    return false;
}

/* What these statuses are as grpc-status (grpc/doc/http-grpc-status-mapping.md, which both follow);
 * 4, 8: Linkerd's timeouts and its rate limit (3.8), 8 an Envoy's by an option of its limits. OK
 * and the codes of an application's own are no proxy's. */
static bool proxy_makes_grpc(enum flavour flavour, uint32_t code)
{
    bool both =
        code == 2 || code == 7 || code == 8 || code == 12 || code == 13 || code == 14 || code == 16;
    return both || (flavour == FLAVOUR_LINKERD && code == 4);
}

static bool may_make(const struct edge_policy *edge, const struct request *r)
{
    if (r->r->grpc_status == 0 || r->r->status != 200)
        return proxy_makes(edge->flavour, r->r->status);
    return proxy_makes_grpc(edge->flavour, r->r->grpc_status - 1u);
}

/* The plan lets requests meet the whole timeout, for what the mesh then says of its own. */
static bool waits_for_timeout(const struct edge_policy *edge, const struct window *w)
{
    return window_is_generated(w) && window_sends(w, "hold") && making_reaches_timeout(edge);
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    uint64_t total = 0, made = 0, wrong = 0, timeouts = 0;
    uint32_t status = 0;
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        if (!window_has(w, r) || r->r->end != END_COMPLETE || r->r->status == 0)
            continue;
        total++;
        bool from_endpoint = false, unsure = false;
        for (const struct try *x = window_first(w, r); x != NULL; x = window_after(w, x)) {
            from_endpoint = from_endpoint || window_same_answer(r, x);
            unsure = unsure || x->r->outcome == OUTCOME_BAD_RESPONSE;
        }
        if (from_endpoint || unsure)
            continue;
        made++;
        timeouts += window_timer_ended(w, r, false);
        if (may_make(edge, r))
            continue;
        wrong++;
        if (status == 0)
            status = r->r->grpc_status != 0 ? r->r->grpc_status - 1u : r->r->status;
        window_witness(ret, r, r->start_ns);
    }
    ret->seen = ret->eligible = total;
    ret->wrong = wrong;
    ret->needed = window_floor(w, LEAST);
    ret->unit = "answers";
    verdict_policy(ret, NULL, arena, "a status is an endpoint's own, or one that its proxy makes");
    if (wrong > 0) {
        verdict_fail(ret, arena, "%llu of %llu answers have a status that no endpoint gave (%u)%s",
                     (unsigned long long)wrong, (unsigned long long)total, status,
                     window_when(w, ret, arena));
        ret->certain = "one witness is enough (class D)";
    } else if (total < ret->needed)
        window_too_few(w, ret, arena, total, ret->needed, ret->unit);
    else if (timeouts == 0 && waits_for_timeout(edge, w))
        window_too_few(w, ret, arena, 0, 1, "requests that met the whole timeout");
    else
        verdict_pass(ret, arena, "%llu of %llu answers are an endpoint's, %llu the mesh's own",
                     (unsigned long long)(total - made), (unsigned long long)total,
                     (unsigned long long)made);
}

const struct claim_type claim_honest = {
    .id = "honest",
    .word = "status",
    .only = "status",
    .help = "a status made by the mesh is one that its table names",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
