#include "policy/lint_inside.h"

/* Subsets and ports with a policy of their own that no judged route leads to alone (B2): what a
 * route sends to several of them has no one policy to judge by. */

/* "payments v1 8080": a subset, a port, or both. */
static struct map_key key_of(const char *service, const char *subset, uint64_t port, char *to,
                             size_t size)
{
    int n = snprintf(to, size, "%s %s %llu", service, subset == NULL ? "" : subset,
                     (unsigned long long)port);
    return map_key_of(to, n < 0 || (size_t)n >= size ? size - 1 : (size_t)n);
}

static void add_route(struct map *reached, const struct route *r)
{
    const char *service = r->destination != NULL ? r->destination : r->host.service;
    char text[600];
    if (r->narrowed || service == NULL || (r->subset == NULL && r->port == 0))
        return;
    map_at(reached, key_of(service, r->subset, r->port, text, sizeof(text)), NULL);
    map_at(reached, key_of(service, r->subset, 0, text, sizeof(text)), NULL);
    map_at(reached, key_of(service, NULL, r->port, text, sizeof(text)), NULL);
}

/* Where a route names no port it is the Service's only one. */
static bool is_reached(const struct policy *p, const struct map *reached,
                       const struct destination *d)
{
    char text[600];
    if ((d->subset == NULL && d->port == 0) || d->host.service == NULL)
        return true;
    if (map_find(reached, key_of(d->host.service, d->subset, d->port, text, sizeof(text))) != NULL)
        return true;
    const struct object *service = d->subset == NULL ? store_find_service(p, &d->host) : NULL;
    return service != NULL && store_service_port(service) != 0;
}

/* A part that the subset or port itself writes. */
static void not_judged(struct policy *p, const struct destination *d, const char *part)
{
    const struct yaml_node *traffic, *own = lint_part(d, part, &traffic);
    if (own == NULL || traffic == yaml_get(d->object->spec, "trafficPolicy") ||
        (d->port != 0 && yaml_get(traffic, "port") == NULL))
        return;
    if (d->subset != NULL)
        lint_add(p, LINT_POLICY_NOT_JUDGED, lint_source(traffic, part),
                 "DestinationRule %.60s subset %.60s %s is not judged: no route leads to that "
                 "subset alone",
                 d->object->name, d->subset, part);
    else
        lint_add(p, LINT_POLICY_NOT_JUDGED, lint_source(traffic, part),
                 "DestinationRule %.60s port %llu %s is not judged: no route names that port, and "
                 "no Service shows it as its only one",
                 d->object->name, (unsigned long long)d->port, part);
}

void lint_subset(struct lint *l)
{
    static const char *const parts[] = {"outlierDetection", "connectionPool", "loadBalancer", "tls",
                                        "retryBudget"};
    struct policy *p = l->policy;
    struct map reached;
    map_init(&reached, 3 * STORE_MAX_ROUTES);
    for (size_t i = 0; i < p->route_count; i++)
        add_route(&reached, &p->routes[i]);
    for (size_t i = 0; i < p->destination_count; i++) {
        const struct destination *d = &p->destinations[i];
        bool judged = is_reached(p, &reached, d);
        for (size_t k = 0; k < COUNT_OF(parts) && !judged; k++)
            not_judged(p, d, parts[k]);
    }
    map_release(&reached);
}
