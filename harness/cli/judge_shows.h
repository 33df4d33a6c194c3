#ifndef CLI_JUDGE_SHOWS_H
#define CLI_JUDGE_SHOWS_H

/* Where a defect shows at all (spec/verifier.md 6.2): some make no difference under some policies,
 * and some a difference that lies within what a claim must allow a right mesh. */

#include "policy/policy.h"

bool judge_shows(const char *defect, const struct edge_policy *edge);

#endif
