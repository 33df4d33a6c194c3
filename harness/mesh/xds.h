#ifndef MESH_XDS_H
#define MESH_XDS_H

/* The lab's control plane of one Envoy: REST xDS (JSON, polled: ADR 0017) over loopback. Envoy
 * dials a fault proxy of ours before it, one for its programming and one for its certificates, so
 * that each connection can be cut. A version is a hash of what is served: an Envoy that asks with
 * the version that is in force has it. */

#include "net/loop.h"

#include <jansson.h>

enum xds_channel { XDS_CONFIG, XDS_IDENTITY, XDS_CHANNELS };
enum xds_kind { XDS_CLUSTERS, XDS_LISTENERS, XDS_ENDPOINTS, XDS_SECRETS, XDS_KINDS };

struct xds;
bool xds_open(struct loop *loop, struct xds **ret, struct error *err) WARN_UNUSED;
void xds_free(struct xds *x); /* NULL is fine */
/* What Envoy dials; borrowed. */
const char *xds_address(const struct xds *x, enum xds_channel channel);
/* From now on: an array of resources in protobuf's JSON, each with its "@type". */
void xds_put(struct xds *x, enum xds_kind kind, json_t *take_resources);
/* The resources of that name (Istio's subsets, "edge_0_1", share the endpoints of "edge_0") are
 * like this one from now on. */
void xds_replace(struct xds *x, enum xds_kind kind, const char *name, json_t *take_resource);
/* Refuses new connections of the channel and resets those that are open; or lets them in again. */
bool xds_cut(struct xds *x, enum xds_channel channel, bool cut, struct error *err) WARN_UNUSED;
/* Everything that Envoy asks for over the channel it has asked for again since the channel was last
 * cut or let in, with the version in force: what it was given there is accepted. */
bool xds_taken(const struct xds *x, enum xds_channel channel);

#endif
