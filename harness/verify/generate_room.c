/* Room for retries and for connections. Where a mesh makes few retries at once, one more is left
 * out in silence, and what was not retried then is no evidence of anything (spec/verifier.md 6,
 * verify/retry_limit.h). Where it has few connections, a request that is held has one for itself,
 * and all that is sent to that endpoint meanwhile waits: nothing is on time then. Where few
 * requests may be under way, one that is held takes a place, and what comes next may be refused. */
#include "verify/making.h"

#include "base/bytes.h"
#include "verify/backoff.h"
#include "verify/retry_limit.h"
#include "verify/timeout.h"

#define SPARE 2                   /* at once, of what is sent beside the held requests */
#define ALONE_NS (10 * NS_PER_MS) /* between requests that are sent one at a time */
#define ANSWERED_NS (2 * NS_PER_MS)
#define WAY_NS (20 * NS_PER_MS) /* through the mesh and back, of all tries */
/* An Envoy that has begun an answer which is cut closes so much later (delayed_close_timeout):
 * until then nothing shows that it has seen the cut. Measured: 1.000 to 1.009 s. */
#define CLOSES_AFTER_NS NS_PER_S

/* Whether the mesh tries again after a failure of that cause, as the tag has it. */
static bool is_retried(const struct edge_policy *edge, const char *cause)
{
    uint64_t status;
    if (bytes_to_u64(bytes_of(cause), &status))
        return retry_rule_covers(edge, CAUSE_STATUS, (uint32_t)status);
    if (strcmp(cause, "hold") == 0)
        return retry_rule_covers(edge, CAUSE_HOLD, 0);
    return strcmp(cause, "reset") == 0 && retry_rule_covers(edge, CAUSE_RESET, 0);
}

/* How long a request whose first ${fails} tries fail is under way at most; 0 fails: all do. */
static uint64_t lasts_ns(const struct making *m, uint32_t fails, bool retried, bool held)
{
    uint64_t whole = timeout_request_ns(m->edge), p = timeout_try_ns(m->edge), sum = WAY_NS;
    uint64_t retries = retried ? m->edge->retry.attempts.number : 0;
    bool all = fails == 0 || fails > retries;
    retries = all ? retries : fails;
    for (uint32_t k = 1; k <= retries; k++)
        sum += backoff_most_ns(m->edge, k);
    if (held)
        sum = p == 0 ? whole : sum + p * (all ? retries + 1 : fails);
    return whole != 0 && sum > whole ? whole : sum;
}

/* How long a request of that tag may have a retry at most, for all that is seen of it: one whose
 * try nobody answers may have been tried anew at any time. 0: it is over at once. */
static uint64_t takes_ns(const struct making *m, const char *tag)
{
    uint32_t fails;
    const char *cause;
    if (!tag_parse(tag, &fails, &cause))
        return 0;
    if (strcmp(cause, "started") == 0)
        return CLOSES_AFTER_NS + WAY_NS;
    bool held = strcmp(cause, "hold") == 0, retried = is_retried(m->edge, cause);
    return held || retried ? lasts_ns(m, fails, retried, held) : 0;
}

/* How long it has a connection for itself at most; 0: not worth a word. */
static uint64_t keeps_ns(const struct making *m, const char *tag)
{
    uint32_t fails;
    const char *cause;
    if (!tag_parse(tag, &fails, &cause))
        return 0;
    if (strcmp(cause, "patience") == 0)
        return making_patience_ns(m) + WAY_NS;
    if (strcmp(cause, "slow") == 0)
        return making_slow_ns(timeout_try_ns(m->edge)) + WAY_NS;
    return strcmp(cause, "hold") == 0 ? lasts_ns(m, fails, is_retried(m->edge, cause), true) : 0;
}

static uint64_t beside(const struct value *limit, uint64_t others)
{
    if (!limit->set || limit->number == 0)
        return UINT64_MAX;
    return limit->number > others ? limit->number - others : 0;
}

/* How many requests may be held at once, so that what else is sent finds a connection, and is not
 * one too many; 0: none; UINT64_MAX: no limit. */
static uint64_t held_most(const struct making *m)
{
    const struct pool_rule *pool = &m->edge->pool;
    uint64_t by_connections =
                 beside(&pool->max_connections, (uint64_t)MAKING_WORKERS * m->n + SPARE),
             by_requests = beside(&pool->max_requests, SPARE);
    if (m->edge->flavour != FLAVOUR_ENVOY)
        return UINT64_MAX;
    return by_connections < by_requests ? by_connections : by_requests;
}

/* One request after the other, and between them others without a fault: they end runs of failures,
 * and show how late this machine is. */
static uint64_t one_by_one(struct making *m)
{
    struct load_plan *l = &m->loads[0];
    l->closed = true;
    l->users = 1;
    l->rate_per_h = 0;
    l->think_ns = ALONE_NS;
    l->heal = m->ejects ? 2 * m->n : 2;
    uint64_t sum = 0;
    for (size_t i = 0; i < m->tag_count; i++) {
        uint64_t takes = takes_ns(m, m->tags[i].tag), keeps = keeps_ns(m, m->tags[i].tag);
        sum += m->tags[i].count *
               ((takes > keeps ? takes : keeps) + (1 + l->heal) * (ALONE_NS + ANSWERED_NS));
    }
    return sum;
}

static bool holds_any(const struct making *m)
{
    for (size_t i = 0; i < m->tag_count; i++)
        if (keeps_ns(m, m->tags[i].tag) > 0)
            return true;
    return false;
}

uint64_t making_room(struct making *m)
{
    uint64_t retries = retry_limit_most(m->edge), held = held_most(m), sum = 0;
    bool few_retries = retries != UINT64_MAX && m->edge->retry.attempts.number > 0;
    if (held == 0 && holds_any(m))
        return one_by_one(m);
    for (size_t i = 0; i < m->tag_count; i++) {
        struct tagged *t = &m->tags[i];
        uint64_t takes = few_retries ? takes_ns(m, t->tag) / (retries > 1 ? retries - 1 : 1) : 0,
                 keeps = held == UINT64_MAX || held == 0 ? 0 : keeps_ns(m, t->tag) / held;
        t->apart_ns = takes > keeps ? takes : keeps;
        sum += t->count * tagged_gap_ns(&m->loads[0], t);
    }
    return (sum + m->longer - 1) / m->longer;
}
