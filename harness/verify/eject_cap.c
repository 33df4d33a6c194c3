/* eject.cap and eject.never (spec/verifier.md 3.3): no more hosts are out at once than the policy
 * allows; none where it allows none. */
#include "verify/claims.h"
#include "verify/eject.h"

#include "base/clock.h"
#include "base/units.h"

#define STRESS_NS (300 * NS_PER_MS)
#define NEVER_SILENCES 3
#define NEVER_MORE_NS (2 * NS_PER_S)

static uint64_t end_of(const struct track *t, const struct silence *s)
{
    return s->after == TRACK_NONE ? t->to_ns : s->end_ns;
}

/* Of the silences that cover a span together with ${first}: the span in which ${count} hosts were
 * out. */
static bool overlap(const struct window *w, const struct silence *first, uint32_t count,
                    struct span *ret)
{
    const struct track *t = w->track;
    uint32_t together = 1;
    *ret = (struct span){first->begin_ns, end_of(t, first)};
    for (size_t i = 0; i < t->silence_count && together < count; i++) {
        const struct silence *s = &t->silences[i];
        if (s->host == first->host || s->begin_ns > first->begin_ns ||
            end_of(t, s) <= first->begin_ns || eject_explained(w, s))
            continue;
        together++;
        ret->to_ns = end_of(t, s) < ret->to_ns ? end_of(t, s) : ret->to_ns;
    }
    return together >= count;
}

/* More hosts out than allowed, over enough picks that none of them can just have been missed. */
static uint64_t violations(const struct window *w, uint32_t allowed, uint32_t *ret_host,
                           struct verdict *ret)
{
    const struct track *t = w->track;
    uint64_t found = 0;
    for (size_t i = 0; i < t->silence_count; i++) {
        const struct silence *s = &t->silences[i];
        struct span both;
        if (!eject_touches(s, &w->wide) || eject_explained(w, s) ||
            !overlap(w, s, allowed + 1, &both))
            continue;
        uint64_t end = both.to_ns < t->to_ns ? both.to_ns : t->to_ns;
        if (track_picks(t, both.from_ns, end) < t->hosts[s->host].least)
            continue;
        found++;
        *ret_host = s->host;
        window_witness(ret, NULL, both.from_ns);
    }
    return found;
}

/* All hosts out at once leaves no pick to tell by: the mesh says so itself. */
static uint64_t none_left(const struct window *w, struct verdict *ret)
{
    uint64_t found = 0;
    uint32_t end = track_request_at(w->track, w->wide.to_ns);
    for (uint32_t i = track_request_at(w->track, w->wide.from_ns); i < end; i++) {
        const struct request *r = &w->track->requests[i];
        if (!window_has(w, r) || r->r->body_class != BODY_NO_HEALTHY || r->seen > 0)
            continue;
        found++;
        window_witness(ret, r, r->start_ns);
    }
    return found;
}

/* How long a host certainly failed on: the longest time, and how many were long enough. */
struct stress {
    uint64_t least_ns, least_picks; /* what is long enough */
    uint64_t longest_ns, times;
};

/* Without ${e}: at all; else while as many as allowed were out. */
static void stress_find(const struct window *w, const struct ejector *e, struct stress *ret)
{
    const struct track *t = w->track;
    for (uint32_t h = 0; h < t->host_count; h++) {
        uint64_t first = 0;
        bool counted = false;
        for (uint32_t i = 0; i < t->hosts[h].count; i++) {
            const struct try *x = &t->tries[t->hosts[h].tries[i]];
            bool in = x->head_ns >= w->wide.from_ns && x->head_ns < w->wide.to_ns,
                 failed = in && (x->rule[0] & RULE_FAILED) != 0;
            /* Asked of failures alone: most tries are none, and the count looks far back. */
            if (!failed ||
                (e != NULL && (eject_out(t, h, x->head_ns) < e->cap || !eject_must(t, e, h, i)))) {
                first = 0;
                continue;
            }
            counted = counted && first != 0;
            /* For the mesh it fails on since that failure was seen. */
            first = first == 0 && x->seen_ns != UINT64_MAX ? x->seen_ns : first;
            uint64_t lasted = first != 0 && x->head_ns > first ? x->head_ns - first : 0;
            ret->longest_ns = lasted > ret->longest_ns ? lasted : ret->longest_ns;
            if (counted || lasted < ret->least_ns ||
                track_picks(t, first, x->head_ns) < ret->least_picks)
                continue;
            counted = true;
            ret->times++;
        }
    }
}

static void judge_cap(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                      struct verdict *ret)
{
    const struct track *t = w->track;
    struct ejector e;
    ejector_init(&e, edge, t->host_count);
    uint32_t host = 0;
    uint64_t found = violations(w, e.cap, &host, ret);
    uint64_t empty = e.cap < t->host_count ? none_left(w, ret) : 0;
    struct stress stress = {.least_ns = e.merge_ns + STRESS_NS,
                            .least_picks = t->host_count == 0 ? 0 : t->hosts[0].least};
    stress_find(w, &e, &stress);
    ret->seen = ret->eligible = stress.times;
    ret->wrong = found + empty;
    ret->needed = window_enough(w, 1);
    ret->unit = "times that one more failed";
    verdict_policy(ret, &edge->outlier.max_ejection_percent, arena, "at most %u of %u out at once",
                   e.cap, t->host_count);
    if (found > 0) {
        verdict_fail(ret, arena, "%u of %u were out at once, %s too%s", e.cap + 1, t->host_count,
                     eject_name(w, host, arena), window_when(w, ret, arena));
        ret->certain = "one witness is enough (class D): enough picks went elsewhere meanwhile";
    } else if (empty > 0) {
        verdict_fail(ret, arena, "all %u were out: %llu requests found no healthy endpoint%s",
                     t->host_count, (unsigned long long)empty, window_when(w, ret, arena));
        ret->certain = "one witness is enough (class D): the mesh says so itself";
    } else if (window_starved(w, ret, arena))
        return;
    else if (stress.times < ret->needed)
        window_too_few(w, ret, arena, stress.times, ret->needed,
                       "endpoints that failed long enough while others were out");
    else
        verdict_pass(ret, arena, "%u of %u out while one more failed", e.cap, t->host_count);
}

const struct claim_type claim_eject_cap = {
    .id = "eject.cap",
    .word = "ejection",
    .only = "cap",
    .help = "no more endpoints are out at once than the percentage allows",
    .class = CLAIM_DETERMINISTIC,
    .applies = eject_applies,
    .judge = judge_cap,
};

/* An outlier rule that can eject nobody. */
static bool never_applies(const struct edge_policy *edge)
{
    return edge->outlier.present && edge->flavour != FLAVOUR_LINKERD && !eject_applies(edge);
}

/* Whether the expectation's `never` names the host ("payments", "payments/2"). */
static bool is_named(const struct window *w, const json_t *never, uint32_t host)
{
    size_t i;
    const json_t *each;
    json_array_foreach(never, i, each)
    {
        const char *text = json_string_value(each);
        size_t len = strlen(w->track->service);
        uint64_t number;
        if (text == NULL || strncmp(text, w->track->service, len) != 0)
            continue;
        if (text[len] == '\0' ||
            (text[len] == '/' && bytes_to_u64(bytes_of(text + len + 1), &number) &&
             number == host + 1))
            return true;
    }
    return false;
}

static void judge_never(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                        struct verdict *ret)
{
    const struct track *t = w->track;
    const json_t *never = w->asked == NULL ? NULL : json_object_get(w->asked->keys, "never");
    struct ejector e;
    bool inert = !ejector_init(&e, edge, t->host_count);
    struct stress failing = {.least_ns = e.interval_ns + NEVER_MORE_NS,
                             .least_picks =
                                 t->host_count == 0 ? 0 : NEVER_SILENCES * t->hosts[0].least};
    uint64_t out = 0;
    uint32_t host = 0;
    stress_find(w, NULL, &failing);
    for (size_t i = 0; i < t->silence_count; i++) {
        const struct silence *s = &t->silences[i];
        uint64_t could_ns;
        /* The detector of tries without an answer, which is no subject here. */
        bool apart = inert && e.cap > 0 && e.local != 0 && eject_could_before(t, &e, s, &could_ns);
        if (s->begin_ns < w->wide.from_ns || s->begin_ns >= w->wide.to_ns || apart ||
            eject_explained(w, s) || (!inert && !is_named(w, never, s->host)))
            continue;
        if (out++ == 0)
            host = s->host;
        window_witness(ret, NULL, s->begin_ns);
    }
    ret->seen = ret->eligible = inert ? failing.times : 1;
    ret->wrong = out;
    ret->needed = inert ? window_enough(w, 1) : 1;
    ret->unit = "long failures";
    verdict_policy(ret, &edge->outlier.max_ejection_percent, arena,
                   inert ? "%llu %% of %u endpoints: none may be out" : "these must not be out",
                   (unsigned long long)edge->outlier.max_ejection_percent.number, t->host_count);
    if (out > 0) {
        verdict_fail(ret, arena, "%s went out%s", eject_name(w, host, arena),
                     window_when(w, ret, arena));
        ret->certain = "one witness is enough (class D): the others had picks enough meanwhile";
    } else if (window_starved(w, ret, arena))
        return;
    else if (inert && failing.times < ret->needed) {
        char span[32];
        verdict_open(ret, WHY_TOO_FEW, arena,
                     failing.times == 0 ? "no endpoint failed for %s and %llu tries"
                                        : "too few times an endpoint failed for %s and %llu tries",
                     verdict_span(failing.least_ns, span, sizeof(span)),
                     (unsigned long long)failing.least_picks);
        ret->needs = "one endpoint that fails for so long";
    } else
        verdict_pass(ret, arena, inert ? "never out, though it failed for %.1f s" : "never out",
                     (double)failing.longest_ns / (double)NS_PER_S);
}

const struct claim_type claim_eject_never = {
    .id = "eject.never",
    .word = "ejection",
    .only = "cap",
    .help = "where the policy lets none be ejected, none is",
    .class = CLAIM_DETERMINISTIC,
    .applies = never_applies,
    .judge = judge_never,
};
