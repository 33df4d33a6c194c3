/* metrics.statuses (spec/verifier.md 3.7): the mesh counts answers by the class of their status, as
 * the wire saw them. Envoy counts what its callers got (a drop of its breaker as 503), Linkerd what
 * the endpoints gave. */
#include "verify/claims.h"
#include "verify/metrics.h"

#define LEAST 20

static bool applies(const struct edge_policy *edge)
{
    return edge->flavour != FLAVOUR_L4;
}

static bool differs(const struct window *w, const struct meter *m, const struct wire *wire,
                    enum meaning first, const struct metrics_bounds *classes, struct verdict *v,
                    struct arena *arena)
{
    for (size_t i = 0; i < METRICS_CLASSES; i++)
        if (metrics_differ(w, m, wire, arena_printf(arena, "answers %zuxx", i + 1),
                           m->value[(size_t)first + i], &classes[i], v, arena))
            return true;
    return false;
}

static const char *list(const struct meter *m, enum meaning first, uint64_t *ret_total,
                        struct arena *arena)
{
    const char *text = "";
    *ret_total = 0;
    for (size_t i = 0; i < METRICS_CLASSES; i++) {
        uint64_t n = m->value[(size_t)first + i];
        *ret_total += n;
        if (n > 0)
            text = arena_printf(arena, "%s%s%llu %zuxx", text, text[0] == '\0' ? "" : ", ",
                                (unsigned long long)n, i + 1);
    }
    return text;
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct meter m;
    struct wire wire;
    uint64_t total;
    (void)edge;
    ret->unit = "answers";
    ret->needed = window_floor(w, LEAST);
    verdict_policy(ret, NULL, arena, "the mesh counts each answer under its status");
    if (!metrics_read(w, &m, &wire, ret, arena))
        return;
    bool of_callers = m.known[MEANING_STATUS_2XX], of_tries = m.known[MEANING_TRY_2XX];
    ret->seen = ret->eligible = of_callers ? wire.requests : wire.tries.least;
    if (!of_callers && !of_tries) {
        metrics_unknown(ret, arena, ret->unit);
        return;
    }
    if ((of_callers && differs(w, &m, &wire, MEANING_STATUS_1XX, wire.status, ret, arena)) ||
        (of_tries && (differs(w, &m, &wire, MEANING_TRY_1XX, wire.tried, ret, arena) ||
                      metrics_differ(w, &m, &wire, "answers without a status",
                                     m.value[MEANING_TRY_NONE], &wire.none, ret, arena))))
        return;
    if (ret->eligible < ret->needed) {
        window_too_few(w, ret, arena, ret->eligible, ret->needed, ret->unit);
        return;
    }
    const char *counted =
        list(&m, of_callers ? MEANING_STATUS_1XX : MEANING_TRY_1XX, &total, arena);
    verdict_pass(ret, arena, "mesh counted %llu answers as the wire did: %s",
                 (unsigned long long)total, counted);
}

const struct claim_type claim_metrics_statuses = {
    .id = "metrics.statuses",
    .word = "metrics",
    .only = "statuses",
    .help = "the mesh counts each answer under its status",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
