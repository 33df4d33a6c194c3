#ifndef MESH_ENVOY_ISTIO_H
#define MESH_ENVOY_ISTIO_H

/* What Istio itself programs for a service (harness/istio, `translate`), made ready for an Envoy
 * without a control plane: routes and clusters word for word, but for the clusters' names, where
 * the endpoints are, and how they are spoken to. */

#include "mesh/mesh.h"

/* The routes of ${edge}, whose clusters are named ${name}, ${name}_1, ... An error for a route that
 * leads to another service, which nobody plays here. */
bool envoy_istio_routes(const struct mesh_edge *edge, const char *name, json_t **ret,
                        struct error *err) WARN_UNUSED;
/* Adds the clusters that they lead to; each has all endpoints, ${hosts} (borrowed). */
bool envoy_istio_clusters(const struct mesh_edge *edge, const char *name, const json_t *hosts,
                          json_t *clusters, struct error *err) WARN_UNUSED;

#endif
