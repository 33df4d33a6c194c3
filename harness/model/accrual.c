#include "model/accrual.h"

#include "base/clock.h"

/* Annotations' defaults (D5). */
#define DEFAULT_FAILURES 7
#define DEFAULT_MIN_NS NS_PER_S
#define DEFAULT_MAX_NS (60 * NS_PER_S)
#define DEFAULT_JITTER_PPM 500000

static uint64_t number_or(const struct value *v, uint64_t fallback)
{
    return v->set ? v->number : fallback;
}

struct accrual_config accrual_config_of(const struct edge_policy *edge)
{
    const struct accrual_rule *rule = &edge->accrual;
    return (struct accrual_config){
        .present = rule->present && edge->flavour == FLAVOUR_LINKERD,
        .max_failures = number_or(&rule->max_failures, DEFAULT_FAILURES),
        .min_ns = number_or(&rule->min_penalty, DEFAULT_MIN_NS),
        .max_ns = number_or(&rule->max_penalty, DEFAULT_MAX_NS),
        .jitter_ppm = number_or(&rule->jitter_ppm, DEFAULT_JITTER_PPM),
        .probes = 1,
    };
}

void accrual_init(struct accrual *a, const struct accrual_config *config, struct rng rng)
{
    *a = (struct accrual){.config = *config, .rng = rng};
}

uint64_t accrual_penalty_ns(const struct accrual_config *c, uint64_t j, double jitter)
{
    uint64_t base_ns = c->min_ns < c->max_ns ? c->min_ns : c->max_ns;
    for (uint64_t i = 0; i < j && base_ns < c->max_ns; i++)
        base_ns = base_ns < c->max_ns / 2 ? base_ns * 2 : c->max_ns;
    double share = jitter * (double)c->jitter_ppm / 1e6;
    uint64_t base_s = base_ns / NS_PER_S, rest_ns = base_ns % NS_PER_S;
    uint64_t ret_ns = base_ns + (uint64_t)((double)base_s * share) * NS_PER_S +
                      (uint64_t)((double)rest_ns * share);
    return ret_ns < c->max_ns ? ret_ns : c->max_ns;
}

void accrual_advance(struct accrual *a, uint64_t now_ns)
{
    if (a->state != ACCRUAL_SHUT || now_ns < a->until_ns)
        return;
    a->state = ACCRUAL_PROBATION;
    a->probes = 0;
}

bool accrual_may_send(const struct accrual *a)
{
    switch (a->state) {
    case ACCRUAL_OPEN:
        return true;
    case ACCRUAL_SHUT:
        return false;
    case ACCRUAL_PROBATION:
        return a->probes < a->config.probes;
    }
    UNREACHABLE();
}

void accrual_sent(struct accrual *a)
{
    if (a->state == ACCRUAL_PROBATION)
        a->probes++;
}

void accrual_forget(struct accrual *a)
{
    if (a->state == ACCRUAL_PROBATION && a->probes > 0)
        a->probes--;
}

static void shut(struct accrual *a, uint64_t now_ns)
{
    a->state = ACCRUAL_SHUT;
    a->until_ns = now_ns + accrual_penalty_ns(&a->config, a->trips, rng_unit(&a->rng));
    a->trips++;
    a->failures = 0;
}

void accrual_add(struct accrual *a, bool failed, uint64_t now_ns)
{
    if (!a->config.present)
        return;
    accrual_advance(a, now_ns);
    switch (a->state) {
    case ACCRUAL_OPEN:
        a->failures = failed ? a->failures + 1 : 0;
        if (a->config.max_failures > 0 && a->failures >= a->config.max_failures)
            shut(a, now_ns);
        return;
    case ACCRUAL_SHUT:
        return;
    case ACCRUAL_PROBATION:
        if (failed) {
            shut(a, now_ns);
            return;
        }
        a->state = ACCRUAL_OPEN;
        a->trips = 0;
        a->failures = 0;
        return;
    }
}

uint64_t accrual_next_ns(const struct accrual *a)
{
    return a->state == ACCRUAL_SHUT ? a->until_ns : UINT64_MAX;
}
