/* lb.slow_share (spec/verifier.md 3.5): a balancer that looks at latency or at requests in flight
 * gives a slow endpoint less than its share. Samples are episodes: of one armed latency only the
 * first three seconds, for what follows hangs on how they went. */
#include "verify/claims.h"
#include "verify/flight.h"

#include "base/clock.h"
#include "base/sort.h"
#include "base/units.h"
#include "stats/exact.h"

#include <stdlib.h>

#define EPISODE_NS (3 * NS_PER_S)
#define EPISODE_LEAST_NS (1500 * NS_PER_MS)
#define WITHOUT_NS (2 * NS_PER_S)
#define PICKS_LEAST 90
#define EPISODES_LEAST 7
#define EPISODES_MOST 512
#define SLOW_LEAST_NS (100 * NS_PER_MS)
#define SLOW_MEDIANS 10
#define SHARE_PPM 900000 /* of a fair share */
#define BAD_RATE 0.05    /* of a right mesh's episodes, at most (measured: 0 of 168) */
#define PPM 1000000

static bool applies(const struct edge_policy *edge)
{
    if (edge->flavour == FLAVOUR_LINKERD)
        return true;
    return edge->flavour == FLAVOUR_ENVOY &&
           (!edge->balance.set || edge->balance.number == LB_LEAST_REQUEST);
}

struct seen {
    uint64_t episodes, bad, unfit;
    struct extent share_ppm;
    const char *why;   /* the last unfit one's */
    uint64_t *of_host; /* [endpoint - 1]: its episodes */
};

static bool is_place(const char *text, const char *service, uint32_t host)
{
    struct arena arena;
    struct place place;
    struct error err = {0};
    arena_init(&arena, 64 * 1024);
    bool is = text != NULL && place_parse(text, &arena, &place, &err) && place.to.service != NULL &&
              strcmp(place.to.service, service) == 0 &&
              (place.to.endpoint == 0 || place.to.endpoint == host);
    arena_release(&arena);
    return is;
}

/* Whether the suite asks for this endpoint: `less`; a plan made from the policy asks for any. */
static bool is_asked(const struct window *w, uint32_t host)
{
    const json_t *less = w->asked == NULL ? NULL : json_object_get(w->asked->keys, "less"), *each;
    bool asked = less == NULL || is_place(json_string_value(less), w->track->service, host);
    size_t i;
    json_array_foreach(less, i, each)
    {
        asked = asked || is_place(json_string_value(each), w->track->service, host);
    }
    return asked;
}

/* An endpoint that `less` names by its number and that was never slow; 0: none. */
static uint32_t never_slow(const struct window *w, const struct seen *s)
{
    const json_t *less = w->asked == NULL ? NULL : json_object_get(w->asked->keys, "less");
    uint64_t asked = 0;
    for (uint32_t host = 1; less != NULL && host <= w->track->host_count; host++)
        asked += is_asked(w, host);
    /* Of all endpoints, or of any, the episodes are of whichever were slow. */
    for (uint32_t host = 1;
         asked > 0 && asked < w->track->host_count && host <= w->track->host_count; host++)
        if (is_asked(w, host) && s->of_host[host - 1] == 0)
            return host;
    return 0;
}

/* How long tries on other endpoints than ${host} usually took within ${span}; on it, with ${own}.
 */
static uint64_t median_ns(const struct window *w, const struct span *span, uint32_t host, bool own)
{
    const struct track *t = w->track;
    uint32_t from = track_try_at(t, span->from_ns), to = track_try_at(t, span->to_ns);
    uint64_t *took = check_alloc_zero((size_t)(to - from) + 1, sizeof(*took)), median = 0;
    size_t count = 0;
    for (uint32_t i = from; i < to; i++) {
        const struct try *x = &t->tries[i];
        if ((x->r->endpoint == host) == own && x->out_ns != 0 && !x->is_connection)
            took[count++] = x->out_ns - x->head_ns;
    }
    if (count > 0) {
        qsort(took, count, sizeof(*took), sort_by_u64);
        median = took[count / 2];
    }
    free(took);
    return median;
}

/* In flight at the client, the mean over the span. */
static double flight_mean(const struct flight *f, const struct span *span)
{
    double sum = 0;
    for (size_t i = 0; i < f->requests.count; i++) {
        const struct interval *x = &f->requests.at[i];
        uint64_t from = x->from_ns > span->from_ns ? x->from_ns : span->from_ns;
        uint64_t to = x->to_ns < span->to_ns ? x->to_ns : span->to_ns;
        sum += to > from ? (double)(to - from) : 0;
    }
    return sum / (double)(span->to_ns - span->from_ns);
}

/* NULL: the episode counts; else what is missing. */
static const char *unfit(const struct flight *f, const struct span *span, uint32_t host,
                         uint64_t picks, struct arena *arena)
{
    const struct window *w = f->w;
    uint64_t own = median_ns(w, span, host, true), others = median_ns(w, span, host, false);
    if (picks < PICKS_LEAST)
        return arena_printf(arena, "%llu tries in an episode, fewer than %d",
                            (unsigned long long)picks, PICKS_LEAST);
    if (flight_mean(f, span) < 2 * (double)f->workers)
        return arena_printf(arena, "fewer than %llu requests in flight",
                            (unsigned long long)(2 * f->workers));
    if (own != 0 && (own < SLOW_LEAST_NS || own < SLOW_MEDIANS * others))
        return "the slow endpoint was not 100 ms and ten times slower";
    if (spans_within(&w->track->stalls, span->from_ns, span->to_ns) * 2 >
        span->to_ns - span->from_ns)
        return "the machine was starved";
    return NULL;
}

static void add_episode(const struct flight *f, const struct span *span, uint32_t host,
                        uint64_t most_ppm, struct seen *s, struct arena *arena, struct verdict *v)
{
    const struct track *t = f->w->track;
    uint32_t from = track_try_at(t, span->from_ns), to = track_try_at(t, span->to_ns);
    uint64_t picks = 0, own = 0;
    for (uint32_t i = from; i < to; i++) {
        if (flight_of(f, &t->tries[i]) == NULL)
            continue;
        picks++;
        own += t->tries[i].r->endpoint == host;
    }
    const char *why = unfit(f, span, host, picks, arena);
    if (why != NULL) {
        s->unfit++;
        s->why = why;
        return;
    }
    s->episodes++;
    if (host <= t->host_count)
        s->of_host[host - 1]++;
    extent_add(&s->share_ppm, own * PPM / picks);
    if ((double)own * t->host_count * PPM <= (double)most_ppm * (double)picks)
        return;
    s->bad++;
    window_witness(v, NULL, span->from_ns);
}

/* The fault that ${row} arms is a latency on one endpoint of the track's service. */
static bool is_slowing(const struct window *w, const struct fault_row *row)
{
    const struct step *step = window_fault(w, row->r.fault);
    const struct journal_proc *p = journal_proc_of(w->journal, row->proc);
    return step != NULL && strcmp(step->word, "latency") == 0 && row->r.endpoint != 0 &&
           p != NULL && p->arm != NULL && strcmp(p->arm, w->track->arm) == 0 &&
           p->service != NULL && strcmp(p->service, w->track->service) == 0;
}

static uint64_t disarmed_ns(const struct window *w, size_t armed)
{
    const struct fault_row *a = &w->journal->faults[armed];
    uint64_t end = w->span.to_ns;
    for (size_t i = 0; i < w->journal->fault_count; i++) {
        const struct fault_row *b = &w->journal->faults[i];
        if (b->r.what != 0 && b->r.fault == a->r.fault && b->proc == a->proc &&
            b->r.endpoint == a->r.endpoint && b->r.at >= a->r.at && b->r.at < end)
            end = b->r.at;
    }
    return end;
}

static void look(const struct flight *f, uint64_t most_ppm, struct seen *s, struct arena *arena,
                 struct verdict *v)
{
    const struct window *w = f->w;
    uint64_t last_end = 0;
    for (size_t i = 0; i < w->journal->fault_count && s->episodes < EPISODES_MOST; i++) {
        const struct fault_row *row = &w->journal->faults[i];
        if (row->r.what != 0 || row->r.at < w->span.from_ns || row->r.at >= w->span.to_ns ||
            !is_slowing(w, row))
            continue;
        struct span span = {row->r.at, disarmed_ns(w, i)};
        bool rested = last_end == 0 || span.from_ns >= last_end + WITHOUT_NS - NS_PER_MS * 50;
        last_end = span.to_ns > last_end ? span.to_ns : last_end;
        if (span.to_ns > span.from_ns + EPISODE_NS)
            span.to_ns = span.from_ns + EPISODE_NS;
        bool asked = is_asked(w, row->r.endpoint);
        if (!asked || !rested || span.to_ns < span.from_ns + EPISODE_LEAST_NS) {
            s->unfit++;
            s->why = !asked   ? "less does not name that endpoint"
                     : rested ? "the latency was there for less than 1.5 s"
                              : "less than 2 s between two slow times";
            continue;
        }
        add_episode(f, &span, row->r.endpoint, most_ppm, s, arena, v);
    }
}

static void decide(const struct window *w, const struct seen *s, struct arena *arena,
                   struct verdict *v)
{
    unsigned long long least = s->share_ppm.least / 10000, most = s->share_ppm.most / 10000;
    double tail = s->bad == 0 ? 1 : exact_binom_tail_ge(s->bad, s->episodes, BAD_RATE);
    if (s->bad > 0 && tail <= w->alpha) {
        verdict_fail(v, arena,
                     "%llu of %llu times the slow endpoint kept its share: %llu..%llu %%%s",
                     (unsigned long long)s->bad, (unsigned long long)s->episodes, least, most,
                     window_when(w, v, arena));
        v->certain = arena_printf(arena, "improbable at %.1e for a right mesh", tail);
    } else if (s->episodes < v->needed) {
        window_too_few(w, v, arena, s->episodes, v->needed, v->unit);
        if (s->why != NULL)
            v->text = arena_printf(arena, "%s (%llu did not count: %s)", v->text,
                                   (unsigned long long)s->unfit, s->why);
    } else if (never_slow(w, s) != 0) {
        verdict_open(v, WHY_TOO_FEW, arena, "%s/%u, which less names, was never slow",
                     w->track->service, never_slow(w, s));
        v->needs = "fault.latency on it too";
    } else if (s->bad > 0) {
        verdict_open(v, WHY_TOO_FEW, arena, "%llu of %llu times the slow endpoint kept its share",
                     (unsigned long long)s->bad, (unsigned long long)s->episodes);
        v->needs = "more episodes: one such time may be chance";
    } else {
        verdict_pass(v, arena, "the slow endpoint got %llu..%llu %% in %llu of %llu times", least,
                     most, (unsigned long long)s->episodes, (unsigned long long)s->episodes);
        v->certain = "at most one time in twenty is a right mesh's chance";
    }
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct flight f;
    struct seen s = {0};
    struct error err = {0};
    uint64_t most_ppm = SHARE_PPM;
    const char *wish = window_key(w, "atmost");
    if (wish != NULL && (!units_parse_share(wish, &most_ppm, &err) || most_ppm > SHARE_PPM))
        most_ppm = SHARE_PPM;
    verdict_policy(ret, &edge->balance, arena, "a slow endpoint gets less%s (%s)",
                   wish == NULL ? ""
                                : arena_printf(arena, ", at most %s of a fair share: a wish", wish),
                   edge->balance.set && edge->balance.number < LB_POLICIES
                       ? lb_policy_names[edge->balance.number]
                       : "the default balancer");
    ret->unit = "slow times";
    ret->needed = window_floor(w, EPISODES_LEAST);
    if (w->track->host_count < 2) {
        verdict_open(ret, WHY_CAPABILITY, arena, "%s has one endpoint", edge->to);
        ret->needs = "two endpoints";
        return;
    }
    if (!flight_init(&f, w, ret, arena))
        return;
    s.of_host = ARENA_ARRAY(arena, uint64_t, w->track->host_count);
    look(&f, most_ppm, &s, arena, ret);
    ret->seen = s.episodes + s.unfit;
    ret->eligible = s.episodes;
    ret->wrong = s.bad;
    decide(w, &s, arena, ret);
    flight_release(&f);
}

const struct claim_type claim_lb_slow_share = {
    .id = "lb.slow_share",
    .word = "balance",
    .only = "balance",
    .help = "a slow endpoint gets less than its share",
    .class = CLAIM_PROBABILISTIC,
    .applies = applies,
    .judge = judge,
};
