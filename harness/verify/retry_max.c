/* retry.max (spec/verifier.md 3.1): never more tries than 1 + N. */
#include "verify/claims.h"
#include "verify/window.h"

#define STRESSED_LEAST 10

static bool applies(const struct edge_policy *edge)
{
    return edge->retry.attempts.set;
}

/* A try failed in a way that the policy retries. */
static bool was_eligible(const struct window *w, const struct request *r)
{
    if (r->refused > 0 || (r->n_mesh > r->seen))
        return true;
    for (const struct try *x = window_first(w, r); x != NULL; x = window_after(w, x)) {
        struct failure f = window_ended(w, x);
        if (f.kind == FAILURE_CAUSE && window_covers(w, &f))
            return true;
    }
    return false;
}

/* Every try that the policy allows was made, and none was good. */
static bool was_stressed(const struct window *w, const struct request *r, uint64_t bound)
{
    if (window_tries(r) < bound)
        return false;
    for (const struct try *x = window_first(w, r); x != NULL; x = window_after(w, x))
        if (window_failure(x).kind == FAILURE_NONE)
            return false;
    return true;
}

/* ${ret_mark}: says that the suite wishes for less than its policy allows. */
static uint64_t bound_of(const struct edge_policy *edge, const struct window *w,
                         const char **ret_mark)
{
    uint64_t bound = 1 + edge->retry.attempts.number;
    const json_t *wish = w->asked == NULL ? NULL : json_object_get(w->asked->keys, "atmost");
    *ret_mark = "";
    if (json_is_integer(wish) && 1 + (uint64_t)json_integer_value(wish) < bound) {
        bound = 1 + (uint64_t)json_integer_value(wish);
        *ret_mark = "; wish";
    }
    return bound;
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    const char *mark;
    uint64_t bound = bound_of(edge, w, &mark), stressed = 0, requests = 0, eligible = 0,
             retried = 0;
    struct extent retries = {0}, over = {0};
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        if (!window_has(w, r))
            continue;
        requests++;
        uint64_t tries = window_tries(r);
        extent_add(&retries, tries > 0 ? tries - 1 : 0);
        stressed += was_stressed(w, r, bound);
        if (was_eligible(w, r)) {
            eligible++;
            retried += tries > 1;
        }
        if (tries > bound) {
            extent_add(&over, tries - 1);
            window_witness(ret, r, r->start_ns);
        }
    }
    ret->seen = requests;
    ret->eligible = eligible;
    ret->wrong = over.count;
    ret->needed = window_floor(w, STRESSED_LEAST);
    ret->unit = "requests";
    uint64_t declared = edge->retry.attempts.number;
    verdict_policy(ret, &edge->retry.attempts, arena, "at most %llu %s%s",
                   (unsigned long long)declared, declared == 1 ? "retry" : "retries",
                   mark[0] == '\0' ? ""
                                   : arena_printf(arena, "; wish: at most %llu",
                                                  (unsigned long long)(bound - 1)));
    if (over.count > 0) {
        verdict_fail(ret, arena, "%llu retries on %llu of %llu requests%s%s",
                     (unsigned long long)over.most, (unsigned long long)over.count,
                     (unsigned long long)requests, window_when(w, ret, arena), mark);
        ret->certain =
            arena_printf(arena,
                         "one witness is enough (class D); each has more than %llu tries under "
                         "one request id",
                         (unsigned long long)bound);
        return;
    }
    if (stressed < ret->needed) {
        window_too_few(w, ret, arena, stressed, ret->needed,
                       bound == 1 ? "requests that failed" : "requests whose every try failed");
        return;
    }
    verdict_pass(ret, arena, "%llu..%llu of at most %llu%s; %llu of %llu eligible retried",
                 (unsigned long long)retries.least, (unsigned long long)retries.most,
                 (unsigned long long)(bound - 1), mark, (unsigned long long)retried,
                 (unsigned long long)eligible);
    ret->certain = verdict_excludes(stressed, arena);
}

const struct claim_type claim_retry_max = {
    .id = "retry.max",
    .word = "retries",
    .only = "atmost",
    .help = "no request gets more tries than the policy allows",
    .class = CLAIM_DETERMINISTIC,
    .adds = true,
    .applies = applies,
    .judge = judge,
};
