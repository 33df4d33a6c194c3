#include "policy/route.h"

/* Which object governs an edge and a path, and what stands where none does. */

#define S UINT64_C(1000000000)

/* An object that is not exported, of another namespace than the service's, which the caller is
 * taken to share. */
static bool is_for_others(bool private, const struct object *o, const struct host *to)
{
    return private && to->namespace != NULL && o->namespace[0] != '\0' &&
           strcmp(o->namespace, to->namespace) != 0;
}

/* The object whose routes are in force for the service: the most exact host, then the first read.
 */
static const struct object *governing(const struct policy *p, const struct host *to)
{
    const struct object *best = NULL;
    uint32_t best_match = 0;
    for (size_t i = 0; i < p->route_count; i++) {
        uint32_t match = is_for_others(p->routes[i].private, p->routes[i].object, to)
                             ? 0
                             : host_match(&p->routes[i].host, to);
        if (match > best_match) {
            best_match = match;
            best = p->routes[i].object;
        }
    }
    return best;
}

/* Gateway API order among routes that take a path: exact, then the longest prefix (HTTPRouteMatch).
 */
static uint64_t exactness(const struct route *r)
{
    size_t len = r->path == NULL ? 0 : strlen(r->path);
    return r->path_kind == PATH_EXACT ? UINT64_C(1) << 40 : r->path_kind == PATH_ANY ? 0 : len;
}

/* HTTPRoutes of one Service are one table, VirtualServices of one host are not: the first governs.
 */
static bool same_table(const struct object *of, const struct object *r)
{
    return r == of || (strcmp(of->kind, "HTTPRoute") == 0 && strcmp(r->kind, "HTTPRoute") == 0);
}

static const struct route *find_route(const struct policy *p, const char *from,
                                      const struct host *to, const char *path)
{
    const struct object *object = governing(p, to);
    const struct route *best = NULL;
    for (size_t i = 0; object != NULL && i < p->route_count; i++) {
        const struct route *r = &p->routes[i];
        if (r->narrowed || host_match(&r->host, to) == 0 || !same_table(object, r->object))
            continue;
        if ((r->caller != NULL && strcmp(r->caller, from) != 0) ||
            (path != NULL && !route_takes(r, path)))
            continue;
        if (path == NULL || strcmp(object->kind, "HTTPRoute") != 0)
            return r;
        if (best == NULL || exactness(r) > exactness(best))
            best = r;
    }
    return best;
}

static const struct destination *find_destination(const struct policy *p, const struct host *to)
{
    const struct destination *best = NULL;
    const struct object *service = store_find_service(p, to);
    uint64_t port = service == NULL ? 0 : store_service_port(service);
    uint32_t best_match = 0;
    for (size_t i = 0; i < p->destination_count; i++) {
        const struct destination *d = &p->destinations[i];
        uint32_t match = host_match(&d->host, to);
        if ((d->port != 0 && d->port != port) || is_for_others(d->private, d->object, to))
            continue;
        /* of one object, the row of the port stands above the row of all */
        if (match > best_match ||
            (match == best_match && match > 0 && d->port != 0 && d->object == best->object)) {
            best_match = match;
            best = d;
        }
    }
    return best;
}

static bool has_profile(const struct policy *p, const struct host *to)
{
    for (size_t i = 0; i < p->profile_count; i++) {
        if (host_match(&p->profiles[i], to) != 0)
            return true;
    }
    return false;
}

static void apply_route(const struct route *route, const char *path, struct edge_policy *ret)
{
    if (route == NULL)
        return;
    ret->route = route->name;
    if (path == NULL && route->path != NULL && route->path_kind != PATH_ANY)
        ret->path = route->path;
    if (route->has_retry)
        ret->retry = route->retry;
    ret->request_timeout = route->request_timeout;
}

static void resolve_istio(const struct policy *p, const struct route *route, const struct host *to,
                          struct edge_policy *ret)
{
    struct host at = *to;
    if (route != NULL && route->destination != NULL && strcmp(route->destination, to->service) != 0)
        at = (struct host){.service = route->destination};
    const struct destination *d = find_destination(p, &at);
    if (d != NULL) {
        ret->outlier = d->outlier;
        ret->pool = d->pool;
        ret->budget = d->budget;
        if (d->balance.set)
            ret->balance = d->balance;
        /* A route that nobody wrote has the default retries, and they look at the hosts tried
         * before, hash or not (seen in what Istio 1.31 programs: suites/selftest/istio). */
        if (d->consistent_hash && route != NULL && target_since(p->options.target, 1, 23))
            ret->retry.other_host = false;
    }
    if (!ret->pool.connect_timeout.set)
        ret->pool.connect_timeout = value_default(p, 10 * S);
}

static void resolve_linkerd(const struct policy *p, const struct route *route,
                            const struct host *to, struct edge_policy *ret)
{
    for (size_t i = 0; i < p->service_count; i++) {
        const struct service_rule *s = &p->services[i];
        if (host_match(&s->host, to) == 0)
            continue;
        if (s->has_retry && (route == NULL || !route->has_retry))
            ret->retry = s->retry;
        if (s->request_timeout.set && (route == NULL || !route->request_timeout.set))
            ret->request_timeout = s->request_timeout;
        ret->accrual = s->accrual;
        return;
    }
}

static enum flavour flavour_of(const struct policy *p, const char *service)
{
    switch (p->options.target.mesh) {
    case MESH_NONE:
        return FLAVOUR_L4;
    case MESH_LINKERD:
        return FLAVOUR_LINKERD;
    case MESH_ISTIO_AMBIENT:
        return policy_has_waypoint(p, service) ? FLAVOUR_ENVOY : FLAVOUR_L4;
    case MESH_ISTIO:
    case MESH_GATEWAY_API:
        return FLAVOUR_ENVOY;
    }
    UNREACHABLE();
}

static void resolve_http(const struct policy *p, const struct host *to, const char *path,
                         struct edge_policy *ret)
{
    retry_rule_default(p, &ret->retry);
    if (ret->flavour == FLAVOUR_LINKERD && has_profile(p, to))
        return; /* D1: a ServiceProfile turns all else off */
    const struct route *route = find_route(p, ret->from, to, path);
    apply_route(route, path, ret);
    if (policy_is_istio(p))
        resolve_istio(p, route, to, ret);
    else if (ret->flavour == FLAVOUR_LINKERD)
        resolve_linkerd(p, route, to, ret);
}

void policy_resolve(const struct policy *p, const char *from, const char *to, const char *path,
                    uint32_t endpoints, struct edge_policy *ret)
{
    const char *caller = from == NULL ? "client" : from;
    struct arena scratch; /* the parts of a dotted name are needed here only */
    arena_init(&scratch, STORE_MAX_ARENA);
    struct host host = host_parse(store_intern(p, to), &scratch);
    if (host.service == NULL)
        host = (struct host){.service = store_intern(p, to)};
    const struct object *service = store_find_service(p, &host);
    if (service != NULL && host.namespace == NULL && service->namespace[0] != '\0')
        host.namespace = service->namespace;
    *ret = (struct edge_policy){.from = store_intern(p, caller),
                                .to = store_intern(p, to),
                                .path = path == NULL ? "/" : store_intern(p, path),
                                .route = "",
                                .target = p->options.target,
                                .flavour = flavour_of(p, host.service),
                                .endpoints = endpoints};
    ret->balance = value_default(p, ret->flavour == FLAVOUR_L4        ? LB_CONNECTION
                                    : ret->flavour == FLAVOUR_LINKERD ? LB_EWMA
                                                                      : LB_LEAST_REQUEST);
    if (ret->flavour == FLAVOUR_L4)
        ret->retry.attempts = value_default(p, 0);
    else
        resolve_http(p, &host, path, ret);
    arena_release(&scratch);
}
