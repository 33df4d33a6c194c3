#ifndef POLICY_RESOLVE_H
#define POLICY_RESOLVE_H

/* Which object of each kind governs an edge and a path. resolve.c makes the edge's policy of them,
 * provenance.c tells what else there was. */

#include "policy/pods.h"

struct governing {
    struct host to; /* the service, with its namespace where that is known */
    const char *from, *path;
    const char *from_namespace; /* of the caller's Service; NULL: nothing tells */
    enum flavour flavour;
    const struct route *route; /* of a ServiceProfile too */
    const struct destination *destination;
    const struct service_rule *service;
    const struct profile_rule *profile;
    const struct service_budget *budget;
    const struct entry *entry;
    struct pods pods;
};

/* Text that is not the policy's is in ${scratch}. */
void governing_find(const struct policy *p, const char *from, const char *to, const char *path,
                    struct arena *scratch, struct governing *ret);
/* Whether a route may take the request: its caller and path. */
bool governing_takes(const struct route *route, const char *from, const char *path);

/* What the target does where no object speaks; ${ret} has its flavour. */
void resolve_defaults(const struct policy *p, const struct governing *g, struct edge_policy *ret);
void resolve_mtls(const struct policy *p, const struct governing *g, struct edge_policy *ret);
void resolve_rate(const struct policy *p, const struct governing *g, struct edge_policy *ret);

#define RESOLVE_LAYERS 4
/* What PeerAuthentications say of the service: mesh, namespace, workload, port; the last holds. */
size_t resolve_peers(const struct policy *p, const struct governing *g,
                     struct value layers[RESOLVE_LAYERS]);
/* The rate limit on a Server of the service; NULL: none. */
const struct server_limit *resolve_limit(const struct policy *p, const struct governing *g);

#endif
