#include "policy/lint_inside.h"

/* What a VirtualService, or another object, says without effect, or leaves out: entries behind one
 * that takes all, none that takes the rest, faults of no percentage, HTTP on a TCP port, and
 * objects that govern nothing (B1, B6). */

static bool has_any(const struct yaml_node *map, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct yaml_node *n = yaml_get(map, keys[i]);
        if (n != NULL && (n->kind == YAML_SCALAR || n->count > 0))
            return true;
    }
    return false;
}

/* `percentage` unset falls back to the old integer `percent`, which is 0. */
static void fault(struct policy *p, const struct object *o, const struct yaml_node *http, size_t at)
{
    static const char *const kinds[] = {"abort", "delay"};
    const struct yaml_node *fault = yaml_get(http, "fault");
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        const struct yaml_node *one = yaml_get(fault, kinds[i]);
        uint64_t percent = 0;
        if (one == NULL || yaml_find(one, "percentage") != NULL ||
            (yaml_find(one, "percent") != NULL &&
             (!lint_number(one, "percent", &percent) || percent != 0)))
            continue;
        lint_add(p, LINT_ISTIO_FAULT_PERCENT, yaml_find(fault, kinds[i])->source,
                 "VirtualService %.60s http[%zu].fault.%s has no percentage, which is 0: no "
                 "request is faulted",
                 o->name, at, kinds[i]);
    }
}

/* Every path begins with "/". */
static bool is_any_path(const struct yaml_node *uri)
{
    return uri != NULL && uri->kind == YAML_MAP && uri->count == 1 &&
           (lint_says(uri, "prefix", "/") || lint_says(uri, "regex", ".*") ||
            lint_says(uri, "regex", "/.*"));
}

/* No match, or one that asks for nothing but a path that begins with "/". */
static bool takes_all(const struct yaml_node *http)
{
    const struct yaml_node *match = yaml_get(http, "match");
    for (size_t i = 0; i < yaml_count(match); i++) {
        const struct yaml_node *one = yaml_item(match, i);
        size_t named = yaml_find(one, "name") != NULL;
        if (one->kind == YAML_MAP && one->count == named + 1 && is_any_path(yaml_get(one, "uri")))
            return true;
    }
    return yaml_count(match) == 0;
}

/* Calls between services are routed by it: one without hosts is a part of another, and what enters
 * by a gateway is meant to be chosen. */
static bool routes_the_mesh(const struct object *o)
{
    const struct yaml_node *gateways = yaml_get(o->spec, "gateways");
    bool mesh = yaml_count(gateways) == 0;
    for (size_t i = 0; i < yaml_count(gateways); i++) {
        const struct yaml_node *one = yaml_item(gateways, i);
        mesh = mesh || (one->kind == YAML_SCALAR && strcmp(one->text, "mesh") == 0);
    }
    return mesh && yaml_count(yaml_get(o->spec, "hosts")) > 0;
}

static void entries(struct policy *p, const struct object *o)
{
    const struct yaml_node *http = yaml_get(o->spec, "http");
    size_t all = SIZE_MAX;
    for (size_t i = 0; i < yaml_count(http); i++) {
        const struct yaml_node *one = yaml_item(http, i);
        fault(p, o, one, i);
        if (all != SIZE_MAX)
            lint_add(p, LINT_ISTIO_UNREACHABLE, one->source,
                     "VirtualService %.60s http[%zu] is never reached: http[%zu] (line %u) takes "
                     "every request",
                     o->name, i, all, yaml_item(http, all)->source.line);
        else if (takes_all(one))
            all = i;
    }
    if (all == SIZE_MAX && yaml_count(http) > 0 && routes_the_mesh(o))
        lint_add(
            p, LINT_ISTIO_NO_CATCH_ALL, lint_source(o->spec, "http"),
            "VirtualService %.60s has no entry that takes all: what none of its %zu matches is "
            "answered 404",
            o->name, yaml_count(http));
}

static void says_nothing(struct policy *p, const struct object *o)
{
    static const char *const routes[] = {"http", "tcp", "tls"};
    static const char *const rules[] = {"trafficPolicy", "subsets"};
    static const char *const parents[] = {"parentRefs", "useDefaultGateways"};
    const char *lacks = NULL;
    if (lint_is(o, "VirtualService") && !has_any(o->spec, routes, COUNT_OF(routes)))
        lacks = "http, tcp or tls";
    else if (lint_is(o, "DestinationRule") && !has_any(o->spec, rules, COUNT_OF(rules)))
        lacks = "trafficPolicy or subsets";
    else if ((lint_is(o, "HTTPRoute") || lint_is(o, "GRPCRoute")) &&
             !has_any(o->spec, parents, COUNT_OF(parents)))
        lacks = "parentRefs";
    if (lacks != NULL)
        lint_add(p, LINT_OBJECT_NOTHING, o->kind_source, "%s %.60s has no %s: it governs nothing",
                 o->kind, o->name, lacks);
}

/* The protocol that a Service port says by appProtocol, else by its name's first word. */
static bool is_tcp(const struct yaml_node *port)
{
    static const char *const words[] = {"tcp", "mongo", "mysql", "redis", "tls"};
    const char *app = yaml_get_text(port, "appProtocol"), *name = yaml_get_text(port, "name");
    const char *text = app != NULL ? app : name;
    for (size_t i = 0; text != NULL && i < COUNT_OF(words); i++) {
        size_t n = strlen(words[i]);
        if (strncmp(text, words[i], n) == 0 && (text[n] == '\0' || (app == NULL && text[n] == '-')))
            return true;
    }
    return false;
}

static void tcp_ports(struct lint *l, const struct object *o)
{
    struct policy *p = l->policy;
    const struct yaml_node *ports = yaml_get(o->spec, "ports");
    for (size_t i = 0; i < yaml_count(ports); i++) {
        if (!is_tcp(yaml_item(ports, i)))
            return;
    }
    struct host service = {.service = o->name,
                           .namespace = o->namespace[0] == '\0' ? NULL : o->namespace};
    for (size_t i = lint_route_of(l, o->name); i != SIZE_MAX && yaml_count(ports) > 0;
         i = l->next_route[i]) {
        const struct route *r = &p->routes[i];
        bool own = r->host.namespace != NULL || strcmp(r->object->namespace, o->namespace) == 0;
        if (!own || host_match(&r->host, &service) == 0)
            continue;
        const char *key =
            yaml_find(yaml_item(ports, 0), "appProtocol") != NULL ? "appProtocol" : "name";
        lint_add(p, LINT_ISTIO_TCP_PORT, lint_source(yaml_item(ports, 0), key),
                 "Service %.60s has TCP ports only, by their %s: %s %.60s (line %u) has no effect",
                 o->name, key, r->object->kind, r->object->name, r->object->kind_source.line);
        return;
    }
}

void lint_virtual_service(struct lint *l)
{
    struct policy *p = l->policy;
    for (size_t i = 0; i < p->object_count; i++) {
        const struct object *o = &p->objects[i];
        if (!lint_reads(p, o))
            continue;
        says_nothing(p, o);
        if (lint_is(o, "VirtualService"))
            entries(p, o);
        else if (policy_is_istio(p) && o->group[0] == '\0' && lint_is(o, "Service"))
            tcp_ports(l, o);
    }
}
