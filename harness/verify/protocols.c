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

/* Words of requests: a mesh that knows no requests cannot retry, time out or make a status. */
static const char *const requests[] = {"retries", "timeout", "status", "idempotency", "budget"};

static bool has(const char *const *list, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], text) == 0)
            return true;
    return false;
}

enum protocol_rule protocol_rule_of(const struct claim_type *type, const char *protocol)
{
    if (strcmp(protocol, "http1") == 0)
        return PROTOCOL_JUDGED;
    if (strcmp(protocol, "tcp") == 0)
        return has(requests, COUNT_OF(requests), type->word) ? PROTOCOL_NOTHING : PROTOCOL_JUDGED;
    /* A handshake is the same whatever is spoken on top of it; one request that was alone, too. */
    if (strncmp(type->id, "tls.", 4) == 0 || strncmp(type->id, "rot.", 4) == 0 ||
        strcmp(type->id, "await.cert") == 0)
        return PROTOCOL_JUDGED;
    return has(streams, COUNT_OF(streams), type->id) ? PROTOCOL_JUDGED : PROTOCOL_UNKNOWN;
}
