#include "policy/lint.h"

#include "policy/kind.h"
#include "policy/store.h"
#include "policy/yaml.h"

#include "base/text.h"

#include <stdarg.h>

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

/* Envoy 1.28 came with Istio 1.20; before it the first ejection was always allowed. */
static void ejection(struct policy *p, const struct destination *d)
{
    const struct value *percent = &d->outlier.max_ejection_percent;
    uint64_t n = p->options.endpoints, most = n;
    struct source at = percent->source.file != NULL ? percent->source : d->object->kind_source;
    const char *unset = percent->source.file != NULL ? "" : " (the default)";
    char some[40], rest[32] = "";
    if (!d->outlier.present || percent->number == 0 || !target_since(p->options.target, 1, 20))
        return;
    if (n == 0) { /* not known: speak only where three endpoints, the usual number, eject none */
        most = (99 + percent->number) / percent->number - 1;
        if (3 * percent->number >= 100)
            return;
        snprintf(some, sizeof(some), "1 to %llu", (unsigned long long)most);
    } else {
        if (n * percent->number >= 100)
            return;
        snprintf(some, sizeof(some), "%llu", (unsigned long long)n);
    }
    uint64_t enough = (99 + most) / most;
    if (n == 0)
        snprintf(rest, sizeof(rest), " of %llu", (unsigned long long)most);
    lint_add(p, LINT_EJECTION_INERT, at,
             "maxEjectionPercent %llu%s of %s endpoint%s is 0: nothing is ever ejected; %llu "
             "ejects one%s",
             (unsigned long long)percent->number, unset, some, most == 1 ? "" : "s",
             (unsigned long long)enough, rest);
}

static void without_waypoint(struct policy *p)
{
    for (size_t i = 0; i < p->destination_count; i++) {
        const struct destination *d = &p->destinations[i];
        if (!policy_has_waypoint(p, d->host.service))
            lint_add(p, LINT_ISTIO_WITHOUT_WAYPOINT, d->object->kind_source,
                     "DestinationRule %.60s has no effect beyond TCP: nothing shows a waypoint for "
                     "%.100s",
                     d->object->name, d->host.service == NULL ? "its host" : d->host.service);
    }
    const struct object *last = NULL;
    for (size_t i = 0; i < p->route_count; i++) {
        const struct route *r = &p->routes[i];
        if (r->object != last && !policy_has_waypoint(p, r->host.service))
            lint_add(p, LINT_ISTIO_WITHOUT_WAYPOINT, r->object->kind_source,
                     "%s %.60s has no effect: nothing shows a waypoint for %.100s", r->object->kind,
                     r->object->name, r->host.service == NULL ? "its host" : r->host.service);
        last = r->object;
    }
}

static bool has_profile(const struct policy *p, const struct host *host)
{
    for (size_t i = 0; i < p->profile_count; i++) {
        if (host_match(&p->profiles[i], host) != 0)
            return true;
    }
    return false;
}

static void profiles(struct policy *p)
{
    for (size_t i = 0; i < p->service_count; i++) {
        const struct service_rule *s = &p->services[i];
        if (has_profile(p, &s->host))
            lint_add(p, LINT_LINKERD_PROFILE, s->object->kind_source,
                     "the ServiceProfile of %.60s turns its annotations off", s->host.service);
    }
    const struct object *last = NULL;
    for (size_t i = 0; i < p->route_count; i++) {
        const struct route *r = &p->routes[i];
        if (r->object != last && has_profile(p, &r->host))
            lint_add(p, LINT_LINKERD_PROFILE, r->object->kind_source,
                     "the ServiceProfile of %.60s turns %.60s %.60s off", r->host.service,
                     r->object->kind, r->object->name);
        last = r->object;
    }
}

static bool same_host(const struct host *a, const struct host *b)
{
    if (a->pattern != NULL || b->pattern != NULL)
        return a->pattern != NULL && b->pattern != NULL && strcmp(a->pattern, b->pattern) == 0;
    return host_match(a, b) != 0;
}

static void twice(struct policy *p)
{
    /* Quadratic: kept to folders of a size that people write. */
    for (size_t i = 0; i < p->destination_count && i < 500; i++) {
        for (size_t j = 0; j < i; j++) {
            const struct destination *a = &p->destinations[j], *b = &p->destinations[i];
            if (same_host(&a->host, &b->host) &&
                yaml_get(b->object->spec, "trafficPolicy") != NULL) {
                lint_add(
                    p, LINT_OBJECT_TWICE, b->object->kind_source,
                    "DestinationRule %.60s is for the host of %.60s (line %u), which is in force",
                    b->object->name, a->object->name, a->object->kind_source.line);
                break;
            }
        }
    }
}

/* A host that two objects have routes for: HTTPRoutes of a Service add up, VirtualServices do not.
 */
static void routes_twice(struct policy *p)
{
    bool told = false;
    for (size_t i = 0; i < p->route_count && i < 2000; i++) {
        const struct route *b = &p->routes[i];
        told = told && b->object == p->routes[i - 1].object;
        for (size_t j = 0; j < i && !told; j++) {
            const struct route *a = &p->routes[j];
            bool adds_up = strcmp(a->object->kind, "HTTPRoute") == 0 &&
                           strcmp(b->object->kind, "HTTPRoute") == 0;
            if (a->object == b->object || adds_up || !same_host(&a->host, &b->host))
                continue;
            lint_add(p, LINT_OBJECT_TWICE, b->object->kind_source,
                     "%s %.60s is for the host of %s %.60s (line %u), which is judged as in force",
                     b->object->kind, b->object->name, a->object->kind, a->object->name,
                     a->object->kind_source.line);
            told = true;
        }
    }
}

void lint_policy(struct policy *p)
{
    for (size_t i = 0; i < p->object_count; i++) {
        const struct object *o = &p->objects[i];
        if (o->row == NULL && kind_group_known(o->group))
            unknown_kind(p, o);
    }
    for (size_t i = 0; i < p->destination_count; i++)
        ejection(p, &p->destinations[i]);
    if (p->options.target.mesh == MESH_ISTIO_AMBIENT)
        without_waypoint(p);
    twice(p);
    routes_twice(p);
    profiles(p);
}
