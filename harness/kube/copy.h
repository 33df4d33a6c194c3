#ifndef KUBE_COPY_H
#define KUBE_COPY_H

/* Canary's copies of the user's policy objects (spec/kubernetes.md 1.4): every field stays, only
 * the names of host, parentRef, backendRef and targetRef are made the canary's; status,
 * managedFields, uid, ownerReferences and last-applied are dropped. The source is the policy
 * layer's YAML tree, so that a claim goes on citing the user's file, not the copy. */

#include "kube/objects.h"
#include "policy/yaml.h"

/* The tree as JSON, by Kubernetes' reading of scalars. */
json_t *copy_json(const struct yaml_node *node);

struct copy_names {
    const char *service, *namespace; /* the target's: "payments", "shop" */
    /* Linkerd's Servers that select the target's pods: rate limits name those. NULL-terminated;
     * NULL: none. */
    const char *const *servers;
};
/* A copy of ${object} for the run, named mp-RUN-NAME. NULL: the object says nothing of the service,
 * or is of a kind that is not copied. Other hosts that it names stay as they are. Labels by which
 * a GitOps tool would take the copy for its own are left out. */
json_t *copy_policy(const struct objects_run *r, const json_t *object,
                    const struct copy_names *names);
/* The annotations of the target's Service that a mesh reads as policy, for the canary's. A new
 * reference, perhaps to an empty object. */
json_t *copy_annotations(const json_t *service);

#endif
