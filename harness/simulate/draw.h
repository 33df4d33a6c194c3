#ifndef SIMULATE_DRAW_H
#define SIMULATE_DRAW_H

/* Random policies for the proof of the judge: what people write, small enough that a gate of it is
 * short, and the corners (no retry, a cap of nothing, two failures that eject, tries longer than
 * the request). Pure of the seed. */

#include "base/rng.h"
#include "policy/policy.h"

/* ${flavour}: FLAVOUR_ENVOY or FLAVOUR_LINKERD. Text is constant. */
struct edge_policy draw_policy(struct rng *rng, enum flavour flavour);

/* Makes it the policy of a service that speaks gRPC: other words for its retries, where it has any,
 * and no limit of connections, which such calls share. Envoy's. */
void draw_grpc(uint64_t seed, struct edge_policy *edge);

/* Retried is only what was certainly not processed. */
bool draw_is_safe(const struct edge_policy *edge);

#endif
