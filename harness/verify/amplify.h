#ifndef VERIFY_AMPLIFY_H
#define VERIFY_AMPLIFY_H

/* How many tries on a service one request of the user may cause: the product of what the hops
 * before it declare (spec/verifier.md 3.7). */

#include "plan/plan.h"
#include "policy/policy.h"

#include "base/text.h"

/* Whose retries count: `layers` of the expectation, default both. */
enum { AMPLIFY_MESH = 1, AMPLIFY_APP = 2 };
unsigned amplify_layers(const struct step *asked);
/* ${ret_text}: "3 x 3", from the service backwards; NULL: nobody asks. */
uint64_t amplify_bound(const struct scenario *s, const struct edge_policy *edges, size_t count,
                       const char *service, unsigned layers, struct text *ret_text);
/* The largest of them, of ${service} and of all that it calls. */
uint64_t amplify_most(const struct scenario *s, const struct edge_policy *edges, size_t count,
                      const char *service, unsigned layers);

#endif
