#include "verify/backoff.h"
#include "verify/retry_dead.h"

#include "base/clock.h"

/* Defaults of the proxies, where the policy gives none (policy-semantics.md A2, D2). */
#define ENVOY_BASE_NS (25 * NS_PER_MS)
#define LINKERD_BASE_NS (25 * NS_PER_MS)
#define LINKERD_MOST_NS (250 * NS_PER_MS)
#define HOLE_NS (150 * NS_PER_MS)
/* Who waits behind shorter tries waits no longer than a gap may be late; and so late may the end of
 * a try be stamped that the mesh had let go of. */
#define SLOW_NS (5 * NS_PER_MS)
#define FREED_NS (15 * NS_PER_MS)
#define LONGEST_NS (30 * NS_PER_S) /* no try is out longer, where nothing cuts it */
#define LINKERD_DOUBLINGS 8        /* past the most by then */
#define ENVOY_DOUBLINGS 20         /* so long a back-off is past any maximum */

static uint64_t base_ns(const struct edge_policy *edge)
{
    bool set = edge->retry.backoff_base.set && edge->retry.backoff_base.number != 0;
    return set ? edge->retry.backoff_base.number : ENVOY_BASE_NS;
}

static uint64_t linkerd_base_ns(uint32_t n)
{
    uint64_t base = n > LINKERD_DOUBLINGS ? LINKERD_MOST_NS : LINKERD_BASE_NS << (n - 1);
    return base < LINKERD_MOST_NS ? base : LINKERD_MOST_NS;
}

uint64_t backoff_least_ns(const struct edge_policy *edge, uint32_t n)
{
    return edge->flavour == FLAVOUR_LINKERD ? linkerd_base_ns(n) : 0;
}

uint64_t backoff_most_ns(const struct edge_policy *edge, uint32_t n)
{
    if (edge->flavour == FLAVOUR_LINKERD) {
        uint64_t most = 2 * linkerd_base_ns(n);
        return most < LINKERD_MOST_NS ? most : LINKERD_MOST_NS;
    }
    uint64_t base = base_ns(edge);
    bool set = edge->retry.backoff_max.set && edge->retry.backoff_max.number != 0;
    uint64_t limit = set ? edge->retry.backoff_max.number : 10 * base;
    uint64_t most = n < ENVOY_DOUBLINGS ? base * ((UINT64_C(1) << n) - 1) : limit;
    return most < limit ? most : limit;
}

uint64_t backoff_width_ns(const struct edge_policy *edge, uint32_t n)
{
    return edge->flavour == FLAVOUR_LINKERD ? linkerd_base_ns(n) : base_ns(edge);
}

/* For a while nobody's try passed: all endpoints may have been shut, and the retry waited for one.
 */
static bool may_have_waited(const struct window *w, uint64_t from_ns, uint64_t to_ns)
{
    const struct track *t = w->track;
    uint64_t last_ns = from_ns, hole_ns = 0;
    if (w->policy->flavour != FLAVOUR_LINKERD || !w->policy->accrual.present)
        return false;
    for (uint32_t i = track_try_at(t, from_ns); i < t->try_count && last_ns < to_ns; i++) {
        uint64_t head_ns = t->tries[i].head_ns < to_ns ? t->tries[i].head_ns : to_ns;
        hole_ns = head_ns - last_ns > hole_ns ? head_ns - last_ns : hole_ns;
        last_ns = head_ns;
    }
    return hole_ns >= HOLE_NS;
}

/* When the mesh was done with it. */
static uint64_t over_ns(const struct try *x)
{
    uint64_t end = x->left_ns != 0 ? x->left_ns : x->out_ns;
    return end == 0 ? UINT64_MAX : end;
}

/* A retry takes its turn for a connection as a first try does. With all of them in use, its
 * endpoint's among them, it went when one got free: nobody sees when its back-off was over. Longer
 * gaps meet that more often, so that what is left is no fair sample (backoff_unseen). */
static bool may_have_queued(const struct window *w, const struct try *x, const struct try *next)
{
    const struct value *most = &w->policy->pool.max_connections,
                       *whole = &w->policy->request_timeout;
    const struct track *t = w->track;
    uint64_t right_ns = x->out_ns + backoff_most_ns(w->policy, x->place) + BACKOFF_TOLERANCE_NS,
             until_ns = next->head_ns + FREED_NS > right_ns ? next->head_ns + FREED_NS : right_ns,
             longest_ns = whole->set && whole->number != 0 ? whole->number : LONGEST_NS;
    bool busy = false, freed = false;
    if (w->policy->flavour != FLAVOUR_ENVOY || !most->set || most->number == 0)
        return false;
    for (uint32_t i = track_try_at(t, x->out_ns > longest_ns ? x->out_ns - longest_ns : 0);
         i < t->try_count && t->tries[i].head_ns < next->head_ns && !(busy && freed); i++) {
        const struct try *y = &t->tries[i];
        uint64_t over = over_ns(y);
        if (y->request == x->request || over <= x->out_ns || over - y->head_ns < SLOW_NS)
            continue;
        busy = busy || y->r->endpoint == next->r->endpoint;
        freed = freed || over < until_ns;
    }
    return busy && freed;
}

bool backoff_gap(const struct window *w, const struct try *x, uint64_t *ret_ns)
{
    const struct try *next = window_after(w, x);
    if (next == NULL || next->late_read) /* most tries are their request's last */
        return false;
    struct failure f = window_ended(w, x);
    if (f.kind != FAILURE_CAUSE || f.cause == CAUSE_HOLD || x->out_ns == 0 ||
        next->head_ns < x->out_ns || !window_covers(w, &f))
        return false;
    /* Tries that nobody saw, between the two or before: it is another gap then. */
    if (next->r->n_mesh != 0 && (next->r->n_mesh != x->r->n_mesh + 1 || x->r->n_mesh != x->place))
        return false;
    if (next->r->n_mesh == 0 && x->request != TRACK_NONE &&
        retry_dead_any(w, &w->track->requests[x->request]))
        return false;
    if (may_have_waited(w, x->out_ns, next->head_ns) || may_have_queued(w, x, next))
        return false;
    *ret_ns = next->head_ns - x->out_ns;
    return window_clean(w, x->out_ns, next->head_ns);
}

bool backoff_unseen(const struct window *w, const struct try *x)
{
    const struct try *next = window_after(w, x);
    struct failure f = window_ended(w, x);
    if (f.kind != FAILURE_CAUSE || f.cause == CAUSE_HOLD || x->out_ns == 0 ||
        !window_covers(w, &f) || x->request == TRACK_NONE)
        return false;
    if (next != NULL)
        return next->r->n_mesh > x->r->n_mesh + 1 || may_have_queued(w, x, next);
    /* A breaker refused it, or the whole timeout came first: later ones are likelier to meet that.
     * Or the endpoint's own proxy did: a bucket that fills evenly keeps time with an even load. */
    const struct request *r = &w->track->requests[x->request];
    if (w->policy->rate.present && r->r->status == STATUS_LIMITED)
        return next == NULL;
    return x->place <= w->policy->retry.attempts.number &&
           (r->r->body_class == BODY_OVERFLOW || window_timed_out(w, r) || retry_dead_any(w, r));
}
