#ifndef KUBE_SELECTOR_H
#define KUBE_SELECTOR_H

/* Kubernetes' label selectors over JSON (apimachinery pkg/apis/meta/v1: LabelSelector). */

#include <jansson.h>
#include <stdbool.h>

/* {matchLabels, matchExpressions}. An empty one ({}) takes everything, NULL nothing. An operator
 * that does not exist takes nothing. */
bool selector_takes(const json_t *selector, const json_t *labels);
/* A plain map, as Services and ReplicationControllers have it. An empty one takes nothing. */
bool selector_takes_map(const json_t *map, const json_t *labels);

#endif
