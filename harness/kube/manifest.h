#ifndef KUBE_MANIFEST_H
#define KUBE_MANIFEST_H

/* Objects as YAML that people read and kubectl applies (run --as-manifests, plan): apiVersion,
 * kind and metadata first, then the rest in the order in which it was built. */

#include "base/text.h"

#include <jansson.h>

#define MANIFEST_MOST_BYTES ((size_t)8 << 20)

/* Adds one document, without its "---". ownerReferences are left out: nobody knows the owners'
 * uids before they are made. */
void manifest_print(const json_t *object, struct text *to);
/* All of ${objects} (an array), with the line that says how to remove them by the run's label. */
void manifest_print_all(const json_t *objects, const char *run, struct text *to);
/* What would be made, as 64 hex digits (SHA-256): `run --plan-hash` refuses other objects than
 * `plan` has shown. Build them with the same run, key and address for both. */
void manifest_hash(const json_t *objects, char to[65]);

#endif
