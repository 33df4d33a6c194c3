#ifndef VERIFY_WINDOW_H
#define VERIFY_WINDOW_H

/* What one expectation is judged by: a track, cut to a phase (or a span of it), with what was asked
 * and at which level. Requests and tries belong to the window in which their first time lies. */

#include "stats/late.h"
#include "verify/baseline.h"
#include "verify/track.h"
#include "verify/verdict.h"

struct metrics_memo; /* verify/metrics.h */

struct window {
    const struct journal *journal;
    const struct track *track;
    const struct scenario *scenario;  /* of the plan; NULL: the journal has none */
    const struct phase *phase;        /* NULL: the whole scenario */
    const struct step *asked;         /* the expectation or await */
    const struct edge_policy *policy; /* of the edge that is asked */
    const struct edge_policy *edges;  /* all edges of this arm, for chains */
    size_t edge_count;
    struct span span; /* of the phase, on the run's clock */
    struct span
        wide;      /* for ejection: of all phases that ask for it (generated plans); else ${span} */
    uint32_t edge; /* name of the edge that is asked; 0: all edges to the service */
    uint32_t from, to;              /* requests of ${span} */
    const json_t *match;            /* of the expectation; NULL: all requests are asked */
    const struct place_end *subset; /* whose answers alone are asked, "b@v2"; NULL: all */
    bool grpc;                      /* the service of the edge speaks it */
    struct baselines baselines;     /* other runs that tails may be judged against */
    struct metrics_memo *memo;      /* of all windows of a judgement; NULL: nothing is kept */
    double alpha;                   /* for one side of one test */
    bool strict;                    /* n_min 66 */
    uint64_t lost;                  /* records that the arm lost in ${span} */
    bool agent_lost;                /* and an agent of it was missing for a while */
    uint64_t tainted_ppm;           /* share of ${span} that is no evidence */
    uint64_t lagged_ppm;            /* share in which a loop of ours stood still for long (5.4) */
    bool dead_end, dead_end_ever; /* retry_dead_any, of those that end in ${span}, and of others */
};

/* Cuts ${w}'s track to ${w}'s span, and looks up once what is asked of each request. The fields
 * above
 * ${from} are set by the caller. */
void window_cut(struct window *w);
/* Records that the arm lost of what was under way in [from, to), wherever the window's span lies.
 */
uint64_t window_lost_between(const struct window *w, uint64_t from_ns, uint64_t to_ns);

/* The expectation's match alone (window_match.c). */
bool window_matches(const struct window *w, const struct request *r);
/* The last try was at an endpoint of the window's subset. */
bool window_answered_by(const struct window *w, const struct request *r);
/* Whether a request (in [from, to)) is asked: its edge, the expectation's match; warm-up is no
 * evidence. This and what follows is asked of every request by nearly every claim. */
static inline bool window_has(const struct window *w, const struct request *r)
{
    return (r->r->flags & REQUEST_WARMUP) == 0 && (w->edge == 0 || r->r->edge == w->edge) &&
           (w->subset == NULL || window_answered_by(w, r)) &&
           (w->match == NULL || window_matches(w, r));
}
/* The plan was made from the policy (scenario.from_policy), not written by an author. */
static inline bool window_is_generated(const struct window *w)
{
    return w->scenario != NULL && w->scenario->from_policy;
}
static inline const struct try *window_try(const struct window *w, uint32_t index)
{
    return index == TRACK_NONE ? NULL : &w->track->tries[index];
}
/* The first try of ${r}, and the one after; NULL: none. */
static inline const struct try *window_first(const struct window *w, const struct request *r)
{
    return window_try(w, r->first);
}
static inline const struct try *window_after(const struct window *w, const struct try *x)
{
    return window_try(w, x->next);
}
static inline const struct try *window_last(const struct window *w, const struct request *r)
{
    return window_try(w, r->last);
}
/* Tries that certainly were made (lower bound), and that may have been (upper; ${most} is 1 + N).
 */
static inline uint32_t window_tries(const struct request *r)
{
    uint32_t tries = (uint32_t)r->seen + r->refused;
    return r->n_mesh > tries ? r->n_mesh : tries;
}
uint32_t window_tries_most(const struct request *r, uint32_t most);
/* Those after the first, at least. */
uint32_t window_retries(const struct request *r);

#define STATUS_LIMITED 429 /* RFC 6585 section 4: what a rate limit answers */

/* How a try ended, as policies speak of it. */
enum failure_kind { FAILURE_NONE, FAILURE_CAUSE, FAILURE_STARTED, FAILURE_UNKNOWN };
/* How a stream of HTTP/2 was lost before its head, where that is known: only window_ended says. */
enum failure_stream { STREAM_WHOLE, STREAM_REFUSED, STREAM_GOAWAY, STREAM_RESET };
struct failure {
    enum failure_kind
        kind; /* STARTED: cut after its head; UNKNOWN: released, abandoned, read too late */
    enum cause cause;
    uint32_t status;
    uint16_t grpc;    /* grpc-status of the answer plus 1, where it is not OK; 0: none */
    bool in_trailers; /* it came in trailers, behind a head */
    bool on_grpc;     /* the edge speaks gRPC: only window_ended says */
    enum failure_stream stream;
};
struct failure window_failure(const struct try *x);
/* The same with what HTTP/2 and gRPC make of it (window_grpc.c). UNKNOWN too where a stream was
 * lost and the journal does not say by which code. */
struct failure window_ended(const struct window *w, const struct try *x);
/* Whether the policy of the edge retries it: as retry_rule_covers on HTTP/1.1. */
bool window_covers(const struct window *w, const struct failure *f);
/* Whether the client got that very answer: its status, and grpc-status. */
bool window_same_answer(const struct request *r, const struct try *x);
/* The mesh's answer to a timeout of its own: 504, on gRPC 14 of Envoy and 4 of Linkerd (measured:
 * verifier.md 3.2). "504", "gRPC 14". */
const char *window_timeout_name(const struct window *w);
bool window_timed_out(const struct window *w, const struct request *r);
/* The same, and it cannot be another's: 14 is Envoy's word for a lost connection too, and an
 * endpoint's own; there the text must tell. */
bool window_says_timeout(const struct window *w, const struct request *r);
/* Behind ${last}, which was seen, one more try of ${r} may have been on its way when a reset ended
 * all streams of the connection that it was sent on: nobody reads it, and the mesh says that it was
 * lost. HTTP/2; the reset is not the one that ended a try of ${r} itself: of that one the mesh
 * knew before it tried again. */
bool window_may_have_lost(const struct window *w, const struct request *r, const struct try *last);
/* Linkerd's own answer where all endpoints were shut, or its time was up: no try gave it. */
bool window_failed_fast(const struct window *w, const struct request *r);
/* Status 500 or more, or a grpc-status that is not OK. */
bool window_is_error(const struct request *r);
/* "503", "reset", "hold": as tags name it. */
const char *failure_print(const struct failure *f, char *to, size_t size);

/* A tag of a generated plan: "f1:503", "all:hold"; false for any other text. ${ret_cause} is
 * borrowed. */
bool tag_parse(const char *tag, uint32_t *ret_fails, const char **ret_cause);
/* Whether the phase's loads send tags of that cause ("503"). */
bool window_sends(const struct window *w, const char *cause);
/* How many tags the phase's loads carry; 0: hand-written. */
size_t window_tags(const struct window *w);
const char *window_tag(const struct window *w, const struct request *r); /* "" without one */

/* Could a timer of the mesh, not the answer to ${x}, have caused the next try (2.1)? */
bool window_other_cause(const struct window *w, const struct request *r, const struct try *x);
/* Could the whole or the per-try timer have ended the request (within 10 ms)? */
bool window_timer_ended(const struct window *w, const struct request *r, bool per_try);
/* Both ends of an instance are evidence. */
bool window_clean(const struct window *w, uint64_t a_ns, uint64_t b_ns);
/* The late test of 5.3: ${late} of ${n} instances, against the window's clean background requests
 * that took more than ${tolerance_ns} longer than they usually do. */
struct late window_late(const struct window *w, uint64_t late, uint64_t n, uint64_t tolerance_ns);
/* When the late ones ended, no more than the tries of a track. A mesh that stood still ends at once
 * all that was due meanwhile. */
struct late_ends {
    uint64_t *at;
    size_t count, room;
};
void late_ends_add(struct late_ends *ends, uint64_t t_ns);
void late_ends_release(struct late_ends *ends);
/* window_late of instances that were under way together: those that ended together are late by one
 * delay, and weigh as one draw. Sorts ${late}. */
struct late window_late_together(const struct window *w, struct late_ends *late, uint64_t n,
                                 uint64_t tolerance_ns);

/* What the asked edge's service speaks by the plan: "http1", "http2", "grpc", "tcp". */
const char *window_protocol(const struct window *w);

/* The evidence floor: ${usual}, 66 when strict, or more where the expectation says so. */
uint64_t window_floor(const struct window *w, uint64_t usual);
/* The same of what is too dear for 66: episodes of ejection. */
uint64_t window_enough(const struct window *w, uint64_t usual);
/* The step of the scenario's fault ${number}; NULL: not known. */
const struct step *window_fault(const struct window *w, uint32_t number);
/* A key of the expectation, NULL where it is not set. */
const char *window_key(const struct window *w, const char *name);
/* A fault of that word stands in the phase. */
bool window_has_fault(const struct window *w, const char *word);

/* Marks ${r} as the first witness, unless there is one. */
void window_witness(struct verdict *v, const struct request *r, uint64_t t_ns);
/* " first at 00:07.218": of the witness, from the window's start. */
const char *window_when(const struct window *w, const struct verdict *v, struct arena *arena);
/* Too few of ${unit}: INCONCLUSIVE with what is missing and how long that takes at this rate. */
void window_too_few(const struct window *w, struct verdict *v, struct arena *arena, uint64_t have,
                    uint64_t need, const char *unit);
/* Some were late, but the machine may be why: INCONCLUSIVE, with how many would decide. */
void window_undecided(const struct window *w, struct verdict *v, struct arena *arena,
                      const struct late *test, uint64_t late, uint64_t n, const char *unit);
/* More than half of the window was tainted, or long lags of our own loops took more than a
 * twentieth of it: INCONCLUSIVE, true. */
bool window_starved(const struct window *w, struct verdict *v, struct arena *arena);

#endif
