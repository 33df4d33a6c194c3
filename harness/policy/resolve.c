#include "policy/resolve.h"
#include "policy/route.h"

/* Which object governs an edge and a path, and what stands where none does. */

#define S UINT64_C(1000000000)

static bool is_virtual_service(const struct object *o)
{
    return strcmp(o->kind, "VirtualService") == 0;
}

/* An object that is not exported to the caller's namespace: the service's, where nothing tells. */
static bool is_for_others(const struct object *o, const char *caller, const struct host *to)
{
    const char *namespace = caller != NULL ? caller : to->namespace;
    return namespace != NULL && o->namespace[0] != '\0' && !store_is_exported(o, namespace);
}

/* Of another namespace than its Service's, a Gateway API route is for callers of its own ("consumer
 * route"). */
static bool route_is_for_others(const struct route *r, const char *caller, const struct host *to)
{
    const struct object *o = r->object;
    if (is_virtual_service(o))
        return is_for_others(o, caller, to);
    return caller != NULL && to->namespace != NULL && o->namespace[0] != '\0' &&
           strcmp(o->namespace, to->namespace) != 0 && strcmp(o->namespace, caller) != 0;
}

/* Of DestinationRules those of the caller's namespace stand above those of the service's, and these
 * above those of the root's, however exact their hosts are; others are never looked at (Istio's
 * PushContext.destinationRule). Where nothing tells the caller's, it may be any. 0: not looked at.
 */
static unsigned tier_of(const struct object *o, const char *caller, const struct host *to)
{
    if (o->namespace[0] == '\0' || to->namespace == NULL)
        return 3;
    if (caller != NULL && strcmp(o->namespace, caller) == 0)
        return 4;
    if (strcmp(o->namespace, to->namespace) == 0)
        return 3;
    if (strcmp(o->namespace, STORE_ROOT_NAMESPACE) == 0)
        return 1;
    return caller == NULL ? 2 : 0;
}

/* The object whose routes are in force for the service: the most exact host, then a Gateway API
 * route before a VirtualService (seen in what Istio programs), then the first read. */
static const struct object *governing(const struct policy *p, const char *caller,
                                      const struct host *to)
{
    const struct object *best = NULL;
    uint32_t best_match = 0;
    for (size_t i = 0; i < p->route_count; i++) {
        const struct route *r = &p->routes[i];
        uint32_t match = route_is_for_others(r, caller, to) ? 0 : host_match(&r->host, to);
        bool above = match == best_match && match > 0 && is_virtual_service(best) &&
                     !is_virtual_service(r->object);
        if (match > best_match || above) {
            best_match = match;
            best = r->object;
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

/* HTTPRoutes and GRPCRoutes of one Service are one table, VirtualServices of one host are not: the
 * first governs. */
static bool same_table(const struct object *of, const struct object *r)
{
    return r == of || (!is_virtual_service(of) && !is_virtual_service(r));
}

bool governing_takes(const struct route *route, const char *from, const char *path)
{
    return !route->narrowed && (route->caller == NULL || strcmp(route->caller, from) == 0) &&
           (path == NULL || route_takes(route, path));
}

static const struct route *find_route(const struct policy *p, const struct governing *g)
{
    const struct object *object = governing(p, g->from_namespace, &g->to);
    const struct route *best = NULL;
    for (size_t i = 0; object != NULL && i < p->route_count; i++) {
        const struct route *r = &p->routes[i];
        if (host_match(&r->host, &g->to) == 0 || !same_table(object, r->object) ||
            route_is_for_others(r, g->from_namespace, &g->to) ||
            !governing_takes(r, g->from, g->path))
            continue;
        if (g->path == NULL || is_virtual_service(object))
            return r;
        if (best == NULL || exactness(r) > exactness(best))
            best = r;
    }
    return best;
}

/* Of one object, the row of the subset stands above those of the host, and the row of a port above
 * the row of all. Objects of one host are one: their subsets add up, and the first trafficPolicy
 * is taken. */
static bool stands_above(const struct destination *a, const struct destination *b)
{
    if ((a->caller != NULL) != (b->caller != NULL))
        return a->caller != NULL; /* it has a workloadSelector */
    if ((a->subset != NULL) != (b->subset != NULL))
        return a->subset != NULL;
    if (a->object != b->object)
        return b->empty && !a->empty && a->subset == NULL;
    return a->port != 0 && b->port == 0;
}

static const struct destination *find_destination(const struct policy *p, const struct governing *g,
                                                  const struct host *to)
{
    const struct destination *best = NULL;
    const struct object *service = store_find_service(p, to);
    const struct route *route = g->route;
    const char *subset = route == NULL ? NULL : route->subset;
    uint64_t port = route != NULL && route->port != 0 ? route->port
                    : service == NULL                 ? 0
                                                      : store_service_port(service);
    uint64_t best_match = 0;
    for (size_t i = 0; i < p->destination_count; i++) {
        const struct destination *d = &p->destinations[i];
        unsigned tier = tier_of(d->object, g->from_namespace, to);
        uint64_t match = (uint64_t)tier << 32 | host_match(&d->host, to);
        if (tier == 0 || host_match(&d->host, to) == 0 ||
            is_for_others(d->object, g->from_namespace, to) ||
            (d->caller != NULL && strcmp(d->caller, g->from) != 0) ||
            (d->port != 0 && d->port != port) ||
            (d->subset != NULL && (subset == NULL || strcmp(d->subset, subset) != 0)))
            continue;
        if (match > best_match || (match == best_match && stands_above(d, best))) {
            best_match = match;
            best = d;
        }
    }
    return best;
}

static const struct profile_rule *find_profile(const struct policy *p, const struct host *to)
{
    for (size_t i = 0; i < p->profile_rule_count; i++) {
        if (host_match(&p->profile_rules[i].host, to) != 0)
            return &p->profile_rules[i];
    }
    return NULL;
}

/* D4: the first route whose condition holds. */
static const struct route *find_profile_route(const struct policy *p, const struct object *profile,
                                              const char *path)
{
    for (size_t i = 0; i < p->profile_route_count; i++) {
        const struct route *r = &p->profile_routes[i];
        if (r->object == profile && governing_takes(r, "", path))
            return r;
    }
    return NULL;
}

static const struct service_rule *find_service(const struct policy *p, const struct host *to)
{
    for (size_t i = 0; i < p->service_count; i++) {
        if (host_match(&p->services[i].host, to) != 0)
            return &p->services[i];
    }
    return NULL;
}

static const struct entry *find_entry(const struct policy *p, const struct host *to)
{
    const struct entry *best = NULL;
    uint32_t best_match = 0;
    for (size_t i = 0; i < p->entry_count; i++) {
        uint32_t match = host_match(&p->entries[i].host, to);
        if (match > best_match) {
            best_match = match;
            best = &p->entries[i];
        }
    }
    return best;
}

static const struct service_budget *find_budget(const struct policy *p, const struct host *to)
{
    for (size_t i = 0; i < p->service_budget_count; i++) {
        if (host_match(&p->service_budgets[i].host, to) != 0)
            return &p->service_budgets[i];
    }
    return NULL;
}

static enum flavour flavour_of(const struct policy *p, const struct host *to)
{
    switch (p->options.target.mesh) {
    case MESH_NONE:
        return FLAVOUR_L4;
    case MESH_LINKERD:
        return FLAVOUR_LINKERD;
    case MESH_ISTIO_AMBIENT:
        return policy_has_waypoint(p, to) ? FLAVOUR_ENVOY : FLAVOUR_L4;
    case MESH_ISTIO:
    case MESH_GATEWAY_API:
        return FLAVOUR_ENVOY;
    }
    UNREACHABLE();
}

static void find_http(const struct policy *p, struct governing *g)
{
    if (g->flavour == FLAVOUR_LINKERD) {
        g->profile = find_profile(p, &g->to);
        g->service = find_service(p, &g->to);
    }
    /* D1: a ServiceProfile turns all else off */
    g->route =
        g->profile != NULL ? find_profile_route(p, g->profile->object, g->path) : find_route(p, g);
    if (!policy_is_istio(p))
        return;
    struct host at = g->to;
    if (g->route != NULL && g->route->destination != NULL &&
        strcmp(g->route->destination, g->to.service) != 0)
        at = (struct host){.service = g->route->destination};
    g->destination = find_destination(p, g, &at);
    g->budget = find_budget(p, &at);
}

void governing_find(const struct policy *p, const char *from, const char *to, const char *path,
                    struct arena *scratch, struct governing *ret)
{
    *ret = (struct governing){.from = from, .path = path};
    ret->to = host_parse(store_intern(p, to), scratch);
    if (ret->to.service == NULL)
        ret->to = (struct host){.service = store_intern(p, to)};
    const struct object *service = store_find_service(p, &ret->to);
    if (service != NULL && ret->to.namespace == NULL && service->namespace[0] != '\0')
        ret->to.namespace = service->namespace;
    struct host caller = host_parse(store_intern(p, from), scratch);
    if (caller.service != NULL)
        ret->from = caller.service; /* by which labels name it */
    const struct object *own = store_find_service(p, &caller);
    ret->from_namespace = caller.namespace != NULL                   ? caller.namespace
                          : own != NULL && own->namespace[0] != '\0' ? own->namespace
                                                                     : NULL;
    ret->flavour = flavour_of(p, &ret->to);
    if (policy_is_istio(p))
        ret->entry = find_entry(p, &ret->to);
    if (ret->flavour != FLAVOUR_L4)
        find_http(p, ret);
    pods_find(p, &ret->to, &ret->pods);
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

static void resolve_istio(const struct policy *p, const struct governing *g,
                          struct edge_policy *ret)
{
    const struct destination *d = g->destination;
    if (d != NULL) {
        ret->outlier = d->outlier;
        ret->pool = d->pool;
        ret->budget = d->budget;
        if (d->balance.set)
            ret->balance = d->balance;
        /* A route that nobody wrote has the default retries, and they look at the hosts tried
         * before, hash or not (seen in what Istio 1.31 programs: suites/selftest/istio). */
        if (d->consistent_hash && g->route != NULL && target_since(p->options.target, 1, 23))
            ret->retry.other_host = false;
    }
    if (g->budget != NULL && ret->budget.kind == BUDGET_NONE)
        ret->budget = g->budget->rule;
    if (!ret->pool.connect_timeout.set)
        ret->pool.connect_timeout = value_default(p, 10 * S);
    /* B6: routes of HTTP are not looked at for a port that is none. */
    if (g->entry != NULL && g->entry->protocol != NULL) {
        ret->retry = (struct retry_rule){
            .attempts = value_set(0, g->entry->source,
                                  store_printf(p, "ServiceEntry %.253s has %s ports only",
                                               g->entry->object->name, g->entry->protocol))};
        ret->request_timeout = (struct value){0};
    }
}

static void resolve_linkerd(const struct governing *g, struct edge_policy *ret)
{
    const struct service_rule *s = g->service;
    if (g->profile != NULL) {
        ret->budget = g->profile->budget;
    } else if (s != NULL) {
        if (s->has_retry && (g->route == NULL || !g->route->has_retry))
            ret->retry = s->retry;
        if (s->request_timeout.set && (g->route == NULL || !g->route->request_timeout.set))
            ret->request_timeout = s->request_timeout;
        ret->accrual = s->accrual;
    }
}

void resolve_defaults(const struct policy *p, const struct governing *g, struct edge_policy *ret)
{
    ret->balance = value_default(p, g->flavour == FLAVOUR_L4        ? LB_CONNECTION
                                    : g->flavour == FLAVOUR_LINKERD ? LB_EWMA
                                                                    : LB_LEAST_REQUEST);
    if (g->flavour == FLAVOUR_L4)
        ret->retry.attempts = value_default(p, 0);
    else
        retry_rule_default(p, &ret->retry);
}

void policy_resolve(const struct policy *p, const char *from, const char *to, const char *path,
                    uint32_t endpoints, struct edge_policy *ret)
{
    const char *caller = from == NULL ? "client" : from;
    struct arena scratch; /* the parts of a dotted name are needed here only */
    struct governing g;
    arena_init(&scratch, STORE_MAX_ARENA);
    governing_find(p, caller, to, path, &scratch, &g);
    *ret = (struct edge_policy){.from = store_intern(p, caller),
                                .to = store_intern(p, to),
                                .path = path == NULL ? "/" : store_intern(p, path),
                                .route = "",
                                .target = p->options.target,
                                .flavour = g.flavour,
                                .endpoints = endpoints};
    resolve_defaults(p, &g, ret);
    apply_route(g.route, path, ret);
    if (policy_is_istio(p) && g.flavour != FLAVOUR_L4)
        resolve_istio(p, &g, ret);
    else if (g.flavour == FLAVOUR_LINKERD)
        resolve_linkerd(&g, ret);
    resolve_mtls(p, &g, ret);
    resolve_rate(p, &g, ret);
    arena_release(&scratch);
}
