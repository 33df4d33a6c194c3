#ifndef SIMULATE_LIMITS_H
#define SIMULATE_LIMITS_H

/* What a generated plan does not ask for, and a suite's author writes by hand: the gauge of
 * ejections and the counter of retries. Added to the plans of drawn policies, so that these claims
 * are on trial too. */

#include "plan/plan.h"
#include "policy/policy.h"

/* Adds the expectations for which ${edge} declares something to ${s}, which has been generated from
 * it. */
void limits_add(struct plan *p, struct scenario *s, const struct edge_policy *edge);

#endif
