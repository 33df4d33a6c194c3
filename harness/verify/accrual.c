/* accrual (spec/verifier.md 3.3): Linkerd's consecutive failure accrual. After so many certainly
 * consecutive failures a host gets nothing for its first penalty, and after each probe that fails
 * nothing for the next, which is twice as long, up to the longest. A silence is no evidence here
 * (2.3): penalties are measured from the failures. How many probes at a time there are is not
 * judged. */
#include "verify/claims.h"
#include "verify/penalty.h"

#include "base/clock.h"

#define EPISODES_LEAST 2

static bool applies(const struct edge_policy *edge)
{
    return edge->flavour == FLAVOUR_LINKERD && edge->accrual.present;
}

static void say_policy(const struct edge_policy *edge, const struct penalty_rule *rule,
                       struct arena *arena, struct verdict *v)
{
    char least[32], most[32];
    verdict_span(rule->least_ns, least, sizeof(least));
    verdict_span(rule->most_ns, most, sizeof(most));
    verdict_policy(v, &edge->accrual.max_failures, arena,
                   "shut for at least %s after %llu failures in a row, then twice as long each "
                   "time, up to %s",
                   least, (unsigned long long)rule->failures, most);
}

static void fail(const struct window *w, const struct penalties *p, struct arena *arena,
                 struct verdict *v)
{
    char range[48], least[32];
    bool first = p->soon > p->soon_later;
    const struct extent *seen = first ? &p->first : &p->later;
    uint64_t wrong = first ? p->soon - p->soon_later : p->soon_later;
    verdict_range(seen->least, seen->most, range, sizeof(range));
    verdict_span(p->short_later.most, least, sizeof(least));
    verdict_fail(v, arena, "%llu of %llu %s were too short, %s%s%s%s", (unsigned long long)wrong,
                 (unsigned long long)seen->count,
                 first ? "penalties" : "penalties after a failed probe", range,
                 first ? "" : "; at least ", first ? "" : least, window_when(w, v, arena));
    v->certain = first ? "one witness is enough (class D): sent after the count was certainly full"
                       : "one witness is enough (class D): sent after the probe had certainly "
                         "failed";
}

/* Several in a row are asked where the plan is ours, and there is something to grow. */
static bool must_grow(const struct window *w, const struct penalty_rule *rule)
{
    return window_is_generated(w) && rule->most_ns > rule->least_ns;
}

static void pass(const struct penalty_rule *rule, const struct penalties *p, struct arena *arena,
                 struct verdict *v)
{
    char first[48], later[48];
    verdict_range(p->first.least, p->first.most, first, sizeof(first));
    verdict_range(p->later.least, p->later.most, later, sizeof(later));
    if (p->later.count == 0)
        verdict_pass(v, arena, "shut for %s after %llu failures in a row, %llu times", first,
                     (unsigned long long)rule->failures, (unsigned long long)p->first.count);
    else
        verdict_pass(v, arena,
                     "shut for %s after %llu failures in a row, %llu times; for %s after a failed "
                     "probe, %llu times",
                     first, (unsigned long long)rule->failures, (unsigned long long)p->first.count,
                     later, (unsigned long long)p->later.count);
}

static void decide(const struct window *w, const struct penalty_rule *rule,
                   const struct penalties *p, struct arena *arena, struct verdict *v)
{
    uint64_t all = p->first.count + p->later.count;
    if (!w->track->same_clock)
        verdict_open(v, WHY_CAPABILITY, arena, "clocks: client and endpoints tick apart");
    else if (p->soon > 0)
        fail(w, p, arena, v);
    else if (p->first.count < v->needed && p->unclear > 0) {
        verdict_open(v, WHY_TOO_FEW, arena,
                     "%llu of %llu runs before a penalty may have been longer than %llu failures",
                     (unsigned long long)p->unclear,
                     (unsigned long long)(p->unclear + p->first.count),
                     (unsigned long long)rule->failures);
        v->needs = "a certain success on each endpoint before its run of failures";
    } else if (p->first.count < v->needed)
        window_too_few(
            w, v, arena, p->first.count, v->needed,
            arena_printf(arena, "runs of %llu failures", (unsigned long long)rule->failures));
    else if (p->late > 0) {
        verdict_open(v, WHY_STALLED, arena,
                     "%llu of %llu penalties were longer than they may be, and a request waited: "
                     "the mesh, or its machine",
                     (unsigned long long)p->late, (unsigned long long)all);
        v->needs = "the same on a quiet machine";
    } else if (p->later.count == 0 && must_grow(w, rule))
        window_too_few(w, v, arena, 0, 1, "probes that failed");
    else
        pass(rule, p, arena, v);
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct penalty_rule rule = penalty_rule_of(edge);
    struct penalties p;
    penalties_find(w, &rule, &p, ret);
    ret->seen = ret->eligible = p.first.count + p.later.count;
    ret->wrong = p.soon;
    ret->needed = window_enough(w, EPISODES_LEAST);
    ret->unit = "penalties";
    say_policy(edge, &rule, arena, ret);
    decide(w, &rule, &p, arena, ret);
}

const struct claim_type claim_accrual = {
    .id = "accrual",
    .word = "ejection",
    .only = "trips",
    .help =
        "Linkerd: an endpoint is shut for its penalty after so many failures, and longer each time",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
