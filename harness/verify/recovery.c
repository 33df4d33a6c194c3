/* recovery (spec/verifier.md 3.7): after the last fault is gone the service is steady again within
 * a bound: four half seconds one after the other with the baseline's success and latency. */
#include "verify/claims.h"
#include "verify/eject.h"

#include "base/clock.h"
#include "base/sort.h"
#include "base/units.h"

#include <stdlib.h>

#define SLICE_NS (500 * NS_PER_MS)
#define SLICES 4       /* steady: so many in a row */
#define SLICE_LEAST 20 /* requests in one */
#define BASELINE_LEAST 100
#define EPISODES_MOST 64
#define AFTER_NS (2 * NS_PER_S)
#define SLOWER 1.5
/* Half as long again of half a millisecond is no news (as tail's `add`). */
#define SLOWER_ADD_NS (2 * NS_PER_MS)
#define WORSE 0.01

struct level {
    uint64_t count, p95_ns;
    double share; /* of good answers */
};
/* From the first fault's arming to the last one's end, and what came after. */
struct episode {
    uint64_t end_ns, until_ns;
};
struct recoveries {
    struct episode at[EPISODES_MOST];
    size_t count;
    uint64_t first_ns; /* the first fault of all; 0: none */
    uint64_t in_time, late, unseen, thin;
    struct extent took;
};

static bool applies(const struct edge_policy *edge)
{
    (void)edge;
    return true;
}

static struct level level_of(const struct window *w, uint64_t from_ns, uint64_t to_ns)
{
    const struct track *t = w->track;
    uint32_t from = track_request_at(t, from_ns), to = track_request_at(t, to_ns);
    uint64_t *took = check_alloc_zero((size_t)(to - from) + 1, sizeof(*took)), good = 0;
    struct level level = {0};
    for (uint32_t i = from; i < to; i++) {
        const struct request *r = &t->requests[i];
        if (!window_has(w, r) || r->done_ns == 0)
            continue;
        took[level.count++] = r->done_ns - r->start_ns;
        good += record_request_is_good(r->r);
    }
    if (level.count > 0) {
        qsort(took, level.count, sizeof(*took), sort_by_u64);
        level.p95_ns = took[(level.count * 95 + 99) / 100 - 1];
        level.share = (double)good / (double)level.count;
    }
    free(took);
    return level;
}

struct edge_event {
    uint64_t t_ns;
    int step; /* +1 armed, -1 gone */
};

static int by_time(const void *a, const void *b)
{
    const struct edge_event *x = a, *y = b;
    if (x->t_ns != y->t_ns)
        return x->t_ns < y->t_ns ? -1 : 1;
    return y->step - x->step; /* armed first: a fault that follows another ends no episode */
}

/* When faults of this arm stood, from the records of those who armed them. */
static void find_episodes(const struct window *w, struct recoveries *rec)
{
    const struct journal *j = w->journal;
    struct edge_event *events = check_alloc_zero(j->fault_count + 1, sizeof(*events));
    size_t count = 0;
    int64_t standing = 0;
    for (size_t i = 0; i < j->fault_count; i++) {
        const struct fault_record *f = &j->faults[i].r;
        const struct journal_proc *p = journal_proc_of(j, j->faults[i].proc);
        if (p == NULL || strcmp(p->arm, w->track->arm) != 0 || f->at < w->track->from_ns ||
            f->at > w->track->to_ns)
            continue;
        events[count++] = (struct edge_event){f->at, f->what == 0 ? 1 : -1};
    }
    qsort(events, count, sizeof(*events), by_time);
    for (size_t i = 0; i < count && events[i].t_ns < w->span.to_ns; i++) {
        if (standing == 0 && events[i].step > 0 && rec->count > 0)
            rec->at[rec->count - 1].until_ns = events[i].t_ns;
        if (rec->first_ns == 0)
            rec->first_ns = events[i].t_ns;
        standing += events[i].step;
        standing = standing < 0 ? 0 : standing;
        if (standing == 0 && rec->count < EPISODES_MOST)
            rec->at[rec->count++] = (struct episode){events[i].t_ns, w->span.to_ns};
    }
    free(events);
}

/* Ends that nothing was seen behind, before the next fault came at once, are none. */
static void keep_asked(const struct window *w, struct recoveries *rec)
{
    size_t kept = 0;
    for (size_t i = 0; i < rec->count; i++) {
        bool seen = rec->at[i].until_ns > rec->at[i].end_ns + SLICE_NS;
        /* In a phase the faults before it are meant: of those the last. */
        bool ours = w->phase == NULL || i + 1 == rec->count || rec->at[i].end_ns >= w->span.from_ns;
        if (seen && ours)
            rec->at[kept++] = rec->at[i];
    }
    rec->count = kept;
}

/* The longest legal way back of a host: how often one was out before says how long. */
static uint64_t usual_bound_ns(const struct window *w)
{
    const struct edge_policy *edge = w->policy;
    const struct track *t = w->track;
    struct ejector e;
    if (edge->flavour == FLAVOUR_LINKERD && edge->accrual.present)
        return edge->accrual.max_penalty.number + AFTER_NS;
    if (!eject_applies(edge) || !ejector_init(&e, edge, t->host_count))
        return AFTER_NS;
    uint64_t most = 0;
    for (uint32_t h = 0; h < t->host_count; h++) {
        uint64_t times = 0;
        for (size_t i = 0; i < t->silence_count; i++)
            times += t->silences[i].host == h && t->silences[i].begin_ns < w->span.to_ns;
        most = times > most ? times : most;
    }
    return ejector_length_ns(&e, most == 0 ? 1 : most) + e.interval_ns + e.merge_ns + AFTER_NS;
}

static uint64_t bound_ns(const struct window *w)
{
    uint64_t ns;
    struct error err = {0};
    const char *within = window_key(w, "within");
    return within != NULL && units_parse_duration(within, &ns, &err) ? ns : usual_bound_ns(w);
}

static bool is_steady(const struct level *now, const struct level *base)
{
    return now->share + WORSE + 1e-9 >= base->share &&
           (double)now->p95_ns <= SLOWER * (double)base->p95_ns + (double)SLOWER_ADD_NS;
}

/* How long after ${e}'s end it was steady; UINT64_MAX: never. ${ret_skipped_ns}: time before that
 * is no evidence. */
static uint64_t steady_after(const struct window *w, const struct episode *e,
                             const struct level *base, uint64_t *ret_skipped_ns, bool *ret_thin)
{
    uint64_t begun = 0, skipped = 0;
    uint32_t row = 0;
    *ret_thin = true;
    for (uint64_t at = e->end_ns; at + SLICE_NS <= e->until_ns; at += SLICE_NS) {
        if (spans_within(&w->track->taint, at, at + SLICE_NS) > 0) {
            skipped += SLICE_NS;
            continue;
        }
        struct level now = level_of(w, at, at + SLICE_NS);
        if (now.count < SLICE_LEAST) {
            row = 0;
            continue;
        }
        *ret_thin = false;
        if (!is_steady(&now, base)) {
            row = 0;
            continue;
        }
        if (row++ == 0) {
            begun = at;
            *ret_skipped_ns = skipped;
        }
        if (row == SLICES)
            return begun - e->end_ns;
    }
    *ret_skipped_ns = skipped;
    return UINT64_MAX;
}

static void look_at(const struct window *w, const struct episode *e, const struct level *base,
                    uint64_t bound, struct recoveries *rec, struct verdict *ret)
{
    uint64_t skipped = 0;
    bool thin;
    uint64_t took = steady_after(w, e, base, &skipped, &thin);
    if (thin) {
        rec->thin++;
        return;
    }
    if (took != UINT64_MAX)
        extent_add(&rec->took, took);
    if (took != UINT64_MAX && took <= bound + skipped) {
        rec->in_time++;
    } else if (took != UINT64_MAX ||
               e->until_ns - e->end_ns >= bound + skipped + (SLICES + 1) * SLICE_NS) {
        rec->late++;
        window_witness(ret, NULL, e->end_ns);
    } else
        rec->unseen++;
}

static void conclude(const struct window *w, const struct recoveries *rec, uint64_t bound,
                     struct arena *arena, struct verdict *ret)
{
    char within[32], range[48];
    uint64_t all = rec->in_time + rec->late;
    verdict_span(bound, within, sizeof(within));
    verdict_range(rec->took.least, rec->took.most, range, sizeof(range));
    const char *at =
        rec->took.count == 0 ? "never in what was seen" : arena_printf(arena, "after %s", range);
    if (window_starved(w, ret, arena))
        return;
    if (rec->late >= 2 && rec->in_time == 0) {
        verdict_fail(ret, arena, "not steady within %s on %llu of %llu times: %s%s", within,
                     (unsigned long long)rec->late, (unsigned long long)all, at,
                     window_when(w, ret, arena));
        ret->certain = "seen each time; time in which this machine was slow is left out (class T)";
    } else if (rec->late > 0) {
        verdict_open(ret, WHY_NOT_REPEATED, arena, "not steady within %s on %llu of %llu times: %s",
                     within, (unsigned long long)rec->late, (unsigned long long)all, at);
        ret->needs = "the same faults a second time";
    } else if (rec->in_time > 0)
        verdict_pass(ret, arena, "steady %s, within %s on %llu of %llu times", at, within,
                     (unsigned long long)rec->in_time, (unsigned long long)all);
    else if (rec->thin > 0) {
        verdict_open(ret, WHY_TOO_FEW, arena, "never %d requests in half a second after the faults",
                     SLICE_LEAST);
        ret->needs = "50 requests a second";
    } else if (rec->unseen > 0) {
        verdict_open(ret, WHY_TOO_FEW, arena, "what came after the faults was not seen for %s",
                     within);
        ret->needs =
            arena_printf(arena, "traffic for %s and 3 s more after the last fault", within);
    } else
        window_too_few(w, ret, arena, 0, 1, "faults that ended");
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct recoveries rec = {0};
    uint64_t bound = bound_ns(w);
    char text[32];
    verdict_span(bound, text, sizeof(text));
    verdict_policy(ret, edge->outlier.present ? &edge->outlier.base_ejection : NULL, arena,
                   "steady again within %s after the last fault", text);
    ret->needed = 1;
    ret->unit = "times that faults ended";
    find_episodes(w, &rec);
    keep_asked(w, &rec);
    uint64_t before = rec.first_ns == 0 ? w->track->from_ns : rec.first_ns;
    struct level base = level_of(w, w->track->from_ns, before);
    if (rec.count > 0 && base.count < BASELINE_LEAST) {
        window_too_few(w, ret, arena, base.count, BASELINE_LEAST,
                       "requests before the first fault");
        return;
    }
    for (size_t i = 0; i < rec.count; i++)
        look_at(w, &rec.at[i], &base, bound, &rec, ret);
    ret->seen = ret->eligible = rec.in_time + rec.late;
    ret->wrong = rec.late;
    conclude(w, &rec, bound, arena, ret);
}

const struct claim_type claim_recovery = {
    .id = "recovery",
    .word = "recovery",
    .only = "recovery",
    .help = "after the last fault the service is soon as it was before",
    .class = CLAIM_TIMING,
    .applies = applies,
    .judge = judge,
};
