/* timeout.headers_sent (spec/verifier.md 3.2): an answer that stalls behind its head is cut at the
 * whole timeout; the client cannot get a 504 any more, and nothing is tried again. */
#include "verify/claims.h"
#include "verify/timeout.h"

#include "base/clock.h"

#define LEAST 6
#define STALL_LEAST_NS (100 * NS_PER_MS)

struct stalls {
    struct extent extent;
    uint64_t count, early, late, again, swapped;
};

static bool applies(const struct edge_policy *edge)
{
    return edge->flavour != FLAVOUR_L4 && timeout_request_ns(edge) != 0;
}

static uint64_t begun_ns(const struct edge_policy *edge, const struct request *r)
{
    return edge->flavour == FLAVOUR_LINKERD || r->sent_ns == 0 ? r->start_ns : r->sent_ns;
}

/* When the mesh cut it, at the endpoint: an Envoy lets its client's HTTP/1 connection stand for
 * another second (delayed_close_timeout; seen with 1.40). Never cut: when the client had all, or
 * gave up. */
static uint64_t end_ns(const struct request *r, const struct try *x)
{
    return x->left_ns != 0 ? x->left_ns : r->done_ns;
}

/* A good answer whose head went out long before its end, so that the mesh has read it: less is a
 * race of an answer with the timer. The mesh cut it, or its client waited for the rest. */
static bool has_stalled(const struct window *w, const struct request *r, const struct try *x)
{
    uint64_t out = x->head_ns + x->r->head_out, end = end_ns(r, x);
    bool good = x->r->status >= 200 && x->r->status < 400 && x->r->grpc_status <= 1;
    bool cut = x->r->outcome == OUTCOME_LEFT && x->left_ns != 0;
    bool waited = x->left_ns == 0 && x->next == TRACK_NONE && window_same_answer(r, x) &&
                  r->done_ns > r->head_ns + STALL_LEAST_NS;
    return x->r->head_out != 0 && good && !x->late_read && r->head_ns != 0 && (cut || waited) &&
           x->r->outcome != OUTCOME_RESET_BY_FAULT && x->r->outcome != OUTCOME_CLOSED_BY_FAULT &&
           end > out + STALL_LEAST_NS && window_clean(w, out, end);
}

static void look_at(const struct edge_policy *edge, const struct window *w, const struct request *r,
                    struct stalls *s, struct verdict *ret)
{
    const struct try *x = window_first(w, r);
    uint64_t whole = timeout_request_ns(edge);
    while (x != NULL && !has_stalled(w, r, x))
        x = window_after(w, x);
    if (x == NULL || r->done_ns == 0 || !w->track->same_clock)
        return;
    uint64_t end = end_ns(r, x) - begun_ns(edge, r);
    bool cut = x->r->outcome == OUTCOME_LEFT && x->left_ns != 0;
    bool late = end > timeout_request_late_ns(whole);
    bool early = cut && end < timeout_request_early_ns(whole);
    /* Its client gave up, or it had all in time: nothing was to be seen. */
    if ((!cut && !late) || (early && r->r->end == END_CLIENT_TIMEOUT) ||
        !window_clean(w, r->start_ns, end_ns(r, x)))
        return;
    bool again = x->next != TRACK_NONE, swapped = !again && r->r->status != x->r->status;
    s->count++;
    s->again += again;
    s->swapped += swapped;
    s->late += late && !again && !swapped;
    s->early += early && !again && !swapped;
    extent_add(&s->extent, end);
    if (again || swapped || late || early)
        window_witness(ret, r, r->start_ns);
}

static void conclude(const struct window *w, const struct stalls *s, struct arena *arena,
                     struct verdict *ret)
{
    char declared[32], range[48];
    uint64_t whole = timeout_request_ns(w->policy);
    struct late late = window_late(w, s->late, s->count, timeout_request_late_ns(whole) - whole);
    struct late early = window_late(w, s->early, s->count, whole - timeout_request_early_ns(whole));
    verdict_span(whole, declared, sizeof(declared));
    verdict_range(s->extent.least, s->extent.most, range, sizeof(range));
    if (s->again + s->swapped > 0) {
        verdict_fail(ret, arena, "%llu of %llu answers that stalled behind their head %s%s",
                     (unsigned long long)(s->again > 0 ? s->again : s->swapped),
                     (unsigned long long)s->count,
                     s->again > 0 ? "were asked for again" : "reached the client as another one",
                     window_when(w, ret, arena));
        ret->certain = "one witness is enough (class D): the client had the head";
    } else if (s->count == 0 && !window_sends(w, "stall")) {
        /* It shares its word with timeout.request, and nobody who wrote that asked for a stall. */
        ret->kind = VERDICT_NOT_APPLICABLE;
        ret->text = "no answer stalled behind its head";
    } else if (window_starved(w, ret, arena))
        return;
    else if (late.verdict == LATE_FAIL || early.verdict == LATE_FAIL) {
        bool is_late = late.verdict == LATE_FAIL;
        verdict_fail(ret, arena, "request %s: %llu of %llu answers were cut %s, at %s%s", declared,
                     (unsigned long long)(is_late ? s->late : s->early),
                     (unsigned long long)s->count, is_late ? "late" : "early", range,
                     window_when(w, ret, arena));
        ret->certain = arena_printf(arena, "by this machine's own delays %.1g (class T)",
                                    is_late ? late.tail : early.tail);
    } else if (s->count < ret->needed)
        window_too_few(w, ret, arena, s->count, ret->needed, ret->unit);
    else if (late.verdict == LATE_UNDECIDED)
        window_undecided(w, ret, arena, &late, s->late, s->count, ret->unit);
    else if (early.verdict == LATE_UNDECIDED)
        window_undecided(w, ret, arena, &early, s->early, s->count, ret->unit);
    else
        verdict_pass(ret, arena, "request %s: %llu of %llu cut behind their head at %s", declared,
                     (unsigned long long)(s->count - s->late - s->early),
                     (unsigned long long)s->count, range);
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct stalls s = {0};
    char declared[32];
    for (uint32_t i = w->from; i < w->to; i++)
        if (window_has(w, &w->track->requests[i]))
            look_at(edge, w, &w->track->requests[i], &s, ret);
    verdict_span(timeout_request_ns(edge), declared, sizeof(declared));
    ret->seen = ret->eligible = s.count;
    ret->wrong = s.again + s.swapped + s.late + s.early;
    ret->needed = window_floor(w, LEAST);
    ret->unit = "answers that stalled behind their head";
    verdict_policy(ret, &edge->request_timeout, arena, "each request at most %s, its body too",
                   declared);
    conclude(w, &s, arena, ret);
}

const struct claim_type claim_timeout_headers_sent = {
    .id = "timeout.headers_sent",
    .word = "timeout",
    .only = "request",
    .help = "an answer that stalls behind its head is cut at the whole timeout",
    .class = CLAIM_TIMING,
    .applies = applies,
    .judge = judge,
};
