#include "policy/provenance.h"

#include "policy/edge.h"
#include "policy/resolve.h"

#include <stdlib.h>

/* Each source of values that did not win is made an edge of its own; what it sets and the edge does
 * not have is what was overridden or ignored. */

#define OTHERS_MOST 1000
#define SHOWN_MOST ((size_t)4096)

struct telling {
    const struct policy *p;
    const struct governing *g;
    struct arena *arena;
    struct edge_policy *edge;
    struct other_value *at; /* OTHERS_MOST */
    size_t count;
};

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_place(const struct other_value *a, const struct other_value *b)
{
    return a->source.line == b->source.line && a->source.column == b->source.column &&
           same_text(a->source.file, b->source.file) && same_text(a->origin, b->origin) &&
           strcmp(a->name, b->name) == 0;
}

/* Text of ${other} is copied when it is new. */
static void add(struct telling *t, struct other_value other)
{
    for (size_t i = 0; i < t->count; i++) {
        if (same_place(&t->at[i], &other))
            return; /* an entry is a route for each of its hosts and matches */
    }
    if (t->count == OTHERS_MOST)
        return;
    other.name = arena_strdup(t->arena, other.name);
    other.shown = arena_strdup(t->arena, other.shown);
    if (other.origin != NULL)
        other.origin = arena_strdup(t->arena, other.origin);
    t->at[t->count++] = other;
}

static bool in_force(const struct value *is, const struct value *v)
{
    return is->set && is->number == v->number && is->source.line == v->source.line &&
           is->source.column == v->source.column && same_text(is->source.file, v->source.file) &&
           same_text(is->origin, v->origin);
}

/* Tells all values of ${from} that the edge does not have. Of what did not win only what somebody
 * wrote: its defaults are nobody's wish. */
static void tell(struct telling *t, const struct edge_policy *from, bool ignored, const char *why)
{
    size_t count = 0;
    const struct edge_value *rows = edge_values(&count);
    struct text shown;
    char name[EDGE_NAME_SIZE];
    text_init(&shown, SHOWN_MOST);
    for (size_t i = 0; i < count; i++) {
        const struct value *v = edge_value_get(from, &rows[i]);
        if (!v->set || in_force(edge_value_get(t->edge, &rows[i]), v) ||
            (why != NULL && v->source.file == NULL))
            continue;
        text_clear(&shown);
        edge_value_show(from, &rows[i], &shown);
        add(t, (struct other_value){.name = edge_value_name(&rows[i], name),
                                    .shown = text_get(&shown),
                                    .origin = v->origin,
                                    .source = v->source,
                                    .why = why,
                                    .ignored = ignored});
    }
    text_release(&shown);
}

static void tell_object(struct telling *t, const struct object *o, const char *why)
{
    char origin[400];
    snprintf(origin, sizeof(origin), "%.60s %.253s", o->kind, o->name);
    add(t, (struct other_value){.name = "",
                                .shown = "",
                                .origin = origin,
                                .source = o->kind_source,
                                .why = why,
                                .ignored = true});
}

static void tell_spoken(struct telling *t, const struct spoken *list)
{
    for (const struct spoken *s = list; s != NULL; s = s->next) {
        const struct edge_value *row = s->name == NULL ? NULL : edge_value_find(s->name);
        struct edge_policy one = {0};
        if (row == NULL) {
            add(t, (struct other_value){.name = "",
                                        .shown = "",
                                        .origin = s->value.origin,
                                        .source = s->value.source,
                                        .why = s->why,
                                        .ignored = true});
            continue;
        }
        *(struct value *)(void *)((char *)&one + row->offset) = s->value;
        tell(t, &one, true, s->why);
    }
}

static void tell_route(struct telling *t, const struct route *r, bool ignored, const char *why)
{
    struct edge_policy one = {.request_timeout = r->request_timeout};
    if (r->has_retry)
        one.retry = r->retry;
    tell(t, &one, ignored, why);
}

static void tell_routes(struct telling *t)
{
    const struct governing *g = t->g;
    bool l4 = g->flavour == FLAVOUR_L4, profile = g->profile != NULL;
    bool tcp = g->entry != NULL && g->entry->protocol != NULL;
    for (size_t i = 0; i < t->p->route_count; i++) {
        const struct route *r = &t->p->routes[i];
        bool own = g->route != NULL && r->object == g->route->object;
        if (host_match(&r->host, &g->to) == 0 || !governing_takes(r, g->from, g->path) ||
            (g->path == NULL && own && r->name != g->route->name))
            continue;
        if (l4)
            tell_route(t, r, true, "this data plane knows no HTTP");
        else if (profile)
            tell_route(t, r, true, "the ServiceProfile turns it off");
        else if (tcp)
            tell_route(t, r, true, "the port is not HTTP");
        else
            tell_route(t, r, false, own ? NULL : "another object governs the host or path");
    }
    for (size_t i = 0; i < t->p->profile_route_count; i++) {
        const struct route *r = &t->p->profile_routes[i];
        if (profile && r->object == g->profile->object && g->path != NULL &&
            governing_takes(r, "", g->path))
            tell_route(t, r, false, "an earlier route takes the path");
    }
    if (g->route != NULL)
        tell_spoken(t, g->route->spoken);
}

static void tell_destinations(struct telling *t)
{
    const struct governing *g = t->g;
    for (size_t i = 0; i < t->p->destination_count; i++) {
        const struct destination *d = &t->p->destinations[i];
        const struct edge_policy one = {.outlier = d->outlier,
                                        .pool = d->pool,
                                        .budget = d->budget,
                                        .balance = d->balance,
                                        .mtls = {.sends = d->sends}};
        const struct edge_policy tls = {.mtls = {.sends = d->sends}};
        if (host_match(&d->host, &g->to) == 0 ||
            ((d->port != 0 || d->subset != NULL) && d != g->destination))
            continue;
        if (g->flavour == FLAVOUR_L4)
            tell(t, &one, true, "this data plane knows no HTTP");
        else if (d == g->destination)
            tell(t, &tls, true, "ztunnel sends, which does not read it");
        else if (g->destination != NULL && d->object == g->destination->object)
            tell(t, &one, false,
                 g->destination->subset != NULL ? "what the subset says takes its place"
                                                : "what a port says stands alone");
        else if (g->destination == NULL)
            tell(t, &one, true, "it is for callers of other namespaces, or for other workloads");
        else
            tell(t, &one, false, "another DestinationRule governs the host");
    }
    if (g->destination != NULL)
        tell_spoken(t, g->destination->spoken);
    if (t->edge->budget.kind == BUDGET_ENVOY && t->edge->pool.max_retries.set)
        add(t, (struct other_value){.name = "pool.max_retries",
                                    .shown = "",
                                    .origin = t->edge->pool.max_retries.origin,
                                    .source = t->edge->pool.max_retries.source,
                                    .why = "Envoy looks at the retry budget alone", /* A6 */
                                    .ignored = true});
    if (g->budget != NULL) {
        const struct edge_policy one = {.budget = g->budget->rule};
        tell(t, &one, false, "the DestinationRule has a budget of its own");
    }
}

static void tell_linkerd(struct telling *t)
{
    const struct service_rule *s = t->g->service;
    const struct server_limit *limit = resolve_limit(t->p, t->g);
    if (limit != NULL && limit->refused)
        tell_object(t, limit->object, "the target has no such kind");
    else if (limit != NULL)
        tell_spoken(t, limit->spoken);
    if (s == NULL)
        return;
    struct edge_policy one = {.request_timeout = s->request_timeout, .accrual = s->accrual};
    if (s->has_retry)
        one.retry = s->retry;
    if (t->g->profile != NULL)
        tell(t, &one, true, "the ServiceProfile turns it off");
    else
        tell(t, &one, false, "the route's own take their place");
    tell_spoken(t, s->spoken);
}

/* What may be for the service, and cannot be told to be. */
static void tell_unknown(struct telling *t, const struct object *o, bool selects)
{
    const struct pods *pods = &t->g->pods;
    if (pods->namespace == NULL && o->namespace[0] != '\0')
        tell_object(t, o, "the namespace of the service is not known");
    else if (selects && pods->labels == NULL &&
             strcmp(o->namespace, pods->namespace == NULL ? "" : pods->namespace) == 0)
        tell_object(t, o, "the pods of the service are not known: its Service is not here");
}

static void tell_unknown_all(struct telling *t)
{
    for (size_t i = 0; i < t->p->peer_rule_count; i++) {
        const struct peer_rule *rule = &t->p->peer_rules[i];
        if (rule->labels != NULL || strcmp(rule->object->namespace, STORE_ROOT_NAMESPACE) != 0)
            tell_unknown(t, rule->object, rule->labels != NULL);
    }
    for (size_t i = 0; i < t->p->server_rule_count; i++)
        tell_unknown(t, t->p->server_rules[i].object, true);
}

static void tell_mtls(struct telling *t)
{
    struct value layers[RESOLVE_LAYERS];
    struct edge_policy one = {0};
    if (t->edge->mtls.accepts.set && policy_is_istio(t->p)) {
        size_t count = resolve_peers(t->p, t->g, layers);
        for (size_t i = 0; i < count; i++) {
            one.mtls.accepts = layers[i];
            tell(t, &one, false, NULL);
        }
    }
    one.mtls = (struct mtls_rule){.sends = value_default(t->p, MTLS_PERMISSIVE)};
    if (t->edge->mtls.accepts.set)
        one.mtls.accepts = value_default(t->p, MTLS_PERMISSIVE);
    if (t->edge->mtls.sends.set)
        tell(t, &one, false, NULL);
}

static void tell_passed_over(struct telling *t)
{
    for (size_t i = 0; i < t->p->passed_over_count; i++) {
        const struct passed_over *o = &t->p->passed_overs[i];
        if (host_match(&o->host, &t->g->to) != 0)
            tell_object(t, o->object, o->why);
    }
}

/* By name, file and line; the target's default, which has none, is the first of a name. */
static int compare_others(const void *a, const void *b)
{
    const struct other_value *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    if (order == 0 && x->source.file != NULL && y->source.file != NULL)
        order = strcmp(x->source.file, y->source.file);
    else if (order == 0)
        order = (x->source.file != NULL) - (y->source.file != NULL);
    if (order != 0)
        return order;
    if (x->source.line != y->source.line)
        return x->source.line < y->source.line ? -1 : 1;
    return x->source.column < y->source.column ? -1 : x->source.column > y->source.column;
}

void policy_explain(const struct policy *p, const char *from, const char *to, const char *path,
                    uint32_t endpoints, struct arena *arena, struct edge_policy *ret)
{
    struct governing g;
    const char *caller = from == NULL ? "client" : from;
    struct edge_policy defaults = {.flavour = FLAVOUR_ENVOY};
    struct telling t = {.p = p, .g = &g, .arena = arena, .edge = ret};
    policy_resolve(p, from, to, path, endpoints, ret);
    governing_find(p, caller, to, path, arena, &g);
    t.at = ARENA_ARRAY(arena, struct other_value, OTHERS_MOST);
    resolve_defaults(p, &g, &defaults);
    tell(&t, &defaults, false, NULL);
    tell_routes(&t);
    tell_destinations(&t);
    tell_linkerd(&t);
    tell_mtls(&t);
    tell_unknown_all(&t);
    tell_passed_over(&t);
    qsort(t.at, t.count, sizeof(*t.at), compare_others);
    ret->others = t.at;
    ret->other_count = t.count;
}

static void pass_over(struct policy *p, const struct object *o, const char *host, const char *why)
{
    if (host == NULL)
        return;
    struct passed_over *to = STORE_ADD(p, passed_over);
    *to = (struct passed_over){.host = host_of(host, o, p->arena), .object = o, .why = why};
}

static void pass_over_refs(struct policy *p, const struct object *o, const char *key,
                           const char *why)
{
    const struct yaml_node *refs = yaml_get(o->spec, key);
    for (size_t i = 0; i < yaml_count(refs); i++) {
        const char *kind = yaml_get_text(yaml_item(refs, i), "kind");
        if (kind != NULL && strcmp(kind, "Service") == 0)
            pass_over(p, o, yaml_get_text(yaml_item(refs, i), "name"), why);
    }
}

void passed_over_add(struct policy *p, const struct object *o, const char *why)
{
    const struct yaml_node *hosts = yaml_get(o->spec, "hosts");
    if (strcmp(o->kind, "VirtualService") == 0 || strcmp(o->kind, "ServiceEntry") == 0) {
        for (size_t i = 0; i < yaml_count(hosts); i++) {
            const struct yaml_node *host = yaml_item(hosts, i);
            pass_over(p, o, host->kind == YAML_SCALAR ? host->text : NULL, why);
        }
    } else if (strcmp(o->kind, "DestinationRule") == 0) {
        pass_over(p, o, yaml_get_text(o->spec, "host"), why);
    } else if (strcmp(o->kind, "ServiceProfile") == 0) {
        pass_over(p, o, o->name[0] == '\0' ? NULL : o->name, why);
    } else {
        pass_over_refs(p, o, "parentRefs", why);
        pass_over_refs(p, o, "targetRefs", why);
    }
}
