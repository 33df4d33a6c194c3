/* What HTTP/2 and gRPC make of the end of a try: its code, whether the policy retries it, and what
 * the client must get (spec/verifier.md 3.1, 3.2; reference/limits-measured.md 4, measured on an
 * Envoy, linkerd-measured.md 1). */
#include "verify/window.h"

#include "base/clock.h"

/* grpc-status values (grpc/doc/statuscodes.md). */
enum {
    GRPC_CANCELLED = 1,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
};
/* Envoy takes each of these words for any reset of a stream (policy-semantics.md A1). */
#define ANY_RESET (RETRY_5XX | RETRY_GATEWAY_ERROR | RETRY_RESET)

#define LOST_BEFORE_NS (30 * NS_PER_S) /* as long as a client waits */

/* The code of our RST_STREAM is not in the record of the try, but the fault that sent it knows. */
static enum failure_stream stream_of(const struct step *fault)
{
    if (strcmp(fault->word, "rst_stream") == 0) {
        const char *code = json_string_value(json_object_get(fault->keys, "code"));
        return code == NULL || strcmp(code, "REFUSED_STREAM") == 0 ? STREAM_REFUSED : STREAM_RESET;
    }
    if (strcmp(fault->word, "goaway") == 0)
        return STREAM_GOAWAY;
    return STREAM_WHOLE;
}

struct failure window_ended(const struct window *w, const struct try *x)
{
    struct failure f = window_failure(x);
    f.on_grpc = w->grpc;
    if (x->well)
        return f;
    bool lost = f.kind == FAILURE_CAUSE && (f.cause == CAUSE_RESET || f.cause == CAUSE_FIN);
    if (!lost || x->r->stream == 0)
        return f;
    const struct step *fault = window_fault(w, x->r->fault);
    f.stream = fault == NULL ? STREAM_WHOLE : stream_of(fault);
    if (f.stream != STREAM_WHOLE) {
        f.cause = CAUSE_RESET;
        return f;
    }
    /* One lost connection ends all its streams, and a backend or a hook may have sent any code. */
    bool whole = fault != NULL &&
                 (strcmp(fault->word, "reset") == 0 || strcmp(fault->word, "malformed") == 0);
    if (!whole || (w->policy->flavour == FLAVOUR_LINKERD && f.cause == CAUSE_FIN))
        f.kind = FAILURE_UNKNOWN;
    return f;
}

static uint32_t word_of(unsigned code)
{
    switch (code) {
    case GRPC_CANCELLED:
        return RETRY_GRPC_CANCELLED;
    case GRPC_DEADLINE_EXCEEDED:
        return RETRY_GRPC_DEADLINE_EXCEEDED;
    case GRPC_RESOURCE_EXHAUSTED:
        return RETRY_GRPC_RESOURCE_EXHAUSTED;
    case GRPC_INTERNAL:
        return RETRY_GRPC_INTERNAL;
    case GRPC_UNAVAILABLE:
        return RETRY_GRPC_UNAVAILABLE;
    default:
        return 0;
    }
}

/* Envoy reads the head alone: a code in trailers comes too late. GOAWAY with a last id below the
 * stream counts as refused. */
static bool envoy_covers(const struct edge_policy *edge, const struct failure *f)
{
    if (f->stream != STREAM_WHOLE) {
        bool refused = f->stream == STREAM_REFUSED || f->stream == STREAM_GOAWAY;
        return (edge->retry.on & (ANY_RESET | (refused ? (uint32_t)RETRY_REFUSED_STREAM : 0))) != 0;
    }
    if (f->grpc != 0 && !f->in_trailers && (edge->retry.on & word_of(f->grpc - 1u)) != 0)
        return true;
    return retry_rule_covers(edge, f->cause, f->status);
}

/* Linkerd reads trailers like a head, retries a refused stream always and another code never, and
 * makes UNAVAILABLE of a lost connection; on a gRPC route the HTTP status says nothing. */
static bool linkerd_covers(const struct edge_policy *edge, const struct failure *f)
{
    if (f->stream == STREAM_REFUSED)
        return edge->retry.attempts.number > 0;
    if (f->stream == STREAM_RESET)
        return false;
    if (f->on_grpc && f->cause == CAUSE_STATUS)
        return f->grpc != 0 && (edge->retry.on & word_of(f->grpc - 1u)) != 0;
    if (f->on_grpc && f->cause != CAUSE_HOLD)
        return (edge->retry.on & RETRY_GRPC_UNAVAILABLE) != 0;
    return retry_rule_covers(edge, f->cause, f->status);
}

bool window_covers(const struct window *w, const struct failure *f)
{
    switch (w->policy->flavour) {
    case FLAVOUR_ENVOY:
        return envoy_covers(w->policy, f);
    case FLAVOUR_LINKERD:
        return linkerd_covers(w->policy, f);
    case FLAVOUR_L4:
        return false;
    }
    UNREACHABLE();
}

bool window_same_answer(const struct request *r, const struct try *x)
{
    return r->r->status == x->r->status && r->r->grpc_status == x->r->grpc_status;
}

const char *window_timeout_name(const struct window *w)
{
    if (!w->grpc)
        return "504";
    return w->policy->flavour == FLAVOUR_LINKERD ? "gRPC 4" : "gRPC 14";
}

bool window_failed_fast(const struct window *w, const struct request *r)
{
    return w->policy->flavour == FLAVOUR_LINKERD && (r->r->marks & REQUEST_MARK_L5D_ERROR) != 0 &&
           (r->r->status == 503 || r->r->status == 504 || r->r->grpc_status > 1);
}

bool window_timed_out(const struct window *w, const struct request *r)
{
    bool linkerd = w->policy->flavour == FLAVOUR_LINKERD;
    unsigned code = linkerd ? GRPC_DEADLINE_EXCEEDED : GRPC_UNAVAILABLE;
    if (!w->grpc)
        return r->r->status == 504;
    return r->r->status == 200 && r->r->grpc_status == code + 1;
}

bool window_says_timeout(const struct window *w, const struct request *r)
{
    bool unsure = w->grpc && w->policy->flavour == FLAVOUR_ENVOY;
    return window_timed_out(w, r) && (!unsure || r->r->body_class == BODY_UPSTREAM_TIMEOUT);
}

bool window_is_error(const struct request *r)
{
    return r->r->status >= 500 || r->r->grpc_status > 1;
}

static bool ends_connection(const struct window *w, const struct try *x)
{
    bool reset = x->r->outcome == OUTCOME_RESET_BY_FAULT || x->r->outcome == OUTCOME_UPSTREAM_RESET;
    const struct step *fault = window_fault(w, x->r->fault);
    return reset && x->r->stream != 0 && (fault == NULL || strcmp(fault->word, "rst_stream") != 0);
}

static bool ended_with(const struct window *w, const struct request *r, const struct try *reset)
{
    for (const struct try *x = window_first(w, r); x != NULL; x = window_after(w, x))
        if (x->r->endpoint == reset->r->endpoint && x->r->conn == reset->r->conn &&
            ends_connection(w, x))
            return true;
    return false;
}

bool window_may_have_lost(const struct window *w, const struct request *r, const struct try *last)
{
    const struct track *t = w->track;
    if (last->r->stream == 0 || r->r->body_class != BODY_CONNECT_TERMINATED)
        return false;
    /* What a fault delays first is reset long after its head. */
    uint64_t from_ns = r->start_ns > LOST_BEFORE_NS ? r->start_ns - LOST_BEFORE_NS : 0;
    for (uint32_t i = track_try_at(t, r->done_ns); i > 0; i--) { /* it is one of the last, mostly */
        const struct try *x = &t->tries[i - 1];
        if (x->head_ns < from_ns)
            break;
        if (ends_connection(w, x) && x->out_ns >= last->head_ns && x->out_ns <= r->done_ns &&
            !ended_with(w, r, x))
            return true;
    }
    return false;
}
