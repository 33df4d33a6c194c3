#include "policy/istio_traffic.h"

/* DestinationRule: outlierDetection, connectionPool and tls as Istio gives them to Envoy
 * (policy-semantics.md B2, B3), with Envoy's defaults where Istio sends nothing (A9). */

#define S UINT64_C(1000000000)

/* A count that Istio sends only above 0. */
static void above_zero(struct place at, const char *key, const char *name, struct value *ret)
{
    struct value found = {0};
    if (!place_count(at, key, INT32_MAX, &found))
        return;
    if (found.number > 0)
        *ret = found;
    else
        place_speak(at, name, &found, "0 is not sent to Envoy");
}

static void read_detectors(struct place at, struct outlier_rule *rule)
{
    struct policy *p = at.policy;
    rule->consecutive_5xx = value_default(p, 5);
    rule->consecutive_gateway = value_default(p, 0);
    place_count(at, "consecutive5xxErrors", UINT32_MAX, &rule->consecutive_5xx);
    bool gateway =
        place_count(at, "consecutiveGatewayErrors", UINT32_MAX, &rule->consecutive_gateway);
    if (gateway && rule->consecutive_5xx.number > 0 && rule->consecutive_gateway.number > 0 &&
        rule->consecutive_gateway.number >= rule->consecutive_5xx.number)
        lint_add(
            p, LINT_ISTIO_GATEWAY_INERT, rule->consecutive_gateway.source,
            "consecutiveGatewayErrors %llu never decides: consecutive5xxErrors %llu is there first",
            (unsigned long long)rule->consecutive_gateway.number,
            (unsigned long long)rule->consecutive_5xx.number);
    place_bool(at, "splitExternalLocalOriginErrors", &rule->split_local_errors, NULL);
    struct value local = {0};
    bool has_local = place_count(at, "consecutiveLocalOriginFailures", UINT32_MAX, &local);
    if (has_local && !rule->split_local_errors)
        lint_add(p, LINT_ISTIO_SPLIT, local.source,
                 "consecutiveLocalOriginFailures needs splitExternalLocalOriginErrors: true");
    if (rule->split_local_errors)
        rule->consecutive_local = has_local && local.number > 0 ? local : value_default(p, 5);
    if (yaml_get(at.map, "consecutiveErrors") != NULL)
        lint_add(p, LINT_ISTIO_INERT_FIELD, place_source(at, "consecutiveErrors"),
                 "consecutiveErrors does nothing: consecutive5xxErrors has taken its place");
}

static void read_outlier(struct place at, struct outlier_rule *rule)
{
    static const char *const not_judged[] = {"outlierDetectionHttpErrorCodes"};
    struct policy *p = at.policy;
    struct value percent = {0};
    place_not_judged(at, not_judged, COUNT_OF(not_judged));
    rule->present = true;
    read_detectors(at, rule);
    rule->interval = value_default(p, 10 * S);
    rule->base_ejection = value_default(p, 30 * S);
    place_go_duration(at, "interval", &rule->interval);
    place_go_duration(at, "baseEjectionTime", &rule->base_ejection);
    rule->max_ejection = value_default(p, 300 * S);
    if (rule->base_ejection.number > rule->max_ejection.number)
        rule->max_ejection = rule->base_ejection;
    rule->max_ejection_percent = value_default(p, 10);
    if (place_count(at, "maxEjectionPercent", 100, &percent)) {
        if (percent.number == 0) {
            place_speak(at, "outlier.max_ejection_percent", &percent, "0 is not sent to Envoy");
            lint_add(p, LINT_ISTIO_PERCENT_ZERO, percent.source,
                     "maxEjectionPercent 0 is not sent: Envoy's default of 10 stands");
        } else {
            rule->max_ejection_percent = percent;
        }
    }
    rule->min_health_percent = value_default(p, 0);
    place_count(at, "minHealthPercent", 100, &rule->min_health_percent);
}

static void read_pool(struct place at, struct pool_rule *rule)
{
    struct place tcp = place_at(at, "tcp"), http = place_at(at, "http");
    struct value timeout = {0};
    above_zero(tcp, "maxConnections", "pool.max_connections", &rule->max_connections);
    above_zero(http, "http1MaxPendingRequests", "pool.max_pending", &rule->max_pending);
    above_zero(http, "http2MaxRequests", "pool.max_requests", &rule->max_requests);
    above_zero(http, "maxRetries", "pool.max_retries", &rule->max_retries);
    above_zero(http, "maxRequestsPerConnection", "pool.requests_per_connection",
               &rule->requests_per_connection);
    if (place_go_duration(tcp, "connectTimeout", &timeout) && timeout.number > 0)
        rule->connect_timeout = timeout;
}

/* Each part that is written takes the place of the whole part that ${d} has. */
static void read_parts(struct place traffic, struct destination *d)
{
    traffic.spoken = &d->spoken;
    struct place outlier = place_at(traffic, "outlierDetection");
    struct place pool = place_at(traffic, "connectionPool");
    struct place balancer = place_at(traffic, "loadBalancer");
    struct place tls = place_at(traffic, "tls");
    if (balancer.map != NULL) {
        d->consistent_hash = yaml_get(balancer.map, "consistentHash") != NULL;
        d->balance = (struct value){0};
        istio_read_balance(balancer, &d->balance);
    }
    if (tls.map != NULL) {
        d->sends = (struct value){0};
        istio_read_tls(tls, d);
    }
    if (outlier.map != NULL) {
        d->outlier = (struct outlier_rule){0};
        read_outlier(outlier, &d->outlier);
    }
    if (pool.map != NULL) {
        d->pool = (struct pool_rule){0};
        read_pool(pool, &d->pool);
    }
}

/* The number of a portLevelSettings' port; 0: it has none. */
static uint64_t port_of(struct place one)
{
    struct value port = {0};
    place_count(place_at(one, "port"), "number", UINT16_MAX, &port);
    return port.number;
}

/* What a port says stands alone: nothing but the retry budget is taken over from the rest (seen in
 * what Istio programs). Its row is judged where the Service's own port is known to be that one. */
static void read_ports(struct place traffic, struct destination common)
{
    size_t count = yaml_count(yaml_get(traffic.map, "portLevelSettings"));
    for (size_t i = 0; i < count; i++) {
        struct place one = place_item(traffic, "portLevelSettings", i);
        uint64_t port = port_of(one);
        if (port == 0)
            continue;
        struct destination row = common;
        row.port = port;
        read_parts(one, &row);
        *STORE_ADD(traffic.policy, destination) = row;
    }
}

/* The host's row for a port, of those from ${from} to ${to}. */
static struct destination host_row(const struct policy *p, size_t from, size_t to, uint64_t port)
{
    for (size_t i = from; i < to; i++) {
        if (p->destinations[i].port == port)
            return p->destinations[i];
    }
    return p->destinations[from];
}

/* What a subset says takes the place of the host's, part by part; but what it says of a port stands
 * alone, but for the retry budget (Istio's MergeSubsetTrafficPolicy). The rows of the host are from
 * ${from} on. */
static void read_subset(struct place subset, size_t from, size_t to)
{
    struct policy *p = subset.policy;
    struct place own = place_at(subset, "trafficPolicy");
    const char *name = NULL;
    if (own.map == NULL || !place_text(subset, "name", &name, NULL))
        return;
    for (size_t i = 0; i < yaml_count(yaml_get(own.map, "portLevelSettings")); i++) {
        struct place one = place_item(own, "portLevelSettings", i);
        uint64_t port = port_of(one);
        struct destination of = host_row(p, from, to, port);
        struct destination row = {.host = of.host,
                                  .object = of.object,
                                  .subset = name,
                                  .port = port,
                                  .caller = of.caller,
                                  .budget = of.budget};
        read_parts(one, &row);
        if (port != 0)
            *STORE_ADD(p, destination) = row;
    }
    for (size_t i = from; i < to; i++) {
        struct destination row = p->destinations[i];
        struct place budget = place_at(own, "retryBudget");
        row.subset = name;
        read_parts(own, &row);
        if (budget.map != NULL) {
            row.budget = (struct budget_rule){0};
            istio_read_budget(budget, &row.budget);
        }
        *STORE_ADD(p, destination) = row;
    }
}

void istio_check_callers(struct place at, const struct object *o, const struct host *host)
{
    if (host->namespace != NULL && o->namespace[0] != '\0' &&
        !store_is_exported(o, host->namespace))
        lint_add(at.policy, LINT_POLICY_NOT_JUDGED, o->kind_source,
                 "%s is not exported to namespace %.60s: it is judged for callers alone whose own "
                 "Service shows that they are elsewhere",
                 at.origin, host->namespace);
}

void istio_read_destination(struct policy *p, const struct object *o)
{
    struct place at = place_of(p, o), traffic = place_at(at, "trafficPolicy");
    const char *host = NULL;
    if (!place_text(at, "host", &host, NULL)) {
        lint_add(p, LINT_OBJECT_VALUE, o->kind_source, "%s has no host", at.origin);
        return;
    }
    const struct yaml_node *selector = yaml_get(at.map, "workloadSelector");
    const char *caller = istio_caller_of(yaml_get(selector, "matchLabels"));
    if (selector != NULL && caller == NULL) {
        place_not_judged(at, (const char *const[]){"workloadSelector"}, 1);
        return; /* it holds for callers that nothing here names */
    }
    struct destination common = {.object = o,
                                 .host = host_of(host, o, p->arena),
                                 .caller = caller,
                                 .empty = traffic.map == NULL};
    store_add_name(p, common.host.service);
    istio_check_callers(at, o, &common.host);
    istio_read_budget(place_at(traffic, "retryBudget"), &common.budget);
    struct destination row = common;
    read_parts(traffic, &row);
    size_t from = p->destination_count;
    *STORE_ADD(p, destination) = row;
    read_ports(traffic, common);
    size_t to = p->destination_count;
    for (size_t i = 0; i < yaml_count(yaml_get(at.map, "subsets")); i++)
        read_subset(place_item(at, "subsets", i), from, to);
}
