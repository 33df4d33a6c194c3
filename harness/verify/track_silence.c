/* Hosts without picks (spec/verifier.md 2.3). */
#include "verify/track.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>

/* A gap by chance on an equal host is a silence once in 10^8 gaps, with half of its share assumed.
 */
#define SILENCE_ALPHA 1e-8
/* After a stall of ours 60 picks can be read in one burst. */
#define SILENCE_LEAST_NS (NS_PER_S / 2)
#define QUIET_NS (1250 * NS_PER_MS)
#define BASELINE_PICKS 20 /* per host, before a measured share is believed */

static void assume_shares(struct track *t, struct span baseline)
{
    double fair = t->host_count == 0 ? 1 : 1.0 / t->host_count;
    uint32_t from = track_try_at(t, baseline.from_ns), to = track_try_at(t, baseline.to_ns);
    uint32_t picks = to > from ? to - from : 0;
    for (uint32_t h = 0; h < t->host_count; h++) {
        struct track_host *host = &t->hosts[h];
        uint32_t mine = 0;
        for (uint32_t i = from; i < to; i++)
            mine += t->tries[i].r->endpoint == h + 1;
        host->share = fair * 0.75;
        if (picks >= BASELINE_PICKS * t->host_count)
            host->share = (double)mine / picks;
        if (host->share > fair)
            host->share = fair;
        if (host->share < fair / 4)
            host->share = fair / 4;
        host->least = (uint64_t)ceil(log(SILENCE_ALPHA) / log1p(-host->share / 2));
    }
}

static void count_calm(struct track *t)
{
    t->calm_before = check_alloc_zero((size_t)t->try_count + 1, sizeof(*t->calm_before));
    size_t span = 0; /* the first that ends after the try: both are in order of time */
    for (uint32_t i = 0; i < t->try_count; i++) {
        uint64_t head_ns = t->tries[i].head_ns;
        while (span < t->taint.count && t->taint.at[span].to_ns <= head_ns)
            span++;
        bool tainted = span < t->taint.count && t->taint.at[span].from_ns <= head_ns;
        t->calm_before[i + 1] = t->calm_before[i] + (tainted ? 0 : 1);
    }
}

static void add(struct track *t, size_t *capacity, const struct silence *s)
{
    if (t->silence_count == *capacity) {
        *capacity = *capacity == 0 ? 16 : *capacity * 2;
        t->silences = check_realloc(t->silences, *capacity * sizeof(*t->silences));
    }
    t->silences[t->silence_count++] = *s;
}

static uint64_t end_of(const struct track *t, const struct try *x)
{
    uint64_t end = x->left_ns > x->out_ns ? x->left_ns : x->out_ns;
    if (end == 0 && x->request != TRACK_NONE)
        end = t->requests[x->request].done_ns;
    return end > x->head_ns ? end : x->head_ns;
}

static bool was_there_before(const struct track *t, const struct try *x, uint32_t h)
{
    if (x->place < 2 || x->request == TRACK_NONE || x->is_connection)
        return false;
    for (const struct try *y = &t->tries[t->requests[x->request].first]; y != x;
         y = &t->tries[y->next])
        if (y->r->endpoint == h + 1)
            return true;
    return false;
}

/* A retry goes to another host than its request's tries before: where it went tells nothing of
 * those. */
static uint64_t avoiders(const struct track *t, uint32_t h, uint32_t from, uint32_t end)
{
    uint64_t count = 0;
    for (uint32_t i = from; i < end; i++)
        count += t->calm_before[i + 1] > t->calm_before[i] && was_there_before(t, &t->tries[i], h);
    return count;
}

/* A balancer that counts requests in flight (LEAST_REQUEST) spares a host that holds some: picks
 * elsewhere tell of the host only from the end of its last try on. */
static void find_on_host(struct track *t, uint32_t h, size_t *capacity)
{
    const struct track_host *host = &t->hosts[h];
    uint64_t busy_ns = 0;
    uint32_t from = 0; /* the first try from ${busy_ns} on, which only grows */
    for (uint32_t i = 0; i < host->count; i++) {
        uint32_t before = host->tries[i];
        uint64_t ends = end_of(t, &t->tries[before]);
        busy_ns = ends > busy_ns ? ends : busy_ns;
        uint32_t after = i + 1 < host->count ? host->tries[i + 1] : TRACK_NONE;
        uint32_t end = after == TRACK_NONE ? t->try_count : after;
        from = from > before + 1 ? from : before + 1;
        while (from < t->try_count && t->tries[from].head_ns < busy_ns)
            from++;
        struct silence s = {
            .host = h,
            .begin_ns = t->tries[before].head_ns,
            .end_ns = t->tries[after == TRACK_NONE ? t->try_count - 1 : after].head_ns,
            .before = before,
            .after = after,
            .picks = end > from ? t->calm_before[end] - t->calm_before[from] : 0,
        };
        uint64_t free_ns = s.end_ns > busy_ns ? s.end_ns - busy_ns : 0;
        if (s.picks < host->least || free_ns < SILENCE_LEAST_NS)
            continue;
        s.picks -= avoiders(t, h, from, end);
        if (s.picks < host->least)
            continue;
        add(t, capacity, &s);
        if (after != TRACK_NONE)
            t->tries[after].after_silence = true;
    }
}

static int by_begin(const void *a, const void *b)
{
    const struct silence *x = a, *y = b;
    return x->begin_ns < y->begin_ns ? -1 : x->begin_ns > y->begin_ns;
}

void track_find_silences(struct track *t, struct span baseline)
{
    count_calm(t);
    assume_shares(t, baseline);
    /* Linkerd's balancer starves a healthy host for seconds: there a silence is no evidence. */
    if (t->flavour == FLAVOUR_LINKERD)
        return;
    size_t capacity = 0;
    for (uint32_t h = 0; h < t->host_count; h++)
        find_on_host(t, h, &capacity);
    if (t->silence_count > 0)
        qsort(t->silences, t->silence_count, sizeof(*t->silences), by_begin);
}

bool track_quiet(const struct track *t, uint64_t t_ns)
{
    uint64_t from = t_ns > QUIET_NS ? t_ns - QUIET_NS : 0;
    for (size_t i = 0; i < t->silence_count; i++) {
        const struct silence *s = &t->silences[i];
        bool began = s->begin_ns >= from && s->begin_ns <= t_ns;
        bool ended = s->after != TRACK_NONE && s->end_ns >= from && s->end_ns <= t_ns;
        if (began || ended)
            return false;
    }
    return spans_within(&t->taint, from, t_ns) * 4 < t_ns - from;
}
