#include "policy/istio_traffic.h"
#include "policy/path_regex.h"
#include "policy/route.h"

/* VirtualService (policy-semantics.md B1). Other kinds are in istio_destination.c, istio_entry.c
 * and istio_mtls.c. */

static void since(struct place at, const char *key, uint32_t minor)
{
    lint_add(at.policy, LINT_ISTIO_FIELD_SINCE, place_source(at, key),
             "%s is read since Istio 1.%u, the target is older", place_field(at, key), minor);
}

static void read_backoff(struct place at, struct retry_rule *rule)
{
    bool again = false;
    bool new_enough = target_since(at.policy->options.target, 1, 26);
    struct value base = {0};
    rule->backoff_base = value_default(at.policy, UINT64_C(25000000));
    rule->other_host = true;
    if (place_go_duration(at, "backoff", &base)) {
        if (!new_enough)
            since(at, "backoff", 26);
        else if (base.number != 0)
            rule->backoff_base = base;
        if (!new_enough)
            place_speak(at, "retry.backoff_base", &base, "read since Istio 1.26");
    }
    if (place_bool(at, "retryIgnorePreviousHosts", &again, NULL)) {
        if (new_enough)
            rule->other_host = again;
        else
            since(at, "retryIgnorePreviousHosts", 26);
    }
    rule->backoff_max = rule->backoff_base;
    rule->backoff_max.number =
        rule->backoff_base.number > INT64_MAX / 10 ? INT64_MAX : rule->backoff_base.number * 10;
}

/* A `retries` block replaces the default policy; attempts 0, or none, turns retries off. */
static void read_retries(struct place at, struct route *route)
{
    struct policy *p = at.policy;
    struct retry_rule *rule = &route->retry, standard;
    const char *on = NULL;
    struct source source = {0};
    route->has_retry = true;
    *rule = (struct retry_rule){0};
    bool declared = place_count(at, "attempts", INT32_MAX, &rule->attempts);
    if (!declared)
        rule->attempts = value_set(0, at.map->source, at.origin);
    if (rule->attempts.number == 0) {
        if (at.map->count > (declared ? 1 : 0))
            lint_add(p, LINT_ISTIO_RETRIES_OFF, rule->attempts.source,
                     "%s %s: retries are off, and the webhook refuses its other fields", at.origin,
                     declared ? "has attempts 0" : "has no attempts, which is 0");
        struct value each = {0};
        if (place_go_duration(at, "perTryTimeout", &each))
            place_speak(at, "retry.per_try_timeout", &each, "retries are off");
        return;
    }
    place_go_duration(at, "perTryTimeout", &rule->per_try_timeout);
    read_backoff(at, rule);
    if (place_text(at, "retryOn", &on, &source) && on[0] != '\0') {
        retry_rule_read_on(p, on, source, place_field(at, "retryOn"), rule);
    } else {
        retry_rule_default(p, &standard);
        rule->on = standard.on;
        rule->codes = standard.codes;
        rule->conditions = standard.conditions;
    }
}

static bool lists_mesh(const struct yaml_node *gateways)
{
    for (size_t i = 0; i < yaml_count(gateways); i++) {
        const struct yaml_node *n = yaml_item(gateways, i);
        if (n->kind == YAML_SCALAR && strcmp(n->text, "mesh") == 0)
            return true;
    }
    return yaml_count(gateways) == 0;
}

/* The caller's app label, when that is the only condition on the source. */
const char *istio_caller_of(const struct yaml_node *labels)
{
    const char *app = yaml_get_text(labels, "app");
    if (app == NULL)
        app = yaml_get_text(labels, "app.kubernetes.io/name");
    return labels != NULL && labels->count == 1 ? app : NULL;
}

/* Envoy anchors it at both ends. */
static void read_regex(struct place uri, struct route *route)
{
    const char *pattern = NULL;
    struct arena *arena = uri.policy->arena;
    if (!place_text(uri, "regex", &pattern, NULL) ||
        !path_regex_parse(pattern, arena, &route->regex)) {
        route->narrowed = true;
        return;
    }
    route->path_kind = PATH_REGEX;
    route->path =
        path_regex_matches(route->regex, BYTES("/")) ? "/" : path_regex_sample(route->regex, arena);
    if (route->path == NULL || route->path[0] != '/')
        route->narrowed = true; /* no request of ours asks for such a path */
}

static void read_uri(struct place uri, struct route *route)
{
    if (uri.map == NULL)
        return;
    if (place_text(uri, "exact", &route->path, NULL))
        route->path_kind = PATH_EXACT;
    else if (place_text(uri, "prefix", &route->path, NULL))
        route->path_kind = PATH_PREFIX;
    else {
        read_regex(uri, route);
        return;
    }
    if (strlen(route->path) > ROUTE_MAX_PATH)
        route->narrowed = true; /* no request of ours asks for such a path */
    if (route->path_kind == PATH_PREFIX && strcmp(route->path, "/") == 0)
        route->path_kind = PATH_ANY;
}

/* Conditions that the harness's requests do not meet make the route one that is not judged. */
static void read_match(struct place at, struct route *route)
{
    static const char *const narrowing[] = {"scheme", "headers", "queryParams", "withoutHeaders",
                                            "authority"};
    const char *method = NULL;
    place_bool(at, "ignoreUriCase", &route->any_case, NULL);
    read_uri(place_at(at, "uri"), route);
    for (size_t i = 0; i < COUNT_OF(narrowing); i++)
        route->narrowed = route->narrowed || yaml_get(at.map, narrowing[i]) != NULL;
    struct place by = place_at(at, "method");
    if (by.map != NULL && !(place_text(by, "exact", &method, NULL) && strcmp(method, "GET") == 0))
        route->narrowed = true;
    const struct yaml_node *labels = yaml_get(at.map, "sourceLabels");
    route->caller = istio_caller_of(labels);
    if (!lists_mesh(yaml_get(at.map, "gateways")) || (labels != NULL && route->caller == NULL))
        route->narrowed = true;
}

/* The port and the caller's namespace of a match, for one host: calls go to the Service's own port,
 * and come from its own namespace. What cannot be told is one that is not judged. */
static bool holds_for(struct place match, const struct host *host)
{
    const struct yaml_node *number = yaml_get(match.map, "port");
    const char *namespace = yaml_get_text(match.map, "sourceNamespace");
    const struct object *service = store_find_service(match.policy, host);
    struct error unused = {0}; /* the API server's to say */
    uint64_t port = 0;
    if (number != NULL &&
        (service == NULL || !yaml_read_count(number, UINT16_MAX, &port, &unused) ||
         store_service_port(service) != port))
        return false;
    const char *own = host->namespace != NULL ? host->namespace
                      : service != NULL       ? service->namespace
                                              : "";
    return namespace == NULL || strcmp(namespace, own) == 0;
}

static void say_narrowed(struct place at, const struct route *route)
{
    if (route->narrowed && at.map != NULL)
        lint_add(at.policy, LINT_POLICY_NARROWED, at.map->source,
                 "%s holds for some requests only: not judged", at.origin);
}

static bool same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Sets the one service that the entry leads to, and its subset and port where all of its
 * destinations agree. */
static void read_destination(struct policy *p, const struct yaml_node *http, struct route *route)
{
    const struct yaml_node *routes = yaml_get(http, "route");
    bool first = true;
    for (size_t i = 0; i < yaml_count(routes); i++) {
        const struct yaml_node *to = yaml_get(yaml_item(routes, i), "destination");
        const struct yaml_node *weight = yaml_get(yaml_item(routes, i), "weight");
        const char *text = yaml_get_text(to, "host"), *subset = yaml_get_text(to, "subset");
        struct host host = text == NULL ? (struct host){0} : host_parse(text, p->arena);
        const struct yaml_node *number = yaml_get(yaml_get(to, "port"), "number");
        struct error unused = {0}; /* the API server's to say */
        uint64_t port = 0, share = 1;
        if (number != NULL && !yaml_read_count(number, UINT16_MAX, &port, &unused))
            port = 0;
        if (weight != NULL && yaml_count(routes) > 1 &&
            yaml_read_count(weight, INT32_MAX, &share, &unused) && share == 0)
            continue; /* nothing is sent there */
        if (host.service == NULL || (!first && !same(route->destination, host.service))) {
            route->destination = route->subset = NULL;
            route->port = 0;
            return;
        }
        route->destination = host.service;
        route->subset = first || same(route->subset, subset) ? subset : NULL;
        route->port = first || route->port == port ? port : 0;
        first = false;
    }
}

static void check_filters(struct place at)
{
    static const char *const mirrors[] = {"mirror", "mirrors"};
    static const char *const answers[] = {"redirect", "directResponse", "delegate"};
    if (yaml_get(at.map, "fault") != NULL)
        lint_add(at.policy, LINT_ISTIO_FAULT_FILTER, yaml_find(at.map, "fault")->source,
                 "%s answers or delays before the router: what it does is no subject of retries, "
                 "timeouts and ejection",
                 place_field(at, "fault"));
    for (size_t i = 0; i < COUNT_OF(mirrors); i++) {
        if (yaml_get(at.map, mirrors[i]) != NULL)
            lint_add(at.policy, LINT_ISTIO_MIRROR, yaml_find(at.map, mirrors[i])->source,
                     "%s sends copies that no client request stands for",
                     place_field(at, mirrors[i]));
    }
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        if (yaml_get(at.map, answers[i]) != NULL)
            lint_add(at.policy, LINT_POLICY_NARROWED, yaml_find(at.map, answers[i])->source,
                     "%s does not lead to the service: not judged", place_field(at, answers[i]));
    }
}

/* One `http` entry: a route a host and match. */
static void read_http(struct place at, size_t index, const struct object *o,
                      const struct yaml_node *hosts)
{
    struct policy *p = at.policy;
    struct route common = {.object = o};
    common.name = arena_printf(p->arena, "%.253s/http[%zu]", o->name, index);
    place_go_duration(at, "timeout", &common.request_timeout);
    struct place retries = place_at(at, "retries");
    retries.spoken = &common.spoken;
    if (retries.map != NULL)
        read_retries(retries, &common);
    route_finish(p, &common);
    check_filters(at);
    read_destination(p, at.map, &common);
    common.narrowed = yaml_get(at.map, "redirect") != NULL ||
                      yaml_get(at.map, "delegate") != NULL ||
                      yaml_get(at.map, "directResponse") != NULL;
    size_t matches = yaml_count(yaml_get(at.map, "match"));
    for (size_t m = 0; m < (matches == 0 ? 1 : matches); m++) {
        struct route one = common;
        struct place match = place_item(at, "match", m);
        if (matches > 0)
            read_match(match, &one);
        say_narrowed(match, &one);
        for (size_t h = 0; h < yaml_count(hosts); h++) {
            const struct yaml_node *host = yaml_item(hosts, h);
            struct route *to = host->kind != YAML_SCALAR ? NULL : store_add_route(p, host->source);
            if (to == NULL)
                return;
            *to = one;
            to->host = host_of(host->text, o, p->arena);
            if (!one.narrowed && !holds_for(match, &to->host)) {
                to->narrowed = true;
                say_narrowed(match, to);
            }
        }
    }
}

static void read_virtual_service(struct policy *p, const struct object *o)
{
    struct place at = place_of(p, o);
    const struct yaml_node *hosts = yaml_get(at.map, "hosts"), *http = yaml_get(at.map, "http");
    if (!lists_mesh(yaml_get(at.map, "gateways"))) {
        lint_add(p, LINT_ISTIO_GATEWAY_ONLY, yaml_find(at.map, "gateways")->source,
                 "%s governs what enters by its gateways, not calls between services", at.origin);
        return;
    }
    if (p->options.target.mesh == MESH_ISTIO_AMBIENT)
        lint_add(p, LINT_AMBIENT_VIRTUAL_SERVICE, o->kind_source,
                 "%s at a waypoint is alpha: HTTPRoute is what Istio recommends", at.origin);
    for (size_t h = 0; h < yaml_count(hosts); h++) {
        const struct yaml_node *host = yaml_item(hosts, h);
        if (host->kind == YAML_SCALAR && strcmp(host->text, "*") == 0)
            lint_add(p, LINT_OBJECT_VALUE, host->source,
                     "%s hosts[%zu] is \"*\", which Istio's webhook refuses for calls between "
                     "services",
                     at.origin, h);
        if (host->kind != YAML_SCALAR)
            continue;
        struct host of = host_of(host->text, o, p->arena);
        store_add_name(p, of.service);
        istio_check_callers(at, o, &of);
    }
    for (size_t i = 0; i < yaml_count(http); i++)
        read_http(place_item(at, "http", i), i, o, hosts);
}

void istio_read(struct policy *p, const struct object *o)
{
    if (strcmp(o->kind, "VirtualService") == 0)
        read_virtual_service(p, o);
    else if (strcmp(o->kind, "ServiceEntry") == 0)
        istio_read_entry(p, o);
    else if (strcmp(o->kind, "PeerAuthentication") == 0)
        istio_read_peer(p, o);
    else
        istio_read_destination(p, o);
}
