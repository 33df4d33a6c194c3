/* Limits: how much is at the endpoints at once when more is asked for, and how many retries. */
#include "verify/discover.h"

#include "base/clock.h"
#include "verify/flight.h"

#include <stdlib.h>
#include <string.h>

#define FREE_NUMERATOR 8 /* of the users: so many at once is no limit */
#define FREE_DENOMINATOR 10

struct change {
    uint64_t t_ns;
    int by;
};

static int by_time(const void *a, const void *b)
{
    const struct change *x = a, *y = b;
    if (x->t_ns != y->t_ns)
        return x->t_ns < y->t_ns ? -1 : 1;
    return x->by - y->by; /* ends first: the peak errs to the low side */
}

/* The most tries that were at the endpoints at once, from ${least_place} on. */
static uint64_t peak(const struct track *t, const struct span *span, uint32_t least_place)
{
    uint32_t from = track_try_at(t, span->from_ns), to = track_try_at(t, span->to_ns);
    struct change *changes = check_alloc((2 * (size_t)(to - from) + 1) * sizeof(*changes));
    size_t count = 0;
    for (uint32_t i = from; i < to; i++) {
        const struct try *x = &t->tries[i];
        if (x->is_connection || x->place < least_place || x->out_ns == 0)
            continue;
        changes[count++] = (struct change){x->head_ns, 1};
        changes[count++] = (struct change){x->out_ns, -1};
    }
    qsort(changes, count, sizeof(*changes), by_time);
    int64_t now = 0, most = 0;
    for (size_t i = 0; i < count; i++) {
        now += changes[i].by;
        most = now > most ? now : most;
    }
    free(changes);
    return (uint64_t)most;
}

static uint32_t users_of(const struct discovering *g, const char *phase)
{
    for (size_t i = 0; i < g->scenario->phase_count; i++) {
        const struct phase *p = &g->scenario->phases[i];
        if (strcmp(p->name, phase) == 0 && p->load_count > 0)
            return p->loads[0].users;
    }
    return 0;
}

/* Declared limits that the probe could not reach are kept, as far as it could see. */
static void without_limit(struct discovering *g, struct discovered *row,
                          const struct value *declared, uint64_t reached)
{
    row->known = row->none = true;
    row->how = arena_printf(&g->d->arena, "none up to %llu at once", (unsigned long long)reached);
    if (!declared->set)
        row->declared = "none";
    row->verdict = declared->set && declared->number < reached ? DISCOVER_DIFFERS : DISCOVER_SAME;
}

static void with_limit(struct discovering *g, struct discovered *row, const struct value *declared,
                       uint64_t limit, uint64_t slack)
{
    row->known = true;
    row->best = row->least = limit;
    row->most = limit + slack;
    if (!declared->set)
        row->declared = "none";
    row->verdict =
        declared->set && declared->number <= limit + slack && limit <= declared->number + slack
            ? DISCOVER_SAME
            : DISCOVER_DIFFERS;
    (void)g;
}

static void crowd(struct discovering *g)
{
    struct span span;
    const struct pool_rule *pool = &g->d->declared.pool;
    uint32_t users = users_of(g, "crowd");
    uint64_t dropped = 0, requests = 0;
    struct discovered *row =
        discover_row(g, "pool.max_requests", DISCOVER_COUNT, &pool->max_requests);
    struct discovered *connections =
        discover_row(g, "pool.max_connections", DISCOVER_COUNT, &pool->max_connections);
    connections->how = row->how = "nothing was sent at once";
    if (!discover_span(g, "crowd", &span) || users == 0)
        return;
    const struct track *t = g->track;
    for (uint32_t i = track_request_at(t, span.from_ns); i < t->request_count; i++) {
        const struct request *r = &t->requests[i];
        if (r->start_ns >= span.to_ns)
            break;
        requests++;
        dropped += flight_is_drop(r) || (r->seen == 0 && r->r->status == 503);
    }
    uint64_t reached = peak(t, &span, 1);
    bool free_of = reached * FREE_DENOMINATOR >= (uint64_t)users * FREE_NUMERATOR;
    row->instances = row->agree = connections->instances = connections->agree = requests;
    if (free_of) {
        without_limit(g, row, &pool->max_requests, reached);
        without_limit(g, connections, &pool->max_connections, reached);
    } else if (dropped > 0) {
        with_limit(g, row, &pool->max_requests, reached, 1);
        row->how = arena_printf(&g->d->arena, "%llu of %llu requests refused",
                                (unsigned long long)dropped, (unsigned long long)requests);
        g->d->found.pool.max_requests =
            (struct value){.number = reached, .set = true, .origin = "seen"};
        connections->how = "a limit of requests came first";
    } else {
        with_limit(g, connections, &pool->max_connections, reached, t->host_count);
        connections->how = arena_printf(&g->d->arena, "%u users waited for %llu", users,
                                        (unsigned long long)reached);
        g->d->found.pool.max_connections =
            (struct value){.number = reached, .set = true, .origin = "seen"};
        row->how = "a limit of connections came first";
    }
}

/* Requests that ended with a try's own failure before their retries were used up. */
static void storm(struct discovering *g)
{
    struct span span;
    const struct edge_policy *edge = &g->d->declared;
    uint64_t retries = g->d->found.retry.attempts.number, cut_short = 0, whole = 0;
    struct discovered *row =
        discover_row(g, "pool.max_retries", DISCOVER_COUNT, &edge->pool.max_retries);
    if (retries == 0 || !discover_span(g, "storm", &span)) {
        row->how = "nothing is retried";
        row->verdict = DISCOVER_ALONE;
        return;
    }
    const struct track *t = g->track;
    for (uint32_t i = track_request_at(t, span.from_ns); i < t->request_count; i++) {
        const struct request *r = &t->requests[i];
        const struct try *last = window_last(&g->window, r);
        if (r->start_ns >= span.to_ns)
            break;
        if (last == NULL || r->r->end != END_COMPLETE || r->r->body_class == BODY_NO_HEALTHY ||
            r->r->status != 503)
            continue;
        bool all = window_tries(r) > retries;
        whole += all;
        cut_short += !all && last->r->status == 503 && !flight_is_drop(r);
    }
    uint64_t reached = peak(t, &span, 2);
    row->instances = row->agree = whole + cut_short;
    if (whole + cut_short == 0) {
        row->how = "no request of the storm was retried to its end";
        return;
    }
    if (cut_short * 20 < whole + cut_short) {
        without_limit(g, row, &edge->pool.max_retries, reached);
        return;
    }
    with_limit(g, row, &edge->pool.max_retries, reached, 1);
    row->how = arena_printf(&g->d->arena, "%llu of %llu requests got fewer retries than %llu",
                            (unsigned long long)cut_short, (unsigned long long)(whole + cut_short),
                            (unsigned long long)retries);
    g->d->found.pool.max_retries = (struct value){.number = reached, .set = true, .origin = "seen"};
    /* A budget is a limit too, one that grows with the requests: it has no number here. */
    if (edge->budget.kind != BUDGET_NONE) {
        row->verdict = DISCOVER_ALONE;
        row->how = arena_printf(&g->d->arena, "%s: the declared budget may be why", row->how);
    }
}

void discover_limits(struct discovering *g)
{
    crowd(g);
    storm(g);
}
