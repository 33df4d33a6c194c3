/* timeout.try.kept (spec/verifier.md 3.2): an answer that comes within the per-try timeout is not
 * cut. */
#include "verify/claims.h"
#include "verify/timeout.h"

#include "base/clock.h"

#define LEAST 8
#define SOON_NS (10 * NS_PER_MS)

static bool applies(const struct edge_policy *edge)
{
    uint64_t p = timeout_try_ns(edge), whole = timeout_request_ns(edge);
    return edge->flavour != FLAVOUR_L4 && p != 0 && (whole == 0 || p < whole);
}

/* A try that a latency fault slowed, by its tag or by the faults that fired. */
static bool was_slowed(const struct window *w, const struct request *r, const struct try *x)
{
    uint32_t fails;
    const char *cause;
    if (tag_parse(window_tag(w, r), &fails, &cause))
        return strcmp(cause, "slow") == 0 && (fails == 0 || x->place <= fails);
    const struct step *s = window_fault(w, x->r->fault);
    return s != NULL && strcmp(s->word, "latency") == 0;
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    uint64_t p = timeout_try_ns(edge), whole = timeout_request_ns(edge), kept = 0, cut = 0;
    struct extent lives = {0};
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        const struct try *x = window_has(w, r) ? window_first(w, r) : NULL;
        if (x == NULL || x->late_read || r->r->end == END_CLIENT_TIMEOUT || !was_slowed(w, r, x))
            continue;
        bool is_cut = x->left_ns != 0 && (x->out_ns == 0 || x->left_ns <= x->out_ns);
        uint64_t end = is_cut ? x->left_ns : x->out_ns, life = end - x->head_ns;
        if (end == 0 || !window_clean(w, x->head_ns, end) || (whole != 0 && whole <= p + SOON_NS))
            continue;
        if (!is_cut && life >= p / 2 && life + 3 * SOON_NS < p)
            kept++;
        else if (is_cut && life + SOON_NS < p && !timeout_may_be_whole(w, r, x))
            cut++;
        else
            continue;
        extent_add(&lives, life);
        if (is_cut)
            window_witness(ret, r, x->head_ns);
    }
    char declared[32], range[48];
    verdict_span(p, declared, sizeof(declared));
    verdict_range(lives.least, lives.most, range, sizeof(range));
    struct late test = window_late(w, cut, kept + cut, SOON_NS);
    ret->seen = ret->eligible = kept + cut;
    ret->wrong = cut;
    ret->needed = window_floor(w, LEAST);
    ret->unit = "slow answers";
    verdict_policy(ret, &edge->retry.per_try_timeout, arena, "each try at most %s", declared);
    if (window_starved(w, ret, arena))
        return;
    if (kept + cut > 0 && test.verdict == LATE_FAIL) {
        verdict_fail(ret, arena, "per try %s: %llu of %llu cut before, at %s%s", declared,
                     (unsigned long long)cut, (unsigned long long)(kept + cut), range,
                     window_when(w, ret, arena));
        ret->certain =
            arena_printf(arena, "by this machine's own delays %.1g (class T)", test.tail);
    } else if (kept + cut < ret->needed)
        window_too_few(w, ret, arena, kept + cut, ret->needed, ret->unit);
    else if (test.verdict == LATE_UNDECIDED)
        window_undecided(w, ret, arena, &test, cut, kept + cut, ret->unit);
    else
        verdict_pass(ret, arena, "per try %s: %llu of %llu kept that took %s", declared,
                     (unsigned long long)kept, (unsigned long long)(kept + cut), range);
}

const struct claim_type claim_timeout_try_kept = {
    .id = "timeout.try.kept",
    .word = "timeout",
    .only = "per_try",
    .help = "an answer within the per-try timeout is not cut",
    .class = CLAIM_TIMING,
    .applies = applies,
    .judge = judge,
};
