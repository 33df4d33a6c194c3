#ifndef MESH_ENVOY_CONFIG_H
#define MESH_ENVOY_CONFIG_H

/* A policy as Istio would program it into an Envoy (policy-semantics.md B1-B3, testbeds.md 2): a
 * listener and a static cluster an edge, nothing dynamic. */

#include "mesh/mesh.h"

#include <jansson.h>

/* The cluster's (and listener's) name: "edge_0". */
#define ENVOY_EDGE_PREFIX "edge_"

/* The bootstrap; the admin is on 127.0.0.1, port 0. ERROR_USAGE for a policy that Envoy cannot
 * play. */
bool envoy_config_make(const struct mesh_config *config, json_t **ret,
                       struct error *err) WARN_UNUSED;
/* "127.0.0.1:8080" as protobuf's JSON has a core.v3.Address. */
bool envoy_config_address(const char *address, json_t **ret, struct error *err) WARN_UNUSED;

#endif
