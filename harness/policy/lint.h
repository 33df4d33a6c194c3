#ifndef POLICY_LINT_H
#define POLICY_LINT_H

/* The catalogue of findings and the rules that need the whole policy. Rules that need one object
 * only are where the object is read. */

#include "policy/policy.h"

enum lint_rule_id {
#define RULE(name, id, severity, why, fix) LINT_##name,
#include "policy/lint_rules.def"
#undef RULE
    LINT_COUNT
};

struct lint_rule {
    const char *id;
    enum severity severity;
    const char *why, *fix;
};

/* LINT_COUNT rows, in the order of lint_rules.def. */
const struct lint_rule *lint_rules(size_t *ret_count);
const char *severity_name(enum severity severity);

/* Adds a finding with the rule's own severity. More than STORE_MAX_FINDINGS fail the read. */
void lint_add(struct policy *p, enum lint_rule_id rule, struct source source, const char *format,
              ...) PRINTF(4, 5);
/* The rules on the whole: per-try and headroom, ejection caps, waypoints, profiles, kinds unknown.
 */
void lint_policy(struct policy *p);

#endif
