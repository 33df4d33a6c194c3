#ifndef MODEL_BREAKER_H
#define MODEL_BREAKER_H

/* Envoy's circuit-breaker thresholds that count requests and retries of one cluster
 * (policy-semantics.md A6, A7), with one worker: no overshoot. Connections and their queue are the
 * pool's. A retry counts from its scheduling until its try is resolved. A retry budget stands over
 * max_retries: a share of the requests that are out or wait for a connection, back-offs not among
 * them, and, with an interval, of the tries begun in it as well (limits-measured.md 2). Virtual
 * time. */

#include "policy/policy.h"

#define BREAKER_NO_LIMIT UINT64_MAX

/* Envoy forgets the tries of an interval a tenth at a time. */
#define BREAKER_SLOTS 10

struct retry_share {
    bool present;
    bool of_total; /* a defect: the share is of all tries so far */
    uint64_t ratio_ppm, least;
    uint64_t interval_ns; /* 0: of what is out now alone */
};
struct breaker_config {
    uint64_t max_requests, max_retries;
    struct retry_share share;
};
struct breaker {
    struct breaker_config config;
    uint64_t requests, retries;        /* now */
    uint64_t overflow, retry_overflow; /* refused so far */
    uint64_t begun;                    /* tries, so far */
    uint64_t slot[BREAKER_SLOTS];      /* tries begun in each tenth of the interval */
    size_t at;                         /* the one that is being filled */
    uint64_t since_ns;
};

struct breaker_config breaker_config_of(const struct edge_policy *edge);
void breaker_init(struct breaker *b, const struct breaker_config *config, uint64_t now_ns);
/* False: refused, and counted as such. */
bool breaker_begin_request(struct breaker *b, uint64_t now_ns) WARN_UNUSED;
void breaker_end_request(struct breaker *b);
/* ${pending}: requests that wait for a connection. */
bool breaker_begin_retry(struct breaker *b, uint64_t pending, uint64_t now_ns) WARN_UNUSED;
void breaker_end_retry(struct breaker *b);

#endif
