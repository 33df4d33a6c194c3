#include "policy/lint_inside.h"

/* What a route's retries do, and do not, on the mesh that is declared (A1, A3, A5, B1, D2, F). */

#define ANY_RESET (RETRY_5XX | RETRY_GATEWAY_ERROR | RETRY_RESET)

static bool retries(const struct route *r)
{
    return r->has_retry && r->retry.attempts.number > 0;
}

static bool has_codes(const struct retry_rule *rule)
{
    return (rule->on & RETRY_STATUS_CODES) != 0 && status_set_any(&rule->codes);
}

/* Only a VirtualService: that Istio never retries a timed-out try of an HTTPRoute is a rule of its
 * own. */
static void timed_out(struct policy *p, const struct route *r)
{
    const struct value *try = &r->retry.per_try_timeout;
    if (try->number == 0 || try->source.file == NULL || (r->retry.on & ANY_RESET) != 0)
        return;
    lint_add(p, LINT_RETRY_TIMED_OUT, try->source,
             "%s: a try that runs into it is answered 504 and not retried, for retryOn has none of "
             "5xx, gateway-error, reset",
             try->origin);
}

static void nothing_ends(struct policy *p, const struct route *r)
{
    if ((r->retry.on & ANY_RESET) == 0 || r->retry.per_try_timeout.number != 0 ||
        r->request_timeout.number != 0 || r->retry.conditions.source.file == NULL)
        return;
    lint_add(p, LINT_RETRY_NOTHING_ENDS, r->retry.conditions.source,
             "%s covers tries without an answer, but no perTryTimeout or timeout ends one: such a "
             "request hangs",
             r->retry.conditions.origin);
}

/* Rule 6 of section 0. */
static void codes(struct policy *p, const struct route *r)
{
    const struct retry_rule *rule = &r->retry;
    if (rule->conditions.source.file == NULL)
        return;
    if ((rule->on & RETRY_STATUS_CODES) != 0 && !has_codes(rule) &&
        lint_is(r->object, "VirtualService"))
        lint_add(p, LINT_ISTIO_CODES_EMPTY, rule->conditions.source,
                 "%s has retriable-status-codes and no status number: it retries none",
                 rule->conditions.origin);
    bool proxy_made = status_set_has(&rule->codes, 502) || status_set_has(&rule->codes, 503) ||
                      status_set_has(&rule->codes, 504);
    if (has_codes(rule) && proxy_made && (rule->on & ANY_RESET) == 0)
        lint_add(p, LINT_RETRY_CODES_NO_RESET, rule->conditions.source,
                 "%s has codes, and no condition for resets: a reset or timeout that the caller "
                 "sees as 503 or 504 is not retried",
                 rule->conditions.origin);
}

enum methods { METHODS_ANY, METHODS_SAFE, METHODS_POST };

static bool is_among(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; text != NULL && i < count; i++) {
        if (strcmp(words[i], text) == 0)
            return true;
    }
    return false;
}

/* What the entry's matches say of the method; idempotent ones are RFC 9110's (9.2.2). */
static enum methods methods_of(const struct yaml_node *entry, bool virtual_service,
                               struct source *ret)
{
    static const char *const safe[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};
    static const char *const post[] = {"POST", "PATCH"};
    const struct yaml_node *list = yaml_get(entry, virtual_service ? "match" : "matches");
    size_t others = 0;
    for (size_t i = 0; i < yaml_count(list); i++) {
        const struct yaml_node *one = yaml_item(list, i);
        const struct yaml_node *by = virtual_service ? yaml_get(one, "method") : one;
        const char *key = virtual_service ? "exact" : "method", *method = yaml_get_text(by, key);
        if (is_among(method, post, COUNT_OF(post))) {
            *ret = lint_source(by, key);
            return METHODS_POST;
        }
        others += !is_among(method, safe, COUNT_OF(safe));
    }
    return others == 0 && yaml_count(list) > 0 ? METHODS_SAFE : METHODS_ANY;
}

static void idempotency(struct policy *p, const struct route *r)
{
    const struct retry_rule *rule = &r->retry;
    struct source at = rule->conditions.source;
    bool executed = has_codes(rule) || (rule->on & ANY_RESET) != 0;
    if (!executed)
        return;
    switch (methods_of(lint_written(r), lint_is(r->object, "VirtualService"), &at)) {
    case METHODS_SAFE:
        return;
    case METHODS_POST:
        lint_add(p, LINT_RETRY_POST, at,
                 "%s is for a method that is not idempotent: %s may execute one request %llu times",
                 r->name, rule->conditions.origin, (unsigned long long)rule->attempts.number + 1);
        return;
    case METHODS_ANY:
        lint_add(p, LINT_RETRY_NON_IDEMPOTENT, at,
                 "%s retries a POST too: one that was executed may be executed %llu times",
                 rule->conditions.origin, (unsigned long long)rule->attempts.number + 1);
        return;
    }
    UNREACHABLE();
}

/* A5: since 1.23 a retry of a route with a consistent hash goes where the hash says again. */
static void by_hash(struct lint *l, const struct destination *d)
{
    struct policy *p = l->policy;
    const struct yaml_node *traffic, *balancer = lint_part(d, "loadBalancer", &traffic);
    for (size_t i = lint_route_of(l, d->host.service); i != SIZE_MAX; i = l->next_route[i]) {
        const struct route *r = &p->routes[i];
        if (!retries(r) || host_match(&r->host, &d->host) == 0)
            continue;
        lint_add(p, LINT_RETRY_BY_HASH, lint_source(balancer, "consistentHash"),
                 "DestinationRule %.60s picks the endpoint by a hash: the %llu retries of %s (line "
                 "%u) go to the same one",
                 d->object->name, (unsigned long long)r->retry.attempts.number, r->name,
                 r->retry.attempts.source.line != 0 ? r->retry.attempts.source.line
                                                    : r->object->kind_source.line);
        return;
    }
}

void lint_retry(struct lint *l)
{
    struct policy *p = l->policy;
    for (size_t i = 0; i < p->route_count; i++) {
        const struct route *r = &p->routes[i];
        if (!retries(r) || !lint_is_new(p, i))
            continue;
        idempotency(p, r);
        if (!policy_is_istio(p))
            continue;
        codes(p, r);
        if (lint_is(r->object, "VirtualService")) {
            timed_out(p, r);
            nothing_ends(p, r);
        }
    }
    for (size_t i = 0; policy_is_istio(p) && i < p->destination_count; i++) {
        if (p->destinations[i].consistent_hash && target_since(p->options.target, 1, 23))
            by_hash(l, &p->destinations[i]);
    }
}
