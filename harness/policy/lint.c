#include "policy/lint_inside.h"

#include "policy/kind.h"
#include "policy/yaml.h"

#include <stdarg.h>
#include <stdlib.h>

/* The catalogue, and the walk over the rules that need the whole policy. */

static const struct lint_rule rules[] = {
#define RULE(name, id, severity, why, fix) {id, SEVERITY_##severity, why, fix},
#include "policy/lint_rules.def"
#undef RULE
};

const struct lint_rule *lint_rules(size_t *ret_count)
{
    *ret_count = COUNT_OF(rules);
    return rules;
}

const char *severity_name(enum severity severity)
{
    static const char *const names[] = {"note", "warning", "error"};
    return names[severity];
}

void lint_add(struct policy *p, enum lint_rule_id rule, struct source source, const char *format,
              ...)
{
    char text[512];
    va_list args;
    if (p->finding_count >= STORE_MAX_FINDINGS) {
        error_at(&p->limit, source, ERROR_LIMIT, "the policy has more than %zu findings",
                 STORE_MAX_FINDINGS);
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    yaml_clean_text(text); /* what is quoted may have been cut within a character */
    struct finding *f = STORE_ADD(p, finding);
    *f = (struct finding){.rule = rules[rule].id,
                          .severity = rules[rule].severity,
                          .source = source,
                          .text = arena_strdup(p->arena, text),
                          .fix = rules[rule].fix};
}

static enum lint_rule_id unknown_kind_rule(const char *group)
{
    if (strstr(group, "istio.io") != NULL)
        return LINT_ISTIO_UNKNOWN_KIND;
    return strstr(group, "linkerd.io") != NULL ? LINT_LINKERD_UNKNOWN_KIND
                                               : LINT_GATEWAY_UNKNOWN_KIND;
}

/* Says with the kind what became of the route that refers to it. */
static void unknown_kind(struct policy *p, const struct object *o)
{
    const struct extension *by = NULL;
    for (size_t i = 0; i < p->extension_count && by == NULL; i++) {
        if (strcmp(p->extensions[i].kind, o->kind) == 0 &&
            strcmp(p->extensions[i].name, o->name) == 0)
            by = &p->extensions[i];
    }
    if (by == NULL)
        lint_add(p, unknown_kind_rule(o->group), o->kind_source, "no API has kind %.60s", o->kind);
    else
        lint_add(p, unknown_kind_rule(o->group), o->kind_source,
                 "no API has kind %.60s; the whole HTTPRoute %.60s is discarded, %s", o->kind,
                 by->object->name,
                 policy_is_istio(p) ? "default retries apply" : "with it its retries");
}

static struct map_key key_of(const char *text)
{
    return map_key_of(text, strlen(text));
}

/* Puts row ${i} in front of those of its name; ${next}, may be NULL, chains them. */
static void index_row(struct map *map, size_t *next, const char *name, size_t i)
{
    uint64_t *slot = name == NULL ? NULL : map_at(map, key_of(name), NULL);
    if (next != NULL)
        next[i] = slot == NULL || *slot == 0 ? SIZE_MAX : (size_t)*slot - 1;
    if (slot != NULL)
        *slot = i + 1;
}

static size_t find_row(const struct map *map, const char *name)
{
    uint64_t *slot = name == NULL ? NULL : map_find(map, key_of(name));
    return slot == NULL ? SIZE_MAX : (size_t)*slot - 1;
}

size_t lint_route_of(const struct lint *l, const char *service)
{
    return find_row(&l->routes, service);
}

size_t lint_destination_of(const struct lint *l, const char *service)
{
    return find_row(&l->destinations, service);
}

size_t lint_service_of(const struct lint *l, const char *service)
{
    return find_row(&l->services, service);
}

static size_t *indexes(size_t count)
{
    size_t *at = check_alloc((count + 1) * sizeof(*at));
    for (size_t i = 0; i <= count; i++)
        at[i] = SIZE_MAX;
    return at;
}

/* Backwards, so that chains run in the order of reading. */
static void lint_init(struct lint *l, struct policy *p)
{
    *l = (struct lint){.policy = p,
                       .first_route = indexes(p->object_count),
                       .next_route = indexes(p->route_count),
                       .next_destination = indexes(p->destination_count)};
    map_init(&l->routes, STORE_MAX_ROUTES);
    map_init(&l->destinations, STORE_MAX_ROUTES);
    map_init(&l->services, STORE_MAX_ROUTES);
    for (size_t i = p->route_count; i-- > 0;) {
        index_row(&l->routes, l->next_route, p->routes[i].host.service, i);
        l->first_route[p->routes[i].object - p->objects] = i;
    }
    for (size_t i = p->destination_count; i-- > 0;)
        index_row(&l->destinations, l->next_destination, p->destinations[i].host.service, i);
    for (size_t i = p->object_count; i-- > 0;) {
        if (p->objects[i].group[0] == '\0' && lint_is(&p->objects[i], "Service"))
            index_row(&l->services, NULL, p->objects[i].name, i);
    }
}

static void lint_release(struct lint *l)
{
    free(l->first_route);
    free(l->next_route);
    free(l->next_destination);
    map_release(&l->routes);
    map_release(&l->destinations);
    map_release(&l->services);
}

void lint_policy(struct policy *p)
{
    struct lint l;
    for (size_t i = 0; i < p->object_count; i++) {
        const struct object *o = &p->objects[i];
        if (o->row == NULL && kind_group_known(o->group))
            unknown_kind(p, o);
    }
    lint_init(&l, p);
    lint_twice(&l);
    lint_virtual_service(&l);
    lint_gateway(&l);
    lint_retry(&l);
    lint_retry_layers(&l);
    lint_subset(&l);
    lint_ejection(&l);
    lint_pool(&l);
    lint_mtls(&l);
    lint_ambient(&l);
    lint_linkerd(&l);
    lint_linkerd_profile(&l);
    lint_release(&l);
}

bool lint_reads(const struct policy *p, const struct object *o)
{
    unsigned mesh = MESH_BIT(p->options.target.mesh);
    if (o->row == NULL || (o->row->meshes & mesh) == 0 || !kind_has_version(o->row, o->version))
        return false;
    return (o->row->since_mesh & mesh) == 0 ||
           target_since(p->options.target, o->row->major, o->row->minor);
}

bool lint_is(const struct object *o, const char *kind)
{
    return strcmp(o->kind, kind) == 0;
}

const struct yaml_node *lint_written(const struct route *route)
{
    /* "payments/http[3]": the readers name a route by its place (route.name in store.h). */
    const char *open = route->name == NULL ? NULL : strrchr(route->name, '[');
    uint64_t at = 0;
    size_t n = open == NULL ? 0 : strlen(open);
    if (n < 3 || !bytes_to_u64((struct bytes){(const uint8_t *)open + 1, n - 2}, &at))
        return NULL;
    const char *list = lint_is(route->object, "VirtualService") ? "http" : "rules";
    return yaml_item(yaml_get(route->object->spec, list), (size_t)at);
}

bool lint_is_new(const struct policy *p, size_t route)
{
    return route == 0 || p->routes[route].object != p->routes[route - 1].object ||
           p->routes[route].name != p->routes[route - 1].name;
}

/* What a trafficPolicy says of the port, else ${traffic} itself. */
static const struct yaml_node *at_port(const struct yaml_node *traffic, uint64_t port)
{
    const struct yaml_node *ports = yaml_get(traffic, "portLevelSettings");
    for (size_t i = 0; i < yaml_count(ports) && port != 0; i++) {
        uint64_t number = 0;
        if (lint_number(yaml_get(yaml_item(ports, i), "port"), "number", &number) && number == port)
            return yaml_item(ports, i);
    }
    return traffic;
}

static const struct yaml_node *subset_traffic(const struct destination *d)
{
    const struct yaml_node *subsets = yaml_get(d->object->spec, "subsets");
    for (size_t i = 0; i < yaml_count(subsets) && d->subset != NULL; i++) {
        if (lint_says(yaml_item(subsets, i), "name", d->subset))
            return yaml_get(yaml_item(subsets, i), "trafficPolicy");
    }
    return NULL;
}

const struct yaml_node *lint_part(const struct destination *d, const char *part,
                                  const struct yaml_node **ret_traffic)
{
    const struct yaml_node *of = subset_traffic(d), *own = at_port(of, d->port);
    *ret_traffic = own;
    if (own != NULL && (own != of || yaml_get(own, part) != NULL))
        return yaml_get(own, part);
    *ret_traffic = at_port(yaml_get(d->object->spec, "trafficPolicy"), d->port);
    return yaml_get(*ret_traffic, part);
}

struct source lint_source(const struct yaml_node *map, const char *key)
{
    const struct yaml_pair *pair = yaml_find(map, key);
    if (pair != NULL)
        return pair->value->kind == YAML_SCALAR ? pair->value->source : pair->source;
    return map == NULL ? (struct source){0} : map->source;
}

bool lint_number(const struct yaml_node *map, const char *key, uint64_t *ret)
{
    const struct yaml_node *n = yaml_get(map, key);
    return n != NULL && yaml_read_count(n, UINT32_MAX, ret, NULL);
}

bool lint_duration(const struct yaml_node *map, const char *key, uint64_t *ret_ns)
{
    const struct yaml_node *n = yaml_get(map, key);
    return n != NULL &&
           (yaml_read_go_duration(n, ret_ns, NULL) || yaml_read_gep_duration(n, ret_ns, NULL));
}

bool lint_says(const struct yaml_node *map, const char *key, const char *value)
{
    const char *found = yaml_get_text(map, key);
    return found != NULL && strcmp(found, value) == 0;
}

const struct yaml_node *lint_pod(const struct object *o, const char *part)
{
    if (o->group[0] == '\0' && lint_is(o, "Pod"))
        return yaml_get(o->root, part);
    const struct yaml_node *at = o->spec;
    if (lint_is(o, "CronJob"))
        at = yaml_get(yaml_get(at, "jobTemplate"), "spec");
    return yaml_get(yaml_get(at, "template"), part);
}
