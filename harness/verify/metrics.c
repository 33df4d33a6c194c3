#include "verify/metrics.h"

#include "base/clock.h"
#include "base/units.h"

#include <stdlib.h>
#include <string.h>

/* So long after the last byte a mesh has counted all (spec/verifier.md 3.7; linkerd-measured.md 5).
 */
#define QUIET_NS (200 * NS_PER_MS)
#define QUIET_LINKERD_NS (500 * NS_PER_MS)
#define ENDLESS_NS (30 * NS_PER_S) /* for a request whose end nobody wrote */
#define GAP_NONE SIZE_MAX

/* One scrape of one proxy. */
struct scrape {
    uint64_t proxy;
    uint64_t asked_ns, answered_ns;
    size_t gap; /* in which quiet time it lies; GAP_NONE: none */
    bool has[MEANINGS];
    double value[MEANINGS];
};
struct scrapes {
    struct scrape *at; /* by proxy, then by time */
    size_t count, proxies;
};

/* "10.0.0.7:15090 client -> payments": the proxy before the edge is there where an edge has
 * several.
 */
static bool is_of_edge(const struct window *w, const char *proxy)
{
    const char *edge = w->edge == 0 ? w->track->service : journal_name(w->journal, w->edge);
    size_t len = strlen(edge), whole = strlen(proxy);
    return whole >= len && strcmp(proxy + whole - len, edge) == 0 &&
           (whole == len || proxy[whole - len - 1] == ' ');
}

struct value_at {
    uint64_t proxy; /* who scraped, and its name */
    enum meaning meaning;
    uint64_t asked_ns, answered_ns;
    double value;
};

/* The counters of the asked edge, in the track's order: by proxy, then by time. */
static struct value_at *collect(const struct window *w, size_t *ret_count)
{
    const struct track *t = w->track;
    struct value_at *values = check_alloc((t->counter_count + 1) * sizeof(*values));
    uint8_t *edges = check_alloc_zero(w->journal->name_count + 1, 1); /* by name: 1 no, 2 yes */
    *ret_count = 0;
    for (size_t i = 0; i < t->counter_count; i++) {
        const struct track_counter *c = &t->counters[i];
        const struct metric_record *r = c->r;
        if (edges[r->proxy] == 0)
            edges[r->proxy] = is_of_edge(w, journal_name(w->journal, r->proxy)) ? 2 : 1;
        if (edges[r->proxy] == 2)
            values[(*ret_count)++] =
                (struct value_at){c->proxy, c->meaning, r->at, r->at + r->answer, r->value};
    }
    free(edges);
    return values;
}

/* Another scenario's mesh, of the same arm, was scraped before this one's traffic or after it. */
static bool is_of_walk(const struct window *w, const struct value_at *values, size_t count)
{
    const struct track *t = w->track;
    uint64_t over_ns =
        t->request_count == 0 ? t->to_ns : t->requests[t->request_count - 1].start_ns;
    return values[count - 1].asked_ns >= t->from_ns && values[0].asked_ns <= over_ns;
}

static size_t same_proxy(const struct value_at *values, size_t from, size_t count)
{
    size_t to = from;
    while (to < count && values[to].proxy == values[from].proxy)
        to++;
    return to;
}

static void group(const struct window *w, const struct value_at *values, size_t count,
                  struct scrapes *ret)
{
    *ret = (struct scrapes){.at = check_alloc((count + 1) * sizeof(*ret->at))};
    for (size_t i = 0; i < count; i++) {
        bool begins = i == 0 || values[i - 1].proxy != values[i].proxy;
        size_t next = begins ? same_proxy(values, i, count) : i;
        if (begins && !is_of_walk(w, &values[i], next - i)) {
            i = next - 1;
            continue;
        }
        const struct value_at *v = &values[i];
        bool more = i > 0 && values[i - 1].proxy == v->proxy;
        if (!more)
            ret->proxies++;
        if (!more || values[i - 1].asked_ns != v->asked_ns)
            ret->at[ret->count++] = (struct scrape){.proxy = v->proxy, .asked_ns = v->asked_ns};
        struct scrape *s = &ret->at[ret->count - 1];
        s->answered_ns = v->answered_ns > s->answered_ns ? v->answered_ns : s->answered_ns;
        s->value[v->meaning] += v->value; /* over routes, backends and codes */
        s->has[v->meaning] = true;
    }
}

static bool is_ours(const struct window *w, const struct request *r)
{
    return w->edge == 0 || r->r->edge == w->edge;
}

static uint64_t try_over_ns(const struct try *x)
{
    uint64_t end = x->head_ns + x->r->done;
    end = x->out_ns > end ? x->out_ns : end;
    return x->left_ns > end ? x->left_ns : end;
}

/* When something of the edge was under way, or so little ago that it may not be counted yet. A try
 * that nobody's request explains may be any edge's. Both lists are in order of time: they are
 * merged as they are read, so that nothing is left to sort. */
static struct spans busy_spans(const struct window *w)
{
    const struct track *t = w->track;
    uint64_t quiet = t->flavour == FLAVOUR_LINKERD ? QUIET_LINKERD_NS : QUIET_NS;
    size_t most = (size_t)t->request_count + t->try_count + 1;
    struct spans busy = {.at = check_alloc(most * sizeof(*busy.at))};
    for (uint32_t i = 0, k = 0; i < t->request_count || k < t->try_count;) {
        const struct request *r = i < t->request_count ? &t->requests[i] : NULL;
        const struct try *x = k < t->try_count ? &t->tries[k] : NULL;
        if (x == NULL || (r != NULL && r->start_ns <= x->head_ns)) {
            uint64_t end = r->done_ns == 0 ? r->start_ns + ENDLESS_NS : r->done_ns;
            if (is_ours(w, r))
                busy.at[busy.count++] = (struct span){r->start_ns, end + quiet};
            i++;
        } else {
            if (x->request == TRACK_NONE || is_ours(w, &t->requests[x->request]))
                busy.at[busy.count++] = (struct span){x->head_ns, try_over_ns(x) + quiet};
            k++;
        }
    }
    spans_merge(&busy);
    return busy;
}

/* How many spans ended until ${t_ns}. */
static size_t spans_over(const struct spans *s, uint64_t t_ns)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->at[middle].to_ns <= t_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void find_gaps(struct scrapes *s, const struct spans *busy)
{
    for (size_t i = 0; i < s->count; i++) {
        size_t gap = spans_over(busy, s->at[i].asked_ns);
        bool quiet = gap == busy->count || busy->at[gap].from_ns >= s->at[i].answered_ns;
        s->at[i].gap = quiet ? gap : GAP_NONE;
    }
}

/* A quiet time is of use when every proxy was scraped in it. */
static bool *usable_gaps(const struct scrapes *s, size_t gaps)
{
    size_t *proxies = check_alloc_zero(gaps, sizeof(*proxies));
    bool *usable = check_alloc_zero(gaps, sizeof(*usable));
    for (size_t i = 0; i < s->count; i++) {
        size_t gap = s->at[i].gap;
        bool again = i > 0 && s->at[i - 1].proxy == s->at[i].proxy && s->at[i - 1].gap == gap;
        if (gap != GAP_NONE && !again)
            usable[gap] = ++proxies[gap] == s->proxies;
    }
    free(proxies);
    return usable;
}

static size_t gap_down(const bool *usable, size_t from)
{
    for (size_t i = from + 1; i > 0; i--)
        if (usable[i - 1])
            return i - 1;
    return GAP_NONE;
}

static size_t gap_up(const bool *usable, size_t from, size_t gaps)
{
    for (size_t i = from; i < gaps; i++)
        if (usable[i])
            return i;
    return GAP_NONE;
}

/* The scrapes of one proxy between two quiet times: its last in the first, its first in the second.
 */
struct stretch {
    size_t first, last;
};
static bool stretch_of(const struct scrapes *s, size_t *at, size_t begin, size_t end,
                       struct stretch *ret)
{
    *ret = (struct stretch){GAP_NONE, GAP_NONE};
    size_t i = *at;
    for (; i < s->count && s->at[i].proxy == s->at[*at].proxy; i++) {
        if (s->at[i].gap == begin)
            ret->first = i;
        if (s->at[i].gap == end && ret->last == GAP_NONE)
            ret->last = i;
    }
    *at = i;
    return ret->first != GAP_NONE && ret->last != GAP_NONE;
}

static bool fell(const struct scrape *before, const struct scrape *after)
{
    for (size_t m = 0; m < MEANINGS; m++)
        if (before->has[m] && (!after->has[m] || after->value[m] < before->value[m]))
            return true;
    return false;
}

/* When a counter last fell (the proxy was started anew); 0: never. */
static uint64_t last_fall_ns(const struct scrapes *s, size_t begin, size_t end)
{
    uint64_t fall_ns = 0;
    struct stretch one;
    for (size_t at = 0; at < s->count;)
        if (stretch_of(s, &at, begin, end, &one))
            for (size_t i = one.first + 1; i <= one.last; i++)
                if (fell(&s->at[i - 1], &s->at[i]) && s->at[i].asked_ns > fall_ns)
                    fall_ns = s->at[i].asked_ns;
    return fall_ns;
}

static void add_up(const struct scrapes *s, size_t begin, size_t end, struct meter *ret)
{
    struct stretch one;
    ret->from_ns = 0;
    ret->to_ns = UINT64_MAX;
    ret->proxies = s->proxies;
    for (size_t at = 0; at < s->count;) {
        INVARIANT(stretch_of(s, &at, begin, end, &one));
        const struct scrape *first = &s->at[one.first], *last = &s->at[one.last];
        ret->from_ns = first->answered_ns > ret->from_ns ? first->answered_ns : ret->from_ns;
        ret->to_ns = last->asked_ns < ret->to_ns ? last->asked_ns : ret->to_ns;
        for (size_t m = 0; m < MEANINGS; m++) {
            ret->known[m] = ret->known[m] || last->has[m];
            /* A series that appeared between the two began at zero. */
            ret->value[m] += (uint64_t)(last->value[m] - first->value[m] + 0.5);
        }
    }
}

/* Series of a class appear with its first answer. */
static void know_families(struct meter *m)
{
    static const size_t families[][2] = {{MEANING_STATUS_1XX, MEANING_STATUS_5XX},
                                         {MEANING_TRY_1XX, MEANING_TRY_NONE}};
    for (size_t f = 0; f < COUNT_OF(families); f++) {
        bool any = false;
        for (size_t i = families[f][0]; i <= families[f][1]; i++)
            any = any || m->known[i];
        for (size_t i = families[f][0]; i <= families[f][1]; i++)
            m->known[i] = any;
    }
}

static void no_pair(const struct scrapes *s, bool fell_there, struct verdict *v,
                    struct arena *arena)
{
    if (fell_there)
        verdict_open(v, WHY_CAPABILITY, arena,
                     "the mesh's counters began anew, and no quiet scrape follows");
    else
        verdict_open(v, WHY_TOO_FEW, arena,
                     "none of %zu scrapes on each side of the traffic was made while nothing was "
                     "under way",
                     s->count);
    v->needs = "a second without load before and after the phase";
}

static bool choose(const struct window *w, const struct scrapes *s, const struct spans *busy,
                   const bool *usable, struct meter *ret, struct verdict *v, struct arena *arena)
{
    size_t gaps = busy->count + 1, from = spans_over(busy, w->span.from_ns), to = from;
    while (to < busy->count && busy->at[to].from_ns < w->span.to_ns)
        to++;
    size_t begin = gap_down(usable, from), end = gap_up(usable, to, gaps);
    if (begin == GAP_NONE)
        begin = gap_up(usable, from, gaps);
    if (end == GAP_NONE)
        end = gap_down(usable, to);
    if (begin == GAP_NONE || end == GAP_NONE || begin >= end) {
        no_pair(s, false, v, arena);
        return false;
    }
    uint64_t fall_ns = last_fall_ns(s, begin, end);
    while (fall_ns != 0 && begin < end && busy->at[begin].from_ns <= fall_ns)
        begin++;
    begin = fall_ns == 0 ? begin : gap_up(usable, begin, gaps);
    if (begin == GAP_NONE || begin >= end) {
        no_pair(s, true, v, arena);
        return false;
    }
    add_up(s, begin, end, ret);
    return true;
}

bool meter_read(const struct window *w, struct meter *ret, struct verdict *v, struct arena *arena)
{
    struct scrapes s;
    size_t count;
    bool found = false;
    *ret = (struct meter){0};
    struct value_at *values = collect(w, &count);
    group(w, values, count, &s);
    free(values);
    if (s.count == 0) {
        verdict_open(v, WHY_CAPABILITY, arena, "metrics not reachable");
        v->needs = "a scrape of the mesh's proxies";
    } else {
        struct spans busy = busy_spans(w);
        find_gaps(&s, &busy);
        bool *usable = usable_gaps(&s, busy.count + 1);
        found = choose(w, &s, &busy, usable, ret, v, arena);
        free(usable);
        free(busy.at);
    }
    free(s.at);
    if (found)
        know_families(ret);
    return found;
}

static bool is_kept(const struct metrics_memo *memo, const struct window *w)
{
    return memo != NULL && memo->track == w->track && memo->policy == w->policy &&
           memo->edge == w->edge && memo->span.from_ns == w->span.from_ns &&
           memo->span.to_ns == w->span.to_ns;
}

/* The scrapes lie around more than the phase: what was lost between them is missing on the wire. */
static bool all_is_there(const struct window *w, const struct meter *m, struct verdict *v,
                         struct arena *arena)
{
    uint64_t lost = window_lost_between(w, m->from_ns, m->to_ns);
    if (lost == 0)
        return true;
    verdict_open(v, WHY_LOST, arena, "the journal lost %llu records between the two scrapes",
                 (unsigned long long)lost);
    v->needs = "a faster disk, or a lower rate";
    return false;
}

bool metrics_read(const struct window *w, struct meter *ret_meter, struct wire *ret_wire,
                  struct verdict *v, struct arena *arena)
{
    struct metrics_memo *memo = w->memo;
    if (is_kept(memo, w)) {
        *ret_meter = memo->meter;
        *ret_wire = memo->wire;
        return all_is_there(w, ret_meter, v, arena);
    }
    if (!meter_read(w, ret_meter, v, arena))
        return false;
    wire_read(w, ret_meter, ret_wire);
    if (memo != NULL)
        *memo = (struct metrics_memo){w->track, w->policy, w->edge, w->span, *ret_meter, *ret_wire};
    return all_is_there(w, ret_meter, v, arena);
}

const char *metrics_bounds_print(const struct metrics_bounds *b, struct arena *arena)
{
    if (b->least == b->most)
        return arena_printf(arena, "%llu", (unsigned long long)b->least);
    return arena_printf(arena, "%llu to %llu", (unsigned long long)b->least,
                        (unsigned long long)b->most);
}

void metrics_unknown(struct verdict *v, struct arena *arena, const char *counter)
{
    verdict_open(v, WHY_CAPABILITY, arena, "the mesh's proxies show no counter of %s", counter);
    v->needs = "a mesh whose proxies publish it (Istio: proxyStatsMatcher)";
}

/* What `within` tolerates, of ${of}. */
static uint64_t tolerated(const struct window *w, uint64_t of)
{
    uint64_t ppm = 0;
    struct error err = {0};
    const char *text = window_key(w, "within");
    if (text == NULL || !units_parse_share(text, &ppm, &err))
        return 0;
    return (uint64_t)((double)of * (double)ppm / 1e6);
}

bool metrics_differ(const struct window *w, const struct meter *m, const struct wire *wire,
                    const char *what, uint64_t mesh, const struct metrics_bounds *b,
                    struct verdict *v, struct arena *arena)
{
    bool fewer =
        mesh + tolerated(w, b->least)<b->least, more = mesh> b->most + tolerated(w, b->most);
    if (!fewer && !more)
        return false;
    const char *seen = arena_printf(arena, "the mesh counted %llu %s, the wire %s",
                                    (unsigned long long)mesh, what, metrics_bounds_print(b, arena));
    uint64_t proxies = wire->hosts > wire->pages ? wire->hosts : wire->pages;
    if (fewer && proxies > m->proxies) {
        verdict_open(v, WHY_CAPABILITY, arena, "%s; of %llu proxies %zu were scraped", seen,
                     (unsigned long long)proxies, m->proxies);
        v->needs = "the addresses of all proxies of the edge";
        return true;
    }
    if (more && (wire->hidden || wire->tainted_ppm > 500000)) {
        verdict_open(v, wire->hidden ? WHY_CAPABILITY : WHY_STALLED, arena, "%s; %s", seen,
                     wire->hidden ? "tries that reached no endpoint may be the rest"
                                  : "the machine was starved");
        v->needs = wire->hidden ? "a phase without refused or failing connections"
                                : "a machine with time to spare";
        return true;
    }
    verdict_fail(v, arena, "%s", seen);
    v->wrong = mesh < b->least ? b->least - mesh : mesh - b->most;
    v->witness_ns = m->from_ns;
    v->certain =
        arena_printf(arena,
                     "both counts are exact: nothing was under way at both scrapes, %.1f s "
                     "apart (class D)",
                     (double)(m->to_ns - m->from_ns) / 1e9);
    return true;
}
