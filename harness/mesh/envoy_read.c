#include "mesh/envoy_read.h"

#include "base/clock.h"
#include "policy/edge.h"

#include <string.h>

#define NO_LIMIT ((uint64_t)INT32_MAX) /* Istio writes its "no limit" as 2^32-1 or 2^31-1 */
#define HTTP_OPTIONS "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
#define DEFAULT_ROUTE_TIMEOUT_NS (15 * NS_PER_S)
#define PERCENT_PPM 10000 /* of Envoy's budget_percent, a number of percent */

static struct value number(uint64_t n)
{
    return (struct value){.number = n, .set = true};
}

/* protobuf's JSON form of a duration, "0.600s". */
static uint64_t duration(const char *text)
{
    uint64_t ns = 0, unit = NS_PER_S;
    bool behind = false;
    for (; *text != '\0' && *text != 's'; text++) {
        if (*text == '.') {
            behind = true;
            continue;
        }
        if (*text < '0' || *text > '9' || (behind && unit < 10) || ns > UINT64_MAX / 20)
            return 0;
        if (behind)
            unit /= 10;
        ns = behind ? ns + (uint64_t)(*text - '0') * unit
                    : ns * 10 + (uint64_t)(*text - '0') * NS_PER_S;
    }
    return ns;
}

static struct value duration_of(const json_t *at, const char *key, uint64_t unset)
{
    const char *text = json_string_value(json_object_get(at, key));
    return number(text == NULL ? unset : duration(text));
}

static uint64_t number_of(const json_t *at, const char *key, uint64_t unset)
{
    const json_t *v = json_object_get(at, key);
    return json_is_number(v) ? (uint64_t)json_number_value(v) : unset;
}

/* No duration, or one of 0, is none. */
static struct value limit_of(const json_t *at, const char *key)
{
    struct value v = duration_of(at, key, 0);
    v.set = v.number > 0;
    return v;
}

/* --- which route, which cluster --- */

static bool matches(const json_t *match, const char *path)
{
    const char *prefix = json_string_value(json_object_get(match, "prefix"));
    const char *exact = json_string_value(json_object_get(match, "path"));
    const char *segments = json_string_value(json_object_get(match, "path_separated_prefix"));
    size_t len = segments == NULL ? 0 : strlen(segments);
    if (json_array_size(json_object_get(match, "headers")) > 0 ||
        json_array_size(json_object_get(match, "query_parameters")) > 0)
        return false;
    if (exact != NULL)
        return strcmp(exact, path) == 0;
    if (segments != NULL)
        return strncmp(segments, path, len) == 0 && strchr("/?", path[len]) != NULL;
    return prefix != NULL && strncmp(prefix, path, strlen(prefix)) == 0;
}

const json_t *envoy_read_route(const json_t *routes, const char *path)
{
    const json_t *one;
    size_t i;
    json_array_foreach(routes, i, one)
    {
        if (matches(json_object_get(one, "match"), path))
            return one;
    }
    return NULL;
}

const char *envoy_read_cluster(const json_t *route)
{
    const json_t *action = json_object_get(route, "route");
    const char *name = json_string_value(json_object_get(action, "cluster"));
    const json_t *split = json_object_get(json_object_get(action, "weighted_clusters"), "clusters");
    return name != NULL ? name
                        : json_string_value(json_object_get(json_array_get(split, 0), "name"));
}

/* --- the route's part --- */

static uint32_t conditions(const char *text)
{
    size_t count, len;
    const struct edge_word *words = edge_retry_words(&count);
    uint32_t on = 0;
    for (; *text != '\0'; text += len + strspn(text + len, ", ")) {
        len = strcspn(text, ", ");
        for (size_t i = 0; i < count; i++) {
            if (words[i].bit != RETRY_LINKERD_TIMEOUT && strlen(words[i].name) == len &&
                strncmp(words[i].name, text, len) == 0)
                on |= words[i].bit;
        }
    }
    return on;
}

static void read_retry(const json_t *policy, struct retry_rule *to)
{
    const json_t *backoff = json_object_get(policy, "retry_back_off"), *one;
    const char *on = json_string_value(json_object_get(policy, "retry_on"));
    size_t i;
    *to = (struct retry_rule){.attempts = number(0)};
    if (policy == NULL)
        return;
    to->attempts = number(number_of(policy, "num_retries", 1));
    to->per_try_timeout = limit_of(policy, "per_try_timeout");
    to->on = on == NULL ? 0 : conditions(on);
    json_array_foreach(json_object_get(policy, "retriable_status_codes"), i, one)
        status_set_add(&to->codes, (uint32_t)json_integer_value(one));
    if (!status_set_any(&to->codes))
        to->on &= ~(uint32_t)RETRY_STATUS_CODES; /* of no codes: nothing */
    to->conditions.set = true;
    to->backoff_base = duration_of(backoff, "base_interval", 25 * NS_PER_MS);
    to->backoff_max = duration_of(backoff, "max_interval", 10 * to->backoff_base.number);
    json_array_foreach(json_object_get(policy, "retry_host_predicate"), i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        to->other_host = to->other_host || (name != NULL && strstr(name, "previous_hosts") != NULL);
    }
}

/* --- the cluster's part --- */

/* A detector's count of errors in a row, 0 where it ejects nobody. */
static struct value detector(const json_t *o, const char *key, const char *enforcing,
                             uint64_t enforced_unset)
{
    bool on = number_of(o, enforcing, enforced_unset) > 0;
    return number(on ? number_of(o, key, 5) : 0);
}

static void read_outlier(const json_t *cluster, struct outlier_rule *to)
{
    const json_t *o = json_object_get(cluster, "outlier_detection");
    const json_t *panic =
        json_object_get(json_object_get(cluster, "common_lb_config"), "healthy_panic_threshold");
    *to = (struct outlier_rule){.present = o != NULL};
    if (o == NULL)
        return;
    to->consecutive_5xx = detector(o, "consecutive_5xx", "enforcing_consecutive_5xx", 100);
    to->consecutive_gateway =
        detector(o, "consecutive_gateway_failure", "enforcing_consecutive_gateway_failure", 0);
    to->interval = duration_of(o, "interval", 10 * NS_PER_S);
    to->base_ejection = duration_of(o, "base_ejection_time", 30 * NS_PER_S);
    to->max_ejection = duration_of(o, "max_ejection_time", 300 * NS_PER_S);
    if (to->max_ejection.number < to->base_ejection.number)
        to->max_ejection = to->base_ejection;
    to->max_ejection_percent = number(number_of(o, "max_ejection_percent", 10));
    to->min_health_percent = number(panic == NULL ? 50 : number_of(panic, "value", 0));
    to->split_local_errors = json_is_true(json_object_get(o, "split_external_local_origin_errors"));
    if (to->split_local_errors)
        to->consecutive_local = detector(o, "consecutive_local_origin_failure",
                                         "enforcing_consecutive_local_origin_failure", 100);
}

static struct value threshold(const json_t *at, const char *key)
{
    uint64_t n = number_of(at, key, NO_LIMIT);
    return n >= NO_LIMIT ? (struct value){0} : number(n);
}

static void read_pool(const json_t *cluster, struct edge_policy *to)
{
    const json_t *options = json_object_get(
        json_object_get(json_object_get(cluster, "typed_extension_protocol_options"), HTTP_OPTIONS),
        "common_http_protocol_options");
    const json_t *at = json_array_get(
        json_object_get(json_object_get(cluster, "circuit_breakers"), "thresholds"), 0);
    const json_t *budget = json_object_get(at, "retry_budget");
    const json_t *percent = json_object_get(budget, "budget_percent");
    to->pool = (struct pool_rule){
        .max_connections = threshold(at, "max_connections"),
        .max_pending = threshold(at, "max_pending_requests"),
        .max_requests = threshold(at, "max_requests"),
        .max_retries = threshold(at, "max_retries"),
        .requests_per_connection = threshold(options, "max_requests_per_connection"),
        .connect_timeout = duration_of(cluster, "connect_timeout", 5 * NS_PER_S)};
    to->budget = (struct budget_rule){.kind = budget == NULL ? BUDGET_NONE : BUDGET_ENVOY};
    if (budget == NULL)
        return;
    double share = percent == NULL ? 20 : json_number_value(json_object_get(percent, "value"));
    to->budget.ratio_ppm = number((uint64_t)(share * PERCENT_PPM + 0.5));
    to->budget.least = number(number_of(budget, "min_retry_concurrency", 3));
    to->budget.interval = limit_of(budget, "budget_interval");
}

static struct value balance(const json_t *cluster)
{
    static const struct {
        const char *word;
        enum lb_policy policy;
    } rows[] = {
        {"LEAST_REQUEST", LB_LEAST_REQUEST},  {"RANDOM", LB_RANDOM},
        {"RING_HASH", LB_CONSISTENT_HASH},    {"MAGLEV", LB_CONSISTENT_HASH},
        {"CLUSTER_PROVIDED", LB_PASSTHROUGH},
    };
    const char *word = json_string_value(json_object_get(cluster, "lb_policy"));
    for (size_t i = 0; word != NULL && i < COUNT_OF(rows); i++) {
        if (strcmp(rows[i].word, word) == 0)
            return number(rows[i].policy);
    }
    return number(LB_ROUND_ROBIN); /* Envoy's default, which protobuf's JSON leaves out */
}

void envoy_read_policy(const json_t *route, const json_t *cluster, struct edge_policy *to)
{
    const json_t *action = json_object_get(route, "route");
    read_retry(json_object_get(action, "retry_policy"), &to->retry);
    to->request_timeout = duration_of(action, "timeout", DEFAULT_ROUTE_TIMEOUT_NS);
    to->request_timeout.set = to->request_timeout.number > 0;
    read_outlier(cluster, &to->outlier);
    read_pool(cluster, to);
    to->balance = balance(cluster);
}
