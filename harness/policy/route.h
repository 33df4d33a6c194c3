#ifndef POLICY_ROUTE_H
#define POLICY_ROUTE_H

/* What holds for a route of every dialect that Envoy plays: which of its numbers are in force, and
 * what they add up to. */

#include "policy/store.h"

#define ROUTE_MAX_PATH ((size_t)2048)

/* Takes a per-try timeout out that Envoy would ignore, and says what the numbers mean for each
 * other. */
void route_finish(struct policy *p, struct route *route);
/* Whether the route takes the path. */
bool route_takes(const struct route *route, const char *path);
/* Parses Istio's retryOn; bad pieces are findings, and left out. */
void retry_rule_read_on(struct policy *p, const char *text, struct source source,
                        const char *origin, struct retry_rule *rule);

#endif
