#include "policy/reader.h"

/* XBackendTrafficPolicy: a retry budget for Services (policy-semantics.md B4, C). Istio makes
 * Envoy's of it; what the text of the API asks for is another law, which no target here keeps. */

#define S UINT64_C(1000000000)

static void read_constraint(struct place at, struct budget_rule *rule)
{
    struct policy *p = at.policy;
    struct place budget = place_at(at, "budget"), rate = place_at(at, "minRetryRate");
    struct value percent = {0};
    *rule = (struct budget_rule){.kind = BUDGET_ENVOY,
                                 .ratio_ppm = value_default(p, 200000),
                                 .least = value_default(p, 10),
                                 .interval = value_default(p, 0)};
    if (place_count(budget, "percent", 100, &percent)) {
        percent.number *= 10000;
        rule->ratio_ppm = percent;
    }
    struct value count = {0};
    if (place_count(rate, "count", 1000000, &count) && count.number > 0)
        rule->least = count; /* of retries at once: its interval is not read */
    else if (count.set)
        lint_add(p, LINT_OBJECT_VALUE, count.source,
                 "%s must be 1 to 1000000: the API server refuses it", count.origin);
    if (!target_since(p->options.target, 1, 31))
        return; /* gateway.budget_interval_ignored */
    rule->interval = value_default(p, 10 * S);
    if (place_gep_duration(budget, "interval", &rule->interval) &&
        (rule->interval.number < S || rule->interval.number > 3600 * S))
        lint_add(p, LINT_OBJECT_VALUE, rule->interval.source,
                 "%s must be 1s to 1h: the API server refuses it", rule->interval.origin);
}

void gateway_read_budget(struct policy *p, const struct object *o)
{
    struct place at = place_of(p, o), constraint = place_at(at, "retryConstraint");
    const struct yaml_node *refs = yaml_get(at.map, "targetRefs");
    struct budget_rule rule = {0};
    if (constraint.map == NULL)
        return;
    if (!policy_is_istio(p)) {
        place_not_judged(at, (const char *const[]){"retryConstraint"}, 1);
        return;
    }
    read_constraint(constraint, &rule);
    for (size_t i = 0; i < yaml_count(refs); i++) {
        const struct yaml_node *ref = yaml_item(refs, i);
        const char *kind = yaml_get_text(ref, "kind"), *name = yaml_get_text(ref, "name");
        if (kind == NULL || strcmp(kind, "Service") != 0 || name == NULL)
            continue; /* gateway.backend_policy_target */
        struct service_budget *to = STORE_ADD(p, service_budget);
        to->host = (struct host){.service = name};
        if (o->namespace[0] != '\0')
            to->host.namespace = o->namespace;
        to->object = o;
        to->rule = rule;
        store_add_name(p, name);
    }
}
