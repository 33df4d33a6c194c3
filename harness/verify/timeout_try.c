/* timeout.try and timeout.try.restart (spec/verifier.md 3.2): each try is cut at the per-try
 * timeout, measured from that try's own beginning. */
#include "verify/claims.h"
#include "verify/timeout.h"
#include "verify/wish.h"

#include "base/clock.h"

#define LEAST 10
#define RESTART_LEAST 8

static bool applies(const struct edge_policy *edge)
{
    uint64_t p = timeout_try_ns(edge), whole = timeout_request_ns(edge);
    return edge->flavour != FLAVOUR_L4 && p != 0 && (whole == 0 || p < whole);
}

static bool applies_to_retries(const struct edge_policy *edge)
{
    uint64_t p = timeout_try_ns(edge), whole = timeout_request_ns(edge);
    /* The second try, too, must have the time to meet its own timeout; the last that Linkerd may
     * make has none. */
    return applies(edge) && (whole == 0 || whole > 2 * p + TIMEOUT_LEFT_OVER_NS) &&
           edge->retry.attempts.number > (edge->flavour == FLAVOUR_LINKERD ? 1 : 0) &&
           retry_rule_covers(edge, CAUSE_HOLD, 0);
}

static void fail(const struct window *w, const struct lives *lives, bool late,
                 const struct late *test, struct arena *arena, struct verdict *ret)
{
    uint64_t p = timeout_try_ns(w->policy);
    char declared[32], range[48], bound[32];
    verdict_span(p, declared, sizeof(declared));
    verdict_range(lives->extent.least, lives->extent.most, range, sizeof(range));
    verdict_span(late ? timeout_try_late_ns(p) : timeout_try_early_ns(p), bound, sizeof(bound));
    verdict_fail(ret, arena, "per try %s: %llu of %llu cut %s, at %s; at %s %s%s", declared,
                 (unsigned long long)(late ? lives->late : lives->early),
                 (unsigned long long)lives->count, late ? "late" : "early", range,
                 late ? "most" : "least", bound, window_when(w, ret, arena));
    ret->certain = arena_printf(arena, "by this machine's own delays %.1g (class T)", test->tail);
}

static void judge_from(uint32_t least, uint64_t floor, const char *unit, const struct window *w,
                       struct arena *arena, struct verdict *ret)
{
    const struct edge_policy *edge = w->policy;
    uint64_t p = timeout_try_ns(edge);
    struct late_ends late_ends = {0};
    struct lives lives = {.late_ends = &late_ends};
    timeout_lives(w, least, &lives, ret);
    struct late late = window_late_together(w, &late_ends, lives.count, timeout_try_late_ns(p) - p);
    late_ends_release(&late_ends);
    struct late early = window_late(w, lives.early, lives.count, p - timeout_try_early_ns(p));
    char declared[32], range[48];
    verdict_span(p, declared, sizeof(declared));
    verdict_range(lives.extent.least, lives.extent.most, range, sizeof(range));
    ret->seen = ret->eligible = lives.count;
    ret->wrong = lives.late + lives.early;
    ret->needed = window_floor(w, floor);
    ret->unit = unit;
    verdict_policy(ret, &edge->retry.per_try_timeout, arena, "each try at most %s", declared);
    if (window_starved(w, ret, arena))
        return;
    if (lives.count > 0 && late.verdict == LATE_FAIL)
        fail(w, &lives, true, &late, arena, ret);
    else if (lives.count > 0 && early.verdict == LATE_FAIL)
        fail(w, &lives, false, &early, arena, ret);
    else if (lives.count == 0 && window_is_generated(w) && !window_sends(w, "hold")) {
        ret->kind = VERDICT_NOT_APPLICABLE;
        ret->text = "so few failures eject that the plan holds no try";
    } else if (lives.count < ret->needed)
        window_too_few(w, ret, arena, lives.count, ret->needed, ret->unit);
    else if (late.verdict == LATE_UNDECIDED)
        window_undecided(w, ret, arena, &late, lives.late, lives.count, ret->unit);
    else if (early.verdict == LATE_UNDECIDED)
        window_undecided(w, ret, arena, &early, lives.early, lives.count, ret->unit);
    else
        verdict_pass(ret, arena, "per try %s: %llu of %llu cut at %s", declared,
                     (unsigned long long)(lives.count - ret->wrong),
                     (unsigned long long)lives.count, range);
}

/* From its head to its answer, or until the mesh let go of it. */
static uint64_t lived_ns(const struct window *w, const struct try *x)
{
    uint64_t end = x->left_ns != 0 ? x->left_ns : x->out_ns;
    if (x->late_read || x->is_connection || end <= x->head_ns || !window_clean(w, x->head_ns, end))
        return 0;
    return end - x->head_ns;
}

static void judge_wish(const struct window *w, struct arena *arena, struct verdict *ret)
{
    struct wish_times times = {.wish_ns = wish_of_try_ns(w)};
    for (uint32_t i = w->from; times.wish_ns != 0 && i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        if (!window_has(w, r))
            continue;
        for (const struct try *x = window_first(w, r); x != NULL; x = window_after(w, x)) {
            uint64_t ns = lived_ns(w, x);
            if (ns != 0 && wish_add(&times, r, ns))
                window_witness(ret, r, x->head_ns);
        }
    }
    wish_decide(w, &times, "tries lasted", arena, ret);
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    (void)edge;
    judge_from(1, LEAST, "tries cut", w, arena, ret);
    judge_wish(w, arena, ret);
}

static void judge_restart(const struct edge_policy *edge, const struct window *w,
                          struct arena *arena, struct verdict *ret)
{
    (void)edge;
    judge_from(2, RESTART_LEAST, "retries cut", w, arena, ret);
}

const struct claim_type claim_timeout_try = {
    .id = "timeout.try",
    .word = "timeout",
    .only = "per_try",
    .help = "a try that gets no answer is cut at the per-try timeout",
    .class = CLAIM_TIMING,
    .applies = applies,
    .judge = judge,
};

const struct claim_type claim_timeout_try_restart = {
    .id = "timeout.try.restart",
    .word = "timeout",
    .only = "per_try",
    .help = "the per-try timeout begins anew with each try",
    .class = CLAIM_TIMING,
    .applies = applies_to_retries,
    .judge = judge_restart,
};
