#include "policy/reader.h"

#include "policy/route.h"

#include "base/units.h"

/* HTTPRoute and GRPCRoute, of the Gateway API and of Linkerd, with the meaning that each target
 * gives it (policy-semantics.md B4, C, D2, D3). */

/* One rule as it is written, before a target makes something of it. */
struct written {
    struct value request, backend_request;
    bool has_retry;
    struct source retry_source;
    const char *retry_origin;
    struct value attempts, backoff;
    struct status_set codes;
};

static bool linkerd(const struct policy *p)
{
    return p->options.target.mesh == MESH_LINKERD;
}

static bool is_grpc(const struct object *o)
{
    return strcmp(o->kind, "GRPCRoute") == 0;
}

static bool filter_supported(const struct policy *p, const char *type)
{
    static const char *const by_all[] = {"RequestHeaderModifier", "ResponseHeaderModifier",
                                         "RequestRedirect"};
    static const char *const not_linkerd[] = {"RequestMirror", "URLRewrite", "CORS"};
    for (size_t i = 0; i < COUNT_OF(by_all); i++) {
        if (strcmp(type, by_all[i]) == 0)
            return true;
    }
    for (size_t i = 0; i < COUNT_OF(not_linkerd) && !linkerd(p); i++) {
        if (strcmp(type, not_linkerd[i]) == 0)
            return true;
    }
    return false;
}

static void unsupported(struct place at, const struct object *o, const char *type)
{
    struct policy *p = at.policy;
    const char *rest = policy_is_istio(p) ? "default retries apply" : "with it its retries";
    struct source source = place_source(at, "type");
    if (strcmp(type, "ExtensionRef") != 0) {
        lint_add(p, LINT_GATEWAY_UNKNOWN_FILTER, source,
                 "filter %.60s is not supported; the whole %s %.60s is discarded, %s", type,
                 o->kind, o->name, rest);
        return;
    }
    struct place ref = place_at(at, "extensionRef");
    const char *kind = yaml_get_text(ref.map, "kind"), *name = yaml_get_text(ref.map, "name");
    lint_add(p, LINT_GATEWAY_EXTENSION_REF, source,
             "ExtensionRef to %.60s is not supported; the whole %s %.60s is discarded, timeouts "
             "too, %s",
             kind == NULL ? "nothing" : kind, o->kind, o->name, rest);
    if (kind != NULL && name != NULL)
        *STORE_ADD(p, extension) = (struct extension){.kind = kind, .name = name, .object = o};
}

/* Whether all filters of the list are ones that the target can do. */
static bool check_filters(struct place at, const struct object *o)
{
    bool good = true;
    for (size_t i = 0; i < yaml_count(yaml_get(at.map, "filters")); i++) {
        struct place filter = place_item(at, "filters", i);
        const char *type = yaml_get_text(filter.map, "type");
        if (type == NULL)
            continue;
        if (!filter_supported(at.policy, type)) {
            unsupported(filter, o, type);
            good = false;
        } else if (strcmp(type, "RequestMirror") == 0) {
            lint_add(at.policy, LINT_ISTIO_MIRROR, place_source(filter, "type"),
                     "%s sends copies that no client request stands for", filter.origin);
        }
    }
    return good;
}

static bool check_rule_filters(struct place rule, const struct object *o)
{
    bool good = check_filters(rule, o);
    for (size_t i = 0; i < yaml_count(yaml_get(rule.map, "backendRefs")); i++)
        good = check_filters(place_item(rule, "backendRefs", i), o) && good;
    return good;
}

static void read_codes(struct place at, struct status_set *codes)
{
    const struct yaml_node *list = yaml_get(at.map, "codes");
    for (size_t i = 0; i < yaml_count(list); i++) {
        const struct yaml_node *n = yaml_item(list, i);
        struct error err = {0};
        uint64_t code = 0;
        bool good = yaml_read_count(n, 599, &code, &err);
        if (!good || code < 400)
            lint_add(at.policy, LINT_OBJECT_VALUE, n->source, "%s[%zu] %s",
                     place_field(at, "codes"), i,
                     good ? "is below 400; it must be a status of 400 to 599" : err.text);
        else
            status_set_add(codes, (uint32_t)code);
    }
}

static void read_written(struct place rule, struct written *w)
{
    struct policy *p = rule.policy;
    struct place timeouts = place_at(rule, "timeouts"), retry = place_at(rule, "retry");
    place_gep_duration(timeouts, "request", &w->request);
    place_gep_duration(timeouts, "backendRequest", &w->backend_request);
    if (w->request.number != 0 && w->backend_request.number > w->request.number)
        lint_add(p, LINT_GATEWAY_BACKEND_ABOVE, w->backend_request.source,
                 "%s is above timeouts.request (line %u): the API server refuses the route",
                 w->backend_request.origin, w->request.source.line);
    if (retry.map == NULL)
        return;
    w->has_retry = true;
    w->retry_source = yaml_find(rule.map, "retry")->source;
    w->retry_origin = retry.origin;
    place_count(retry, "attempts", INT32_MAX, &w->attempts);
    place_gep_duration(retry, "backoff", &w->backoff);
    read_codes(retry, &w->codes);
    if (w->attempts.set && w->attempts.number == 0)
        lint_add(p, LINT_OBJECT_VALUE, w->attempts.source, "%s is 0; it must be at least 1",
                 w->attempts.origin);
    if (!linkerd(p))
        lint_add(
            p, LINT_GATEWAY_RETRY_EXPERIMENTAL, w->retry_source,
            "%s is in the experimental channel: with the standard CRDs it is dropped in silence",
            retry.origin);
}

/* B4: retries on connection failures and the codes, never on a timed-out try. */
static void istio_retry(struct policy *p, const struct written *w, struct route *route)
{
    struct retry_rule *rule = &route->retry;
    route->has_retry = true;
    *rule = (struct retry_rule){.attempts = w->attempts.set ? w->attempts : value_default(p, 2)};
    if (rule->attempts.number == 0)
        return;
    rule->on = RETRY_CONNECT_FAILURE | RETRY_REFUSED_STREAM | RETRY_GRPC_UNAVAILABLE |
               RETRY_GRPC_CANCELLED;
    rule->codes = w->codes;
    if (status_set_any(&w->codes))
        rule->on |= RETRY_STATUS_CODES;
    rule->conditions = value_set(0, w->retry_source, w->retry_origin);
    rule->backoff_base = w->backoff.number != 0 ? w->backoff : value_default(p, UINT64_C(25000000));
    rule->backoff_max = rule->backoff_base;
    rule->backoff_max.number =
        rule->backoff_base.number > INT64_MAX / 10 ? INT64_MAX : rule->backoff_base.number * 10;
    rule->other_host = true;
    if (w->backend_request.number != 0) {
        rule->per_try_timeout = w->backend_request;
        lint_add(p, LINT_GATEWAY_RETRY_TIMEOUT, w->backend_request.source,
                 "a try that runs into %s is answered 504 and not retried",
                 w->backend_request.origin);
    }
}

/* The fields of a retry stanza that the target does not read. */
static void speak_retry(struct policy *p, const struct written *w, struct route *route,
                        const char *why)
{
    if (w->attempts.set)
        store_speak(p, &route->spoken, "retry.attempts", &w->attempts, why);
    if (w->backoff.set)
        store_speak(p, &route->spoken, "retry.backoff_base", &w->backoff, why);
    if (!w->attempts.set && !w->backoff.set) {
        struct value whole = value_set(0, w->retry_source, w->retry_origin);
        store_speak(p, &route->spoken, NULL, &whole, why);
    }
}

/* B4: neither is read, and no retry stanza either; the mesh's own retries remain. */
static void istio_old_timeouts(struct policy *p, const struct written *w, struct route *route)
{
    static const char why[] = "read since Istio 1.20";
    const struct value *first = w->request.set ? &w->request : &w->backend_request;
    if (w->request.set)
        store_speak(p, &route->spoken, "request_timeout", &w->request, why);
    if (w->backend_request.set)
        store_speak(p, &route->spoken, "retry.per_try_timeout", &w->backend_request, why);
    lint_add(p, LINT_GATEWAY_TIMEOUTS_SINCE, first->source,
             "%s is read since Istio 1.20: there is no timeout", first->origin);
}

static void istio_rule(struct policy *p, const struct written *w, struct route *route)
{
    bool retries = w->has_retry && target_since(p->options.target, 1, 25);
    if (w->has_retry && !retries)
        speak_retry(p, w, route, "read since Istio 1.25");
    if (w->has_retry && !retries)
        lint_add(p, LINT_GATEWAY_RETRY_SINCE, w->retry_source,
                 "%s is read since Istio 1.25: default retries apply", w->retry_origin);
    if ((w->request.set || w->backend_request.set) && !target_since(p->options.target, 1, 20)) {
        istio_old_timeouts(p, w, route);
        route_finish(p, route);
        return;
    }
    if (w->request.number != 0)
        route->request_timeout = w->request;
    if (retries) {
        istio_retry(p, w, route);
    } else if (w->backend_request.number != 0) {
        route->request_timeout = w->backend_request;
        if (w->request.set)
            store_speak(p, &route->spoken, "request_timeout", &w->request,
                        "backendRequest without retry takes its place");
        lint_add(p, LINT_GATEWAY_BACKEND_REQUEST, w->backend_request.source,
                 "%s without retry is the timeout of the whole request%s",
                 w->backend_request.origin,
                 w->request.set ? ", in the place of timeouts.request" : "");
    }
    route_finish(p, route);
}

static void linkerd_rule(struct policy *p, const struct object *o, const struct written *w,
                         struct route *route)
{
    bool own_group = strcmp(o->group, "policy.linkerd.io") == 0;
    if (w->has_retry)
        speak_retry(p, w, route, "not read by Linkerd");
    if (w->has_retry)
        lint_add(p, LINT_LINKERD_RETRY_STANZA, w->retry_source, "%s is not read by Linkerd",
                 w->retry_origin);
    if ((w->request.set || w->backend_request.set) && own_group &&
        strcmp(o->version, "v1beta3") != 0) {
        lint_add(p, LINT_LINKERD_TIMEOUTS_VERSION,
                 w->request.set ? w->request.source : w->backend_request.source,
                 "policy.linkerd.io/%.20s HTTPRoute has no timeouts: they are dropped", o->version);
        return;
    }
    if (w->request.number != 0)
        route->request_timeout = w->request;
    if (!w->backend_request.set)
        return;
    if (target_since(p->options.target, 2, 16)) {
        store_speak(p, &route->spoken, "retry.per_try_timeout", &w->backend_request,
                    "Linkerd reads timeouts.request only");
        lint_add(p, LINT_LINKERD_BACKEND_REQUEST, w->backend_request.source,
                 "%s is ignored: Linkerd reads timeouts.request only", w->backend_request.origin);
        return;
    }
    /* One try is all there is: the lower of the two is the request's. */
    struct value lower = w->backend_request, other = route->request_timeout;
    if (lower.number == 0 || (other.number != 0 && lower.number >= other.number)) {
        lower = route->request_timeout;
        other = w->backend_request;
    }
    route->request_timeout = lower;
    if (other.set && other.number != 0)
        store_speak(p, &route->spoken, "request_timeout", &other, "the lower timeout decides");
}

/* The standard's own words, for a target that is no mesh we know. */
static void standard_rule(struct policy *p, const struct written *w, struct route *route)
{
    struct retry_rule *rule = &route->retry;
    if (w->request.number != 0)
        route->request_timeout = w->request;
    route->has_retry = w->has_retry || w->backend_request.number != 0;
    *rule = (struct retry_rule){.attempts = value_default(p, 0)};
    if (w->backend_request.number != 0)
        rule->per_try_timeout = w->backend_request;
    if (w->has_retry) {
        rule->attempts = w->attempts.set ? w->attempts : value_default(p, 1);
        if (!w->attempts.set)
            lint_add(p, LINT_GATEWAY_ATTEMPTS, w->retry_source, "%s has no attempts: judged as 1",
                     w->retry_origin);
        rule->on = RETRY_CONNECT_FAILURE | (status_set_any(&w->codes) ? RETRY_STATUS_CODES : 0);
        rule->codes = w->codes;
        rule->conditions = value_set(0, w->retry_source, w->retry_origin);
        rule->backoff_base = w->backoff;
    }
    route_finish(p, route);
}

static void say_narrowed(struct place at, const struct route *route)
{
    if (route->narrowed && at.map != NULL)
        lint_add(at.policy, LINT_POLICY_NARROWED, at.map->source,
                 "%s holds for some requests only: not judged", at.origin);
}

/* A gRPC call is a POST to /SERVICE/METHOD. */
static void read_grpc_match(struct place at, struct route *route)
{
    struct place by = place_at(at, "method");
    const char *type = yaml_get_text(by.map, "type"), *service = NULL, *method = NULL;
    place_text(by, "service", &service, NULL);
    place_text(by, "method", &method, NULL);
    if (service != NULL &&
        strlen(service) + (method == NULL ? 0 : strlen(method)) < ROUTE_MAX_PATH) {
        route->path_kind = method == NULL ? PATH_PREFIX : PATH_EXACT;
        route->path =
            arena_printf(at.policy->arena, "/%s/%s", service, method == NULL ? "" : method);
    } else if (service != NULL || method != NULL) {
        route->narrowed = true; /* one method, whatever its service */
    }
    if ((type != NULL && strcmp(type, "Exact") != 0) || yaml_count(yaml_get(at.map, "headers")) > 0)
        route->narrowed = true;
    say_narrowed(at, route);
}

static void read_match(struct place at, struct route *route)
{
    struct place path = place_at(at, "path");
    const char *type = yaml_get_text(path.map, "type"), *method = NULL;
    if (path.map != NULL && place_text(path, "value", &route->path, NULL)) {
        if (type == NULL || strcmp(type, "PathPrefix") == 0)
            route->path_kind = strcmp(route->path, "/") == 0 ? PATH_ANY : PATH_SEGMENTS;
        else if (strcmp(type, "Exact") == 0)
            route->path_kind = PATH_EXACT;
        else
            route->narrowed = true;
        if (strlen(route->path) > ROUTE_MAX_PATH)
            route->narrowed = true; /* no request of ours asks for such a path */
    }
    if (place_text(at, "method", &method, NULL) && strcmp(method, "GET") != 0)
        route->narrowed = true;
    if (yaml_count(yaml_get(at.map, "headers")) > 0 ||
        yaml_count(yaml_get(at.map, "queryParams")) > 0)
        route->narrowed = true;
    say_narrowed(at, route);
}

/* Whether the parent is a Service, as the target reads group and kind. Linkerd takes no group and
 * "core" for the core group; elsewhere an unset group is the Gateway API's own. */
static bool parent_is_service(const struct policy *p, const struct yaml_node *ref)
{
    const char *kind = yaml_get_text(ref, "kind"), *group = yaml_get_text(ref, "group");
    if (kind == NULL || strcmp(kind, "Service") != 0)
        return false;
    if (group == NULL)
        return linkerd(p);
    return group[0] == '\0' || (linkerd(p) && strcmp(group, "core") == 0);
}

/* Whether the parent names no port, or the Service's only one, where that is known. */
static bool parent_is_port(const struct policy *p, const struct yaml_node *ref,
                           const struct host *host)
{
    const struct yaml_node *n = yaml_get(ref, "port");
    const struct object *service = store_find_service(p, host);
    uint64_t own = service == NULL ? 0 : store_service_port(service), port = 0;
    struct error unused = {0}; /* the API server's to say */
    return n == NULL || own == 0 || !yaml_read_count(n, UINT16_MAX, &port, &unused) || port == own;
}

static void check_parent(struct place ref, const struct object *o)
{
    const char *kind = yaml_get_text(ref.map, "kind"), *group = yaml_get_text(ref.map, "group");
    if (kind == NULL || strcmp(kind, "Service") != 0)
        lint_add(ref.policy, LINT_GATEWAY_ONLY, place_source(ref, "kind"),
                 "%s %.60s governs what enters by %.40s %.60s, not calls between services", o->kind,
                 o->name, kind == NULL ? "Gateway" : kind,
                 yaml_get_text(ref.map, "name") == NULL ? "" : yaml_get_text(ref.map, "name"));
    else
        lint_add(
            ref.policy, LINT_GATEWAY_PARENT, place_source(ref, "kind"),
            "group %s%.60s%s has no Service: the route is attached to nothing; write group: \"\"",
            group == NULL ? "is unset, which is gateway.networking.k8s.io, and " : "\"",
            group == NULL ? "it" : group, group == NULL ? "" : "\"");
}

/* What the target makes of the rule; false: nothing, it drops the whole route. */
static bool make_route(struct place at, const struct object *o, struct route *ret)
{
    struct policy *p = at.policy;
    struct written w = {0};
    if (!is_grpc(o)) /* which has neither timeouts nor retry (C) */
        read_written(at, &w);
    if (policy_is_istio(p)) {
        istio_rule(p, &w, ret);
        return true;
    }
    if (!linkerd(p)) {
        standard_rule(p, &w, ret);
        return true;
    }
    linkerd_rule(p, o, &w, ret);
    struct value own = ret->request_timeout;
    if (!linkerd_read_route(p, o, ret))
        return false;
    if (own.set && own.origin != ret->request_timeout.origin)
        store_speak(p, &ret->spoken, "request_timeout", &own,
                    "the annotation stands over it"); /* D3 */
    return true;
}

/* One rule: a route a parent Service and match. */
static void read_rule(struct place at, size_t index, const struct object *o, bool in_force)
{
    struct policy *p = at.policy;
    struct route common = {.object = o};
    common.name = arena_printf(p->arena, "%.253s/rules[%zu]", o->name, index);
    if (!make_route(at, o, &common))
        return;
    const struct yaml_node *parents = yaml_get(o->spec, "parentRefs");
    size_t matches = yaml_count(yaml_get(at.map, "matches"));
    for (size_t m = 0; m < (matches == 0 ? 1 : matches); m++) {
        struct route one = common;
        if (matches > 0 && is_grpc(o))
            read_grpc_match(place_item(at, "matches", m), &one);
        else if (matches > 0)
            read_match(place_item(at, "matches", m), &one);
        for (size_t i = 0; i < yaml_count(parents) && in_force; i++) {
            const struct yaml_node *ref = yaml_item(parents, i);
            const char *name = yaml_get_text(ref, "name");
            if (name == NULL || !parent_is_service(p, ref))
                continue;
            struct route *to = store_add_route(p, ref->source);
            if (to == NULL)
                return;
            *to = one;
            to->host = (struct host){.service = name, .namespace = yaml_get_text(ref, "namespace")};
            if (to->host.namespace == NULL && o->namespace[0] != '\0')
                to->host.namespace = o->namespace;
            if (!parent_is_port(p, ref, &to->host) && !to->narrowed) {
                to->narrowed = true;
                lint_add(p, LINT_POLICY_NARROWED, yaml_find(ref, "port")->source,
                         "%s %.60s parentRefs[%zu] is for another port than the one of Service "
                         "%.60s: not judged",
                         o->kind, o->name, i, name);
            }
        }
    }
}

static void read_route(struct policy *p, const struct object *o)
{
    struct place at = place_of(p, o);
    bool in_force = true;
    size_t rules = yaml_count(yaml_get(at.map, "rules")), services = 0;
    for (size_t i = 0; i < yaml_count(yaml_get(at.map, "parentRefs")); i++) {
        struct place ref = place_item(at, "parentRefs", i);
        const char *kind = yaml_get_text(ref.map, "kind");
        if (!parent_is_service(p, ref.map))
            check_parent(ref, o);
        if (kind != NULL && strcmp(kind, "Service") == 0)
            store_add_name(p, yaml_get_text(ref.map, "name"));
        services += parent_is_service(p, ref.map);
    }
    if (linkerd(p) && services == 0)
        return; /* a gateway's, which Linkerd leaves to others */
    for (size_t i = 0; i < rules; i++)
        in_force = check_rule_filters(place_item(at, "rules", i), o) && in_force;
    for (size_t i = 0; i < rules; i++)
        read_rule(place_item(at, "rules", i), i, o, in_force);
}

void gateway_api_read(struct policy *p, const struct object *o)
{
    const char *class = yaml_get_text(o->spec, "gatewayClassName");
    if (strcmp(o->kind, "HTTPRoute") == 0 || is_grpc(o))
        read_route(p, o);
    else if (strcmp(o->kind, "XBackendTrafficPolicy") == 0)
        gateway_read_budget(p, o);
    else if (class != NULL && strcmp(class, "istio-waypoint") == 0)
        /* of all services beside it: which are bound is labels' business */
        STORE_ADD(p, waypoint)->namespace = o->namespace[0] == '\0' ? NULL : o->namespace;
}
