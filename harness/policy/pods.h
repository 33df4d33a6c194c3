#ifndef POLICY_PODS_H
#define POLICY_PODS_H

/* The pods behind a Service, as far as the policy's own Services and workloads show them. */

#include "policy/store.h"

struct pods {
    const char *namespace;          /* NULL: not known */
    const struct yaml_node *labels; /* of a workload that the Service selects, else its selector;
                                       NULL: not known */
    const struct yaml_node *annotations; /* of the workload's pods */
    const char *account;                 /* service account; NULL: no workload is shown */
    uint64_t port;                       /* that the Service's one port leads to; 0: not known */
    const char *port_name;               /* where it is a name */
};

void pods_find(const struct policy *p, const struct host *to, struct pods *ret);
/* Whether the pods have each of the labels. No labels wanted: all have them. */
bool pods_have(const struct pods *pods, const struct yaml_node *wanted);
/* Of the workload or of its namespace; NULL: neither says it. */
const struct yaml_node *pods_annotation(const struct policy *p, const struct pods *pods,
                                        const char *name, const struct object **ret_namespace);

#endif
