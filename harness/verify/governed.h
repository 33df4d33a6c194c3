#ifndef VERIFY_GOVERNED_H
#define VERIFY_GOVERNED_H

/* Whether the policy has something for each expectation to be judged by (scenario-language.md 1.7).
 * Asked before the run: one that nothing governs would pass without a word. */

#include "plan/plan.h"
#include "policy/policy.h"

/* Every expectation of ${s} on an edge of ${edges}: one none of whose claims applies to any of the
 * edges that it means is an error with its line. */
bool governed_check(const struct scenario *s, const struct edge_policy *edges, size_t count,
                    struct error *err) WARN_UNUSED;

#endif
