#include "verify/timeout.h"
#include "verify/retry_dead.h"

#include "base/clock.h"

static uint64_t more(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t timeout_try_ns(const struct edge_policy *edge)
{
    return edge->retry.per_try_timeout.set ? edge->retry.per_try_timeout.number : 0;
}

uint64_t timeout_request_ns(const struct edge_policy *edge)
{
    return edge->request_timeout.set ? edge->request_timeout.number : 0;
}

uint64_t timeout_begun_ns(const struct edge_policy *edge, const struct request *r)
{
    return edge->flavour == FLAVOUR_LINKERD || r->sent_ns == 0 ? r->start_ns : r->sent_ns;
}

uint64_t timeout_try_early_ns(uint64_t p_ns)
{
    return p_ns - more(15 * NS_PER_MS, p_ns / 50);
}

uint64_t timeout_try_late_ns(uint64_t p_ns)
{
    return p_ns + more(20 * NS_PER_MS, p_ns / 20);
}

uint64_t timeout_request_early_ns(uint64_t t_ns)
{
    return t_ns - more(10 * NS_PER_MS, t_ns / 100);
}

uint64_t timeout_request_late_ns(uint64_t t_ns)
{
    return t_ns + more(20 * NS_PER_MS, t_ns / 20);
}

bool timeout_may_be_whole(const struct window *w, const struct request *r, const struct try *x)
{
    uint64_t whole = timeout_request_ns(w->policy);
    return whole != 0 && x->next == TRACK_NONE &&
           r->done_ns + TIMEOUT_LEFT_OVER_NS >= r->start_ns + whole;
}

bool timeout_life(const struct window *w, const struct request *r, const struct try *x,
                  uint64_t *ret_life_ns, bool *ret_open)
{
    uint64_t whole = timeout_request_ns(w->policy), p = timeout_try_ns(w->policy);
    bool released = (x->r->flags & ATTEMPT_RELEASED) != 0;
    struct failure f = window_failure(x);
    /* A client that gives up ends the last try; those before were cut long since. */
    if (x->late_read || x->is_connection ||
        (r->r->end == END_CLIENT_TIMEOUT && x->next == TRACK_NONE))
        return false;
    if (!released && (f.kind != FAILURE_CAUSE || f.cause != CAUSE_HOLD))
        return false;
    uint64_t end = released ? x->out_ns : x->left_ns;
    if (end <= x->head_ns || !window_clean(w, x->head_ns, end))
        return false;
    uint64_t begun = w->track->same_clock ? r->start_ns : w->track->tries[r->first].head_ns;
    if (whole != 0 && whole <= x->head_ns - begun + p + TIMEOUT_LEFT_OVER_NS)
        return false;
    /* Across clocks nobody knows how long the first try waited: the request's own time tells. */
    if (!w->track->same_clock && timeout_may_be_whole(w, r, x))
        return false;
    *ret_life_ns = end - x->head_ns;
    *ret_open = released;
    return true;
}

/* Linkerd does not cut the last try that it may make. Which one that is nobody can tell where tries
 * ended at a dead endpoint, for it does not number them: the last one seen may be it. */
static bool may_be_uncut(const struct window *w, const struct request *r, const struct try *x)
{
    return w->policy->flavour == FLAVOUR_LINKERD &&
           (x->place > w->policy->retry.attempts.number ||
            (x->next == TRACK_NONE && retry_dead_any(w, r)));
}

void timeout_lives(const struct window *w, uint32_t least, struct lives *ret, struct verdict *v)
{
    uint64_t p = timeout_try_ns(w->policy);
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        if (!window_has(w, r))
            continue;
        for (const struct try *x = window_first(w, r); x != NULL; x = window_after(w, x)) {
            uint64_t life;
            bool open;
            if (x->place < least || may_be_uncut(w, r, x) || !timeout_life(w, r, x, &life, &open))
                continue;
            bool late = life > timeout_try_late_ns(p), early = life < timeout_try_early_ns(p);
            if (open && !late)
                continue;
            if (ret->count < ret->room)
                ret->each[ret->count] = life;
            ret->count++;
            ret->late += late;
            if (late && ret->late_ends != NULL)
                late_ends_add(ret->late_ends, x->head_ns + life);
            ret->early += early;
            extent_add(&ret->extent, life);
            if (late || early)
                window_witness(v, r, x->head_ns);
        }
    }
}
