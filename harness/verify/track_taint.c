/* Time that is not evidence (spec/verifier.md 2.2). */
#include "verify/track.h"

#include "base/clock.h"

#include <stdlib.h>

#define STALL_NS (8 * NS_PER_MS)
#define LAG_NS (250 * NS_PER_MS)
#define SLOW_NS (12 * NS_PER_MS)
#define SLOW_MEDIANS 4
#define BEFORE_NS (30 * NS_PER_MS)
#define AFTER_NS (60 * NS_PER_MS)
#define TURN_ENDS_NS (500 * NS_PER_MS)
#define STEAL_NS (50 * NS_PER_MS) /* 5 % of the second that a host row tells of */

struct span_list {
    struct spans spans;
    size_t capacity;
};

static void add(struct span_list *to, uint64_t from_ns, uint64_t to_ns)
{
    if (to->spans.count == to->capacity) {
        to->capacity = to->capacity == 0 ? 64 : to->capacity * 2;
        to->spans.at = check_realloc(to->spans.at, to->capacity * sizeof(*to->spans.at));
    }
    to->spans.at[to->spans.count++] = (struct span){from_ns, to_ns};
}

static struct spans widened(const struct spans *raw)
{
    struct spans s = {check_alloc_zero(raw->count + 1, sizeof(struct span)), raw->count};
    for (size_t i = 0; i < raw->count; i++) {
        uint64_t from = raw->at[i].from_ns;
        s.at[i] =
            (struct span){from > BEFORE_NS ? from - BEFORE_NS : 0, raw->at[i].to_ns + AFTER_NS};
    }
    spans_merge(&s);
    return s;
}

static void add_stalls(const struct track *t, struct span_list *to)
{
    const struct journal *j = t->journal;
    for (size_t i = 0; i < j->stall_count; i++) {
        const struct stall_record *r = &j->stalls[i].r;
        if (r->fired <= STALL_NS || r->at + r->fired < t->from_ns || r->at >= t->to_ns)
            continue;
        const struct journal_proc *p = journal_proc_of(j, j->stalls[i].proc);
        if (p != NULL && p->arm != NULL && strcmp(p->arm, t->arm) == 0)
            add(to, r->at, r->at + r->fired);
    }
}

static void add_host(const struct track *t, struct span_list *to)
{
    const struct journal *j = t->journal;
    for (size_t i = 0; i < j->host_count; i++) {
        const struct host_record *r = &j->hosts[i].r;
        if (r->at < t->from_ns || r->at >= t->to_ns + NS_PER_S)
            continue;
        if (r->throttled > 0 || r->steal > STEAL_NS)
            add(to, r->at > NS_PER_S ? r->at - NS_PER_S : 0, r->at);
    }
}

static void swap(uint64_t *a, uint64_t *b)
{
    uint64_t was = *a;
    *a = *b;
    *b = was;
}

/* Hoare's selection: what is left of the middle is not greater, what is right of it not less. */
uint64_t track_median(uint64_t *values, size_t count)
{
    size_t low = 0, high = count - 1, middle = count / 2;
    while (low < high) {
        uint64_t pivot = values[low + (high - low) / 2];
        size_t i = low, k = high;
        for (;;) {
            while (values[i] < pivot)
                i++;
            while (values[k] > pivot)
                k--;
            if (i >= k)
                break;
            swap(&values[i++], &values[k--]);
        }
        /* [low, k] is not greater, [i, high] not less; one value may lie between. */
        if (i == k && values[i] == pivot) {
            if (middle == i)
                break;
            i++;
            k = k > low ? k - 1 : k;
        }
        if (middle <= k)
            high = k;
        else if (middle >= i)
            low = i;
        else
            break;
    }
    return values[middle];
}

/* What a clean request may take before it shows that the machine was slow. */
static uint64_t slow_ns(const struct track *t)
{
    uint64_t *took = check_alloc_zero((size_t)t->request_count + 1, sizeof(*took));
    size_t count = 0;
    for (uint32_t i = 0; i < t->request_count; i++)
        if (t->requests[i].background)
            took[count++] = t->requests[i].done_ns - t->requests[i].start_ns;
    uint64_t slow = SLOW_NS;
    if (count > 0) {
        uint64_t median = track_median(took, count);
        if (median * SLOW_MEDIANS > slow)
            slow = median * SLOW_MEDIANS;
    }
    free(took);
    return slow;
}

void track_find_stalls(struct track *t)
{
    struct span_list stalls = {0};
    add_stalls(t, &stalls);
    t->stalls = widened(&stalls.spans);
    free(stalls.spans.at);
}

/* Requests and stalls are both in order of time, so they are walked along together. */
void track_find_clear(struct track *t)
{
    const struct spans *s = &t->stalls;
    size_t span = 0; /* the first that ends after the request began */
    for (uint32_t i = 0; i < t->request_count; i++) {
        struct request *r = &t->requests[i];
        while (span < s->count && s->at[span].to_ns <= r->start_ns)
            span++;
        size_t last = span;
        while (last < s->count && s->at[last].to_ns <= r->done_ns)
            last++;
        r->clear = r->background && (span == s->count || s->at[span].from_ns > r->start_ns) &&
                   (last == s->count || s->at[last].from_ns > r->done_ns);
    }
}

/* While the run was paused, and until it had settled again, the arm's next phase or part of one had
 * not begun. */
static void add_pauses(const struct track *t, struct span_list *to)
{
    const struct journal *j = t->journal;
    uint64_t until_ns = t->to_ns;
    for (size_t i = j->phase_count; i-- > 0;) {
        const struct journal_phase *p = &j->phases[i];
        if (strcmp(p->arm, t->arm) != 0 || p->t0_ns >= t->to_ns)
            continue;
        if (p->why != NULL && strcmp(p->why, "pause") == 0 && p->t1_ns < until_ns)
            add(to, p->t1_ns, until_ns);
        until_ns = p->t0_ns < until_ns ? p->t0_ns : until_ns;
    }
}

/* What was under way at the end of a turn ends well. */
void track_turns(const struct journal *j, const char *arm_of, uint64_t to_ns, struct spans *ret)
{
    struct span_list gaps = {0};
    uint64_t since_ns = 0;
    for (size_t i = 0; i < j->event_count; i++) {
        const struct journal_event *e = &j->events[i];
        bool ends = strcmp(e->what, "block.end") == 0, begins = strcmp(e->what, "block.begin") == 0;
        const char *arm = json_string_value(json_object_get(e->json, "arm"));
        if ((!ends && !begins) || arm == NULL || strcmp(arm, arm_of) != 0)
            continue;
        if (begins && since_ns != 0 && e->t_ns > since_ns && since_ns < to_ns)
            add(&gaps, since_ns, e->t_ns);
        since_ns = ends ? e->t_ns + TURN_ENDS_NS : 0;
    }
    if (since_ns != 0 && since_ns < to_ns)
        add(&gaps, since_ns, to_ns);
    *ret = gaps.spans;
    spans_merge(ret);
}

void track_find_taint(struct track *t)
{
    struct span_list all = {0};
    track_turns(t->journal, t->arm, t->to_ns, &t->gaps);
    add_stalls(t, &all);
    struct span_list lags = {0};
    for (size_t i = 0; i < all.spans.count; i++)
        if (track_active_ns(t, all.spans.at[i].from_ns, all.spans.at[i].to_ns) > LAG_NS)
            add(&lags, all.spans.at[i].from_ns, all.spans.at[i].to_ns);
    spans_merge(&lags.spans);
    t->lags = lags.spans;
    add_host(t, &all);
    add_pauses(t, &all);
    uint64_t slow = slow_ns(t);
    for (uint32_t i = 0; i < t->request_count; i++) {
        const struct request *r = &t->requests[i];
        if (r->background && r->done_ns - r->start_ns > slow)
            add(&all, r->start_ns, r->done_ns);
    }
    struct span_list taint = {.spans = widened(&all.spans)};
    taint.capacity = all.spans.count + 1;
    for (size_t i = 0; i < t->gaps.count; i++) {
        add(&taint, t->gaps.at[i].from_ns, t->gaps.at[i].to_ns);
        add(&all, t->gaps.at[i].from_ns, t->gaps.at[i].to_ns);
    }
    t->taint = taint.spans;
    t->raw = all.spans;
    spans_merge(&t->taint);
    spans_merge(&t->raw);
}
