#include "policy/linkerd.h"
#include "policy/path_regex.h"
#include "policy/route.h"

/* ServiceProfile: routes that are retried as far as a budget goes (policy-semantics.md D4). */

#define S UINT64_C(1000000000)
#define RATIO_MOST 1000
#define STATUS_LEAST 100
#define STATUS_MOST 599

/* D4: ratio 0.2, 10 a second, 10 s, there even where nobody writes one. False: a value is out of
 * range, and Linkerd retries nothing. */
static bool read_budget(struct place at, struct budget_rule *rule)
{
    struct policy *p = at.policy;
    const struct yaml_node *ratio = yaml_get(at.map, "retryRatio"), *ttl = yaml_get(at.map, "ttl");
    struct error err = {0};
    uint64_t number = 0;
    *rule = (struct budget_rule){.kind = BUDGET_LINKERD,
                                 .ratio_ppm = value_default(p, 200000),
                                 .least = value_default(p, 10),
                                 .interval = value_default(p, 10 * S)};
    place_count(at, "minRetriesPerSecond", UINT32_MAX, &rule->least);
    if (ratio != NULL) {
        bool text =
            ratio->kind == YAML_SCALAR && linkerd_parse_ratio(ratio->text, UINT32_MAX, &number);
        if (!text)
            lint_add(p, LINT_OBJECT_VALUE, ratio->source, "%s must be a number such as 0.2",
                     place_field(at, "retryRatio"));
        rule->ratio_ppm =
            value_set(number, place_source(at, "retryRatio"), place_field(at, "retryRatio"));
        if (!text || number > (uint64_t)RATIO_MOST * 1000000)
            return false; /* linkerd.budget_value says so */
    }
    if (ttl == NULL)
        return true;
    bool good = yaml_read_go_duration(ttl, &number, &err);
    if (!good)
        lint_add(p, LINT_OBJECT_VALUE, err.source, "%s %s", place_field(at, "ttl"), err.text);
    rule->interval = value_set(number, place_source(at, "ttl"), place_field(at, "ttl"));
    return good && number >= S && number <= 60 * S;
}

/* A part of a condition that our requests meet or not; what cannot be told makes the route one
 * that is not judged. */
static void read_condition(struct place at, struct route *route)
{
    const char *pattern = NULL, *method = NULL;
    const struct yaml_node *all = yaml_get(at.map, "all");
    for (size_t i = 0; i < yaml_count(all); i++) {
        struct place one = place_item(at, "all", i);
        /* One level: a list of a path and a method is all that tools write. */
        if (yaml_get(one.map, "all") != NULL)
            route->narrowed = true;
        else
            read_condition(one, route);
    }
    if (yaml_get(at.map, "any") != NULL || yaml_get(at.map, "not") != NULL)
        route->narrowed = true;
    if (place_text(at, "method", &method, NULL) && strcmp(method, "GET") != 0)
        route->narrowed = true;
    if (!place_text(at, "pathRegex", &pattern, NULL))
        return;
    if (route->path_kind == PATH_REGEX ||
        !path_regex_parse(pattern, at.policy->arena, &route->regex)) {
        route->narrowed = true;
        return;
    }
    route->path_kind = PATH_REGEX;
    route->path = path_regex_matches(route->regex, BYTES("/"))
                      ? "/"
                      : path_regex_sample(route->regex, at.policy->arena);
    if (route->path == NULL || route->path[0] != '/')
        route->narrowed = true; /* no request of ours asks for such a path */
}

/* The first class that holds decides, so the last is read first. Without any, 5xx is a failure. */
static void read_classes(struct place at, struct retry_rule *rule)
{
    struct policy *p = at.policy;
    bool failure[STATUS_MOST + 1] = {false};
    for (uint32_t s = 500; s <= STATUS_MOST; s++)
        failure[s] = true;
    for (size_t i = yaml_count(yaml_get(at.map, "responseClasses")); i-- > 0;) {
        struct place one = place_item(at, "responseClasses", i);
        struct place condition = place_at(one, "condition"), status = place_at(condition, "status");
        struct value least = {0}, most = {0};
        bool fails = false;
        if (status.map == NULL) {
            lint_add(p, LINT_POLICY_NOT_JUDGED, place_source(one, "condition"),
                     "%s is no range of statuses: it is in force, and not judged by meshproof",
                     condition.origin);
            continue;
        }
        place_count(status, "min", STATUS_MOST, &least);
        place_count(status, "max", STATUS_MOST, &most);
        place_bool(one, "isFailure", &fails, NULL);
        if (least.number < STATUS_LEAST)
            least.number = STATUS_LEAST;
        for (uint64_t s = least.number; s <= (most.number == 0 ? STATUS_MOST : most.number); s++)
            failure[s] = fails;
    }
    for (uint32_t s = STATUS_LEAST; s <= STATUS_MOST; s++) {
        if (failure[s])
            status_set_add(&rule->codes, s);
    }
    rule->on = RETRY_STATUS_CODES | RETRY_GRPC_DEADLINE_EXCEEDED | RETRY_GRPC_INTERNAL |
               RETRY_GRPC_UNAVAILABLE;
}

static void read_retries(struct place at, bool budget, struct route *route)
{
    struct retry_rule *rule = &route->retry;
    struct source source = {0};
    bool retryable = false;
    if (!place_bool(at, "isRetryable", &retryable, &source))
        return; /* the default: none */
    route->has_retry = true;
    if (retryable && budget) {
        *rule = (struct retry_rule){.by_budget = true};
        read_classes(at, rule);
        rule->conditions = value_set(0, source, place_field(at, "isRetryable"));
        return;
    }
    *rule = (struct retry_rule){
        .attempts = value_set(0, source,
                              retryable ? arena_printf(at.policy->arena, "%s, with a bad budget",
                                                       place_field(at, "isRetryable"))
                                        : place_field(at, "isRetryable"))};
}

static void read_route(struct place at, size_t index, const struct object *o, bool budget)
{
    struct policy *p = at.policy;
    struct place condition = place_at(at, "condition");
    const struct yaml_node *timeout = yaml_get(at.map, "timeout");
    struct error err = {0};
    uint64_t ns = 0;
    if (p->profile_route_count >= STORE_MAX_ROUTES) {
        error_at(&p->limit, o->kind_source, ERROR_LIMIT, "the policy has more than %zu routes",
                 STORE_MAX_ROUTES);
        return;
    }
    struct route one = {.object = o,
                        .name = arena_printf(p->arena, "%.253s/routes[%zu]", o->name, index),
                        .host = host_parse(o->name, p->arena)};
    if (condition.map == NULL)
        one.narrowed = true; /* Linkerd leaves a route without a condition out */
    read_condition(condition, &one);
    if (one.narrowed && condition.map != NULL)
        lint_add(p, LINT_POLICY_NARROWED, condition.map->source,
                 "%s holds for some requests only: not judged", condition.origin);
    read_retries(at, budget, &one);
    if (timeout != NULL && !yaml_read_go_duration(timeout, &ns, &err))
        lint_add(p, LINT_OBJECT_VALUE, err.source, "%s %s", place_field(at, "timeout"), err.text);
    else if (timeout != NULL)
        one.request_timeout =
            value_set(ns, place_source(at, "timeout"), place_field(at, "timeout"));
    *(struct route *)store_grow((void **)&p->profile_routes, &p->profile_route_count,
                                &p->profile_route_capacity, sizeof(one)) = one;
}

void linkerd_read_profile(struct policy *p, const struct object *o)
{
    struct place at = place_of(p, o);
    struct profile_rule rule = {.object = o, .host = host_parse(o->name, p->arena)};
    if (o->refused || rule.host.service == NULL || strchr(o->name, '.') == NULL)
        return; /* it is for no service: linkerd.profile_name */
    bool budget = read_budget(place_at(at, "retryBudget"), &rule.budget);
    for (size_t i = 0; i < yaml_count(yaml_get(at.map, "routes")); i++)
        read_route(place_item(at, "routes", i), i, o, budget);
    *(struct host *)store_grow((void **)&p->profiles, &p->profile_count, &p->profile_capacity,
                               sizeof(rule.host)) = rule.host;
    *STORE_ADD(p, profile_rule) = rule;
    store_add_name(p, rule.host.service);
}
