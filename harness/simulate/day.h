#ifndef SIMULATE_DAY_H
#define SIMULATE_DAY_H

/* A game day as people write it, at random: phases with faults, windows and loads that no plan of
 * a policy would choose, and every expectation that the policy alone decides. A right mesh holds
 * them whatever happens to it: a FAIL of such a gate is the judge's mistake. */

#include "plan/plan.h"
#include "policy/policy.h"

/* Fills ${s}'s phases (in ${p}'s arena). Pure of the seed. ${keys}: some faults have a share, a
 * number of times, a streak, or are carried on to the end of a later phase. Where the service of
 * ${s}'s lab speaks gRPC the load does, and the faults are those of gRPC. */
void day_phases(struct plan *p, struct scenario *s, const struct edge_policy *edge, uint64_t seed,
                bool keys);

#endif
