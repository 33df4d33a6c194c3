#include "policy/lint_inside.h"

#include "base/units.h"

/* Outlier detection that ejects nothing, too much, or by other counts than it looks (A9, B2, G OD7,
 * H 2 and 12). */

static struct source block_of(const struct destination *d)
{
    const struct yaml_node *traffic;
    lint_part(d, "outlierDetection", &traffic);
    return lint_source(traffic, "outlierDetection");
}

/* The value's own mark, or the block's when it is a default. */
static struct source mark(const struct destination *d, const struct value *v)
{
    return v->source.file != NULL ? v->source : block_of(d);
}

/* Envoy 1.28 came with Istio 1.20; before it the first ejection was always allowed. */
static void inert(struct policy *p, const struct destination *d)
{
    const struct value *percent = &d->outlier.max_ejection_percent;
    uint64_t n = p->options.endpoints, most = n;
    struct source at = percent->source.file != NULL ? percent->source : d->object->kind_source;
    const char *unset = percent->source.file != NULL ? "" : " (the default)";
    char some[40], rest[32] = "";
    if (percent->number == 0 || !target_since(p->options.target, 1, 20))
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

static void no_detector(struct policy *p, const struct destination *d)
{
    const struct outlier_rule *r = &d->outlier;
    if (r->consecutive_5xx.number == 0 && r->consecutive_gateway.number == 0 &&
        !r->split_local_errors)
        lint_add(p, LINT_EJECTION_NO_DETECTOR, mark(d, &r->consecutive_5xx),
                 "DestinationRule %.60s has consecutive5xxErrors 0 and no other detector: nothing "
                 "is ever ejected",
                 d->object->name);
}

static void sweep(struct policy *p, const struct destination *d)
{
    const struct value *interval = &d->outlier.interval, *base = &d->outlier.base_ejection;
    char each[32], least[32], most[32];
    if (interval->number < base->number || base->number == 0)
        return;
    units_print_duration(interval->number, each, sizeof(each));
    units_print_duration(base->number, least, sizeof(least));
    units_print_duration(base->number + interval->number, most, sizeof(most));
    lint_add(p, LINT_EJECTION_INTERVAL,
             interval->source.file != NULL ? interval->source : mark(d, base),
             "interval %s is when ejected endpoints are looked at: an ejection of %s lasts %s to "
             "%s; it is no time window of the errors",
             each, least, least, most);
}

static void all_hosts(struct policy *p, const struct destination *d)
{
    const struct value *percent = &d->outlier.max_ejection_percent;
    if (percent->number == 100 && percent->source.file != NULL &&
        d->outlier.min_health_percent.number == 0)
        lint_add(p, LINT_EJECTION_ALL, percent->source,
                 "maxEjectionPercent 100 without minHealthPercent: when all endpoints are out, "
                 "requests are answered 503 without a try");
}

/* Envoy's panic: below the threshold, health is not looked at (A9). */
static void panic(struct policy *p, const struct destination *d)
{
    const struct value *least = &d->outlier.min_health_percent;
    uint64_t n = p->options.endpoints, cap = outlier_rule_cap(&d->outlier, p->options.endpoints);
    for (uint64_t out = 1; out <= cap; out++) {
        if ((n - out) * 100 >= least->number * n)
            continue;
        lint_add(p, LINT_EJECTION_PANIC, mark(d, least),
                 "minHealthPercent %llu is more than the %llu %% that stay with %llu of %llu "
                 "endpoints out, which maxEjectionPercent allows: then ejected ones get requests",
                 (unsigned long long)least->number, (unsigned long long)((n - out) * 100 / n),
                 (unsigned long long)out, (unsigned long long)n);
        return;
    }
}

/* H 12: tries are counted, not requests. */
static void counts_tries(struct lint *l, const struct destination *d)
{
    const uint32_t counted = RETRY_5XX | RETRY_GATEWAY_ERROR | RETRY_RESET | RETRY_STATUS_CODES;
    uint64_t errors = d->outlier.consecutive_5xx.number;
    for (size_t i = lint_route_of(l, d->host.service); i != SIZE_MAX && errors > 1;
         i = l->next_route[i]) {
        const struct route *r = &l->policy->routes[i];
        uint64_t tries = r->retry.attempts.number + 1;
        if (!r->has_retry || tries < 2 || (r->retry.on & counted) == 0 ||
            (errors + tries - 1) / tries > 2 || host_match(&r->host, &d->host) == 0)
            continue;
        lint_add(l->policy, LINT_EJECTION_TRIES, mark(d, &d->outlier.consecutive_5xx),
                 "consecutive5xxErrors %llu counts tries: %llu failed request%s of %llu tries (%s) "
                 "can reach it on one endpoint",
                 (unsigned long long)errors, (unsigned long long)((errors + tries - 1) / tries),
                 errors > tries ? "s" : "", (unsigned long long)tries, r->name);
        return;
    }
}

void lint_ejection(struct lint *l)
{
    struct policy *p = l->policy;
    if (!policy_is_istio(p))
        return;
    for (size_t i = 0; i < p->destination_count; i++) {
        const struct destination *d = &p->destinations[i];
        if (!d->outlier.present)
            continue;
        inert(p, d);
        no_detector(p, d);
        sweep(p, d);
        all_hosts(p, d);
        panic(p, d);
        counts_tries(l, d);
    }
}
