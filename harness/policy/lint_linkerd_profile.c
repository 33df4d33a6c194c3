#include "policy/lint_inside.h"

/* ServiceProfile: a budget that is off, that no route draws on, or that is another number than the
 * one written (D4). */

#define MILLION UINT64_C(1000000)

/* A decimal of the YAML in millionths; false for what is none, "1e3" included. */
static bool decimal(const struct yaml_node *n, uint64_t *ret_ppm)
{
    uint64_t whole = 0, part = 0;
    if (n == NULL || n->kind != YAML_SCALAR)
        return false;
    struct bytes all = bytes_of(n->text);
    size_t dot = bytes_find(all, '.');
    if (!bytes_to_u64((struct bytes){all.at, dot == SIZE_MAX ? all.len : dot}, &whole) ||
        whole > MILLION)
        return false;
    struct bytes after = {NULL, 0};
    if (dot != SIZE_MAX)
        after = (struct bytes){all.at + dot + 1, all.len - dot - 1};
    if (after.len > 6 || (dot != SIZE_MAX && !bytes_to_u64(after, &part)))
        return false;
    for (size_t i = after.len; i < 6; i++)
        part *= 10;
    *ret_ppm = whole * MILLION + part;
    return true;
}

/* The tokens of an answer over those of a retry, as Linkerd rounds them. */
static uint64_t effective_ppm(uint64_t ppm)
{
    if (ppm <= MILLION)
        return MILLION / (MILLION / ppm);
    return UINT64_C(1000) * MILLION / (UINT64_C(1000) * MILLION / ppm);
}

static void ratio(struct policy *p, const struct object *o, const struct yaml_node *budget)
{
    const struct yaml_node *n = yaml_get(budget, "retryRatio");
    uint64_t ppm = 0;
    if (!decimal(n, &ppm))
        return;
    if (ppm > 1000 * MILLION) {
        lint_add(p, LINT_LINKERD_BUDGET_VALUE, n->source,
                 "ServiceProfile %.100s retryRatio %.20s is not 0 to 1000: its retries are off",
                 o->name, n->text);
        return;
    }
    uint64_t in_force = ppm == 0 ? 0 : effective_ppm(ppm);
    uint64_t apart = in_force > ppm ? in_force - ppm : ppm - in_force;
    if (apart * 100 > ppm)
        lint_add(
            p, LINT_LINKERD_BUDGET_ROUNDED, n->source,
            "ServiceProfile %.100s retryRatio %.20s is %llu.%02llu in force: Linkerd counts in "
            "whole tokens",
            o->name, n->text, (unsigned long long)(in_force / MILLION),
            (unsigned long long)(in_force % MILLION / 10000));
}

static void ttl(struct policy *p, const struct object *o, const struct yaml_node *budget)
{
    const uint64_t second = UINT64_C(1000000000);
    uint64_t ns = 0;
    if (lint_duration(budget, "ttl", &ns) && (ns < second || ns > 60 * second))
        lint_add(p, LINT_LINKERD_BUDGET_VALUE, lint_source(budget, "ttl"),
                 "ServiceProfile %.100s ttl %.20s is not 1s to 60s: its retries are off", o->name,
                 yaml_get_text(budget, "ttl"));
}

static bool retries(const struct object *o)
{
    const struct yaml_node *routes = yaml_get(o->spec, "routes");
    for (size_t i = 0; i < yaml_count(routes); i++) {
        const struct yaml_node *n = yaml_get(yaml_item(routes, i), "isRetryable");
        bool yes = false;
        if (n != NULL && (!yaml_read_bool(n, &yes, NULL) || yes))
            return true;
    }
    return false;
}

/* H 9: what a ServiceProfile of the same service turns off. */
static bool has_profile(const struct policy *p, const struct map *by_name, const struct host *host)
{
    uint64_t *slot = host->service == NULL
                         ? NULL
                         : map_find(by_name, map_key_of(host->service, strlen(host->service)));
    return slot != NULL && host_match(&p->profiles[*slot - 1], host) != 0;
}

static void turned_off(struct policy *p)
{
    const struct object *last = NULL;
    struct map by_name;
    map_init(&by_name, STORE_MAX_ROUTES);
    for (size_t i = 0; i < p->profile_count; i++) {
        const char *name = p->profiles[i].service;
        uint64_t *slot =
            name == NULL ? NULL : map_at(&by_name, map_key_of(name, strlen(name)), NULL);
        if (slot != NULL)
            *slot = i + 1;
    }
    for (size_t i = 0; i < p->service_count; i++) {
        const struct service_rule *s = &p->services[i];
        if (has_profile(p, &by_name, &s->host))
            lint_add(p, LINT_LINKERD_PROFILE, s->object->kind_source,
                     "the ServiceProfile of %.60s turns its annotations off", s->host.service);
    }
    for (size_t i = 0; i < p->route_count; i++) {
        const struct route *r = &p->routes[i];
        if (r->object != last && has_profile(p, &by_name, &r->host))
            lint_add(p, LINT_LINKERD_PROFILE, r->object->kind_source,
                     "the ServiceProfile of %.60s turns %.60s %.60s off", r->host.service,
                     r->object->kind, r->object->name);
        last = r->object;
    }
    map_release(&by_name);
}

void lint_linkerd_profile(struct lint *l)
{
    struct policy *p = l->policy;
    turned_off(p);
    for (size_t i = 0; i < p->object_count; i++) {
        const struct object *o = &p->objects[i];
        if (!lint_is(o, "ServiceProfile") || !lint_reads(p, o))
            continue;
        const struct yaml_node *budget = yaml_get(o->spec, "retryBudget");
        ratio(p, o, budget);
        ttl(p, o, budget);
        if (budget != NULL && !retries(o))
            lint_add(p, LINT_LINKERD_BUDGET_UNUSED, yaml_find(o->spec, "retryBudget")->source,
                     "ServiceProfile %.100s has a budget, and no route with isRetryable: nothing "
                     "is retried",
                     o->name);
        if (o->name[0] != '\0' && strchr(o->name, '.') == NULL)
            lint_add(p, LINT_LINKERD_PROFILE_NAME,
                     lint_source(yaml_get(o->root, "metadata"), "name"),
                     "ServiceProfile %.100s is for no service: its name must be the service's "
                     "whole name, such as %.60s.%.60s.svc.cluster.local",
                     o->name, o->name, o->namespace[0] == '\0' ? "default" : o->namespace);
    }
}
