/* eject.metrics (spec/verifier.md 3.3): the mesh's own gauge says that an endpoint is out while it
 * is. */
#include "verify/claims.h"
#include "verify/eject.h"

#include "base/clock.h"

#include <stdlib.h>

#define SILENCE_LEAST_NS (1500 * NS_PER_MS)
#define INSIDE_NS (300 * NS_PER_MS)
#define SCRAPES_LEAST 3
#define AROUND_NS (600 * NS_PER_MS) /* two scrapes, and the time they take */

struct gauge {
    uint64_t scrapes, shown;
};

static struct gauge gauge_within(const struct window *w, uint64_t from_ns, uint64_t to_ns)
{
    struct gauge g = {0};
    for (size_t i = 0; i < w->track->gauge_count; i++) {
        const struct metric_record *r = w->track->gauges[i];
        if (r->at < from_ns || r->at + r->answer > to_ns)
            continue;
        g.scrapes++;
        g.shown += r->value >= 1;
    }
    return g;
}

static uint32_t panic_from(const struct edge_policy *edge, uint32_t n)
{
    const struct value *v = &edge->outlier.min_health_percent;
    uint64_t percent = v->set ? v->number : 0;
    for (uint32_t out = 1; out <= n; out++)
        if ((n - out) * UINT64_C(100) < percent * n)
            return out;
    return UINT32_MAX;
}

static bool is_same(const struct metric_record *a, const struct metric_record *b)
{
    return a->proxy == b->proxy && a->name == b->name && a->labels == b->labels;
}

/* The gauge said so at ${index}: so it may have been since its scrape before, and until the one
 * after. */
static struct span said_at(const struct track *t, size_t index)
{
    const struct metric_record *r = t->gauges[index], *before = NULL, *after = NULL;
    for (size_t i = index; i > 0 && before == NULL; i--)
        before = is_same(t->gauges[i - 1], r) ? t->gauges[i - 1] : NULL;
    for (size_t i = index + 1; i < t->gauge_count && after == NULL; i++)
        after = is_same(t->gauges[i], r) ? t->gauges[i] : NULL;
    struct span ret = {r->at > AROUND_NS ? r->at - AROUND_NS : 0, r->at + r->answer + AROUND_NS};
    if (before != NULL && before->at < ret.from_ns)
        ret.from_ns = before->at;
    if (after == NULL || after->at > ret.to_ns)
        ret.to_ns = after == NULL ? UINT64_MAX : after->at;
    return ret;
}

void panics_init(struct panics *p, const struct edge_policy *edge, const struct ejector *e,
                 const struct window *w)
{
    const struct track *t = w->track;
    uint32_t least = panic_from(edge, t->host_count);
    struct spans *ret = &p->spans;
    *ret = (struct spans){check_alloc_zero(t->gauge_count + 1, sizeof(*ret->at)), 0};
    for (size_t i = 0; i < t->gauge_count; i++) {
        const struct metric_record *r = t->gauges[i];
        if (r->value >= least)
            ret->at[ret->count++] = said_at(t, i);
    }
    spans_merge(ret);
    p->blind = t->gauge_count == 0 && least <= e->cap;
}

void panics_release(struct panics *p)
{
    free(p->spans.at);
}

bool panics_ended(const struct panics *p, const struct ejector *e, uint64_t t_ns)
{
    uint64_t back = e->merge_ns + AROUND_NS, from = t_ns > back ? t_ns - back : 0;
    return p->blind || spans_within(&p->spans, from, t_ns + 1) > 0;
}

bool panics_hide(const struct panics *p, uint64_t t_ns)
{
    return p->blind || spans_hold(&p->spans, t_ns);
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    const struct track *t = w->track;
    struct ejector e;
    ejector_init(&e, edge, t->host_count);
    uint64_t shown = 0, hidden = 0;
    for (size_t i = 0; i < t->silence_count; i++) {
        const struct silence *s = &t->silences[i];
        /* Up to M passes from the last try to the ejection: only what is left of the silence must
         * show it. */
        uint64_t from = s->begin_ns + INSIDE_NS, to = s->end_ns - INSIDE_NS;
        if (!eject_touches(s, &w->wide) || eject_explained(w, s) ||
            s->end_ns - s->begin_ns < SILENCE_LEAST_NS ||
            eject_first(t, &e, s, false) == TRACK_NONE)
            continue;
        struct gauge g = gauge_within(w, from, to);
        if (g.scrapes < SCRAPES_LEAST)
            continue;
        shown += g.shown > 0;
        hidden += g.shown == 0;
        if (g.shown == 0)
            window_witness(ret, NULL, s->begin_ns);
    }
    ret->seen = ret->eligible = shown + hidden;
    ret->wrong = hidden;
    ret->needed = window_enough(w, 1);
    ret->unit = "ejections with three scrapes inside";
    verdict_policy(ret, &edge->outlier.base_ejection, arena, "the mesh's gauge shows an ejection");
    if (hidden > 0) {
        verdict_fail(ret, arena, "%llu of %llu ejections did not show in %s%s",
                     (unsigned long long)hidden, (unsigned long long)(shown + hidden), GAUGE_OUT,
                     window_when(w, ret, arena));
        ret->certain = "one witness is enough (class D): three scrapes lie within it";
    } else if (gauge_within(w, 0, UINT64_MAX).scrapes == 0) {
        verdict_open(ret, WHY_CAPABILITY, arena, "metrics not reachable");
        ret->needs = "a scrape of the mesh's proxies";
    } else if (shown < ret->needed)
        window_too_few(w, ret, arena, shown, ret->needed, ret->unit);
    else
        verdict_pass(ret, arena, "%s shows %llu of %llu ejections", GAUGE_OUT,
                     (unsigned long long)shown, (unsigned long long)shown);
}

const struct claim_type claim_eject_metrics = {
    .id = "eject.metrics",
    .word = "ejection",
    .only = "metrics",
    .help = "the mesh's own gauge shows an ejection",
    .class = CLAIM_DETERMINISTIC,
    .applies = eject_applies,
    .judge = judge,
    .also_word = "metrics",
    .also_only = "ejections",
};
