/* metrics.timeouts (spec/verifier.md 3.7): the mesh counts the tries that its timers cut. Each is
 * cut by one of two, the try's or the request's, and has one counter: their sum is exact, and each
 * has a least. Linkerd counts neither. */
#include "verify/claims.h"
#include "verify/metrics.h"
#include "verify/timeout.h"

#define LEAST 5

static bool applies(const struct edge_policy *edge)
{
    return edge->flavour == FLAVOUR_ENVOY &&
           (timeout_try_ns(edge) != 0 || timeout_request_ns(edge) != 0);
}

/* Tries that only one of the timers can have cut, of which its counter shows fewer. */
static bool part_is_short(const struct meter *m, enum meaning meaning, uint64_t least,
                          const char *what, struct verdict *v, struct arena *arena)
{
    if (m->value[meaning] >= least)
        return false;
    verdict_fail(v, arena, "the mesh counted %llu tries cut by the %s, the wire %llu or more",
                 (unsigned long long)m->value[meaning], what, (unsigned long long)least);
    v->wrong = least - m->value[meaning];
    v->witness_ns = m->from_ns;
    v->certain = "no other timer can have cut them (class D)";
    return true;
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct meter m;
    struct wire wire;
    ret->unit = "tries cut";
    ret->needed = window_floor(w, LEAST);
    verdict_policy(
        ret, timeout_try_ns(edge) != 0 ? &edge->retry.per_try_timeout : &edge->request_timeout,
        arena, "the mesh counts the tries that its timers cut");
    if (!metrics_read(w, &m, &wire, ret, arena))
        return;
    ret->seen = ret->eligible = wire.cut.least;
    if (!m.known[MEANING_TIMEOUTS] || !m.known[MEANING_TRY_TIMEOUTS]) {
        metrics_unknown(ret, arena, "timeouts");
        return;
    }
    uint64_t mesh = m.value[MEANING_TIMEOUTS] + m.value[MEANING_TRY_TIMEOUTS];
    if (metrics_differ(w, &m, &wire, "tries cut", mesh, &wire.cut, ret, arena))
        return;
    if (wire.hosts <= m.proxies && wire.pages <= m.proxies &&
        (part_is_short(&m, MEANING_TRY_TIMEOUTS, wire.cut_try.least, "per-try timeout", ret,
                       arena) ||
         part_is_short(&m, MEANING_TIMEOUTS, wire.cut_whole.least, "request's timeout", ret,
                       arena)))
        return;
    if (wire.cut.least < ret->needed) {
        window_too_few(w, ret, arena, wire.cut.least, ret->needed, ret->unit);
        return;
    }
    verdict_pass(
        ret, arena, "mesh counted %llu tries cut (%llu per try, %llu by the whole), wire %s",
        (unsigned long long)mesh, (unsigned long long)m.value[MEANING_TRY_TIMEOUTS],
        (unsigned long long)m.value[MEANING_TIMEOUTS], metrics_bounds_print(&wire.cut, arena));
}

const struct claim_type claim_metrics_timeouts = {
    .id = "metrics.timeouts",
    .word = "metrics",
    .only = "timeouts",
    .help = "the mesh counts the tries that its timers cut",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
