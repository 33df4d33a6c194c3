/* retry.must (spec/verifier.md 3.1): a listed failure is retried while retries are left, and the
 * retry's answer is the client's. In general form: a try that certainly failed with a listed cause,
 * with retries left, is followed by another, unless a timer, a limit or the request itself explains
 * why not. */
#include "verify/backoff.h"
#include "verify/claims.h"
#include "verify/eject.h"
#include "verify/retry_dead.h"
#include "verify/retry_limit.h"
#include "verify/timeout.h"
#include "verify/window.h"

#include "base/clock.h"
#include "stats/exact.h"

/* Envoy's timers fire up to 4.5 ms early (measured); twice that. */
#define TIMER_SLACK_NS (10 * NS_PER_MS)
#define CAUSE_LEAST 10
#define CAUSES_MOST 64
#define GRPC_MOST 16 /* the greatest grpc-status */
/* Larger bodies are not retried: Envoy's default buffer, exact; Linkerd's, exact (measured). */
#define ENVOY_BODY_MOST 1048576
#define LINKERD_BODY_MOST 65536
/* An Envoy fires its per-try timer up to 4.5 ms early: a cut from here on is that timer's. */
#define EARLY_NS (15 * NS_PER_MS)
/* How often a retry may meet a second dead host by chance (same host again: 0.3 % measured, 4 % for
 * the worst balancer of three hosts), doubled; of two, or beside a busy one, it may be more. */
#define CHANCE_OF_DEAD_HOST 0.1
/* With more than chance brings once in a hundred runs nothing passes (spec/verifier.md 5.3). */
#define PASS_LEVEL 0.01

struct tally {
    char cause[16];
    uint64_t eligible, wrong, swapped;
    uint64_t exempt;      /* not retried, and the limit of retries at once may be why */
    bool asked;           /* the plan sends it */
    bool by_share;        /* refused or reset at accept: one witness may be chance, ... */
    double by_chance;     /* ... and of all eligible so many at most are */
    struct verdict found; /* its first witness */
};
struct tallies {
    struct tally at[CAUSES_MOST];
    size_t count;
    uint64_t threshold; /* failures in a row that eject; 0: none in force */
    bool hidden;        /* the phase takes hosts down: their cause is the one that was planned */
    double chance[2];   /* of meeting a dead host again by chance, at most; [1]: beside others */
    struct retry_limit limit;
    uint64_t used_up; /* requests that went on until no retry was left */
};

static bool applies(const struct edge_policy *edge)
{
    return edge->retry.attempts.set && edge->retry.attempts.number > 0 &&
           edge->flavour != FLAVOUR_L4;
}

static struct tally *tally_of(struct tallies *t, const char *cause)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->at[i].cause, cause) == 0)
            return &t->at[i];
    if (t->count == CAUSES_MOST)
        return NULL;
    struct tally *made = &t->at[t->count++];
    *made = (struct tally){0};
    snprintf(made->cause, sizeof(made->cause), "%s", cause);
    return made;
}

/* The host was, perhaps, about to be ejected: then fewer hosts explain what follows. */
static bool near_ejection(const struct window *w, const struct tallies *t, const struct try *x)
{
    if (t->threshold == 0)
        return false;
    return x->position == TRACK_NONE ||
           track_smax(w->track, x->r->endpoint - 1u, x->position, false) + 1 >= t->threshold;
}

/* The next try was refused by the endpoint's own proxy: that is the answer then. */
static bool rate_refused(const struct edge_policy *edge, const struct request *r)
{
    return edge->rate.present && r->r->status == STATUS_LIMITED;
}

static bool body_too_big(const struct edge_policy *edge, const struct request *r)
{
    return r->r->bytes_out >
           (edge->flavour == FLAVOUR_LINKERD ? LINKERD_BODY_MOST : ENVOY_BODY_MOST);
}

/* Could a timer have ended the request, or a try of it that we did not see? Over tries that follow
 * each other too soon for it the per-try timer has not fired, however long they took together. */
static bool timer_may(const struct edge_policy *edge, const struct window *w,
                      const struct request *r, const struct try *last)
{
    uint64_t per_try = edge->retry.per_try_timeout.set ? edge->retry.per_try_timeout.number : 0;
    uint64_t known = r->start_ns;
    if (window_timer_ended(w, r, false))
        return true;
    if (per_try == 0 || !window_timer_ended(w, r, true))
        return false;
    for (const struct try *x = window_first(w, r); x != NULL && x != last; x = window_after(w, x)) {
        if (window_other_cause(w, r, x))
            return true;
        known = x->out_ns != 0 ? x->out_ns : x->head_ns;
        known += backoff_least_ns(edge, x->place);
    }
    return last->late_read || r->done_ns + TIMER_SLACK_NS >= known + per_try;
}

/* The client has the answer of ${x}, and the mesh says that it is an endpoint's: it looked at it
 * and let it be, and no timer ended the request. Only of a mesh that numbers its tries: a try that
 * nobody read may have been the last. */
static bool was_passed_on(const struct edge_policy *edge, const struct request *r,
                          const struct try *x)
{
    return edge->flavour == FLAVOUR_ENVOY && (r->r->marks & REQUEST_MARK_UPSTREAM_TIME) != 0 &&
           x->r->n_mesh != 0 && x->r->n_mesh == r->n_mesh && r->r->body_class == BODY_OWN &&
           r->r->end == END_COMPLETE && x->r->outcome == OUTCOME_ANSWERED && x->left_ns == 0 &&
           window_same_answer(r, x);
}

/* All endpoints were out, or shut: there was nowhere to send one more try. */
static bool had_no_host(const struct window *w, const struct request *r)
{
    return r->r->body_class == BODY_NO_HEALTHY || window_failed_fast(w, r);
}

/* Nothing but the mesh explains that ${x}, the last try seen, was not retried. */
static bool must_have_gone_on(const struct edge_policy *edge, const struct window *w,
                              const struct tallies *t, const struct request *r, const struct try *x,
                              const struct failure *f)
{
    uint32_t most = (uint32_t)edge->retry.attempts.number + 1;
    if (r->done_ns == 0 || r->r->end == END_CLIENT_TIMEOUT || r->n_mesh > r->seen ||
        window_tries_most(r, most) > r->seen)
        return false;
    if (had_no_host(w, r) || r->r->body_class == BODY_OVERFLOW ||
        (r->r->marks & REQUEST_MARK_OVERLOADED) != 0)
        return false;
    bool own = r->r->body_class == BODY_OWN && window_same_answer(r, x);
    /* A try before or after it may have ended at a dead endpoint. */
    if ((!own || x->r->n_mesh == 0) && retry_dead_any(w, r))
        return false;
    if (!own && window_may_have_lost(w, r, x))
        return false;
    if (body_too_big(edge, r) || retry_limit_may_refuse(&t->limit, w, r, x->lo_ns) ||
        (rate_refused(edge, r) && !own) || near_ejection(w, t, x))
        return false;
    if (f->cause != CAUSE_HOLD)
        return was_passed_on(edge, r, x) || !timer_may(edge, w, r, x);
    /* A 504 after the first try is the per-try timer's; a later one may be a whole timeout that
     * comes too early. */
    if (window_timed_out(w, r) && x->place > 1)
        return false;
    uint64_t per_try = edge->retry.per_try_timeout.number;
    return per_try != 0 && !window_timer_ended(w, r, false) &&
           x->left_ns - x->head_ns + EARLY_NS >= per_try && window_clean(w, x->head_ns, x->left_ns);
}

/* The retries ended well, or were used up; did the client get that end? */
static bool was_swapped(const struct edge_policy *edge, const struct window *w,
                        const struct request *r, const struct try *last)
{
    struct failure f = window_failure(last);
    bool answered = f.kind == FAILURE_NONE || (f.kind == FAILURE_CAUSE && f.cause == CAUSE_STATUS);
    /* The next try met a limit: that is the answer then. */
    bool refused = r->r->body_class == BODY_OVERFLOW || rate_refused(edge, r) ||
                   (r->r->marks & REQUEST_MARK_OVERLOADED) != 0;
    return answered && !refused && !had_no_host(w, r) && last->r->outcome == OUTCOME_ANSWERED &&
           last->left_ns == 0 && r->done_ns != 0 && r->r->end == END_COMPLETE &&
           !window_same_answer(r, last) && r->n_mesh <= r->seen &&
           !window_timer_ended(w, r, true) &&
           (last->place > edge->retry.attempts.number ||
            (!retry_dead_any(w, r) && !window_may_have_lost(w, r, last)));
}

static void look_at(const struct edge_policy *edge, const struct window *w, const struct request *r,
                    struct tallies *t)
{
    uint64_t retries = edge->retry.attempts.number;
    for (const struct try *x = window_first(w, r); x != NULL; x = window_after(w, x)) {
        struct failure f = window_ended(w, x);
        if (f.kind != FAILURE_CAUSE || !window_covers(w, &f))
            continue;
        char cause[16];
        struct tally *tally = tally_of(t, failure_print(&f, cause, sizeof(cause)));
        if (tally == NULL)
            return;
        if (x->next == TRACK_NONE && x->place <= retries) {
            if (must_have_gone_on(edge, w, t, r, x, &f)) {
                tally->eligible++;
                tally->wrong++;
                window_witness(&tally->found, r, x->lo_ns);
            }
            return;
        }
        t->used_up += x->place == retries;
        if (x->place != 1)
            continue;
        tally->eligible++;
        if (was_swapped(edge, w, r, window_last(w, r))) {
            tally->swapped++;
            window_witness(&tally->found, r, r->done_ns);
        }
    }
}

static bool takes_down(const struct step *steps, size_t count, uint32_t endpoint)
{
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        if (takes_down(s->steps, s->step_count, endpoint) ||
            (s->kind == STEP_FAULT && s->has_on &&
             (s->on.to.endpoint == 0 || s->on.to.endpoint == endpoint)))
            return true;
    }
    return false;
}

/* Of the endpoints that the phase leaves alive each may be out: there is nowhere to retry. */
static bool may_have_no_host(const struct edge_policy *edge, const struct window *w, uint64_t t_ns)
{
    struct ejector e;
    if (edge->flavour != FLAVOUR_ENVOY || !ejector_init(&e, edge, w->track->host_count))
        return false;
    for (uint32_t h = 0; h < w->track->host_count; h++)
        if (!takes_down(w->phase->steps, w->phase->step_count, h + 1) &&
            !eject_may_be_out(w->track, &e, h, t_ns))
            return false;
    return true;
}

/* Others were under way meanwhile: the live endpoints may have held them. */
static bool is_busy(const struct window *w, const struct request *r)
{
    const struct track *t = w->track;
    uint32_t index = (uint32_t)(r - t->requests);
    return t->done_before[index] > r->start_ns ||
           (index + 1 < t->request_count && t->requests[index + 1].start_ns < r->done_ns);
}

/* Refused and reset at accept: no try reaches us (1.4). The request met a dead host when the first
 * try seen is not the mesh's first, or a failed connection can only be its own. */
static void look_at_hidden(const struct edge_policy *edge, const struct window *w,
                           const struct request *r, const char *cause, struct tallies *t)
{
    const struct try *first = window_first(w, r);
    /* A mesh that does not count its tries shows the bad cases only: that is no sample. */
    if (r->refused == 0 && first != NULL && first->r->n_mesh == 0)
        return;
    bool met = r->refused > 0 || (first != NULL && first->r->n_mesh > 1) ||
               (first == NULL && window_is_error(r));
    struct tally *tally = tally_of(t, cause);
    bool nowhere = r->r->body_class == BODY_NO_HEALTHY || r->r->body_class == BODY_OVERFLOW ||
                   may_have_no_host(edge, w, r->start_ns);
    if (!met || tally == NULL || r->done_ns == 0 || nowhere)
        return;
    /* It was retried, and met the next failure, whose own cause is asked for that, or as often as
     * it may be. */
    bool again = (first != NULL && first->r->n_mesh > 1 &&
                  window_failure(window_last(w, r)).kind != FAILURE_NONE) ||
                 window_tries(r) > edge->retry.attempts.number;
    bool good = again || (r->r->end == END_COMPLETE && !window_is_error(r));
    if (!good && retry_limit_may_refuse(&t->limit, w, r, r->start_ns))
        return;
    tally->by_share = true;
    tally->eligible++;
    tally->by_chance += t->chance[is_busy(w, r)];
    if (good)
        return;
    if (!window_timer_ended(w, r, true) && !body_too_big(edge, r)) {
        tally->wrong++;
        window_witness(&tally->found, r, r->start_ns);
    }
}

/* Ends that only HTTP/2 and gRPC know. */
static void add_asked_grpc(const struct window *w, struct tallies *t)
{
    struct failure ends[2 * GRPC_MOST + 3];
    size_t count = 0;
    for (enum failure_stream stream = STREAM_REFUSED; stream <= STREAM_RESET; stream++)
        ends[count++] =
            (struct failure){.kind = FAILURE_CAUSE, .cause = CAUSE_RESET, .stream = stream};
    for (unsigned code = 1; code <= GRPC_MOST; code++)
        for (int late = 0; late <= 1; late++)
            ends[count++] = (struct failure){.kind = FAILURE_CAUSE,
                                             .cause = CAUSE_STATUS,
                                             .status = 200,
                                             .grpc = (uint16_t)(code + 1),
                                             .in_trailers = late == 1,
                                             .on_grpc = true};
    for (size_t i = 0; i < count; i++) {
        char name[16];
        if (window_covers(w, &ends[i]) && /* few are, and it is the quicker question */
            window_sends(w, failure_print(&ends[i], name, sizeof(name))))
            tally_of(t, name)->asked = true;
    }
}

/* A try without an answer is retried only where it is cut before the whole request is. */
static bool cuts_holds(const struct edge_policy *edge)
{
    uint64_t p = timeout_try_ns(edge), whole = timeout_request_ns(edge);
    return p != 0 && (whole == 0 || whole > p + TIMEOUT_LEFT_OVER_NS);
}

/* The causes that the plan sends must all be there. */
static void add_asked(const struct edge_policy *edge, const struct window *w, struct tallies *t)
{
    static const struct {
        const char *name;
        enum cause cause;
        uint32_t status;
    } causes[] = {
        {"500", CAUSE_STATUS, 500}, {"501", CAUSE_STATUS, 501}, {"502", CAUSE_STATUS, 502},
        {"503", CAUSE_STATUS, 503}, {"504", CAUSE_STATUS, 504}, {"409", CAUSE_STATUS, 409},
        {"429", CAUSE_STATUS, 429}, {"reset", CAUSE_RESET, 0},  {"hold", CAUSE_HOLD, 0},
        {"fin", CAUSE_FIN, 0},
    };
    for (size_t i = 0; i < COUNT_OF(causes); i++)
        if (window_sends(w, causes[i].name) &&
            retry_rule_covers(edge, causes[i].cause, causes[i].status) &&
            (causes[i].cause != CAUSE_HOLD || cuts_holds(edge)))
            tally_of(t, causes[i].name)->asked = true;
    add_asked_grpc(w, t);
}

/* So many at least met a second dead host by chance. Above their mean, draws of unlike chances have
 * no more of a tail than as many of the mean one (Hoeffding 1956). */
static bool exceeds_chance(const struct tally *tally, double level)
{
    double mean = tally->by_chance / (double)tally->eligible;
    return (double)tally->wrong > tally->by_chance + 1 &&
           exact_binom_tail_ge(tally->wrong, tally->eligible, mean) <= level;
}

/* A phase that leaves it open is looked at again, by what it showed (leaves_open), and no look
 * confirms the other: each has its part of the alpha. */
static bool is_wrong(const struct window *w, const struct tally *tally)
{
    if (tally->swapped > 0)
        return true;
    return tally->by_share ? exceeds_chance(tally, w->alpha / LOOKS_MOST) : tally->wrong > 0;
}

static void fail(const struct window *w, const struct tally *tally, struct arena *arena,
                 struct verdict *ret)
{
    ret->eligible = tally->eligible;
    ret->witness_hi = tally->found.witness_hi;
    ret->witness_lo = tally->found.witness_lo;
    ret->witness_ns = tally->found.witness_ns;
    if (tally->wrong > 0)
        verdict_fail(ret, arena, "%llu of %llu requests that met %s were not retried%s",
                     (unsigned long long)tally->wrong, (unsigned long long)tally->eligible,
                     tally->cause, window_when(w, ret, arena));
    else
        verdict_fail(ret, arena,
                     "%llu of %llu requests that met %s got another answer than the last "
                     "try's%s",
                     (unsigned long long)tally->swapped, (unsigned long long)tally->eligible,
                     tally->cause, window_when(w, ret, arena));
    ret->certain =
        tally->by_share
            ? arena_printf(arena, "by chance once in more than 10^%d runs", w->alpha < 1e-7 ? 7 : 6)
            : "one witness is enough (class D); no timer, limit or ejection explains it";
}

/* Too many for chance to explain, too few to say so with certainty. */
static bool leaves_open(const struct tallies *t, struct arena *arena, struct verdict *ret)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct tally *tally = &t->at[i];
        if (!tally->by_share || !exceeds_chance(tally, PASS_LEVEL))
            continue;
        verdict_open(ret, WHY_TOO_FEW, arena,
                     "%llu of %llu requests that met %s were not retried: too many for chance, too "
                     "few to be certain",
                     (unsigned long long)tally->wrong, (unsigned long long)tally->eligible,
                     tally->cause);
        ret->needs = "more requests, one at a time, while an endpoint is down";
        ret->eligible = tally->eligible;
        return true;
    }
    return false;
}

/* A made plan sends failures that only the last retry ends, or none (spec/verifier.md 3.1: j = N
 * and `all`): while they were withheld, or met a limit, one retry fewer would have looked the same.
 */
static bool asks_for_all(const struct window *w, const struct tallies *t)
{
    bool asked = false;
    for (size_t i = 0; i < t->count; i++)
        asked = asked || t->at[i].asked;
    return asked && window_is_generated(w);
}

static void too_few_used_up(const struct edge_policy *edge, const struct window *w,
                            const struct tallies *t, struct arena *arena, struct verdict *ret)
{
    const char *unit = arena_printf(arena, "requests that needed retry %llu, the last",
                                    (unsigned long long)edge->retry.attempts.number);
    window_too_few(w, ret, arena, t->used_up, ret->needed, unit);
    /* More time does not help where each endpoint may fail too seldom in a row. */
    if (t->used_up == 0 && t->threshold != 0)
        ret->needs =
            arena_printf(arena,
                         "%llu %s: an edge that ejects after more than %llu failures in "
                         "a row, or has more endpoints",
                         (unsigned long long)ret->needed, unit, (unsigned long long)t->threshold);
}

static void conclude(const struct edge_policy *edge, const struct window *w,
                     const struct tallies *t, struct arena *arena, struct verdict *ret)
{
    const struct tally *fewest = NULL;
    /* A request in flight when a listener went down may meet a reset that nobody planned. */
    bool planned = window_tags(w) > 0 || t->hidden;
    for (size_t i = 0; i < t->count; i++) {
        ret->seen += t->at[i].eligible;
        ret->wrong += t->at[i].wrong + t->at[i].swapped;
        if (is_wrong(w, &t->at[i])) {
            fail(w, &t->at[i], arena, ret);
            return;
        }
    }
    if (leaves_open(t, arena, ret))
        return;
    struct text causes;
    text_init(&causes, 256);
    for (size_t i = 0; i < t->count; i++) {
        if (planned && !t->at[i].asked && !t->at[i].by_share)
            continue;
        if (fewest == NULL || t->at[i].eligible < fewest->eligible)
            fewest = &t->at[i];
        text_add(&causes, "%s%s", causes.len == 0 ? "" : ", ", t->at[i].cause);
    }
    if (fewest == NULL || fewest->eligible < ret->needed)
        window_too_few(w, ret, arena, fewest == NULL ? 0 : fewest->eligible, ret->needed,
                       fewest == NULL ? "failures that the policy retries"
                                      : arena_printf(arena, "requests that met %s", fewest->cause));
    else if (asks_for_all(w, t) && t->used_up < ret->needed)
        too_few_used_up(edge, w, t, arena, ret);
    else {
        verdict_pass(ret, arena, "%llu of %llu retried (%s)",
                     (unsigned long long)(ret->seen - ret->wrong), (unsigned long long)ret->seen,
                     text_get(&causes));
        ret->certain = verdict_excludes(fewest->eligible, arena);
    }
    text_release(&causes);
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct tallies t = {.limit = retry_limit_of(edge, w)};
    if (edge->outlier.present && outlier_rule_cap(&edge->outlier, w->track->host_count) > 0)
        t.threshold = outlier_rule_threshold(&edge->outlier, true);
    add_asked(edge, w, &t);
    const char *hidden = retry_dead_cause(edge, w);
    t.hidden = hidden != NULL;
    for (int busy = 0; busy < 2 && t.hidden; busy++) {
        double chance = retry_dead_chance(edge, w, busy != 0);
        t.chance[busy] = chance > CHANCE_OF_DEAD_HOST ? chance : CHANCE_OF_DEAD_HOST;
    }
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        if (!window_has(w, r))
            continue;
        look_at(edge, w, r, &t);
        if (hidden != NULL)
            look_at_hidden(edge, w, r, hidden, &t);
    }
    ret->needed = window_floor(w, CAUSE_LEAST);
    ret->unit = "requests";
    verdict_policy(ret, &edge->retry.attempts, arena, "%llu %s on the listed conditions",
                   (unsigned long long)edge->retry.attempts.number,
                   edge->retry.attempts.number == 1 ? "retry" : "retries");
    conclude(edge, w, &t, arena, ret);
    if (ret->kind != VERDICT_INCONCLUSIVE)
        ret->eligible = ret->eligible == 0 ? ret->seen : ret->eligible;
}

const struct claim_type claim_retry_must = {
    .id = "retry.must",
    .word = "retries",
    .only = "happen",
    .help = "every listed failure is retried while retries are left",
    .class = CLAIM_DETERMINISTIC,
    .adds = true,
    .applies = applies,
    .judge = judge,
};
