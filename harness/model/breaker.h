#ifndef MODEL_BREAKER_H
#define MODEL_BREAKER_H

/* Envoy's circuit-breaker thresholds that count requests and retries of one cluster
 * (policy-semantics.md A6, A7), with one worker: no overshoot. Connections and their queue are the
 * pool's. A retry counts from its scheduling until its try is resolved. */

#include "policy/policy.h"

#define BREAKER_NO_LIMIT UINT64_MAX

struct breaker_config {
    uint64_t max_requests, max_retries;
};
struct breaker {
    struct breaker_config config;
    uint64_t requests, retries;        /* now */
    uint64_t overflow, retry_overflow; /* refused so far */
};

struct breaker_config breaker_config_of(const struct edge_policy *edge);
void breaker_init(struct breaker *b, const struct breaker_config *config);
/* False: refused, and counted as such. */
bool breaker_begin_request(struct breaker *b);
void breaker_end_request(struct breaker *b);
bool breaker_begin_retry(struct breaker *b);
void breaker_end_retry(struct breaker *b);

#endif
