/* retry.started (spec/verifier.md 3.1): once the answer's head has come, nothing is retried, and
 * the client sees the cut. */
#include "verify/claims.h"
#include "verify/retry_limit.h"

#define LEAST 10

static bool applies(const struct edge_policy *edge)
{
    return edge->retry.attempts.set && edge->retry.attempts.number > 0 &&
           edge->flavour != FLAVOUR_L4;
}

/* The mesh has the head: it left our socket whole before the RST (a kernel hands over what came
 * before an RST first), or the client got it. */
static bool head_was_read(const struct window *w, const struct request *r, const struct try *x)
{
    if (x->r->head_out != 0 && (x->r->flags & ATTEMPT_QUEUED) == 0)
        return true;
    return window_last(w, r) == x && r->r->status == x->r->status && r->head_ns != 0;
}

/* An answer that looks whole and is none. On gRPC an Envoy resets the stream, whatever we sent. */
static bool is_clean_error(const struct window *w, const struct request *r)
{
    bool envoy_grpc = w->policy->flavour == FLAVOUR_ENVOY && w->grpc;
    return r->r->end == END_COMPLETE && (r->r->status >= 500 || envoy_grpc);
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct retry_limit limit = retry_limit_of(edge, w);
    uint64_t eligible = 0, retried = 0, hidden = 0;
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        const struct try *x = window_has(w, r) ? window_first(w, r) : NULL;
        while (x != NULL && window_failure(x).kind != FAILURE_STARTED)
            x = window_after(w, x);
        if (x == NULL || x->left_ns != 0)
            continue;
        bool again = x->next != TRACK_NONE;
        if (!head_was_read(w, r, x) || (again && window_other_cause(w, r, x)))
            continue;
        bool clean = !again && is_clean_error(w, r) && r->n_mesh <= r->seen &&
                     !window_timer_ended(w, r, true);
        /* A retry that was wrongly made may have been refused, where there was no room for one. */
        if (!again && !clean && retry_limit_may_refuse(&limit, w, r, x->lo_ns))
            continue;
        eligible++;
        retried += again;
        hidden += clean;
        if (again || clean)
            window_witness(ret, r, x->out_ns);
    }
    ret->seen = ret->eligible = eligible;
    ret->wrong = retried + hidden;
    ret->needed = window_floor(w, LEAST);
    ret->unit = "answers cut after their head";
    verdict_policy(ret, &edge->retry.conditions, arena, "no retry once the answer's head has come");
    if (ret->wrong > 0) {
        if (retried > 0)
            verdict_fail(ret, arena, "%llu of %llu answers cut after their head were retried%s",
                         (unsigned long long)retried, (unsigned long long)eligible,
                         window_when(w, ret, arena));
        else
            verdict_fail(ret, arena,
                         "%llu of %llu answers cut after their head became a clean error%s",
                         (unsigned long long)hidden, (unsigned long long)eligible,
                         window_when(w, ret, arena));
        ret->certain = "one witness is enough (class D); no timer explains the second try";
    } else if (eligible < ret->needed) {
        window_too_few(w, ret, arena, eligible, ret->needed, ret->unit);
    } else {
        verdict_pass(ret, arena, "none of %llu answers cut after their head was retried",
                     (unsigned long long)eligible);
        ret->certain = verdict_excludes(eligible, arena);
    }
}

const struct claim_type claim_retry_started = {
    .id = "retry.started",
    .word = "retries",
    .only = "committed",
    .help = "nothing is retried once an answer has begun",
    .class = CLAIM_DETERMINISTIC,
    .adds = true,
    .applies = applies,
    .judge = judge,
};
