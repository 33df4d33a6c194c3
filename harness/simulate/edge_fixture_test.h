#ifndef SIMULATE_EDGE_FIXTURE_TEST_H
#define SIMULATE_EDGE_FIXTURE_TEST_H

/* For the tests of the simulator: one edge "client -> payments" as Envoy plays it, without timers
 * and without ejection. */

#include "policy/policy.h"

static inline struct value edge_number(uint64_t n)
{
    return (struct value){n, true, {"p.yaml", 1, 1}, "test"};
}

static inline struct edge_policy edge_envoy(uint64_t retries, uint32_t on)
{
    return (struct edge_policy){
        .from = "client",
        .to = "payments",
        .path = "/",
        .route = "payments/http[0]",
        .target = {MESH_ISTIO, 1, 31},
        .flavour = FLAVOUR_ENVOY,
        .endpoints = 3,
        .retry = {.attempts = edge_number(retries),
                  .on = on,
                  .conditions = edge_number(0),
                  .other_host = true},
    };
}

#endif
