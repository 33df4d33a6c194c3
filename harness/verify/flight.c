#include "verify/flight.h"
#include "verify/retry_dead.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define WORKERS_UNKNOWN 16 /* spec/verifier.md, symbols: W */
#define MARGIN_NS (15 * NS_PER_MS)
#define GIVEN_UP_NS NS_PER_S
/* A request is on its way so long; and so late may a try be read with no stall told. */
#define SENT_NS (12 * NS_PER_MS)
#define PROXIES_MOST 64

static bool is_ours(const struct flight *f, const struct request *r)
{
    return f->w->edge == 0 || r->r->edge == f->w->edge;
}

const struct request *flight_of(const struct flight *f, const struct try *x)
{
    if (x->request == TRACK_NONE || x->is_connection)
        return NULL;
    const struct request *r = &f->w->track->requests[x->request];
    return is_ours(f, r) ? r : NULL;
}

/* When the mesh was first seen at work from ${from} on: it refused a request that came then, or
 * sent a try. ${again}: that it had taken in more since then, which the try of a request that had
 * waited says only some time after, for it may go on in the same turn. ${until_ns}: never. */
static uint64_t at_work_ns(const struct flight *f, uint64_t from, bool again, uint64_t until_ns)
{
    const struct track *t = f->w->track;
    for (uint32_t i = track_request_at(t, from);
         i < t->request_count && t->requests[i].start_ns < until_ns; i++) {
        const struct request *r = &t->requests[i];
        if (!is_ours(f, r) || !flight_is_drop(r) || r->seen > 0)
            continue;
        until_ns = r->done_ns < until_ns ? r->done_ns : until_ns;
        break;
    }
    for (uint32_t i = track_try_at(t, from); i < t->try_count && t->tries[i].head_ns < until_ns;
         i++) {
        const struct try *x = &t->tries[i];
        const struct request *r = flight_of(f, x);
        if (r != NULL && (!again || r->start_ns >= from || x->head_ns >= from + SENT_NS) &&
            !x->late_read && !spans_hold(&t->taint, x->head_ns))
            return x->head_ns;
    }
    return until_ns;
}

/* When it has certainly taken in what was sent at ${start_ns}: for all that we know it stood still
 * until then. It reads what has come in any order, and may stand still again in the midst: only
 * what was sent after the first of it was done comes after all of it. */
static uint64_t taken_ns(const struct flight *f, uint64_t start_ns, uint64_t until_ns)
{
    uint64_t begun_ns = at_work_ns(f, start_ns + SENT_NS, false, until_ns);
    return at_work_ns(f, begun_ns, true, until_ns);
}

static void add_request(struct flight *f, const struct request *r, uint32_t index)
{
    uint64_t end = r->done_ns == 0 ? UINT64_MAX - GIVEN_UP_NS : r->done_ns;
    bool whole = r->r->end == END_COMPLETE;
    intervals_add(&f->requests, r->start_ns, whole ? end : end + GIVEN_UP_NS, index);
    /* Before the first try only: later waits may be back-offs. A drop waits for nothing. */
    const struct try *first = window_first(f->w, r);
    bool hidden = r->refused > 0 || (first != NULL && first->r->n_mesh > 1);
    uint64_t until = first != NULL ? first->head_ns : r->done_ns;
    if (hidden || flight_is_drop(r) || until < r->start_ns + 2 * MARGIN_NS)
        return;
    /* Nor need one wait that was tried at a dead endpoint, where no try is seen. */
    if (first == NULL && (retry_dead_any(f->w, r) || r->start_ns < retry_dead_before(f->w)))
        return;
    /* Until it goes on itself, at the latest. */
    uint64_t taken = taken_ns(f, r->start_ns, until);
    if (taken + 2 * MARGIN_NS < until)
        intervals_add(&f->waiting, taken + MARGIN_NS, until - MARGIN_NS, index);
}

/* The mesh knows an answer after we stamped it, unless it had cut the try before. That it left is
 * stamped after it did: then only what lies well before, in a clean time, is certain. */
static uint64_t certain_end(const struct flight *f, const struct try *x)
{
    if (x->late_read)
        return 0;
    if (x->out_ns != 0 && (x->left_ns == 0 || x->out_ns <= x->left_ns))
        return x->lo_ns;
    if (x->left_ns > MARGIN_NS && window_clean(f->w, x->head_ns, x->left_ns))
        return x->left_ns - MARGIN_NS;
    return 0;
}

/* Of "10.0.0.7:4711": the host alone. */
static struct bytes host_of(const char *peer)
{
    const char *colon = strrchr(peer, ':');
    return (struct bytes){(const uint8_t *)peer,
                          colon == NULL ? strlen(peer) : (size_t)(colon - peer)};
}

static void count_proxies(struct flight *f)
{
    struct bytes seen[PROXIES_MOST];
    const struct track *t = f->w->track;
    uint32_t last = 0; /* the name that was looked up last: most tries have it */
    f->proxies = 0;
    for (uint32_t i = 0; i < t->try_count && f->proxies < PROXIES_MOST; i++) {
        const struct try *x = &t->tries[i];
        if (flight_of(f, x) == NULL || x->r->peer == last)
            continue;
        last = x->r->peer;
        struct bytes host = host_of(journal_name(f->w->journal, last));
        bool known = false;
        for (uint64_t k = 0; k < f->proxies; k++)
            known =
                known || (seen[k].len == host.len && memcmp(seen[k].at, host.at, host.len) == 0);
        if (!known)
            seen[f->proxies++] = host;
    }
    f->proxies = f->proxies == 0 ? 1 : f->proxies;
}

/* The proxy's own word (server.concurrency), the largest of this arm. */
static void find_workers(struct flight *f)
{
    const struct journal *j = f->w->journal;
    uint32_t name = journal_find_name(j, "server.concurrency");
    f->workers = WORKERS_UNKNOWN;
    for (size_t i = 0; name != 0 && i < j->metric_count; i++) {
        const struct metric_record *m = &j->metrics[i].r;
        if (m->name != name || m->value < 1 || m->value > 1024)
            continue;
        const struct journal_proc *p = journal_proc_of(j, j->metrics[i].proc);
        if (p == NULL || p->arm == NULL || strcmp(p->arm, f->w->track->arm) != 0)
            continue;
        uint64_t workers = (uint64_t)m->value;
        if (!f->workers_known || workers > f->workers)
            f->workers = workers;
        f->workers_known = true;
    }
}

static bool one_edge(const struct window *w, struct verdict *v, struct arena *arena)
{
    const struct track *t = w->track;
    for (uint32_t i = 1; w->edge == 0 && i < t->request_count; i++)
        if (t->requests[i].r->edge != t->requests[0].r->edge) {
            verdict_open(v, WHY_CAPABILITY, arena,
                         "%s has several callers, and a limit is one proxy's", t->service);
            v->needs = "on = one edge, such as \"client -> payments\"";
            return false;
        }
    return true;
}

bool flight_init(struct flight *f, const struct window *w, struct verdict *v, struct arena *arena)
{
    const struct track *t = w->track;
    *f = (struct flight){.w = w};
    if (!one_edge(w, v, arena))
        return false;
    if (!t->same_clock) {
        verdict_open(v, WHY_CAPABILITY, arena, "client and endpoints have different clocks");
        v->needs = "load generator and fault proxies on one machine";
        return false;
    }
    for (uint32_t i = 0; i < t->request_count; i++)
        if (is_ours(f, &t->requests[i]))
            add_request(f, &t->requests[i], i);
    for (uint32_t i = 0; i < t->try_count; i++)
        if (flight_of(f, &t->tries[i]) != NULL)
            intervals_add(&f->tries, t->tries[i].head_ns, certain_end(f, &t->tries[i]), i);
    intervals_index(&f->requests);
    intervals_index(&f->tries);
    intervals_index(&f->waiting);
    find_workers(f);
    count_proxies(f);
    return true;
}

void flight_release(struct flight *f)
{
    intervals_release(&f->requests);
    intervals_release(&f->tries);
    intervals_release(&f->waiting);
}

bool flight_is_drop(const struct request *r)
{
    return (r->r->marks & REQUEST_MARK_OVERLOADED) != 0 && r->r->body_class == BODY_OVERFLOW;
}

uint64_t flight_most(const struct flight *f, const struct request *r)
{
    return intervals_touching(&f->requests, r->start_ns, r->done_ns);
}

uint64_t flight_waiting_most(const struct flight *f, const struct request *r)
{
    uint64_t all = flight_most(f, r), out = intervals_covering(&f->tries, r->start_ns, r->done_ns);
    return all > out ? all - out : 0;
}

bool flight_requests_explain(const struct flight *f, const struct request *r)
{
    const struct value *most = &f->w->policy->pool.max_requests;
    return most->set && most->number > 0 && flight_most(f, r) + f->workers >= most->number;
}

bool flight_pending_explains(const struct flight *f, const struct request *r)
{
    const struct value *most = &f->w->policy->pool.max_pending;
    return most->set && most->number > 0 &&
           flight_waiting_most(f, r) + f->workers - 1 >= most->number;
}

bool flight_retry(const struct flight *f, const struct try *x, struct span *ret)
{
    const struct request *r = flight_of(f, x);
    const struct try *before = NULL;
    if (r == NULL || x->place < 2 || x->late_read)
        return false;
    for (const struct try *y = window_first(f->w, r); y != NULL && y != x;
         y = window_after(f->w, y))
        before = y;
    if (before == NULL || before->lo_ns == 0 || before->lo_ns > x->head_ns)
        return false;
    *ret = (struct span){before->lo_ns, x->head_ns};
    return true;
}
