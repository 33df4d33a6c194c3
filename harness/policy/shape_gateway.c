#include "policy/shape.h"

/* gateway.networking.k8s.io, its experimental group, and Linkerd's own HTTPRoute
 * (policy-semantics.md B4, C). */

SHAPE(parent, SHAPE_SCALAR("group"), SHAPE_SCALAR("kind"), SHAPE_SCALAR("namespace"),
      SHAPE_SCALAR("name"), SHAPE_SCALAR("sectionName"), SHAPE_SCALAR("port"));
SHAPE(target, SHAPE_SCALAR("group"), SHAPE_SCALAR("kind"), SHAPE_SCALAR("name"),
      SHAPE_SCALAR("sectionName"));
SHAPE(named, SHAPE_SCALAR("type"), SHAPE_SCALAR("name"), SHAPE_SCALAR("value"));
SHAPE(path, SHAPE_SCALAR("type"), SHAPE_SCALAR("value"));
SHAPE(match, {"path", SHAPE_MAP, &path}, {"headers", SHAPE_LIST, &named},
      {"queryParams", SHAPE_LIST, &named}, SHAPE_SCALAR("method"));
SHAPE(extension, SHAPE_SCALAR("group"), SHAPE_SCALAR("kind"), SHAPE_SCALAR("name"));
SHAPE(filter, SHAPE_SCALAR("type"), {"requestHeaderModifier", SHAPE_MAP, NULL},
      {"responseHeaderModifier", SHAPE_MAP, NULL}, {"requestMirror", SHAPE_MAP, NULL},
      {"requestRedirect", SHAPE_MAP, NULL}, {"urlRewrite", SHAPE_MAP, NULL},
      {"cors", SHAPE_MAP, NULL}, {"externalAuth", SHAPE_MAP, NULL},
      {"extensionRef", SHAPE_MAP, &extension});
SHAPE(backend, SHAPE_SCALAR("group"), SHAPE_SCALAR("kind"), SHAPE_SCALAR("name"),
      SHAPE_SCALAR("namespace"), SHAPE_SCALAR("port"), SHAPE_SCALAR("weight"),
      {"filters", SHAPE_LIST, &filter});
SHAPE(timeouts, SHAPE_SCALAR("request"), SHAPE_SCALAR("backendRequest"));
SHAPE(retry, {"codes", SHAPE_LIST, NULL}, SHAPE_SCALAR("attempts"), SHAPE_SCALAR("backoff"));
SHAPE(rule, SHAPE_SCALAR("name"), {"matches", SHAPE_LIST, &match}, {"filters", SHAPE_LIST, &filter},
      {"backendRefs", SHAPE_LIST, &backend}, {"timeouts", SHAPE_MAP, &timeouts},
      {"retry", SHAPE_MAP, &retry}, {"sessionPersistence", SHAPE_MAP, NULL});
SHAPE(http_route, {"parentRefs", SHAPE_LIST, &parent}, {"hostnames", SHAPE_LIST, NULL},
      {"rules", SHAPE_LIST, &rule}, SHAPE_SCALAR("useDefaultGateways"));

/* A GRPCRoute has neither timeouts nor retry. */
SHAPE(grpc_method, SHAPE_SCALAR("type"), SHAPE_SCALAR("service"), SHAPE_SCALAR("method"));
SHAPE(grpc_match, {"method", SHAPE_MAP, &grpc_method}, {"headers", SHAPE_LIST, &named});
SHAPE(grpc_rule, SHAPE_SCALAR("name"), {"matches", SHAPE_LIST, &grpc_match},
      {"filters", SHAPE_LIST, &filter}, {"backendRefs", SHAPE_LIST, &backend},
      {"sessionPersistence", SHAPE_MAP, NULL});
SHAPE(grpc_route, {"parentRefs", SHAPE_LIST, &parent}, {"hostnames", SHAPE_LIST, NULL},
      {"rules", SHAPE_LIST, &grpc_rule}, SHAPE_SCALAR("useDefaultGateways"));

/* XBackendTrafficPolicy */
SHAPE(budget, SHAPE_SCALAR("percent"), SHAPE_SCALAR("interval"));
SHAPE(rate, SHAPE_SCALAR("count"), SHAPE_SCALAR("interval"));
SHAPE(constraint, {"budget", SHAPE_MAP, &budget}, {"minRetryRate", SHAPE_MAP, &rate});
SHAPE(backend_policy, {"targetRefs", SHAPE_LIST, &target},
      {"retryConstraint", SHAPE_MAP, &constraint}, {"sessionPersistence", SHAPE_MAP, NULL});

const struct shape *shape_of_gateway(const char *kind)
{
    if (strcmp(kind, "HTTPRoute") == 0)
        return &http_route;
    if (strcmp(kind, "GRPCRoute") == 0)
        return &grpc_route;
    return strcmp(kind, "XBackendTrafficPolicy") == 0 ? &backend_policy : NULL;
}
