#ifndef POLICY_PROVENANCE_H
#define POLICY_PROVENANCE_H

/* What else the policy says of an edge (policy_explain in policy.h). */

#include "policy/store.h"

/* Keeps an object that the target does not read, for each service that it is for. */
void passed_over_add(struct policy *p, const struct object *o, const char *why);

#endif
