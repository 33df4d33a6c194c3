#ifndef CLI_CLUSTER_INTERPOSE_H
#define CLI_CLUSTER_INTERPOSE_H

/* --mode interpose between the command line and kube/conduct.h (spec/scenario-language.md section
 * 3): who must have agreed, how far a run may go there, where its agents send to, and what the
 * journal says of what they cannot see. */

#include "cli/cluster.h"

/* Options of interpose without it, or not built. False with ERROR_USAGE. */
bool cluster_interpose_check(const struct arguments *args, struct error *err) WARN_UNUSED;
/* Consent, limits and places of each scenario; after cluster_plan knows the namespace and services.
 */
bool cluster_interpose_plan(struct cluster *c, const struct arguments *args, struct prepared *p,
                            struct error *err) WARN_UNUSED;
/* The Services were read: where the load sends to, and the journal's "interposed". */
void cluster_interpose_opened(struct cluster *c);
/* Where an endpoint of ours passes its requests on to is there. */
void cluster_interpose_leg(struct cluster *c, const char *service, const char *address);

#endif
