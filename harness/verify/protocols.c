#include "verify/protocols.h"

#include <string.h>

/* Judged on HTTP/2 and gRPC as on HTTP/1.1. Ejection, limits and budgets are not among them: their
 * counts there were measured (limits-measured.md 1, 3), but a claim that takes one lost connection
 * for one lost request would be wrong where ten streams share it. */
static const char *const streams[] = {
    "success",
    "lint",
    "await.probe",
    "await.fired",
    "await.requests",
    "await.steady",
    "amplify",
    "retry.max",
    "retry.must",
    "retry.only",
    "retry.started",
    "retry.other_host",
    "backoff.max",
    "backoff.law",
    "timeout.try",
    "timeout.try.kept",
    "timeout.try.restart",
    "timeout.request",
    "timeout.none",
    "timeout.headers_sent",
    "honest",
    "effects",
    "fallback",
    "recovery",
    "tail",
    "path",
    "probe",
    "human",
    "retry.default",
};

/* On raw TCP: words of requests, and claims of other words. A mesh that knows no requests cannot
 * retry, time out or make a status, and counts none. */
static const char *const requests[] = {"retries", "timeout",    "status",       "idempotency",
                                       "budget",  "rate_limit", "amplification"};
static const char *const of_requests[] = {
    "accrual",         "cb.requests",      "cb.pending",      "cb.per_connection",
    "metrics.retries", "metrics.timeouts", "metrics.statuses"};
/* And claims that take a connection for the requests on it, or wait for a status. */
static const char *const unknown[] = {"cb.connections", "metrics.requests", "lb.slow_share"};

static bool is_handshakes(const char *id)
{
    return strncmp(id, "tls.", 4) == 0 || strncmp(id, "rot.", 4) == 0 ||
           strcmp(id, "await.cert") == 0;
}

static bool has(const char *const *list, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], text) == 0)
            return true;
    return false;
}

static enum protocol_rule rule_of_raw(const struct claim_type *type)
{
    if (strncmp(type->id, "tls.surface", 11) == 0)
        return PROTOCOL_UNKNOWN; /* it is told by the caller's status */
    if (is_handshakes(type->id))
        return PROTOCOL_JUDGED;
    if (has(requests, COUNT_OF(requests), type->word) ||
        has(of_requests, COUNT_OF(of_requests), type->id))
        return PROTOCOL_NOTHING;
    return has(unknown, COUNT_OF(unknown), type->id) ? PROTOCOL_UNKNOWN : PROTOCOL_JUDGED;
}

enum protocol_rule protocol_rule_of(const struct claim_type *type, const char *protocol)
{
    if (strcmp(protocol, "http1") == 0)
        return PROTOCOL_JUDGED;
    if (strcmp(protocol, "tcp") == 0)
        return rule_of_raw(type);
    /* A handshake is the same whatever is spoken on top of it; one request that was alone, too. */
    if (is_handshakes(type->id))
        return PROTOCOL_JUDGED;
    return has(streams, COUNT_OF(streams), type->id) ? PROTOCOL_JUDGED : PROTOCOL_UNKNOWN;
}
