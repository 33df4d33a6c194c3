#ifndef MESH_ENVOY_READ_H
#define MESH_ENVOY_READ_H

/* What an Envoy of a given configuration does, as a policy: the way back from envoy_config.h, for
 * what Istio itself programs. Envoy's own defaults stand where the configuration says nothing
 * (policy-semantics.md A1-A6). */

#include "policy/policy.h"

#include <jansson.h>

/* The route that takes a request of ${path} without any header of note: the first that matches;
 * NULL: none. A route by a regular expression or by headers is passed over. Borrowed. */
const json_t *envoy_read_route(const json_t *routes, const char *path);

/* The name of the cluster that a route leads to, the first of several; NULL: it answers itself. */
const char *envoy_read_cluster(const json_t *route);

/* Retries, timeouts, ejection, pool, budget and balancing of ${to}; the rest of it is left as it
 * is.
 * ${cluster} NULL: there is none. */
void envoy_read_policy(const json_t *route, const json_t *cluster, struct edge_policy *to);

#endif
