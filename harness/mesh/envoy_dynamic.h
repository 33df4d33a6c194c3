#ifndef MESH_ENVOY_DYNAMIC_H
#define MESH_ENVOY_DYNAMIC_H

/* An Envoy that asks a control plane for what a bootstrap would have told it once (ADR 0017). */

#include "mesh/xds.h"

/* Takes a static bootstrap (envoy_config_make) apart: its listeners, clusters and endpoints go to
 * ${x}, and what is left asks for them there; for secrets too, if its clusters name any. */
bool envoy_dynamic_split(json_t *bootstrap, struct xds *x, struct error *err) WARN_UNUSED;
/* The endpoints of a cluster as EDS has them: an assignment of ${addresses}; "": there is none. */
bool envoy_dynamic_endpoints(const char *cluster, const char *const *addresses, size_t count,
                             json_t **ret, struct error *err) WARN_UNUSED;
/* The secrets "own" and "ca": tls.crt, tls.key and ca.crt in ${folder}, which never change there.
 */
json_t *envoy_dynamic_secrets(const char *folder);

#endif
