/* accrual (spec/verifier.md 3.3): Linkerd's consecutive failure accrual. After so many certainly
 * consecutive failures a host gets nothing for its first penalty. A silence is no evidence here
 * (2.3): the gap is measured from the failure that filled the count. The later penalties and the
 * one probe at a time are not judged. */
#include "verify/claims.h"
#include "verify/eject.h"

#include "base/clock.h"

#define EPISODES_LEAST 2
#define SOON_NS (20 * NS_PER_MS)
/* Defaults of linkerd2-proxy (policy-semantics.md D5). */
#define FAILURES 7
#define PENALTY_NS (1 * NS_PER_S)

static bool applies(const struct edge_policy *edge)
{
    return edge->flavour == FLAVOUR_LINKERD && edge->accrual.present;
}

static uint64_t number_or(const struct value *v, uint64_t otherwise)
{
    return v->set && v->number != 0 ? v->number : otherwise;
}

/* Its request, or the end of the try before it, was later than ${t_ns}: so was it. */
static bool was_sent_after(const struct track *t, const struct try *x, uint64_t t_ns)
{
    if (x->request == TRACK_NONE || x->late_read || x->is_connection)
        return false;
    uint64_t since = t->requests[x->request].start_ns;
    for (const struct try *y = &t->tries[t->requests[x->request].first]; y != x;
         y = &t->tries[y->next])
        since = y->lo_ns > since ? y->lo_ns : since;
    return since >= t_ns;
}

/* The first try on the host after its count was certainly full. One that may have been sent before
 * is excused, and then nothing can be told: it may also be what shut the gate, one too late. */
static const struct try *next_after(const struct track *t, const struct track_host *host,
                                    uint32_t full)
{
    const struct try *last = &t->tries[host->tries[full]];
    if (full + 1 >= host->count || last->seen_ns == UINT64_MAX)
        return NULL;
    const struct try *next = &t->tries[host->tries[full + 1]];
    return was_sent_after(t, next, last->seen_ns) ? next : NULL;
}

/* More tries than that may have failed since the last certain success, or since the gate may have
 * opened. */
static bool may_be_longer(const struct track *t, const struct track_host *host, uint32_t full,
                          uint64_t failures)
{
    uint64_t fails = 0;
    for (uint32_t i = full + 1; i > 0 && fails <= failures; i--) {
        const struct try *x = &t->tries[host->tries[i - 1]];
        fails += (x->rule[0] & RULE_FAILS) != 0;
        if ((x->rule[0] & RULE_CLEARED) != 0 || x->after_gap)
            break;
    }
    return fails > failures;
}

struct gaps {
    struct extent extent;
    uint64_t unclear; /* after a run that may have been longer: an earlier failure may have shut it,
                         or a gate that shuts one late */
    uint64_t soon;
};

static void collect(const struct window *w, uint64_t failures, uint64_t least_ns, struct gaps *gaps,
                    struct verdict *ret)
{
    const struct track *t = w->track;
    for (uint32_t h = 0; h < t->host_count; h++) {
        const struct track_host *host = &t->hosts[h];
        uint64_t before = 0;
        for (uint32_t i = 0; i < host->count; i++) {
            const struct try *x = &t->tries[host->tries[i]];
            uint64_t run = (x->rule[0] & RULE_FAILED) != 0 ? track_smin(t, h, i, false) : 0;
            bool full = run >= failures && before < failures;
            before = run;
            if (!full || x->head_ns < w->span.from_ns || x->head_ns >= w->span.to_ns)
                continue;
            const struct try *next = next_after(t, host, i);
            if (next == NULL)
                continue;
            uint64_t gap = next->head_ns - x->lo_ns;
            if (may_be_longer(t, host, i, failures)) {
                gaps->unclear++;
                continue;
            }
            extent_add(&gaps->extent, gap);
            if (gap + SOON_NS >= least_ns)
                continue;
            gaps->soon++;
            window_witness(ret, &t->requests[next->request], next->head_ns);
        }
    }
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    uint64_t failures = number_or(&edge->accrual.max_failures, FAILURES);
    uint64_t penalty = number_or(&edge->accrual.min_penalty, PENALTY_NS);
    struct gaps gaps = {0};
    char least[32], range[48];
    collect(w, failures, penalty, &gaps, ret);
    verdict_span(penalty, least, sizeof(least));
    verdict_range(gaps.extent.least, gaps.extent.most, range, sizeof(range));
    ret->seen = ret->eligible = gaps.extent.count;
    ret->wrong = gaps.soon;
    ret->needed = EPISODES_LEAST;
    ret->unit = "penalties";
    verdict_policy(ret, &edge->accrual.max_failures, arena,
                   "shut for at least %s after %llu failures in a row", least,
                   (unsigned long long)failures);
    if (!w->track->same_clock)
        verdict_open(ret, WHY_CAPABILITY, arena, "clocks: client and endpoints tick apart");
    else if (gaps.soon > 0) {
        verdict_fail(ret, arena, "%llu of %llu penalties were too short, %s%s",
                     (unsigned long long)gaps.soon, (unsigned long long)gaps.extent.count, range,
                     window_when(w, ret, arena));
        ret->certain = "one witness is enough (class D): sent after the count was certainly full";
    } else if (gaps.extent.count < ret->needed && gaps.unclear > 0) {
        verdict_open(ret, WHY_TOO_FEW, arena,
                     "%llu of %llu runs before a penalty may have been longer than %llu failures",
                     (unsigned long long)gaps.unclear,
                     (unsigned long long)(gaps.unclear + gaps.extent.count),
                     (unsigned long long)failures);
        ret->needs = "a certain success on each endpoint before its run of failures";
    } else if (gaps.extent.count < ret->needed)
        window_too_few(w, ret, arena, gaps.extent.count, ret->needed,
                       arena_printf(arena, "runs of %llu failures", (unsigned long long)failures));
    else
        verdict_pass(ret, arena, "shut for %s after %llu failures in a row, %llu times", range,
                     (unsigned long long)failures, (unsigned long long)gaps.extent.count);
}

const struct claim_type claim_accrual = {
    .id = "accrual",
    .word = "ejection",
    .only = "trips",
    .help = "Linkerd: an endpoint is shut for its penalty after so many failures",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
