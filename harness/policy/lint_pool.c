#include "policy/lint_inside.h"

/* connectionPool and retryBudget of a DestinationRule that limit nothing, or other things than they
 * look (A6, A7, B3). */

/* One trafficPolicy: the rule's own, a subset's or a port's. */
static void zeros(struct policy *p, const struct object *o, const struct yaml_node *traffic)
{
    static const struct {
        const char *part, *key;
    } fields[] = {{"tcp", "maxConnections"},
                  {"http", "http1MaxPendingRequests"},
                  {"http", "http2MaxRequests"},
                  {"http", "maxRetries"}};
    const struct yaml_node *pool = yaml_get(traffic, "connectionPool");
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        const struct yaml_node *part = yaml_get(pool, fields[i].part);
        uint64_t number = 1;
        if (lint_number(part, fields[i].key, &number) && number == 0)
            lint_add(p, LINT_POOL_ZERO, lint_source(part, fields[i].key),
                     "DestinationRule %.60s %s.%s 0 is not sent to Envoy: there is no limit",
                     o->name, fields[i].part, fields[i].key);
    }
}

static void budget(struct policy *p, const struct object *o, const struct yaml_node *traffic)
{
    const struct yaml_node *budget = yaml_get(traffic, "retryBudget");
    const struct yaml_node *http = yaml_get(yaml_get(traffic, "connectionPool"), "http");
    const struct target target = p->options.target;
    uint64_t most = 0;
    if (budget == NULL || budget->kind != YAML_MAP || !target_since(target, 1, 27))
        return;
    if (lint_number(http, "maxRetries", &most) && most > 0)
        lint_add(p, LINT_BUDGET_OVER_MAX, lint_source(http, "maxRetries"),
                 "DestinationRule %.60s maxRetries %llu does nothing: retryBudget (line %u) takes "
                 "its place",
                 o->name, (unsigned long long)most, yaml_find(traffic, "retryBudget")->source.line);
    if (yaml_find(budget, "percent") == NULL && !target_since(target, 1, 30))
        lint_add(p, LINT_BUDGET_PERCENT, lint_source(traffic, "retryBudget"),
                 "DestinationRule %.60s retryBudget has no percent: before Istio 1.30 that is 0.2 "
                 "%%, not 20 %%",
                 o->name);
}

static void all_parts(struct policy *p, const struct object *o, const struct yaml_node *traffic)
{
    const struct yaml_node *ports = yaml_get(traffic, "portLevelSettings");
    zeros(p, o, traffic);
    budget(p, o, traffic);
    for (size_t i = 0; i < yaml_count(ports); i++)
        zeros(p, o, yaml_item(ports, i));
}

static void http1_limits(struct policy *p, const struct destination *d)
{
    const struct pool_rule *pool = &d->pool;
    const struct value *const limits[] = {&pool->max_connections, &pool->max_pending};
    const struct yaml_node *traffic,
        *http = yaml_get(lint_part(d, "connectionPool", &traffic), "http");
    bool http2 = lint_says(http, "h2UpgradePolicy", "UPGRADE");
    for (size_t i = 0; i < COUNT_OF(limits) && http2; i++) {
        if (limits[i]->set)
            lint_add(
                p, LINT_POOL_HTTP2, limits[i]->source,
                "%s limits HTTP/1 connections and those who wait for one: with h2UpgradePolicy "
                "UPGRADE (line %u) requests share one connection",
                limits[i]->origin, lint_source(http, "h2UpgradePolicy").line);
    }
    if (pool->max_pending.set && !pool->max_connections.set && !http2)
        lint_add(p, LINT_POOL_PENDING, pool->max_pending.source,
                 "%s %llu without maxConnections counts only requests whose connection is being "
                 "made: a burst on cold connections is refused, warm ones never",
                 pool->max_pending.origin, (unsigned long long)pool->max_pending.number);
    if (pool->requests_per_connection.number == 1)
        lint_add(p, LINT_POOL_NO_KEEP_ALIVE, pool->requests_per_connection.source,
                 "%s 1 makes a connection, and a TLS handshake, for every request",
                 pool->requests_per_connection.origin);
}

void lint_pool(struct lint *l)
{
    struct policy *p = l->policy;
    if (!policy_is_istio(p))
        return;
    for (size_t i = 0; i < p->object_count; i++) {
        const struct object *o = &p->objects[i];
        if (!lint_reads(p, o) || !lint_is(o, "DestinationRule"))
            continue;
        const struct yaml_node *subsets = yaml_get(o->spec, "subsets");
        all_parts(p, o, yaml_get(o->spec, "trafficPolicy"));
        for (size_t s = 0; s < yaml_count(subsets); s++)
            all_parts(p, o, yaml_get(yaml_item(subsets, s), "trafficPolicy"));
    }
    for (size_t i = 0; i < p->destination_count; i++)
        http1_limits(p, &p->destinations[i]);
}
