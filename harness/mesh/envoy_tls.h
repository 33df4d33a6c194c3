#ifndef MESH_ENVOY_TLS_H
#define MESH_ENVOY_TLS_H

/* The client side of mutual TLS in an Envoy: its leaf and its bundle are secrets from files (file
 * SDS), whose folder it watches, as a sidecar's agent serves them. Measured in tls-measured.md 3.
 */

#include "base/error.h"

#include <jansson.h>

/* Writes ${folder}/own.json and ca.json, which point at tls.crt, tls.key and ca.crt in ${certs}. */
bool envoy_tls_write(const char *folder, const char *certs, struct error *err) WARN_UNUSED;
/* A cluster's transport socket by those secrets. ${san}: what the server's leaf must have,
 * "spiffe://..." */
json_t *envoy_tls_socket(const char *folder, const char *san);

#endif
