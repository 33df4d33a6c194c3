#include "verify/retry_limit.h"

/* It may have been in its retries: since its first try failed, as far as we saw one. */
static bool may_have_retried(const struct window *w, const struct request *r, uint64_t until_ns)
{
    const struct try *first = window_first(w, r);
    if (first == NULL || r->refused > 0 || r->n_mesh > 1)
        return true;
    enum failure_kind kind = window_failure(first).kind;
    if (kind == FAILURE_CAUSE || kind == FAILURE_STARTED)
        return first->lo_ns <= until_ns;
    /* An answer that the client did not get came too late: a timer had ended the try before. */
    return !first->taken && first->head_ns <= until_ns;
}

/* A budget's share never takes it below its least, and it stands over max_retries. */
uint64_t retry_limit_most(const struct edge_policy *edge)
{
    const struct value *most =
        edge->budget.kind == BUDGET_ENVOY ? &edge->budget.least : &edge->pool.max_retries;
    return most->set ? most->number : UINT64_MAX;
}

struct retry_limit retry_limit_of(const struct edge_policy *edge, const struct window *w)
{
    struct retry_limit l = {.most = retry_limit_most(edge)};
    for (uint32_t i = 0; l.most != UINT64_MAX && i < w->track->request_count; i++) {
        const struct request *r = &w->track->requests[i];
        l.unended += r->done_ns == 0;
        if (r->done_ns > r->start_ns && r->done_ns - r->start_ns > l.longest_ns)
            l.longest_ns = r->done_ns - r->start_ns;
    }
    return l;
}

bool retry_limit_may_refuse(const struct retry_limit *l, const struct window *w,
                            const struct request *of, uint64_t from_ns)
{
    if (l->most == UINT64_MAX)
        return false;
    uint64_t at_once = l->unended, since_ns = from_ns > l->longest_ns ? from_ns - l->longest_ns : 0;
    for (uint32_t i = track_request_at(w->track, since_ns);
         i < w->track->request_count && at_once < l->most; i++) {
        const struct request *r = &w->track->requests[i];
        if (r->start_ns > of->done_ns)
            break;
        at_once += r != of && r->done_ns >= from_ns && may_have_retried(w, r, of->done_ns);
    }
    return at_once >= l->most;
}
