/* timeout.none (spec/verifier.md 3.2): where no timeout is declared the mesh makes none of its own.
 */
#include "verify/claims.h"
#include "verify/timeout.h"

#include "base/clock.h"

#define LEAST 3
/* Envoy's own default is 15 s, which Istio switches off. */
#define PATIENCE_NS (16 * NS_PER_S)

static bool applies(const struct edge_policy *edge)
{
    return edge->flavour == FLAVOUR_ENVOY && timeout_request_ns(edge) == 0 &&
           timeout_try_ns(edge) == 0;
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    uint64_t patience = window_is_generated(w) && w->scenario->patience_ns != 0
                            ? w->scenario->patience_ns
                            : PATIENCE_NS;
    uint64_t waited = 0, ended = 0;
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        const struct try *last = window_has(w, r) ? window_last(w, r) : NULL;
        if (last == NULL || r->done_ns == 0 || r->r->end == END_CLIENT_TIMEOUT)
            continue;
        bool cut = last->left_ns != 0 && last->out_ns == 0;
        if (cut && window_says_timeout(w, r) && r->done_ns - r->start_ns < patience) {
            ended++;
            window_witness(ret, r, r->start_ns);
        } else if (r->done_ns - r->start_ns + 50 * NS_PER_MS >= patience)
            waited++;
    }
    char span[32];
    verdict_span(patience, span, sizeof(span));
    ret->seen = ret->eligible = waited + ended;
    ret->wrong = ended;
    ret->needed = window_floor(w, LEAST);
    ret->unit = "answers that took that long";
    verdict_policy(ret, &edge->request_timeout, arena, "no timeout is declared");
    if (ended > 0) {
        verdict_fail(ret, arena, "%llu of %llu requests got a %s of the mesh before %s%s",
                     (unsigned long long)ended, (unsigned long long)(waited + ended),
                     window_timeout_name(w), span, window_when(w, ret, arena));
        ret->certain = "one witness is enough: no timer of ours ends a request";
    } else if (waited < ret->needed)
        window_too_few(w, ret, arena, waited, ret->needed, ret->unit);
    else
        verdict_pass(ret, arena, "none declared: %llu of %llu answers waited for, %s",
                     (unsigned long long)waited, (unsigned long long)waited, span);
}

const struct claim_type claim_timeout_none = {
    .id = "timeout.none",
    .word = "timeout",
    .only = "none",
    .help = "where no timeout is declared the mesh makes none",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
