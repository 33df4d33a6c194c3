/* cb.connections (spec/verifier.md 3.4 CB4): no more connections than max_connections, but for the
 * one that each worker's pool of a host may always open. A connection is counted from the first
 * request that was seen on it to the last answer: so long it certainly was open. */
#include "verify/claims.h"
#include "verify/flight.h"

#include <stdlib.h>

#define WAITED_LEAST 10

static bool applies(const struct edge_policy *edge)
{
    return edge->flavour == FLAVOUR_ENVOY && edge->pool.max_connections.set &&
           edge->pool.max_connections.number > 0;
}

struct lane {
    uint32_t endpoint, conn;
    uint64_t from_ns, to_ns;
};

static int by_connection(const void *a, const void *b)
{
    const struct lane *x = a, *y = b;
    if (x->endpoint != y->endpoint)
        return x->endpoint < y->endpoint ? -1 : 1;
    if (x->conn != y->conn)
        return x->conn < y->conn ? -1 : 1;
    return x->from_ns < y->from_ns ? -1 : x->from_ns > y->from_ns;
}

/* One a connection, of those that ${f}'s tries were on; by endpoint. */
static struct lane *lanes_of(const struct flight *f, size_t *ret_count)
{
    struct lane *lanes = check_alloc_zero(f->tries.count + 1, sizeof(*lanes));
    size_t count = 0;
    for (size_t i = 0; i < f->tries.count; i++) {
        const struct attempt_record *r = f->w->track->tries[f->tries.at[i].of].r;
        lanes[i] =
            (struct lane){r->endpoint, r->conn, f->tries.at[i].from_ns, f->tries.at[i].to_ns};
    }
    if (f->tries.count > 0)
        qsort(lanes, f->tries.count, sizeof(*lanes), by_connection);
    for (size_t i = 0; i < f->tries.count; i++) {
        struct lane *last = count > 0 ? &lanes[count - 1] : NULL;
        if (last != NULL && last->endpoint == lanes[i].endpoint && last->conn == lanes[i].conn)
            last->to_ns = lanes[i].to_ns > last->to_ns ? lanes[i].to_ns : last->to_ns;
        else
            lanes[count++] = lanes[i];
    }
    *ret_count = count;
    return lanes;
}

/* The most at once in the window of [from, to) of ${lanes}; where that is more than ${bound}, the
 * first moment is the witness. */
static uint64_t peak_of(const struct window *w, const struct lane *lanes, size_t count,
                        uint64_t bound, struct verdict *v)
{
    struct intervals open = {0};
    uint64_t peak = 0;
    for (size_t i = 0; i < count; i++)
        intervals_add(&open, lanes[i].from_ns, lanes[i].to_ns, 0);
    intervals_index(&open);
    for (size_t i = 0; i < open.count; i++) {
        uint64_t t = open.at[i].from_ns < w->span.from_ns ? w->span.from_ns : open.at[i].from_ns;
        uint64_t now = intervals_covering(&open, t, t);
        if (t >= w->span.to_ns)
            continue;
        peak = now > peak ? now : peak;
        if (now > bound)
            window_witness(v, NULL, t);
    }
    intervals_release(&open);
    return peak;
}

static uint64_t waited(const struct flight *f)
{
    uint64_t count = 0;
    for (size_t i = 0; i < f->waiting.count; i++)
        count += f->waiting.at[i].from_ns >= f->w->span.from_ns &&
                 f->waiting.at[i].from_ns < f->w->span.to_ns;
    return count;
}

/* Of one host alone: the most at once on any. */
static uint64_t host_peak(const struct window *w, const struct lane *lanes, size_t count,
                          uint64_t bound, struct verdict *v)
{
    uint64_t peak = 0;
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from; to < count && lanes[to].endpoint == lanes[from].endpoint; to++)
            ;
        uint64_t now = peak_of(w, lanes + from, to - from, bound, v);
        peak = now > peak ? now : peak;
    }
    return peak;
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    uint64_t limit = edge->pool.max_connections.number, hosts = w->track->host_count;
    struct flight f;
    size_t count;
    verdict_policy(ret, &edge->pool.max_connections, arena, "at most %llu connections",
                   (unsigned long long)limit);
    ret->unit = "requests that waited for a connection";
    ret->needed = window_floor(w, WAITED_LEAST);
    if (!flight_init(&f, w, ret, arena))
        return;
    uint64_t all = (limit + f.workers * hosts - 1) * f.proxies,
             host = (limit + f.workers - 1) * f.proxies;
    struct lane *lanes = lanes_of(&f, &count);
    uint64_t peak = peak_of(w, lanes, count, all, ret),
             on_one = host_peak(w, lanes, count, host, ret);
    ret->seen = count;
    ret->eligible = waited(&f);
    if (peak > all || on_one > host) {
        ret->wrong = 1;
        verdict_fail(ret, arena, "%llu connections at once%s, at most %llu can be%s",
                     (unsigned long long)(peak > all ? peak : on_one),
                     peak > all ? "" : " to one endpoint",
                     (unsigned long long)(peak > all ? all : host), window_when(w, ret, arena));
        ret->certain = "one witness is enough (class D)";
    } else if (!f.workers_known && limit < f.workers * hosts) {
        verdict_open(ret, WHY_CAPABILITY, arena, "workers unknown: %llu connections may be legal",
                     (unsigned long long)all);
        ret->needs = "the proxy's server.concurrency";
    } else if (ret->eligible < ret->needed) {
        window_too_few(w, ret, arena, ret->eligible, ret->needed, ret->unit);
    } else {
        verdict_pass(ret, arena, "%llu connections at once of at most %llu; %llu requests waited",
                     (unsigned long long)peak, (unsigned long long)all,
                     (unsigned long long)ret->eligible);
        ret->certain = verdict_excludes(ret->eligible, arena);
    }
    free(lanes);
    flight_release(&f);
}

const struct claim_type claim_cb_connections = {
    .id = "cb.connections",
    .word = "breaker",
    .only = "connections",
    .help = "no more connections at once than declared",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
