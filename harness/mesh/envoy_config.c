#include "mesh/envoy_config.h"

#include "mesh/envoy_istio.h"
#include "mesh/envoy_tls.h"

#include "base/clock.h"
#include "base/text.h"

#include <inttypes.h>

#define TYPE "type.googleapis.com/envoy."
#define ISTIO_CONNECT_TIMEOUT_NS (10 * NS_PER_S)
#define ENVOY_PANIC_PERCENT 50
#define NO_LIMIT UINT32_MAX /* Istio's own word for it */

/* protobuf's JSON form of a duration. */
static json_t *duration(uint64_t ns)
{
    return json_sprintf("%" PRIu64 ".%09" PRIu64 "s", ns / NS_PER_S, ns % NS_PER_S);
}

static void set_number(json_t *to, const char *key, uint64_t number)
{
    json_object_set_new(to, key, json_integer((json_int_t)(number < NO_LIMIT ? number : NO_LIMIT)));
}

static void set_duration(json_t *to, const char *key, const struct value *v)
{
    if (v->set)
        json_object_set_new(to, key, duration(v->number));
}

static json_t *typed(const char *name, const char *type)
{
    return json_pack("{s:s, s:{s:s+}}", "name", name, "typed_config", "@type", TYPE, type);
}

bool envoy_config_address(const char *address, json_t **ret, struct error *err)
{
    const char *colon = strrchr(address, ':');
    uint64_t port;
    if (colon == NULL || !bytes_to_u64(bytes_of(colon + 1), &port) || port > UINT16_MAX)
        return error_set(err, ERROR_INPUT, "%s is no address such as 127.0.0.1:8080", address);
    size_t len = (size_t)(colon - address);
    bool v6 = len >= 2 && address[0] == '[';
    *ret = json_pack("{s:{s:s%, s:I}}", "socket_address", "address", v6 ? address + 1 : address,
                     v6 ? len - 2 : len, "port_value", (json_int_t)port);
    return *ret != NULL || error_set(err, ERROR_INPUT, "%s is no address", address);
}

/* The tokens of A1 that are set, as Envoy's retry_on. */
static json_t *retry_on(uint32_t on)
{
    static const struct {
        uint32_t bit;
        const char *token;
    } rows[] = {
        {RETRY_5XX, "5xx"},
        {RETRY_GATEWAY_ERROR, "gateway-error"},
        {RETRY_RESET, "reset"},
        {RETRY_RESET_BEFORE_REQUEST, "reset-before-request"},
        {RETRY_CONNECT_FAILURE, "connect-failure"},
        {RETRY_REFUSED_STREAM, "refused-stream"},
        {RETRY_RETRIABLE_4XX, "retriable-4xx"},
        {RETRY_STATUS_CODES, "retriable-status-codes"},
        {RETRY_ENVOY_RATELIMITED, "envoy-ratelimited"},
        {RETRY_GRPC_CANCELLED, "cancelled"},
        {RETRY_GRPC_DEADLINE_EXCEEDED, "deadline-exceeded"},
        {RETRY_GRPC_INTERNAL, "internal"},
        {RETRY_GRPC_RESOURCE_EXHAUSTED, "resource-exhausted"},
        {RETRY_GRPC_UNAVAILABLE, "unavailable"},
    };
    struct text list;
    text_init(&list, 1024);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if ((on & rows[i].bit) != 0)
            text_add(&list, "%s%s", list.len > 0 ? "," : "", rows[i].token);
    }
    json_t *ret = json_string(text_get(&list));
    text_release(&list);
    return ret;
}

/* Istio: route/retry.ConvertPolicy. */
static json_t *retry_policy(const struct retry_rule *rule)
{
    json_t *ret = json_pack("{s:o, s:s}", "retry_on", retry_on(rule->on),
                            "host_selection_retry_max_attempts", "5");
    json_t *codes = json_array();
    set_number(ret, "num_retries", rule->attempts.number);
    for (uint32_t status = 100; status <= 599; status++) {
        if (status_set_has(&rule->codes, status))
            json_array_append_new(codes, json_integer((json_int_t)status));
    }
    json_object_set_new(ret, "retriable_status_codes", codes);
    set_duration(ret, "per_try_timeout", &rule->per_try_timeout);
    if (rule->other_host)
        json_object_set_new(
            ret, "retry_host_predicate",
            json_pack("[o]",
                      typed("envoy.retry_host_predicates.previous_hosts",
                            "extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate")));
    if (rule->backoff_base.set) {
        json_t *backoff = json_object();
        set_duration(backoff, "base_interval", &rule->backoff_base);
        set_duration(backoff, "max_interval", &rule->backoff_max);
        json_object_set_new(ret, "retry_back_off", backoff);
    }
    return ret;
}

static json_t *route(const struct edge_policy *policy, const char *cluster)
{
    bool limited = policy->request_timeout.set && policy->request_timeout.number > 0;
    json_t *action = json_pack("{s:s, s:o}", "cluster", cluster, "timeout",
                               duration(limited ? policy->request_timeout.number : 0));
    /* Istio: a client's grpc-timeout is honoured up to the route's; without one it alone rules. */
    json_object_set(action, "max_grpc_timeout", json_object_get(action, "timeout"));
    if (policy->retry.attempts.number > 0)
        json_object_set_new(action, "retry_policy", retry_policy(&policy->retry));
    return json_pack("{s:{s:s}, s:o}", "match", "prefix", "/", "route", action);
}

/* ${routes} is taken. */
static json_t *http_filter(json_t *routes, const char *cluster, const char *hop)
{
    json_t *manager = typed("envoy.filters.network.http_connection_manager",
                            "extensions.filters.network.http_connection_manager.v3."
                            "HttpConnectionManager");
    json_t *config = json_object_get(manager, "typed_config");
    json_t *host = json_pack("{s:s, s:[s], s:b, s:o}", "name", cluster, "domains", "*",
                             "include_request_attempt_count", 1, "routes", routes);
    if (hop != NULL)
        json_object_set_new(host, "request_headers_to_add",
                            json_pack("[{s:{s:s, s:s}, s:s}]", "header", "key", HOP_FIELD, "value",
                                      hop, "append_action", "APPEND_IF_EXISTS_OR_ADD"));
    json_object_set_new(config, "stat_prefix", json_string(cluster));
    json_object_set_new(config, "stream_idle_timeout", json_string("0s"));
    json_object_set_new(config, "route_config",
                        json_pack("{s:s, s:b, s:[o]}", "name", cluster, "validate_clusters", 0,
                                  "virtual_hosts", host));
    json_object_set_new(config, "http_filters",
                        json_pack("[o]", typed("envoy.filters.http.router",
                                               "extensions.filters.http.router.v3.Router")));
    return manager;
}

/* A target without L7 (ztunnel alone), or raw TCP: bytes go through. */
static json_t *tcp_filter(const char *cluster)
{
    json_t *proxy = typed("envoy.filters.network.tcp_proxy",
                          "extensions.filters.network.tcp_proxy.v3.TcpProxy");
    json_t *config = json_object_get(proxy, "typed_config");
    json_object_set_new(config, "stat_prefix", json_string(cluster));
    json_object_set_new(config, "cluster", json_string(cluster));
    return proxy;
}

static bool is_bytes(const struct mesh_edge *edge)
{
    return edge->tcp || edge->policy.flavour == FLAVOUR_L4;
}

static bool listener(const struct mesh_edge *edge, const char *name, json_t **ret,
                     struct error *err)
{
    json_t *address, *routes = NULL;
    if (edge->istio != NULL && !edge->tcp && !envoy_istio_routes(edge, name, &routes, err))
        return false;
    if (!envoy_config_address(edge->listen, &address, err)) {
        json_decref(routes);
        return false;
    }
    if (routes == NULL)
        routes = json_pack("[o]", route(&edge->policy, name));
    json_t *filter =
        is_bytes(edge) ? tcp_filter(name) : http_filter(json_incref(routes), name, edge->hop);
    json_decref(routes);
    *ret = json_pack("{s:s, s:o, s:[{s:[o]}]}", "name", name, "address", address, "filter_chains",
                     "filters", filter);
    INVARIANT(*ret != NULL);
    return true;
}

/* Istio: applyOutlierDetection (B2). */
static json_t *outlier_detection(const struct outlier_rule *rule)
{
    json_t *ret = json_pack("{s:i}", "enforcing_success_rate", 0);
    if (rule->consecutive_5xx.set) {
        bool on = rule->consecutive_5xx.number > 0;
        if (on)
            set_number(ret, "consecutive_5xx", rule->consecutive_5xx.number);
        set_number(ret, "enforcing_consecutive_5xx", on ? 100 : 0);
    }
    if (rule->consecutive_gateway.set && rule->consecutive_gateway.number > 0) {
        set_number(ret, "consecutive_gateway_failure", rule->consecutive_gateway.number);
        set_number(ret, "enforcing_consecutive_gateway_failure", 100);
    }
    set_duration(ret, "interval", &rule->interval);
    set_duration(ret, "base_ejection_time", &rule->base_ejection);
    set_duration(ret, "max_ejection_time", &rule->max_ejection);
    if (rule->max_ejection_percent.set && rule->max_ejection_percent.number > 0)
        set_number(ret, "max_ejection_percent", rule->max_ejection_percent.number);
    if (!rule->split_local_errors)
        return ret;
    json_object_set_new(ret, "split_external_local_origin_errors", json_true());
    set_number(ret, "enforcing_local_origin_success_rate", 0);
    if (rule->consecutive_local.set && rule->consecutive_local.number > 0) {
        set_number(ret, "consecutive_local_origin_failure", rule->consecutive_local.number);
        set_number(ret, "enforcing_consecutive_local_origin_failure", 100);
    }
    return ret;
}

/* Istio: all thresholds 2^32-1, and a field speaks only when it is above 0 (B3). */
static json_t *circuit_breakers(const struct pool_rule *pool, const struct budget_rule *budget)
{
    const struct {
        const char *key;
        const struct value *value;
    } rows[] = {{"max_connections", &pool->max_connections},
                {"max_pending_requests", &pool->max_pending},
                {"max_requests", &pool->max_requests},
                {"max_retries", &pool->max_retries}};
    json_t *limits = json_pack("{s:b}", "track_remaining", 1);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool set = rows[i].value->set && rows[i].value->number > 0;
        set_number(limits, rows[i].key, set ? rows[i].value->number : NO_LIMIT);
    }
    if (budget->kind == BUDGET_ENVOY) { /* it stands over max_retries (A6) */
        json_t *own = json_pack("{s:{s:f}}", "budget_percent", "value",
                                (double)budget->ratio_ppm.number / 10000);
        set_number(own, "min_retry_concurrency", budget->least.number);
        if (budget->interval.number > 0)
            set_duration(own, "budget_interval", &budget->interval);
        json_object_set_new(limits, "retry_budget", own);
    }
    return json_pack("{s:[o]}", "thresholds", limits);
}

/* A hash without a policy on the route, which no request of ours carries, draws by chance, as a
 * ring does. */
static const char *lb_policy(const struct value *balance)
{
    static const char *const words[LB_POLICIES] = {
        [LB_ROUND_ROBIN] = "ROUND_ROBIN",
        [LB_RANDOM] = "RANDOM",
        [LB_CONSISTENT_HASH] = "RING_HASH",
    };
    const char *word =
        balance->set && balance->number < LB_POLICIES ? words[balance->number] : NULL;
    return word != NULL ? word : "LEAST_REQUEST";
}

static bool endpoints(const struct mesh_edge *edge, json_t **ret, struct error *err)
{
    json_t *list = json_array();
    for (size_t i = 0; i < edge->endpoint_count; i++) {
        json_t *address;
        if (!envoy_config_address(edge->endpoints[i], &address, err)) {
            json_decref(list);
            return false;
        }
        json_array_append_new(list, json_pack("{s:{s:o}}", "endpoint", "address", address));
    }
    *ret = json_pack("[{s:o}]", "lb_endpoints", list);
    return true;
}

/* What the upstream speaks, and how long a connection to it lives. (Downstream, the codec is told
 * by the client's first bytes.) */
static void http_options(json_t *cluster, const struct pool_rule *pool, bool http2)
{
    bool limited = pool->requests_per_connection.set && pool->requests_per_connection.number > 0;
    if (!limited && !http2)
        return;
    json_t *options = json_pack(
        "{s:s, s:{s:{}}, s:{}}", "@type", TYPE "extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config", http2 ? "http2_protocol_options" : "http_protocol_options",
        "common_http_protocol_options");
    if (limited)
        set_number(json_object_get(options, "common_http_protocol_options"),
                   "max_requests_per_connection", pool->requests_per_connection.number);
    json_object_set_new(
        cluster, "typed_extension_protocol_options",
        json_pack("{s:o}", "envoy.extensions.upstreams.http.v3.HttpProtocolOptions", options));
}

static bool cluster(const struct mesh_config *config, const struct mesh_edge *edge,
                    const char *name, json_t **ret, struct error *err)
{
    const struct edge_policy *p = &edge->policy;
    const struct value *connect = &p->pool.connect_timeout;
    uint64_t panic = ENVOY_PANIC_PERCENT;
    json_t *hosts;
    if (!endpoints(edge, &hosts, err))
        return false;
    if (p->outlier.present)
        panic = p->outlier.min_health_percent.set ? p->outlier.min_health_percent.number : 0;
    json_t *c =
        json_pack("{s:s, s:s, s:s, s:o, s:{s:s, s:o}, s:o, s:{s:{s:I}}}", "name", name, "type",
                  "STATIC", "lb_policy", lb_policy(&p->balance), "connect_timeout",
                  duration(connect->set ? connect->number : ISTIO_CONNECT_TIMEOUT_NS),
                  "load_assignment", "cluster_name", name, "endpoints", hosts, "circuit_breakers",
                  circuit_breakers(&p->pool, &p->budget), "common_lb_config",
                  "healthy_panic_threshold", "value", (json_int_t)panic);
    INVARIANT(c != NULL);
    if (p->outlier.present && p->flavour == FLAVOUR_ENVOY)
        json_object_set_new(c, "outlier_detection", outlier_detection(&p->outlier));
    if (!edge->tcp)
        http_options(c, &p->pool, edge->http2);
    if (config->certs != NULL && !edge->plain)
        json_object_set_new(c, "transport_socket",
                            envoy_tls_socket(config->folder, edge->peer_san));
    *ret = c;
    return true;
}

static bool add_edge(const struct mesh_config *config, size_t number, json_t *listeners,
                     json_t *clusters, struct error *err)
{
    const struct mesh_edge *edge = &config->edges[number];
    char name[32];
    json_t *made;
    if (edge->policy.flavour == FLAVOUR_LINKERD)
        return error_set(err, ERROR_USAGE,
                         "the driver envoy cannot play Linkerd's policy of %s -> %s; use builtin",
                         edge->policy.from, edge->policy.to);
    snprintf(name, sizeof(name), ENVOY_EDGE_PREFIX "%zu", number);
    if (!listener(edge, name, &made, err))
        return false;
    json_array_append_new(listeners, made);
    if (edge->istio != NULL) {
        if (!endpoints(edge, &made, err))
            return false;
        bool good = envoy_istio_clusters(edge, name, made, clusters, err);
        json_decref(made);
        return good;
    }
    if (!cluster(config, edge, name, &made, err))
        return false;
    json_array_append_new(clusters, made);
    return true;
}

bool envoy_config_make(const struct mesh_config *config, json_t **ret, struct error *err)
{
    json_t *listeners = json_array(), *clusters = json_array();
    for (size_t i = 0; i < config->edge_count; i++) {
        if (!add_edge(config, i, listeners, clusters, err)) {
            json_decref(listeners);
            json_decref(clusters);
            return false;
        }
    }
    *ret = json_pack("{s:{s:s, s:s}, s:{s:{s:{s:s, s:i}}}, s:{s:o, s:o}}", "node", "id",
                     "meshproof", "cluster", "meshproof", "admin", "address", "socket_address",
                     "address", "127.0.0.1", "port_value", 0, "static_resources", "listeners",
                     listeners, "clusters", clusters);
    INVARIANT(*ret != NULL);
    return true;
}
