#include "policy/policy.h"

#define STATUS_MOST (STATUS_SET_WORDS * 64)
#define STATUS_LEAST 100

void status_set_add(struct status_set *s, uint32_t status)
{
    if (status >= STATUS_LEAST && status - STATUS_LEAST < STATUS_MOST)
        s->word[(status - STATUS_LEAST) / 64] |= UINT64_C(1) << ((status - STATUS_LEAST) % 64);
}

bool status_set_has(const struct status_set *s, uint32_t status)
{
    if (status < STATUS_LEAST || status - STATUS_LEAST >= STATUS_MOST)
        return false;
    return (s->word[(status - STATUS_LEAST) / 64] >> ((status - STATUS_LEAST) % 64) & 1) != 0;
}

bool status_set_any(const struct status_set *s)
{
    for (size_t i = 0; i < STATUS_SET_WORDS; i++) {
        if (s->word[i] != 0)
            return true;
    }
    return false;
}

static bool status_covered(const struct retry_rule *rule, uint32_t status)
{
    if ((rule->on & RETRY_5XX) != 0 && status >= 500 && status <= 599)
        return true;
    if ((rule->on & RETRY_GATEWAY_ERROR) != 0 && status >= 502 && status <= 504)
        return true;
    if ((rule->on & RETRY_RETRIABLE_4XX) != 0 && status == 409)
        return true;
    return (rule->on & RETRY_STATUS_CODES) != 0 && status_set_has(&rule->codes, status);
}

/* policy-semantics.md A1. A reset at accept races connect-failure against reset, so that only the
 * words for any reset are sure of it (verifier.md 3.2). */
static bool envoy_covers(const struct retry_rule *rule, enum cause cause, uint32_t status)
{
    const uint32_t any_reset = RETRY_5XX | RETRY_GATEWAY_ERROR | RETRY_RESET;
    switch (cause) {
    case CAUSE_STATUS:
        return status_covered(rule, status);
    case CAUSE_REFUSED:
        return (rule->on & (any_reset | RETRY_CONNECT_FAILURE | RETRY_RESET_BEFORE_REQUEST)) != 0;
    case CAUSE_RESET:
    case CAUSE_ACCEPT:
    case CAUSE_HOLD:
    case CAUSE_FIN:
        return (rule->on & any_reset) != 0;
    }
    UNREACHABLE();
}

/* D2: Linkerd makes a 502 of a refusal or a reset, a 500 that is never retried of a clean close. */
static bool linkerd_covers(const struct retry_rule *rule, enum cause cause, uint32_t status)
{
    switch (cause) {
    case CAUSE_STATUS:
        return status_covered(rule, status);
    case CAUSE_RESET:
    case CAUSE_REFUSED:
    case CAUSE_ACCEPT:
        return status_covered(rule, 502);
    case CAUSE_HOLD:
        return (rule->on & RETRY_LINKERD_TIMEOUT) != 0;
    case CAUSE_FIN:
        return false;
    }
    UNREACHABLE();
}

bool retry_rule_covers(const struct edge_policy *edge, enum cause cause, uint32_t status)
{
    switch (edge->flavour) {
    case FLAVOUR_ENVOY:
        return envoy_covers(&edge->retry, cause, status);
    case FLAVOUR_LINKERD:
        return linkerd_covers(&edge->retry, cause, status);
    case FLAVOUR_L4:
        return false;
    }
    UNREACHABLE();
}

uint32_t outlier_rule_cap(const struct outlier_rule *rule, uint32_t endpoints)
{
    if (!rule->present || rule->max_ejection_percent.number > 100)
        return rule->present ? endpoints : 0;
    return (uint32_t)(rule->max_ejection_percent.number * endpoints / 100);
}

uint64_t outlier_rule_threshold(const struct outlier_rule *rule, bool gateway)
{
    const uint64_t all[] = {
        rule->consecutive_5xx.number, gateway ? rule->consecutive_gateway.number : 0,
        gateway && rule->split_local_errors ? rule->consecutive_local.number : 0};
    uint64_t least = 0;
    for (size_t i = 0; rule->present && i < COUNT_OF(all); i++) {
        if (all[i] != 0 && (least == 0 || all[i] < least))
            least = all[i];
    }
    return least;
}
