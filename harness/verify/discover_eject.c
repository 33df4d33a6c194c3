/* Ejection: how many failures in a row put an endpoint out, for how long, swept how often, and how
 * many at once. */
#include "verify/discover.h"
#include "verify/eject.h"

#include "base/clock.h"
#include "base/units.h"

#include <string.h>

#define EPISODES_MOST 16
#define GRID_NS (60 * NS_PER_MS) /* a return is seen by the first pick after it */
#define DRIFT_NS (4 * NS_PER_MS) /* of one sweep to the next: its timer is set anew each time */
#define DRIFT_PART 8             /* but no more than this part of a sweep in all */
#define SAME_NS (120 * NS_PER_MS)
#define NO_HOST_LEAST 20
#define CAP_INSTANT_NS (NS_PER_S / 2)

/* A host that went silent while all its tries failed. */
struct episode {
    uint32_t host, place; /* place: its 1st, 2nd ejection */
    uint64_t failures;    /* in a row, before it; the first ones by one request at a time */
    uint64_t length_ns, end_ns;
    bool ended;
};
struct ejections {
    struct episode at[EPISODES_MOST];
    size_t count;
    uint64_t unmoved; /* the most failures in a row that put nobody out */
    size_t starved;   /* endpoints that were probed while the machine stood still */
};

static bool failed(const struct try *x)
{
    return x->is_connection || x->r->status >= 500 || x->r->fired != 0;
}

/* Failures of the host in a row in [from, to), the last of which is before ${to}. */
static uint64_t failures_in(const struct track *t, uint32_t host, uint64_t from_ns, uint64_t to_ns)
{
    const struct track_host *h = &t->hosts[host];
    uint64_t count = 0;
    for (uint32_t i = 0; i < h->count; i++) {
        const struct try *x = &t->tries[h->tries[i]];
        if (x->head_ns < from_ns || x->head_ns >= to_ns)
            continue;
        count = failed(x) ? count + 1 : 0;
    }
    return count;
}

/* When the ${nth} failure of that run had been answered. */
static uint64_t nth_ns(const struct track *t, uint32_t host, uint64_t from_ns, uint64_t nth)
{
    const struct track_host *h = &t->hosts[host];
    uint64_t count = 0;
    for (uint32_t i = 0; i < h->count; i++) {
        const struct try *x = &t->tries[h->tries[i]];
        if (x->head_ns < from_ns)
            continue;
        count = failed(x) ? count + 1 : 0;
        if (count == nth)
            return x->out_ns != 0 ? x->out_ns : x->head_ns;
    }
    return 0;
}

static const struct silence *silence_of(const struct track *t, uint32_t host, uint64_t from_ns,
                                        uint64_t to_ns)
{
    for (size_t i = 0; i < t->silence_count; i++) {
        const struct silence *s = &t->silences[i];
        if (s->host == host && s->begin_ns >= from_ns && s->begin_ns < to_ns)
            return s;
    }
    return NULL;
}

static void add(struct ejections *e, const struct track *t, const struct silence *s, uint32_t place,
                uint64_t from_ns, uint64_t nth)
{
    if (e->count == EPISODES_MOST)
        return;
    uint64_t failures = failures_in(t, s->host, from_ns, s->begin_ns + 1);
    uint64_t since = nth_ns(t, s->host, from_ns, nth == 0 ? failures : nth);
    if (failures == 0 || since == 0)
        return;
    e->at[e->count++] = (struct episode){.host = s->host,
                                         .place = place,
                                         .failures = failures,
                                         .length_ns = s->end_ns - since,
                                         .end_ns = s->end_ns,
                                         .ended = s->after != TRACK_NONE};
}

static void see_endpoint(struct discovering *g, uint32_t number, struct ejections *e)
{
    struct span trip, out, back;
    char name[32];
    const struct track *t = g->track;
    snprintf(name, sizeof(name), "trip %u", number);
    if (!discover_span(g, name, &trip) || number > t->host_count)
        return;
    snprintf(name, sizeof(name), "out %u", number);
    out = discover_span(g, name, &back) ? back : trip;
    if (discover_starved(g, &trip)) {
        e->starved++;
        return;
    }
    /* The machine stood still afterwards: what put it out was seen, how long it was out is not. */
    bool hidden = discover_starved(g, &out);
    uint64_t seen_to_ns = hidden ? trip.to_ns : out.to_ns;
    const struct silence *s = silence_of(t, number - 1, trip.from_ns, seen_to_ns);
    uint64_t until = s == NULL ? seen_to_ns : s->begin_ns;
    uint64_t in_a_row = failures_in(t, number - 1, trip.from_ns, until);
    if (s == NULL) {
        e->unmoved = in_a_row > e->unmoved ? in_a_row : e->unmoved;
        return;
    }
    size_t before = e->count;
    add(e, t, s, 1, trip.from_ns, 0);
    if (e->count == before)
        return;
    struct episode *first = &e->at[before];
    first->ended = first->ended && !hidden;
    if (hidden)
        return;
    const struct silence *again = silence_of(t, number - 1, s->end_ns, out.to_ns);
    if (again != NULL && s->after != TRACK_NONE)
        add(e, t, again, 2, s->end_ns, first->failures);
}

static void threshold(struct discovering *g, const struct ejections *e)
{
    const struct edge_policy *edge = &g->d->declared;
    struct ejector x;
    bool declared = edge->outlier.present && ejector_init(&x, edge, edge->endpoints) && x.cap > 0;
    struct discovered *row = discover_row(g, "outlier.consecutive", DISCOVER_COUNT, NULL);
    uint64_t least = UINT64_MAX, most = 0;
    for (size_t i = 0; i < e->count; i++) {
        if (e->at[i].place != 1)
            continue;
        least = e->at[i].failures < least ? e->at[i].failures : least;
        most = e->at[i].failures > most ? e->at[i].failures : most;
        row->instances++;
    }
    if (declared) {
        row->declared = discover_text(g, DISCOVER_COUNT, ejector_least(&x));
        row->mark = edge->outlier.consecutive_5xx.set ? edge->outlier.consecutive_5xx
                                                      : edge->outlier.consecutive_gateway;
    } else {
        row->declared = "never ejects";
    }
    row->verdict = DISCOVER_OPEN;
    if (row->instances == 0 && e->unmoved == 0) {
        row->how = e->starved > 0 ? "the machine was starved" : "no endpoint failed often enough";
        return;
    }
    if (row->instances == 0) {
        row->known = row->none = true;
        row->how = arena_printf(&g->d->arena, "none was put out by %llu failures in a row",
                                (unsigned long long)e->unmoved);
        if (declared)
            row->verdict = e->unmoved >= ejector_least(&x) + 3 ? DISCOVER_DIFFERS : DISCOVER_OPEN;
        else
            row->verdict = DISCOVER_SAME;
        return;
    }
    row->best = row->least = least;
    row->most = most;
    for (size_t i = 0; i < e->count; i++)
        row->agree += e->at[i].place == 1 && e->at[i].failures == least;
    row->how = arena_printf(&g->d->arena, "%llu of %llu first ejections, one request at a time",
                            (unsigned long long)row->agree, (unsigned long long)row->instances);
    row->known = row->agree == row->instances && row->instances > 1;
    if (!row->known)
        return;
    g->d->found.outlier.present = true;
    g->d->found.outlier.consecutive_5xx =
        (struct value){.number = row->best, .set = true, .origin = "seen"};
    row->verdict = declared && ejector_least(&x) == row->best ? DISCOVER_SAME : DISCOVER_DIFFERS;
}

/* A sweep that fits: every return is a whole number of them after the first, and every length lies
 * within one of its multiple of the base. */
static bool fits(const struct ejections *e, uint64_t sweep_ns, uint64_t *ret_least,
                 uint64_t *ret_most)
{
    *ret_least = 0;
    *ret_most = UINT64_MAX;
    for (size_t i = 0; i < e->count; i++) {
        const struct episode *x = &e->at[i];
        if (!x->ended)
            continue;
        uint64_t most = x->length_ns / x->place,
                 least = (x->length_ns > sweep_ns ? x->length_ns - sweep_ns : 0) / x->place;
        *ret_most = most < *ret_most ? most : *ret_most;
        *ret_least = least > *ret_least ? least : *ret_least;
        if (sweep_ns == 0)
            continue;
        for (size_t k = 0; k < i; k++) {
            uint64_t a = x->end_ns, b = e->at[k].end_ns, apart = a > b ? a - b : b - a;
            uint64_t rest = e->at[k].ended ? apart % sweep_ns : 0,
                     off = GRID_NS + DRIFT_NS * (apart / sweep_ns);
            off = off < sweep_ns / DRIFT_PART ? off : sweep_ns / DRIFT_PART;
            if (rest > off && sweep_ns - rest > off)
                return false;
        }
    }
    *ret_most += GRID_NS; /* it came back a little before its first pick */
    *ret_least = *ret_least > GRID_NS ? *ret_least - GRID_NS : 0;
    return *ret_least <= *ret_most;
}

/* The longest of the usual sweeps that fits: one that is twice too long fits by chance in one of
 * 2^(n-1) runs. 0: none does. */
static uint64_t sweep_of(const struct ejections *e, size_t ended)
{
    static const uint64_t usual_ms[] = {60000, 30000, 20000, 15000, 10000,
                                        5000,  3000,  2000,  1000,  500};
    uint64_t least, most;
    for (size_t i = 0; ended >= 4 && i < COUNT_OF(usual_ms); i++)
        if (fits(e, usual_ms[i] * NS_PER_MS, &least, &most))
            return usual_ms[i] * NS_PER_MS;
    return 0;
}

/* Each length is the same: nothing sweeps, and a repeat is no longer. */
static bool is_flat(const struct ejections *e)
{
    uint64_t least = UINT64_MAX, most = 0;
    for (size_t i = 0; i < e->count; i++)
        if (e->at[i].ended) {
            least = e->at[i].length_ns < least ? e->at[i].length_ns : least;
            most = e->at[i].length_ns > most ? e->at[i].length_ns : most;
        }
    return most >= least && most - least < SAME_NS;
}

/* A few returns may lie on a wider grid by chance: that of a divisor fits them as well. */
static enum discover_verdict grid_verdict(struct discovering *g, uint64_t declared_ns,
                                          uint64_t seen_ns, struct discovered *row)
{
    char text[32];
    if (declared_ns == seen_ns)
        return DISCOVER_SAME;
    if (declared_ns == 0 || seen_ns % declared_ns != 0)
        return DISCOVER_DIFFERS;
    row->how = arena_printf(&g->d->arena, "%s; one of %s fits them too: more returns would tell",
                            row->how, verdict_span(declared_ns, text, sizeof(text)));
    return DISCOVER_OPEN;
}

static void sweep_row(struct discovering *g, uint64_t sweep_ns, size_t ended, bool flat)
{
    const struct edge_policy *edge = &g->d->declared;
    struct discovered *row =
        discover_row(g, "outlier.interval", DISCOVER_NS, &edge->outlier.interval);
    if (ended == 0) {
        row->how = "no ejection was seen to end";
        row->verdict = edge->outlier.present ? DISCOVER_OPEN : DISCOVER_ALONE;
        return;
    }
    row->instances = row->agree = ended;
    if (sweep_ns == 0 || flat) {
        row->how = flat
                       ? "all lengths are equal: nothing sweeps"
                       : arena_printf(&g->d->arena, "%zu returns, 4 on one grid are needed", ended);
        return;
    }
    row->known = true;
    row->best = row->least = row->most = sweep_ns;
    row->how = arena_printf(&g->d->arena, "%zu returns, all on its grid", ended);
    g->d->found.outlier.interval =
        (struct value){.number = sweep_ns, .set = true, .origin = "seen"};
    if (row->declared != NULL)
        row->verdict = grid_verdict(g, edge->outlier.interval.number, sweep_ns, row);
}

static void base_row(struct discovering *g, const struct ejections *e, uint64_t sweep_ns,
                     size_t ended, bool flat)
{
    const struct edge_policy *edge = &g->d->declared;
    uint64_t least, most, asked = edge->outlier.base_ejection.number;
    struct discovered *row =
        discover_row(g, "outlier.base_ejection", DISCOVER_NS, &edge->outlier.base_ejection);
    if (ended == 0) {
        row->how = "no ejection was seen to end";
        row->verdict = edge->outlier.present ? DISCOVER_OPEN : DISCOVER_ALONE;
        return;
    }
    row->known = fits(e, flat ? 0 : sweep_ns, &least, &most);
    row->instances = row->agree = ended;
    if (flat) {
        struct discovered lengths = {0};
        uint64_t values[EPISODES_MOST];
        size_t count = 0;
        for (size_t i = 0; i < e->count; i++)
            if (e->at[i].ended)
                values[count++] = e->at[i].length_ns;
        discover_middle(&lengths, values, count);
        least = lengths.least > GRID_NS ? lengths.least - GRID_NS : 0;
        most = lengths.most;
        row->known = true;
    } else if (sweep_ns == 0) {
        least = 0; /* only the shortest bounds it */
    }
    row->least = least;
    row->most = most;
    row->best = flat || sweep_ns == 0 ? most : least + (most - least) / 2;
    row->how = arena_printf(&g->d->arena, "%zu ejections%s", ended,
                            flat            ? ", all as long"
                            : sweep_ns == 0 ? ": no longer than the shortest"
                                            : ", less than a sweep each");
    g->d->found.outlier.base_ejection =
        (struct value){.number = row->best, .set = true, .origin = "seen"};
    if (row->declared != NULL && row->known)
        row->verdict =
            asked + GRID_NS >= least && asked <= most + GRID_NS ? DISCOVER_SAME : DISCOVER_DIFFERS;
}

/* The most that were silent at one instant while all failed. */
static uint32_t out_at_once(const struct track *t, const struct span *span)
{
    uint32_t most = 0;
    for (size_t i = 0; i < t->silence_count; i++) {
        const struct silence *s = &t->silences[i];
        uint64_t at = s->begin_ns + CAP_INSTANT_NS;
        uint32_t out = 0;
        if (s->begin_ns < span->from_ns || s->begin_ns >= span->to_ns)
            continue;
        for (size_t k = 0; k < t->silence_count; k++)
            out += t->silences[k].begin_ns <= at && at < t->silences[k].end_ns;
        most = out > most ? out : most;
    }
    return most;
}

static uint64_t without_host(const struct track *t, const struct span *span)
{
    uint64_t count = 0;
    for (uint32_t i = track_request_at(t, span->from_ns); i < t->request_count; i++) {
        const struct request *r = &t->requests[i];
        if (r->start_ns >= span->to_ns)
            break;
        count += r->r->body_class == BODY_NO_HEALTHY && r->seen == 0;
    }
    return count;
}

static void cap_row(struct discovering *g, bool ejects)
{
    struct span span;
    const struct edge_policy *edge = &g->d->declared;
    uint32_t n = g->track->host_count;
    struct discovered *row = discover_row(g, "outlier.max_ejection_percent", DISCOVER_PERCENT,
                                          &edge->outlier.max_ejection_percent);
    if (!ejects || !discover_span(g, "all fail", &span) || n == 0) {
        row->how = "nothing was put out";
        row->verdict = DISCOVER_ALONE; /* outlier.consecutive says what that means */
        return;
    }
    uint64_t none = without_host(g->track, &span);
    uint32_t cap = none >= NO_HOST_LEAST ? n : out_at_once(g->track, &span);
    if (cap == 0) {
        row->how = "nobody was out while all failed";
        return;
    }
    row->known = true;
    row->least = (100ULL * cap + n - 1) / n;
    row->most = cap == n ? 100 : (100ULL * (cap + 1) - 1) / n;
    row->best = row->least;
    row->how = arena_printf(&g->d->arena, "%u of %u were out at once while all failed", cap, n);
    g->d->found.outlier.max_ejection_percent =
        (struct value){.number = row->best, .set = true, .origin = "seen"};
    if (row->declared != NULL)
        row->verdict =
            outlier_rule_cap(&edge->outlier, n) == cap ? DISCOVER_SAME : DISCOVER_DIFFERS;
}

void discover_eject(struct discovering *g)
{
    struct ejections e = {0};
    if (g->d->declared.flavour == FLAVOUR_LINKERD) {
        struct discovered *row = discover_row(g, "accrual.max_failures", DISCOVER_COUNT,
                                              &g->d->declared.accrual.max_failures);
        row->how = "Linkerd's balancer starves slow endpoints: silence is no evidence";
        return;
    }
    for (uint32_t i = 1; i <= g->track->host_count; i++)
        see_endpoint(g, i, &e);
    size_t ended = 0;
    for (size_t i = 0; i < e.count; i++)
        ended += e.at[i].ended;
    bool flat = ended >= 3 && is_flat(&e);
    uint64_t sweep_ns = sweep_of(&e, ended);
    threshold(g, &e);
    sweep_row(g, sweep_ns, ended, flat);
    base_row(g, &e, sweep_ns, ended, flat);
    cap_row(g, e.count > 0);
}
