/* Room for retries (spec/verifier.md 6: at most one fewer failing requests under way than retries
 * are let through): where a mesh makes so few at once, one more is left out in silence, and what
 * was not retried then is no evidence of anything (verify/retry_limit.h). */
#include "verify/making.h"

#include "base/bytes.h"
#include "verify/backoff.h"
#include "verify/retry_limit.h"
#include "verify/timeout.h"

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

/* How long a request of that tag is under way at most; 0: it never takes a retry, and is over at
 * once. */
static uint64_t takes_ns(const struct making *m, const char *tag)
{
    uint64_t whole = timeout_request_ns(m->edge), p = timeout_try_ns(m->edge), sum = WAY_NS;
    uint64_t retries = m->edge->retry.attempts.number;
    uint32_t fails;
    const char *cause;
    if (!tag_parse(tag, &fails, &cause))
        return 0;
    if (strcmp(cause, "started") == 0)
        return CLOSES_AFTER_NS + WAY_NS;
    if (!is_retried(m->edge, cause))
        return 0;
    bool all = fails == 0;
    retries = all || fails > retries ? retries : fails;
    for (uint32_t k = 1; k <= retries; k++)
        sum += backoff_most_ns(m->edge, k);
    if (strcmp(cause, "hold") == 0)
        sum += p * (all ? retries + 1 : fails);
    return whole != 0 && sum > whole ? whole : sum;
}

void making_room(struct making *m)
{
    uint64_t most = retry_limit_most(m->edge);
    if (most == UINT64_MAX || m->edge->retry.attempts.number == 0)
        return;
    for (size_t i = 0; i < m->tag_count; i++)
        m->tags[i].apart_ns = takes_ns(m, m->tags[i].tag) / (most > 1 ? most - 1 : 1);
}
