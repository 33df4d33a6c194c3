/* metrics.requests (spec/verifier.md 3.7): the mesh counts the tries that it sends. */
#include "verify/claims.h"
#include "verify/metrics.h"

#define LEAST 20

static bool applies(const struct edge_policy *edge)
{
    return edge->flavour != FLAVOUR_L4;
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct meter m;
    struct wire wire;
    (void)edge;
    ret->unit = "tries";
    ret->needed = window_floor(w, LEAST);
    verdict_policy(ret, NULL, arena, "the mesh counts what it sends to the endpoints");
    if (!metrics_read(w, &m, &wire, ret, arena))
        return;
    ret->seen = ret->eligible = wire.tries.least;
    if (!m.known[MEANING_REQUESTS]) {
        metrics_unknown(ret, arena, ret->unit);
        return;
    }
    uint64_t mesh = m.value[MEANING_REQUESTS];
    if (metrics_differ(w, &m, &wire, "tries", mesh, &wire.tries, ret, arena))
        return;
    if (wire.tries.least < ret->needed) {
        window_too_few(w, ret, arena, wire.tries.least, ret->needed, ret->unit);
        return;
    }
    verdict_pass(ret, arena, "mesh counted %llu tries, wire %s", (unsigned long long)mesh,
                 metrics_bounds_print(&wire.tries, arena));
}

const struct claim_type claim_metrics_requests = {
    .id = "metrics.requests",
    .word = "metrics",
    .only = "requests",
    .help = "the mesh counts the tries that it sends",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
