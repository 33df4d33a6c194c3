/* timeout.request (spec/verifier.md 3.2): a request without an answer ends as 504 at the whole
 * timeout. */
#include "verify/backoff.h"
#include "verify/claims.h"
#include "verify/retry_dead.h"
#include "verify/timeout.h"
#include "verify/wish.h"

#include "base/clock.h"

#define LEAST 6
/* A last try that was cut so much before its own timeout was cut by the whole one. */
#define CUT_BEFORE_NS (20 * NS_PER_MS)
/* The mesh lets go of the last try when it answers the client. */
#define TOGETHER_NS (50 * NS_PER_MS)
#define WAITED_NS (20 * NS_PER_MS) /* after a back-off of Linkerd's */
#define TRIES_MOST 16              /* its back-off has long been the longest by then */

struct ends {
    struct extent extent;
    uint64_t count, early, late, other_status;
    uint32_t other;
    struct late_ends late_ends;
};

static bool applies(const struct edge_policy *edge)
{
    return edge->flavour != FLAVOUR_L4 && timeout_request_ns(edge) != 0;
}

/* Linkerd looks at it again when the back-off is over: the last try that we saw was done before, or
 * the one after it began, and as much later as that back-off lasts at most it is in time (3.2). A
 * last try may be counted and never sent, and others may have ended at a dead endpoint, unseen:
 * then the wait is that of a later one, and may have begun as the time was up. */
static bool end_was_waited(const struct window *w, const struct request *r, const struct try *last,
                           uint64_t whole)
{
    const struct edge_policy *edge = w->policy;
    uint64_t at = timeout_begun_ns(edge, r) + whole;
    uint32_t tries = window_tries(r);
    if (last->head_ns > at)
        return true;
    uint64_t over = last->left_ns != 0 ? last->left_ns : last->out_ns;
    if (over == 0 || over > at + CUT_BEFORE_NS)
        return false;
    if (tries < edge->retry.attempts.number && retry_dead_any(w, r)) {
        over = at;
        tries = (uint32_t)edge->retry.attempts.number;
    }
    return r->done_ns <=
           over + backoff_most_ns(edge, tries < TRIES_MOST ? tries : TRIES_MOST) + WAITED_NS;
}

static void look_at(const struct edge_policy *edge, const struct window *w, const struct request *r,
                    struct ends *ends, struct verdict *ret)
{
    const struct try *last = window_last(w, r);
    uint64_t whole = timeout_request_ns(edge), p = timeout_try_ns(edge);
    if (last == NULL || r->done_ns == 0 || last->late_read)
        return;
    /* The answer had begun in time: what became of it is timeout.headers_sent's. */
    bool begun =
        r->head_ns != 0 && r->head_ns - timeout_begun_ns(edge, r) < timeout_request_early_ns(whole);
    if (begun && !window_timed_out(w, r) && last->r->head_out != 0)
        return;
    struct failure f = window_failure(last);
    bool held = f.kind == FAILURE_CAUSE && f.cause == CAUSE_HOLD;
    uint64_t end = r->done_ns - timeout_begun_ns(edge, r);
    bool late = end > timeout_request_late_ns(whole);
    /* Linkerd does not look at it during a back-off: only a try in flight then makes it late. */
    if (edge->flavour == FLAVOUR_LINKERD && late && end_was_waited(w, r, last, whole))
        return;
    if ((!held && !late) || !window_clean(w, r->start_ns, r->done_ns) ||
        (held && !window_clean(w, last->head_ns, last->left_ns)))
        return;
    /* Otherwise the tries were used up before; Linkerd does not cut the last that it may make. */
    bool uncut = edge->flavour == FLAVOUR_LINKERD && last->place > edge->retry.attempts.number;
    if (!late && !uncut && p != 0 && p < whole &&
        last->left_ns - last->head_ns + CUT_BEFORE_NS >= p)
        return;
    bool as_timeout = window_timed_out(w, r);
    bool early = window_says_timeout(w, r) && end < timeout_request_early_ns(whole);
    bool in_time = !late && end >= timeout_request_early_ns(whole);
    if (!late && !early && !in_time)
        return;
    ends->count++;
    ends->late += late;
    if (late)
        late_ends_add(&ends->late_ends, r->done_ns);
    ends->early += early;
    extent_add(&ends->extent, end);
    bool together = held && last->left_ns + TOGETHER_NS > r->done_ns;
    if (in_time && together && r->r->end == END_COMPLETE && !as_timeout) {
        ends->other_status++;
        ends->other = r->r->grpc_status != 0 ? r->r->grpc_status - 1u : r->r->status;
    }
    if (late || early || (in_time && !as_timeout))
        window_witness(ret, r, r->start_ns);
}

/* How long each request lasted, whatever came of it. */
static void judge_wish(const struct window *w, struct arena *arena, struct verdict *ret)
{
    struct wish_times times = {.wish_ns = wish_of_request_ns(w)};
    for (uint32_t i = w->from; times.wish_ns != 0 && i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        if (!window_has(w, r) || r->done_ns == 0 || !window_clean(w, r->start_ns, r->done_ns))
            continue;
        if (wish_add(&times, r, r->done_ns - r->start_ns))
            window_witness(ret, r, r->start_ns);
    }
    wish_decide(w, &times, "requests lasted", arena, ret);
}

static void conclude(const struct window *w, const struct ends *e, const struct late *late,
                     const struct late *early, struct arena *arena, struct verdict *ret)
{
    char declared[32], range[48], bound[32];
    uint64_t whole = timeout_request_ns(w->policy);
    verdict_span(whole, declared, sizeof(declared));
    verdict_range(e->extent.least, e->extent.most, range, sizeof(range));
    bool is_late = late->verdict == LATE_FAIL;
    if (e->other_status > 0) {
        verdict_fail(ret, arena, "request %s: %llu of %llu ended with %u instead of %s%s", declared,
                     (unsigned long long)e->other_status, (unsigned long long)e->count, e->other,
                     window_timeout_name(w), window_when(w, ret, arena));
        ret->certain = "one witness is enough (class D)";
    } else if (window_starved(w, ret, arena)) {
        return;
    } else if (e->count > 0 && (is_late || early->verdict == LATE_FAIL)) {
        verdict_span(is_late ? timeout_request_late_ns(whole) : timeout_request_early_ns(whole),
                     bound, sizeof(bound));
        verdict_fail(ret, arena, "request %s: %llu of %llu ended %s, at %s; at %s %s%s", declared,
                     (unsigned long long)(is_late ? e->late : e->early),
                     (unsigned long long)e->count, is_late ? "late" : "early", range,
                     is_late ? "most" : "least", bound, window_when(w, ret, arena));
        ret->certain = arena_printf(arena, "by this machine's own delays %.1g (class T)",
                                    is_late ? late->tail : early->tail);
    } else if (e->count < ret->needed) {
        window_too_few(w, ret, arena, e->count, ret->needed, ret->unit);
    } else if (late->verdict == LATE_UNDECIDED) {
        window_undecided(w, ret, arena, late, e->late, e->count, ret->unit);
    } else if (early->verdict == LATE_UNDECIDED) {
        window_undecided(w, ret, arena, early, e->early, e->count, ret->unit);
    } else {
        verdict_pass(ret, arena, "request %s: %llu of %llu ended as %s at %s", declared,
                     (unsigned long long)(e->count - e->late - e->early),
                     (unsigned long long)e->count, window_timeout_name(w), range);
    }
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct ends ends = {0};
    uint64_t whole = timeout_request_ns(edge);
    for (uint32_t i = w->from; i < w->to; i++)
        if (window_has(w, &w->track->requests[i]))
            look_at(edge, w, &w->track->requests[i], &ends, ret);
    struct late late = window_late_together(w, &ends.late_ends, ends.count,
                                            timeout_request_late_ns(whole) - whole);
    late_ends_release(&ends.late_ends);
    struct late early =
        window_late(w, ends.early, ends.count, whole - timeout_request_early_ns(whole));
    char declared[32];
    verdict_span(whole, declared, sizeof(declared));
    ret->seen = ret->eligible = ends.count;
    ret->wrong = ends.late + ends.early + ends.other_status;
    ret->needed = window_floor(w, LEAST);
    ret->unit = "requests without an answer";
    verdict_policy(ret, &edge->request_timeout, arena, "each request at most %s", declared);
    conclude(w, &ends, &late, &early, arena, ret);
    judge_wish(w, arena, ret);
}

const struct claim_type claim_timeout_request = {
    .id = "timeout.request",
    .word = "timeout",
    .only = "request",
    .help = "a request without an answer ends as 504 at the whole timeout",
    .class = CLAIM_TIMING,
    .applies = applies,
    .judge = judge,
};
