#include "reports/outage.h"

#include "base/clock.h"
#include "verify/eject.h"

#include <stdlib.h>

#define OUTAGES_MOST 4000
#define LEAK_NS (400 * NS_PER_MS) /* beyond the merge window: as eject.length has it */

static struct outage *add(struct outages *o)
{
    o->at = check_realloc(o->at, (o->count + 1) * sizeof(*o->at));
    o->at[o->count] = (struct outage){0};
    return &o->at[o->count++];
}

/* ${judged}: the judge found a length wrong. Where it did not, a bound that seems broken has a
 * reason that the judge knows (a stall, a panic), and is not named. */
static void compare(struct outage *o, const struct outing *seen, bool judged)
{
    o->due_ns = seen->must_ns;
    o->due_short_ns = seen->must_ns + seen->short_ns;
    o->due_long_ns = seen->must_ns + seen->long_ns;
    o->is = OUTAGE_AS_DECLARED;
    if (!judged)
        return;
    if (seen->ended && seen->most_ns < seen->short_ns) {
        o->is = OUTAGE_TOO_EARLY;
        o->off_ns = seen->short_ns - seen->most_ns;
    } else if (seen->least_ns > seen->long_ns) {
        o->is = OUTAGE_TOO_LATE;
        o->off_ns = seen->least_ns - seen->long_ns;
    }
}

static void add_silences(const struct scene *s, const struct scene_edge *e, struct outages *o)
{
    const struct track *t = e->track;
    struct ejector ejector;
    struct window w;
    bool envoy = eject_applies(e->policy),
         judged = scene_failure(s, e->scenario, t->service, "eject.length") != NULL ||
                  scene_failure(s, e->scenario, t->service, "eject.return") != NULL;
    if (!scene_window(s, e, NULL, &w))
        return;
    ejector_init(&ejector, e->policy, t->host_count);
    for (size_t i = 0; i < t->silence_count && o->count < OUTAGES_MOST; i++) {
        const struct silence *silence = &t->silences[i];
        struct outing seen;
        if (eject_explained(&w, silence))
            continue;
        struct outage *new = add(o);
        *new = (struct outage){.service = t->service,
                               .endpoint = (uint16_t)(silence->host + 1),
                               .is = OUTAGE_UNTOLD,
                               .from_ns = silence->begin_ns,
                               .to_ns = silence->end_ns,
                               .ended = silence->after != TRACK_NONE};
        if (envoy && eject_outing(&w, &ejector, i, &seen))
            compare(new, &seen, judged);
    }
}

/* Ejections that were over before they could be a silence. True: that is what the gap before the
 * try at ${position} was. */
static bool add_brief(const struct scene_edge *e, const struct ejector *ejector, uint32_t host,
                      uint32_t position, struct outages *o)
{
    const struct track *t = e->track;
    const struct span all = {t->from_ns, t->to_ns};
    const struct try *full = &t->tries[t->hosts[host].tries[position - 1]];
    uint64_t out_ns, least = ejector_length_ns(ejector, 1);
    if (!eject_brief(t, ejector, &all, host, position - 1, &out_ns))
        return false;
    *add(o) = (struct outage){.service = t->service,
                              .endpoint = (uint16_t)(host + 1),
                              .is = OUTAGE_TOO_EARLY,
                              .from_ns = full->lo_ns,
                              .to_ns = full->lo_ns + out_ns,
                              .due_ns = full->lo_ns,
                              .due_short_ns = full->lo_ns + least,
                              .due_long_ns = full->lo_ns + least + ejector->interval_ns,
                              .off_ns = least > out_ns ? least - out_ns : 0,
                              .ended = true};
    return true;
}

/* Gaps after a failure that may be an ejection, at a rate that is too low to show it. */
static void add_gaps(const struct scene *s, const struct scene_edge *e, struct outages *o)
{
    const struct track *t = e->track;
    struct ejector ejector;
    bool judged = eject_applies(e->policy) &&
                  scene_failure(s, e->scenario, t->service, "eject.length") != NULL;
    ejector_init(&ejector, e->policy, t->host_count);
    for (uint32_t h = 0; h < t->host_count; h++)
        for (uint32_t i = 1; i < t->hosts[h].count && o->count < OUTAGES_MOST; i++) {
            const struct try *x = &t->tries[t->hosts[h].tries[i]],
                             *before = &t->tries[t->hosts[h].tries[i - 1]];
            if (judged && add_brief(e, &ejector, h, i, o))
                continue;
            if (x->after_silence || ((before->rule[0] | before->rule[1]) & RULE_FAILS) == 0 ||
                !track_may_have_been_out(t, h, i))
                continue;
            *add(o) = (struct outage){.service = t->service,
                                      .endpoint = (uint16_t)(h + 1),
                                      .is = OUTAGE_MAYBE,
                                      .from_ns = before->head_ns,
                                      .to_ns = x->head_ns,
                                      .ended = true};
        }
}

static bool is_silent_soon(const struct track *t, uint32_t host, uint64_t t_ns, uint64_t within_ns)
{
    for (size_t i = 0; i < t->silence_count; i++)
        if (t->silences[i].host == host && t->silences[i].begin_ns <= t_ns + within_ns &&
            t->silences[i].end_ns + within_ns >= t_ns)
            return true;
    return false;
}

/* Only where the judge found that one never came: what is expected here is no finding. */
static void add_missing(const struct scene *s, const struct scene_edge *e, struct outages *o)
{
    const struct track *t = e->track;
    struct ejector ejector;
    if (!eject_applies(e->policy) ||
        (scene_failure(s, e->scenario, t->service, "eject.trip") == NULL &&
         scene_failure(s, e->scenario, t->service, "eject.late") == NULL))
        return;
    ejector_init(&ejector, e->policy, t->host_count);
    uint64_t within_ns = ejector.merge_ns + LEAK_NS;
    for (uint32_t h = 0; h < t->host_count; h++) {
        uint64_t until_ns = 0;
        for (uint32_t i = 0; i < t->hosts[h].count; i++) {
            const struct try *x = &t->tries[t->hosts[h].tries[i]];
            bool fails = ((x->rule[0] | x->rule[1]) & RULE_FAILED) != 0;
            if (x->head_ns < until_ns || !fails || !eject_must(t, &ejector, h, i) ||
                spans_hold(&t->taint, x->head_ns) ||
                eject_out_most(t, &ejector, h, x->head_ns) >= ejector.cap ||
                is_silent_soon(t, h, x->head_ns, within_ns))
                continue;
            if (o->count >= OUTAGES_MOST)
                return;
            until_ns = x->head_ns + ejector_length_ns(&ejector, 1);
            *add(o) = (struct outage){.service = t->service,
                                      .endpoint = (uint16_t)(h + 1),
                                      .is = OUTAGE_MISSING,
                                      .from_ns = x->head_ns,
                                      .to_ns = x->head_ns,
                                      .due_ns = x->head_ns,
                                      .due_short_ns = until_ns,
                                      .due_long_ns = until_ns + ejector.interval_ns,
                                      .failures = ejector_least(&ejector)};
        }
    }
}

static int by_place(const void *a, const void *b)
{
    const struct outage *x = a, *y = b;
    int order = strcmp(x->service, y->service);
    if (order != 0)
        return order;
    if (x->endpoint != y->endpoint)
        return x->endpoint < y->endpoint ? -1 : 1;
    return (x->from_ns > y->from_ns) - (x->from_ns < y->from_ns);
}

static bool ejects(const struct edge_policy *p)
{
    return p->outlier.present || p->accrual.present;
}

void outages_read(const struct scene *s, struct outages *ret)
{
    *ret = (struct outages){0};
    for (size_t i = 0; i < s->edge_count; i++) {
        bool again = false;
        /* several callers share the track of a service */
        for (size_t k = 0; k < i; k++)
            again = again || s->edges[k].track == s->edges[i].track;
        if (again || !ejects(s->edges[i].policy))
            continue;
        add_silences(s, &s->edges[i], ret);
        add_gaps(s, &s->edges[i], ret);
        add_missing(s, &s->edges[i], ret);
    }
    if (ret->count > 0)
        qsort(ret->at, ret->count, sizeof(*ret->at), by_place);
}

void outages_release(struct outages *o)
{
    free(o->at);
    *o = (struct outages){0};
}

bool outages_are_declared(const struct scene *s, const char *service)
{
    for (size_t i = 0; i < s->edge_count; i++)
        if (ejects(s->edges[i].policy) && strcmp(s->edges[i].track->service, service) == 0)
            return true;
    return false;
}

const char *outage_print(const struct outage *o, char *to, size_t size)
{
    unsigned long long tenths = (o->off_ns + 50 * NS_PER_MS) / (100 * NS_PER_MS);
    to[0] = '\0';
    switch (o->is) {
    case OUTAGE_AS_DECLARED:
    case OUTAGE_UNTOLD:
    case OUTAGE_MAYBE:
        break;
    case OUTAGE_TOO_EARLY:
        snprintf(to, size, "came back %llu.%llu s too early", tenths / 10, tenths % 10);
        break;
    case OUTAGE_TOO_LATE:
        snprintf(to, size, "%s %llu.%llu s too late", o->ended ? "came back" : "not back,",
                 tenths / 10, tenths % 10);
        break;
    case OUTAGE_MISSING:
        snprintf(to, size, "%llu failures in a row, not put out", (unsigned long long)o->failures);
        break;
    }
    return to;
}
