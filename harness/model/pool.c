#include "model/pool.h"

/* Istio takes 0 for unset (B3). */
static uint64_t limit_of(const struct value *v)
{
    return v->set && v->number > 0 ? v->number : BREAKER_NO_LIMIT;
}

struct pool_config pool_config_of(const struct edge_policy *edge)
{
    struct pool_config ret = {.max_connections = BREAKER_NO_LIMIT, .max_pending = BREAKER_NO_LIMIT};
    if (edge->flavour != FLAVOUR_ENVOY)
        return ret;
    ret.max_connections = limit_of(&edge->pool.max_connections);
    ret.max_pending = limit_of(&edge->pool.max_pending);
    if (edge->pool.requests_per_connection.set)
        ret.requests_per_connection = edge->pool.requests_per_connection.number;
    return ret;
}

bool pool_may_open(const struct pool_config *c, uint64_t open_cluster, uint64_t open_host)
{
    return open_host == 0 || open_cluster < c->max_connections;
}

bool pool_may_wait(const struct pool_config *c, uint64_t waiting)
{
    return waiting < c->max_pending;
}

bool pool_is_last(const struct pool_config *c, uint64_t nth)
{
    return c->requests_per_connection != 0 && nth >= c->requests_per_connection;
}
