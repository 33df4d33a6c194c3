/* eject.trip (spec/verifier.md 3.3): a host that certainly fails often enough in a row goes out. */
#include "verify/claims.h"
#include "verify/eject.h"

#include "base/clock.h"

#define EPISODES_LEAST 2
#define RUN_LEAST 40
/* So small a part of the picks that make a silence: chance leaves out one host in ten. */
#define PAUSE_PART 8
#define RUN_LEAST_NS (1500 * NS_PER_MS)

struct run {
    uint64_t due_ns; /* when the mesh had seen the failure past the threshold; 0: no run */
    uint64_t tries, counted, first_ns, last_ns;
};

/* The failures really counted: a retry was made, or the client saw an error. */
static bool was_felt(const struct track *t, const struct try *x)
{
    return x->next != TRACK_NONE || x->place > 1 ||
           (x->request != TRACK_NONE &&
            (t->requests[x->request].r->status >= 500 ||
             (t->is_raw && t->requests[x->request].r->end != END_COMPLETE)));
}

/* Half an ejection before, the host had its last try, and others had some since: it may have been
 * out, and a merge window of that does not show. Where they had fewer in that time, what comes
 * before and after an ejection, together, is no run of RUN_LEAST. */
static bool is_after_pause(const struct track *t, const struct track_host *host, uint32_t position)
{
    if (position == 0)
        return false;
    uint64_t before = t->tries[host->tries[position - 1]].head_ns,
             after = t->tries[host->tries[position]].head_ns;
    return after - before >= t->unseen_ns &&
           track_picks(t, before, after) >= host->least / PAUSE_PART;
}

/* The longest run past the threshold of a host that nobody put out, while the cap left room. */
static struct run longest_run(const struct window *w, const struct ejector *e,
                              const struct panics *panics, uint32_t h)
{
    const struct track *t = w->track;
    const struct track_host *host = &t->hosts[h];
    struct run best = {0}, run = {0};
    for (uint32_t i = 0; i < host->count; i++) {
        const struct try *x = &t->tries[host->tries[i]];
        if (x->head_ns < w->wide.from_ns || x->head_ns >= w->wide.to_ns)
            continue;
        bool past = false;
        for (int gateway = 0; gateway < 2; gateway++)
            past = past || (e->c[gateway] != 0 && (x->rule[gateway] & RULE_FAILED) != 0 &&
                            eject_smin(t, e, h, i, gateway != 0) > e->c[gateway]);
        if (x->after_silence || track_may_have_been_out(t, h, i) || is_after_pause(t, host, i) ||
            !past || eject_out_most(t, e, h, x->head_ns) >= e->cap ||
            panics_hide(panics, x->head_ns)) {
            run = (struct run){0};
            continue;
        }
        if (run.due_ns == 0 && x->seen_ns != UINT64_MAX)
            run.due_ns = x->seen_ns;
        if (run.due_ns == 0 || x->head_ns < run.due_ns || spans_hold(&t->taint, x->head_ns))
            continue;
        if (run.tries++ == 0)
            run.first_ns = x->head_ns;
        run.counted += was_felt(t, x);
        run.last_ns = x->head_ns;
        if (run.tries > best.tries)
            best = run;
    }
    return best;
}

static bool was_out_after(const struct track *t, uint32_t h, uint64_t t_ns)
{
    for (size_t i = 0; i < t->silence_count; i++)
        if (t->silences[i].host == h && t->silences[i].begin_ns + NS_PER_S >= t_ns)
            return true;
    return false;
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    const struct track *t = w->track;
    struct ejector e;
    ejector_init(&e, edge, t->host_count);
    uint64_t trips = 0;
    for (size_t i = 0; i < t->silence_count; i++)
        trips += eject_touches(&t->silences[i], &w->wide) &&
                 t->silences[i].begin_ns >= w->wide.from_ns &&
                 eject_first(t, &e, &t->silences[i], false) != TRACK_NONE;
    struct run worst = {0};
    struct panics panics;
    uint32_t host = 0;
    panics_init(&panics, edge, &e, w);
    for (uint32_t h = 0; h < t->host_count; h++) {
        struct run run = longest_run(w, &e, &panics, h);
        bool never = run.tries >= RUN_LEAST && run.counted * 2 >= run.tries &&
                     run.last_ns - run.first_ns > RUN_LEAST_NS + e.merge_ns &&
                     !was_out_after(t, h, run.last_ns);
        if (never && run.tries > worst.tries) {
            worst = run;
            host = h;
        }
    }
    panics_release(&panics);
    unsigned long long c = ejector_least(&e);
    ret->seen = ret->eligible = trips;
    ret->wrong = worst.tries > 0;
    ret->needed = window_enough(w, EPISODES_LEAST);
    ret->unit = "ejections";
    verdict_policy(ret, &edge->outlier.consecutive_5xx, arena, "out after %llu failures in a row",
                   c);
    if (worst.tries > 0) {
        char span[32];
        window_witness(ret, NULL, worst.first_ns);
        verdict_fail(ret, arena, "%s failed %llu times in a row over %s and stayed in%s",
                     eject_name(w, host, arena), (unsigned long long)(worst.tries + c),
                     verdict_span(worst.last_ns - worst.first_ns, span, sizeof(span)),
                     window_when(w, ret, arena));
        ret->certain = "certainly consecutive, and past sweep and merge window (class D)";
    } else if (window_starved(w, ret, arena))
        return;
    else if (trips < ret->needed)
        window_too_few(w, ret, arena, trips, ret->needed, ret->unit);
    else
        verdict_pass(ret, arena, "out after %llu failures in a row, %llu of %llu times", c,
                     (unsigned long long)trips, (unsigned long long)trips);
}

const struct claim_type claim_eject_trip = {
    .id = "eject.trip",
    .word = "ejection",
    .only = "trips",
    .help = "an endpoint that fails often enough in a row goes out",
    .class = CLAIM_DETERMINISTIC,
    .adds = true,
    .applies = eject_applies,
    .judge = judge,
};
