#include "policy/shape.h"

/* linkerd.io and policy.linkerd.io (policy-semantics.md D4, D8). */

static const struct shape condition; /* of conditions */
static const struct shape outcome;
SHAPE(route_condition, {"all", SHAPE_LIST, &condition}, {"any", SHAPE_LIST, &condition},
      {"not", SHAPE_MAP, &condition}, SHAPE_SCALAR("pathRegex"), SHAPE_SCALAR("method"));
static const struct shape condition = {route_condition_fields, COUNT_OF(route_condition_fields)};
SHAPE(status, SHAPE_SCALAR("min"), SHAPE_SCALAR("max"));
SHAPE(answer_condition, {"all", SHAPE_LIST, &outcome}, {"any", SHAPE_LIST, &outcome},
      {"not", SHAPE_MAP, &outcome}, {"status", SHAPE_MAP, &status});
static const struct shape outcome = {answer_condition_fields, COUNT_OF(answer_condition_fields)};
SHAPE(class, {"condition", SHAPE_MAP, &answer_condition}, SHAPE_SCALAR("isFailure"));
SHAPE(route, SHAPE_SCALAR("name"), {"condition", SHAPE_MAP, &route_condition},
      SHAPE_SCALAR("isRetryable"), SHAPE_SCALAR("timeout"),
      {"responseClasses", SHAPE_LIST, &class});
SHAPE(budget, SHAPE_SCALAR("retryRatio"), SHAPE_SCALAR("minRetriesPerSecond"), SHAPE_SCALAR("ttl"));
SHAPE(override, SHAPE_SCALAR("authority"), SHAPE_SCALAR("weight"));
SHAPE(profile, {"routes", SHAPE_LIST, &route}, {"retryBudget", SHAPE_MAP, &budget},
      {"dstOverrides", SHAPE_LIST, &override}, {"opaquePorts", SHAPE_LIST, NULL});

SHAPE(selector, {"matchLabels", SHAPE_MAP, NULL}, {"matchExpressions", SHAPE_LIST, NULL});
SHAPE(server, {"podSelector", SHAPE_MAP, &selector},
      {"externalWorkloadSelector", SHAPE_MAP, &selector}, SHAPE_SCALAR("port"),
      SHAPE_SCALAR("proxyProtocol"), SHAPE_SCALAR("accessPolicy"));

SHAPE(target, SHAPE_SCALAR("group"), SHAPE_SCALAR("kind"), SHAPE_SCALAR("name"),
      SHAPE_SCALAR("namespace"));
SHAPE(limit, SHAPE_SCALAR("requestsPerSecond"));
SHAPE(client_limit, SHAPE_SCALAR("requestsPerSecond"), {"clientRefs", SHAPE_LIST, &target});
SHAPE(rate_limit, {"targetRef", SHAPE_MAP, &target}, {"total", SHAPE_MAP, &limit},
      {"identity", SHAPE_MAP, &limit}, {"overrides", SHAPE_LIST, &client_limit});

const struct shape *shape_of_linkerd(const char *kind)
{
    if (strcmp(kind, "ServiceProfile") == 0)
        return &profile;
    if (strcmp(kind, "Server") == 0)
        return &server;
    return strcmp(kind, "HTTPLocalRateLimitPolicy") == 0 ? &rate_limit : NULL;
}
