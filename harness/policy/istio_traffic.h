#ifndef POLICY_ISTIO_TRAFFIC_H
#define POLICY_ISTIO_TRAFFIC_H

/* Between the files that read a DestinationRule's trafficPolicy. */

#include "policy/reader.h"

/* loadBalancer; ${ret} is left alone where nothing is said. */
void istio_read_balance(struct place at, struct value *ret);
/* tls: what is sent, and the name that is looked for. */
void istio_read_tls(struct place at, struct destination *d);
/* retryBudget, with Istio's defaults; none where the target is older. */
void istio_read_budget(struct place at, struct budget_rule *rule);
void istio_read_destination(struct policy *p, const struct object *o);
void istio_read_entry(struct policy *p, const struct object *o);
void istio_read_peer(struct policy *p, const struct object *o);

/* Says that callers of the service's namespace do not see the object, where it is so. */
void istio_check_callers(struct place at, const struct object *o, const struct host *host);
/* The caller's app label, when that is the only condition on the source; NULL: it is not. */
const char *istio_caller_of(const struct yaml_node *labels);

#endif
