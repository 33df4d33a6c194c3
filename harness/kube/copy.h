#ifndef KUBE_COPY_H
#define KUBE_COPY_H

/* Canary's copies of the user's policy objects (spec/kubernetes.md 1.4): every field stays, only
 * the names of host, parentRef, backendRef and targetRef are made the canary's; status,
 * managedFields, uid, ownerReferences and last-applied are dropped. The source is the policy
 * layer's YAML tree, so that a claim goes on citing the user's file, not the copy. */

#include "kube/objects.h"
#include "policy/yaml.h"

/* The tree as JSON, by Kubernetes' reading of scalars. NULL: past ${max_nodes}, or a number that
 * JSON has not. */
json_t *copy_json(const struct yaml_node *node, struct error *err);

struct copy_names {
    const char *service, *namespace; /* the target's: "payments", "shop" */
    const char *canary;              /* the Service of the run: "mp-7f3a91c2-payments" */
    uint16_t port;                   /* of the canary's Service; 0: ports stay */
};
/* A copy of ${object} for the run; NULL with an empty ${err}: the object says nothing of the
 * service, or is of a kind that is not copied. Other hosts that it names stay as they are. */
json_t *copy_policy(const struct objects_run *r, const json_t *object,
                    const struct copy_names *names, struct error *err);

#endif
