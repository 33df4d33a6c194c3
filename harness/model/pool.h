#ifndef MODEL_POOL_H
#define MODEL_POOL_H

/* Envoy's HTTP/1 connection pools of one cluster, one a host (policy-semantics.md A7, measured
 * CB2-CB4): how many connections may be open, how many requests may wait for one, and how many
 * requests one may carry. Counts only: the data plane owns the connections. */

#include "model/breaker.h"

struct pool_config {
    uint64_t max_connections, max_pending; /* BREAKER_NO_LIMIT: none */
    uint64_t requests_per_connection;      /* 0: no limit */
};

struct pool_config pool_config_of(const struct edge_policy *edge);
/* Whether one more connection may be opened: the pool of a host may always have one. */
bool pool_may_open(const struct pool_config *c, uint64_t open_cluster, uint64_t open_host);
bool pool_may_wait(const struct pool_config *c, uint64_t waiting);
/* Whether a connection that carries its ${nth} request (from 1) is closed after it. */
bool pool_is_last(const struct pool_config *c, uint64_t nth);

#endif
