#ifndef CLI_CLUSTER_IN_FORCE_H
#define CLI_CLUSTER_IN_FORCE_H

/* The policy that is in force in a cluster against that of the suite's files, which judges the run
 * (spec/scenario-language.md section 3, interpose: "in place; compared with the files, unequal =
 * lint error"). Both are read by the same reader, and what they make of each edge is compared: so a
 * default that the API server filled in is no difference. What is not an object of the namespace
 * (the mesh's own configuration, its root namespace) is not seen. */

#include "cli/prepare.h"
#include "kube/preflight.h"

/* A finding for each value of each edge that differs; none for a scenario whose lint is "ignore".
 */
void cluster_in_force(const struct prepared *p, const struct preflight_view *view,
                      struct preflight_findings *to);

#endif
