#ifndef LUA_POLICY_VALUE_H
#define LUA_POLICY_VALUE_H

/* policy.value, policy.beyond and policy.inside (scenario-language.md 1.8) in the keys of a step: a
 * number of the scenario's policy in place of one that is typed. The policy is read once a mesh. */

#include "lua/build.h"
#include "policy/policy.h"

struct policy_values {
    struct policy *policy;
    const char *const *of; /* the paths that it was read from */
    const char *version;
};

/* Replaces each policy.* among ${step}'s keys by what an author would have written. False: an error
 * was added. */
bool policy_values_resolve(struct build *b, const struct scenario *s, const struct step *step);
/* Whether ${value} is one of the words, as values.c makes it. */
bool policy_value_is(const json_t *value);
/* Fills the rate of each load that asks for the policy's; ${loads} may be shared with other
 * scenarios, and is copied then. */
void policy_values_rates(struct build *b, const struct scenario *s, struct load_plan **loads,
                         size_t count);
void policy_values_release(struct policy_values *v);

#endif
