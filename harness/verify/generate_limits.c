/* The phases of a pool's limits, of the two kinds of retry budget, and of a rate limit
 * (spec/verifier.md 4.2 L, scenario-language.md 1.8): one limit at a time, on connections that are
 * warm. What the lab cannot fill is not asked: cb.c's judges would leave it open. */
#include "verify/making.h"

#include "base/clock.h"
#include "verify/timeout.h"

#define WORKERS 16 /* of a proxy that does not say; each may let one more through */
#define SPARE 20
#define RATE_MOST 1000 /* of requests, a second */
#define ANSWER_NS (100 * NS_PER_MS)
#define ANSWER_LEAST_NS (20 * NS_PER_MS)
#define ANSWER_MOST_NS (500 * NS_PER_MS)
#define LIMIT_NS (2 * NS_PER_S)
#define QUEUE_RATE 66                /* one in 15 ms */
#define SEEN_NS (60 * NS_PER_MS)     /* of a wait, until it is certain (verify/flight.c) */
#define QUEUE_GAP_NS (4 * NS_PER_MS) /* of what fills it, where answers can be as late as that */
#define QUEUE_WAITS 16               /* at least: cb.connections asks for ten */
#define KEPT_RATE 400
#define KEPT_LEAST 3
#define KEPT_LEAST_STRICT 66
#define KEPT_MOST 4000 /* requests */
#define USERS 20
#define PPM 1000000
#define RETRIES_MOST 10 /* at once, that so many users exceed */
#define INTERVAL_MOST_NS (10 * NS_PER_S)
#define PER_H 3600
#define TOKEN_RATE 12 /* a second, of a ServiceProfile's budget; more where it takes more */
#define TOKEN_REST 2  /* a second, before: what answers pay in then is little */
#define TOKENS_MOST 5000
#define RATE_NS (5 * NS_PER_S)
#define RATE_LEAST 5     /* a second: below it the timing of single requests decides */
#define REFUSED_LEAST 20 /* rate.limit asks for so many */
#define REFUSED_LEAST_STRICT 66

/* A limit that is in force; 0: none. */
static uint64_t limit_of(const struct value *v)
{
    return v->set ? v->number : 0;
}

/* How late every answer may be: well before any timer of the mesh. */
static uint64_t answer_most_ns(const struct making *m)
{
    uint64_t try_ns = timeout_try_ns(m->edge), whole_ns = timeout_request_ns(m->edge),
             most_ns = ANSWER_MOST_NS;
    if (try_ns != 0 && try_ns / 4 < most_ns)
        most_ns = try_ns / 4;
    if (whole_ns != 0 && whole_ns / 4 < most_ns)
        most_ns = whole_ns / 4;
    return most_ns;
}

static void answer_late(struct making *m, uint64_t late_ns)
{
    making_step(m, step_make(m->p, STEP_FAULT, "latency", m->to, m->options->source,
                             (const char *const[]){"add", making_ms(m, late_ns), NULL}));
}

/* A made answer never comes to where answers are late: its request waits instead. */
static void fail_late(struct making *m, uint64_t late_ns)
{
    making_step(
        m, step_make(m->p, STEP_FAULT, "latency", m->to, m->options->source,
                     (const char *const[]){"add", making_ms(m, late_ns), "when", "request", NULL}));
    making_step(m, step_make(m->p, STEP_FAULT, "abort", m->to, m->options->source,
                             (const char *const[]){"status", "503", NULL}));
}

/* So many a second that ${at_once} are under way, or, where that is too many, the answers are
 * later; but not later than ${most_ns}. */
static bool fills(uint64_t at_once, uint64_t most_ns, uint64_t *ret_answer_ns, uint64_t *ret_per_s)
{
    uint64_t late_ns = ANSWER_NS < most_ns ? ANSWER_NS : most_ns;
    if (at_once * NS_PER_S > late_ns * RATE_MOST)
        late_ns = at_once * NS_PER_S / RATE_MOST;
    if (late_ns > most_ns || late_ns < ANSWER_LEAST_NS)
        return false;
    *ret_answer_ns = late_ns;
    *ret_per_s = at_once * NS_PER_S / late_ns + 1;
    return true;
}

static void requests(struct making *m)
{
    static const char *const parts[] = {"requests", NULL};
    uint64_t limit = limit_of(&m->edge->pool.max_requests), late_ns, per_s,
             conns = limit_of(&m->edge->pool.max_connections);
    if (!making_wants(m, "cb.requests") || (conns != 0 && conns + m->n - 1 < limit) ||
        !fills(limit + WORKERS + SPARE, answer_most_ns(m), &late_ns, &per_s))
        return;
    making_begin(m);
    making_open(m, per_s);
    answer_late(m, late_ns);
    making_expect(m, "breaker", m->edge_text, parts);
    making_end(m, "too many at once", "slow answers, until requests are refused",
               LIMIT_NS + late_ns);
    making_heal(m);
}

/* So late that the queue is seen full: all that wait have been taken in, and nobody is served yet.
 * Then the last in it is answered before a timer ends it, as long as endpoints share it evenly. */
static bool fills_queue(const struct making *m, uint64_t conns, uint64_t wait,
                        uint64_t *ret_answer_ns, uint64_t *ret_per_s)
{
    uint64_t least = conns > m->n ? conns : m->n, coming = conns + MAKING_WORKERS * m->n + wait,
             timer_ns = 4 * answer_most_ns(m), late_ns = SEEN_NS + coming * QUEUE_GAP_NS,
             late_most_ns = timer_ns * 4 / 5 * 2 / (2 * wait / least + 3);
    late_most_ns = late_most_ns < ANSWER_MOST_NS ? late_most_ns : ANSWER_MOST_NS;
    late_ns = late_ns < ANSWER_NS ? ANSWER_NS : late_ns;
    late_ns = late_ns < late_most_ns ? late_ns : late_most_ns;
    if (late_ns < SEEN_NS + coming * NS_PER_S / RATE_MOST)
        return false;
    uint64_t per_s = coming * NS_PER_S / (late_ns - SEEN_NS) + 1;
    *ret_answer_ns = late_ns;
    *ret_per_s = per_s > QUEUE_RATE ? per_s : QUEUE_RATE;
    return true;
}

/* Connections are busy, and what comes waits: the queue's length, where one is declared, is asked
 * too. */
static void queue(struct making *m)
{
    uint64_t conns = limit_of(&m->edge->pool.max_connections), late_ns, per_s,
             wait = limit_of(&m->edge->pool.max_pending),
             most = limit_of(&m->edge->pool.max_requests);
    bool full = making_wants(m, "cb.pending") && fills_queue(m, conns, wait, &late_ns, &per_s);
    const char *const parts[] = {"connections", full ? "pending" : NULL, NULL};
    if (!full && !making_wants(m, "cb.connections"))
        return;
    wait = full ? wait : SPARE;
    if (most != 0 && most < conns + m->n + wait)
        return;
    if (!full) { /* twice what the connections take is under way: all are busy within a second */
        if (!fills(2 * (conns + m->n), answer_most_ns(m), &late_ns, &per_s))
            return;
        per_s += wait + (per_s < QUEUE_RATE ? QUEUE_RATE : 0);
    }
    if (per_s > RATE_MOST)
        return;
    making_begin(m);
    making_open(m, per_s);
    answer_late(m, late_ns);
    making_expect(m, "breaker", m->edge_text, parts);
    making_end(m, "too few connections", "slow answers, until requests wait for a connection",
               (QUEUE_WAITS * late_ns > LIMIT_NS ? QUEUE_WAITS * late_ns : LIMIT_NS) + late_ns);
    making_heal(m);
}

static void per_connection(struct making *m)
{
    static const char *const parts[] = {"per_connection", NULL};
    uint64_t limit = limit_of(&m->edge->pool.requests_per_connection),
             least = m->options->strict ? KEPT_LEAST_STRICT : KEPT_LEAST;
    if (!making_wants(m, "cb.per_connection"))
        return;
    /* Every endpoint has one or two that are not full at the end. */
    uint64_t count = limit * (least + 2 * m->n);
    if (count > KEPT_MOST)
        return;
    making_begin(m);
    making_open(m, KEPT_RATE);
    making_expect(m, "breaker", m->edge_text, parts);
    making_end(m, "worn connections", "until connections have carried what they may",
               count * NS_PER_S / KEPT_RATE + NS_PER_S / 2);
    making_heal(m);
}

/* With an interval the share is of all tries of it, retries too: many answers a second pay for all
 * of them. Half as long again as it takes until they no longer do (limits-measured.md 2);
 * UINT64_MAX: never. */
static uint64_t interval_answer_ns(const struct edge_policy *e)
{
    uint64_t retries = e->retry.attempts.number, share_ppm = retries * PPM / (retries + 1),
             ratio_ppm = e->budget.ratio_ppm.number;
    if (e->budget.interval.number == 0 || ratio_ppm == 0)
        return 0;
    if (ratio_ppm >= share_ppm || e->budget.interval.number > INTERVAL_MOST_NS)
        return UINT64_MAX;
    return e->budget.interval.number / 2 * 3 * ratio_ppm / (share_ppm - ratio_ppm);
}

/* Where failures in a row eject, so many at once would: not asked. */
static void budget(struct making *m)
{
    static const char *const parts[] = {"budget", NULL};
    const struct edge_policy *e = m->edge;
    bool share = e->budget.kind == BUDGET_ENVOY;
    uint64_t late_ns, per_s, most = limit_of(&e->pool.max_requests),
                             conns = limit_of(&e->pool.max_connections),
                             allowed = share ? e->budget.least.number : e->pool.max_retries.number,
                             least_ns = share ? interval_answer_ns(e) : 0;
    if (!making_wants(m, "budget.envoy") || m->ejects || allowed > RETRIES_MOST ||
        (share && e->budget.ratio_ppm.number * USERS > RETRIES_MOST * PPM) ||
        !retry_rule_covers(e, CAUSE_STATUS, 503) || (most != 0 && most < 2 * USERS) ||
        (conns != 0 && conns < 2 * USERS) || !fills(USERS, answer_most_ns(m), &late_ns, &per_s) ||
        least_ns > answer_most_ns(m))
        return;
    late_ns = late_ns > least_ns ? late_ns : least_ns;
    making_begin(m);
    making_closed(m, USERS, 0);
    fail_late(m, late_ns);
    making_expect(m, "budget", m->edge_text, parts);
    making_end(m, "too many retries", "everything fails a little later, until retries are refused",
               LIMIT_NS + 4 * late_ns);
    making_heal(m);
}

/* Tokens, a second of a ttl, that the answers of the time before pay in. */
static uint64_t paid_by_rest(const struct budget_rule *b)
{
    return b->ratio_ppm.number * TOKEN_REST / PPM + 1;
}

/* Everything fails for 1.2 ttl: the tokens run out at once, and again when they are back. Before it
 * so little is answered that next to nothing is paid in. With a rate limit on the same edge the
 * tries would be refused instead: not asked. */
static void tokens(struct making *m)
{
    static const char *const parts[] = {"budget", NULL};
    const struct edge_policy *e = m->edge;
    uint64_t ttl_ns = e->budget.interval.number, ttl_s = ttl_ns / NS_PER_S;
    if (!making_wants(m, "budget.linkerd") || e->rate.present || ttl_s == 0 ||
        !retry_rule_covers(e, CAUSE_STATUS, 503))
        return;
    /* In half a ttl one and a half times the bound must fail, and the bound itself is retries that
     * do. */
    uint64_t per_s = e->budget.least.number + paid_by_rest(&e->budget) + 4 / ttl_s;
    per_s = per_s * 11 / 10 > TOKEN_RATE ? per_s * 11 / 10 : TOKEN_RATE;
    if (e->budget.least.number * ttl_s > TOKENS_MOST || per_s > RATE_MOST)
        return;
    making_begin(m);
    making_open(m, TOKEN_REST);
    making_end(m, "few answers", "what answers have paid in is forgotten", ttl_ns);
    making_begin(m);
    making_open(m, per_s);
    making_step(m, step_make(m->p, STEP_FAULT, "abort", m->to, m->options->source,
                             (const char *const[]){"status", "503", NULL}));
    making_expect(m, "budget", m->edge_text, parts);
    making_end(m, "too many retries", "everything fails, until no token is left",
               ttl_ns + ttl_ns / 5);
    making_heal(m);
}

uint64_t making_most_per_h(const struct making *m)
{
    const struct edge_policy *e = m->edge;
    uint64_t tries = 1 + e->retry.attempts.number;
    if (e->flavour != FLAVOUR_LINKERD || !e->rate.present || e->rate.per_second.number == 0)
        return UINT64_MAX;
    uint64_t most = e->rate.per_second.number * PER_H * 4 / 5 / tries;
    return most == 0 ? 1 : most;
}

/* Each endpoint has a limit of its own: below it is what even one could take alone; above it, what
 * all together cannot. */
static void rate_limit(struct making *m)
{
    static const char *const parts[] = {"rate_limit", NULL};
    uint64_t limit = m->edge->rate.per_second.number, all = limit * m->n, most = 2 * all;
    uint64_t least = m->options->strict ? REFUSED_LEAST_STRICT : REFUSED_LEAST;
    if (!making_wants(m, "rate.limit"))
        return;
    if (limit >= RATE_LEAST && limit <= RATE_MOST) {
        making_begin(m);
        making_open(m, limit);
        m->loads[0].rate_per_h = limit * PER_H * 4 / 5;
        m->longer = 1;
        making_expect(m, "rate_limit", m->edge_text, parts);
        making_end(m, "below the rate", "no more than one endpoint may take",
                   RATE_NS + NS_PER_S / 2);
    }
    most = most > RATE_MOST ? RATE_MOST : most;
    if (most * 2 < all * 3)
        return;
    /* The burst goes first; then what is above the limit is refused. */
    uint64_t burst = m->edge->rate.burst.set ? m->edge->rate.burst.number * m->n : all;
    uint64_t lasting_ns = (2 * least + burst) * NS_PER_S / (most - all) + NS_PER_S;
    making_begin(m);
    making_open(m, most);
    m->loads[0].rate_per_h = most * PER_H;
    m->longer = 1;
    making_expect(m, "rate_limit", m->edge_text, parts);
    making_end(m, "above the rate", "twice what all endpoints may take",
               lasting_ns > RATE_NS ? lasting_ns : RATE_NS + NS_PER_S / 2);
    making_heal(m);
}

void making_limits(struct making *m)
{
    if (m->edge->flavour == FLAVOUR_LINKERD) {
        tokens(m);
        rate_limit(m);
    }
    if (m->edge->flavour != FLAVOUR_ENVOY)
        return;
    requests(m);
    queue(m);
    per_connection(m);
    budget(m);
}
