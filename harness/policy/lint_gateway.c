#include "policy/lint_inside.h"

#include "policy/kind.h"

/* What Istio makes of Gateway API fields that say more than it does (B4, C). */

static void backoff(struct policy *p, const struct route *r)
{
    const struct value *base = &r->retry.backoff_base;
    if (base->source.file == NULL || r->retry.attempts.number == 0)
        return;
    lint_add(p, LINT_GATEWAY_BACKOFF, base->source,
             "%s is the end of a random wait from 0 in Istio, not the shortest wait that the "
             "Gateway API asks for",
             base->origin);
}

/* All of the weights written, and 0. */
static void weights(struct policy *p, const struct object *o)
{
    const struct yaml_node *rules = yaml_get(o->spec, "rules");
    for (size_t i = 0; i < yaml_count(rules); i++) {
        const struct yaml_node *rule = yaml_item(rules, i), *refs = yaml_get(rule, "backendRefs");
        size_t zero = 0;
        for (size_t k = 0; k < yaml_count(refs); k++) {
            uint64_t weight = 1;
            zero += lint_number(yaml_item(refs, k), "weight", &weight) && weight == 0;
        }
        if (zero > 0 && zero == yaml_count(refs))
            lint_add(p, LINT_GATEWAY_WEIGHTS, lint_source(rule, "backendRefs"),
                     "%s %.60s rules[%zu] has weights of 0 only: every request is answered 500",
                     o->kind, o->name, i);
    }
}

static void backend_target(struct policy *p, const struct object *o)
{
    const struct yaml_node *refs = yaml_get(o->spec, "targetRefs");
    for (size_t i = 0; i < yaml_count(refs); i++) {
        const struct yaml_node *ref = yaml_item(refs, i);
        const char *kind = yaml_get_text(ref, "kind");
        if (kind != NULL && strcmp(kind, "Service") != 0)
            lint_add(p, LINT_GATEWAY_BACKEND_TARGET, lint_source(ref, "kind"),
                     "%s %.60s targetRefs[%zu] is a %.40s: Istio reads it for a Service only",
                     o->kind, o->name, i, kind);
    }
}

static void backend_policy(struct policy *p, const struct object *o)
{
    const struct yaml_node *constraint = yaml_get(o->spec, "retryConstraint"),
                           *budget = yaml_get(constraint, "budget"),
                           *rate = yaml_get(constraint, "minRetryRate");
    backend_target(p, o);
    lint_add(p, LINT_GATEWAY_BACKEND_ALPHA, o->kind_source,
             "%s %.60s is not read, unless istiod has PILOT_ENABLE_ALPHA_GATEWAY_API=true: its "
             "default is false",
             o->kind, o->name);
    if (yaml_find(o->spec, "sessionPersistence") != NULL)
        lint_add(p, LINT_GATEWAY_SESSION, yaml_find(o->spec, "sessionPersistence")->source,
                 "%s %.60s sessionPersistence is not done by Istio", o->kind, o->name);
    if (yaml_find(budget, "interval") != NULL && !target_since(p->options.target, 1, 31))
        lint_add(p, LINT_GATEWAY_BUDGET_INTERVAL, lint_source(budget, "interval"),
                 "%s %.60s budget.interval is read since Istio 1.31: before, the budget is of the "
                 "requests in flight",
                 o->kind, o->name);
    if (yaml_find(rate, "count") != NULL || yaml_find(rate, "interval") != NULL)
        lint_add(p, LINT_GATEWAY_MIN_RATE, lint_source(constraint, "minRetryRate"),
                 "%s %.60s minRetryRate is a number of retries at once in Istio: its interval is "
                 "not read",
                 o->kind, o->name);
}

void lint_gateway(struct lint *l)
{
    struct policy *p = l->policy;
    bool istio = policy_is_istio(p);
    for (size_t i = 0; i < p->object_count; i++) {
        const struct object *o = &p->objects[i];
        if (!lint_reads(p, o))
            continue;
        if (istio && lint_is(o, "XBackendTrafficPolicy"))
            backend_policy(p, o);
        else if (p->options.target.mesh != MESH_LINKERD &&
                 (lint_is(o, "HTTPRoute") || lint_is(o, "GRPCRoute")))
            weights(p, o);
    }
    for (size_t i = 0; i < p->route_count && istio; i++) {
        const struct route *r = &p->routes[i];
        if (r->has_retry && lint_is(r->object, "HTTPRoute") && lint_is_new(p, i))
            backoff(p, r);
    }
}
