#include "policy/istio_traffic.h"

#include "base/units.h"

/* trafficPolicy.loadBalancer and retryBudget of a DestinationRule, as Istio gives them to Envoy
 * (policy-semantics.md A6, B3). */

#define RATIO_DEFAULT_PPM 200000
/* Until its default was mended in 1.30, 20 was read as a share of one: 0.2 %. */
#define RATIO_BEFORE_1_30_PPM 2000
#define CONCURRENCY_DEFAULT 3

void istio_read_balance(struct place at, struct value *ret)
{
    struct source source = {0};
    const char *simple = NULL;
    if (yaml_get(at.map, "consistentHash") != NULL) {
        *ret = value_set(LB_CONSISTENT_HASH, place_source(at, "consistentHash"),
                         place_field(at, "consistentHash"));
        return;
    }
    if (!place_text(at, "simple", &simple, &source) || strcmp(simple, "UNSPECIFIED") == 0)
        return;
    /* LEAST_CONN is the old word for LEAST_REQUEST. */
    const char *word = strcmp(simple, "LEAST_CONN") == 0 ? "LEAST_REQUEST" : simple;
    for (uint64_t i = 0; i <= LB_PASSTHROUGH; i++) {
        if (i != LB_CONSISTENT_HASH && strcmp(lb_policy_names[i], word) == 0) {
            *ret = value_set(i, source, place_field(at, "simple"));
            return;
        }
    }
    lint_add(at.policy, LINT_OBJECT_VALUE, source,
             "%s is \"%.40s\"; it must be LEAST_REQUEST, ROUND_ROBIN, RANDOM or PASSTHROUGH",
             place_field(at, "simple"), simple);
}

/* A percentage that may have a fraction. */
static void read_percent(struct place at, const char *key, struct value *ret)
{
    const struct yaml_node *n = yaml_get(at.map, key);
    struct error err = {0};
    uint64_t ppm = 0;
    char text[40];
    if (n == NULL)
        return;
    snprintf(text, sizeof(text), "%s%%", n->kind == YAML_SCALAR ? n->text : "?");
    if (units_parse_share(text, &ppm, &err))
        *ret = value_set(ppm, place_source(at, key), place_field(at, key));
    else
        lint_add(at.policy, LINT_OBJECT_VALUE, n->source, "%s must be a percentage of 0 to 100",
                 place_field(at, key));
}

void istio_read_budget(struct place at, struct budget_rule *rule)
{
    struct policy *p = at.policy;
    struct target target = p->options.target;
    if (at.map == NULL)
        return;
    if (!target_since(target, 1, 27)) {
        lint_add(p, LINT_ISTIO_FIELD_SINCE, at.map->source,
                 "%s is read since Istio 1.27, the target is older", at.origin);
        return;
    }
    rule->kind = BUDGET_ENVOY;
    rule->ratio_ppm =
        value_default(p, target_since(target, 1, 30) ? RATIO_DEFAULT_PPM : RATIO_BEFORE_1_30_PPM);
    rule->least = value_default(p, CONCURRENCY_DEFAULT);
    rule->interval = value_default(p, 0);
    read_percent(at, "percent", &rule->ratio_ppm);
    struct value least = {0};
    if (place_count(at, "minRetryConcurrency", UINT32_MAX, &least) && least.number > 0)
        rule->least = least; /* 0 is not sent (seen in what Istio programs) */
    if (target_since(target, 1, 31))
        place_go_duration(at, "budgetInterval", &rule->interval);
    else if (yaml_get(at.map, "budgetInterval") != NULL)
        lint_add(p, LINT_ISTIO_FIELD_SINCE, place_source(at, "budgetInterval"),
                 "%s is read since Istio 1.31, the target is older",
                 place_field(at, "budgetInterval"));
}
