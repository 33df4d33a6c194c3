#include "policy/store.h"

#include <stdarg.h>
#include <stdlib.h>

void *store_grow(void **rows, size_t *count, size_t *capacity, size_t size)
{
    if (*count == *capacity) {
        *capacity = *capacity == 0 ? 16 : *capacity * 2;
        *rows = check_realloc(*rows, *capacity * size);
    }
    void *row = (char *)*rows + *count * size;
    memset(row, 0, size);
    (*count)++;
    return row;
}

struct route *store_add_route(struct policy *p, struct source source)
{
    if (p->route_count >= STORE_MAX_ROUTES) {
        error_at(&p->limit, source, ERROR_LIMIT, "the policy has more than %zu routes",
                 STORE_MAX_ROUTES);
        return NULL;
    }
    return STORE_ADD(p, route);
}

const char *store_intern(const struct policy *p, const char *text)
{
    if (text == NULL)
        return NULL;
    uint64_t *slot = map_at(p->interned, map_key_of(text, strlen(text)), NULL);
    /* Full: a caller that asks for a hundred thousand different paths gets the text as its own. */
    if (slot == NULL)
        return text;
    if (*slot == 0)
        *slot = (uint64_t)(uintptr_t)arena_strdup(p->arena, text);
    return (const char *)(uintptr_t)*slot;
}

const char *store_printf(const struct policy *p, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    const char *kept = store_intern(p, text);
    return kept == text ? arena_strdup(p->arena, text) : kept; /* no room: ours ends here */
}

void store_add_name(struct policy *p, const char *service)
{
    if (service == NULL || service[0] == '\0')
        return;
    *(const char **)store_grow((void **)&p->names, &p->name_count, &p->name_capacity,
                               sizeof(*p->names)) = service;
}

struct host host_parse(const char *text, struct arena *arena)
{
    struct host h = {0};
    if (text[0] == '*') {
        h.pattern = text + 1;
        return h;
    }
    const char *dot = strchr(text, '.');
    if (dot == NULL) {
        h.service = text;
        return h;
    }
    const char *rest = strchr(dot + 1, '.');
    bool cluster = rest == NULL || strcmp(rest, ".svc") == 0 || strncmp(rest, ".svc.", 5) == 0;
    if (!cluster) { /* api.example.com: a host of a ServiceEntry, named whole */
        h.service = text;
        return h;
    }
    h.service = arena_strndup(arena, text, (size_t)(dot - text));
    h.namespace = rest == NULL ? arena_strdup(arena, dot + 1)
                               : arena_strndup(arena, dot + 1, (size_t)(rest - dot - 1));
    return h;
}

struct host host_of(const char *text, const struct object *o, struct arena *arena)
{
    struct host h = host_parse(text, arena);
    bool is_short = h.service != NULL && strchr(h.service, '.') == NULL;
    if (is_short && h.namespace == NULL && o->namespace[0] != '\0')
        h.namespace = o->namespace;
    return h;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return m <= n && strcmp(text + n - m, end) == 0;
}

static uint32_t pattern_match(const char *pattern, const struct host *service)
{
    char full[600];
    if (pattern[0] == '\0')
        return 1;
    if (service->service == NULL)
        return 0;
    if (service->namespace == NULL)
        snprintf(full, sizeof(full), "%s", service->service);
    else
        snprintf(full, sizeof(full), "%s.%s.svc.cluster.local", service->service,
                 service->namespace);
    return ends_with(full, pattern) ? 2 + (uint32_t)strlen(pattern) : 0;
}

uint32_t host_match(const struct host *host, const struct host *service)
{
    if (host->pattern != NULL)
        return pattern_match(host->pattern, service);
    if (host->service == NULL || service->service == NULL ||
        strcmp(host->service, service->service) != 0)
        return 0;
    if (host->namespace != NULL && service->namespace != NULL &&
        strcmp(host->namespace, service->namespace) != 0)
        return 0;
    return UINT32_MAX;
}

struct value value_set(uint64_t number, struct source source, const char *origin)
{
    return (struct value){.number = number, .set = true, .source = source, .origin = origin};
}

struct value value_default(const struct policy *p, uint64_t number)
{
    return value_set(number, (struct source){0}, p->default_origin);
}

void store_speak(struct policy *p, const struct spoken **list, const char *name,
                 const struct value *value, const char *why)
{
    struct spoken *s = ARENA_ARRAY(p->arena, struct spoken, 1);
    *s = (struct spoken){.name = name, .value = *value, .why = why, .next = *list};
    *list = s; /* in any order: explain sorts */
}

bool policy_is_istio(const struct policy *p)
{
    return p->options.target.mesh == MESH_ISTIO || p->options.target.mesh == MESH_ISTIO_AMBIENT;
}

const struct object *store_find_service(const struct policy *p, const struct host *host)
{
    const struct object *found = NULL;
    for (size_t i = 0; host->service != NULL && i < p->object_count; i++) {
        const struct object *o = &p->objects[i];
        if (o->group[0] != '\0' || strcmp(o->kind, "Service") != 0 ||
            strcmp(o->name, host->service) != 0 ||
            (host->namespace != NULL && strcmp(o->namespace, host->namespace) != 0))
            continue;
        if (found != NULL && strcmp(found->namespace, o->namespace) != 0)
            return NULL;
        found = o;
    }
    return found;
}

uint64_t store_service_port(const struct object *service)
{
    const struct yaml_node *ports = yaml_get(service->spec, "ports");
    const struct yaml_node *number = yaml_get(yaml_item(ports, 0), "port");
    struct error unused = {0}; /* the API server's to say */
    uint64_t port = 0;
    if (yaml_count(ports) != 1 || number == NULL ||
        !yaml_read_count(number, UINT16_MAX, &port, &unused))
        return 0;
    return port;
}

bool store_is_exported(const struct object *o, const char *namespace)
{
    const struct yaml_node *to = yaml_get(o->spec, "exportTo");
    for (size_t i = 0; i < yaml_count(to); i++) {
        const struct yaml_node *one = yaml_item(to, i);
        const char *text = one->kind == YAML_SCALAR ? one->text : "";
        if (strcmp(text, "*") == 0 ||
            strcmp(strcmp(text, ".") == 0 ? o->namespace : text, namespace) == 0)
            return true;
    }
    return yaml_count(to) == 0;
}

bool policy_has_waypoint(const struct policy *p, const struct host *service)
{
    const struct waypoint *best = NULL;
    if (p->options.target.mesh != MESH_ISTIO_AMBIENT)
        return true;
    for (size_t i = 0; i < p->waypoint_count; i++) {
        const struct waypoint *w = &p->waypoints[i];
        bool own = w->service == NULL ||
                   (service->service != NULL && strcmp(w->service, service->service) == 0);
        if (!own || (w->namespace != NULL && service->namespace != NULL &&
                     strcmp(w->namespace, service->namespace) != 0))
            continue;
        if (best == NULL || w->by > best->by || (w->by == best->by && best->none))
            best = w;
    }
    return best != NULL && !best->none;
}

/* B1: two retries, of what is safe to send again; 503 too before Istio 1.24. Linkerd and the bare
 * Gateway API retry nothing that nobody asked for. */
void retry_rule_default(const struct policy *p, struct retry_rule *ret)
{
    *ret = (struct retry_rule){.attempts = value_default(p, policy_is_istio(p) ? 2 : 0)};
    if (!policy_is_istio(p))
        return;
    ret->on = RETRY_CONNECT_FAILURE | RETRY_REFUSED_STREAM | RETRY_GRPC_UNAVAILABLE |
              RETRY_GRPC_CANCELLED;
    if (!target_since(p->options.target, 1, 24)) {
        ret->on |= RETRY_STATUS_CODES;
        status_set_add(&ret->codes, 503);
    }
    ret->conditions = value_default(p, 0);
    ret->backoff_base = value_default(p, UINT64_C(25000000));
    ret->backoff_max = value_default(p, UINT64_C(250000000));
    ret->other_host = true;
}
