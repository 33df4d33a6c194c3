#include "model/outlier.h"

#include "base/clock.h"

/* Envoy's defaults (outlier_detection.proto); the merge window is the cluster's, and Istio sets
 * none. */
#define DEFAULT_INTERVAL_NS (10 * NS_PER_S)
#define DEFAULT_BASE_NS (30 * NS_PER_S)
#define DEFAULT_MAX_NS (300 * NS_PER_S)
#define DEFAULT_CAP_PERCENT 10
#define DEFAULT_PANIC_PERCENT 50
#define MERGE_WINDOW_NS NS_PER_S

static uint64_t number_or(const struct value *v, uint64_t fallback)
{
    return v->set ? v->number : fallback;
}

struct outlier_config outlier_config_of(const struct edge_policy *edge)
{
    const struct outlier_rule *rule = &edge->outlier;
    struct outlier_config ret = {.present = rule->present && edge->flavour == FLAVOUR_ENVOY,
                                 .panic_percent = DEFAULT_PANIC_PERCENT,
                                 .merge_ns = MERGE_WINDOW_NS};
    if (!ret.present)
        return ret;
    ret.consecutive_5xx = number_or(&rule->consecutive_5xx, 5);
    ret.consecutive_gateway = number_or(&rule->consecutive_gateway, 0);
    ret.split_local = rule->split_local_errors;
    ret.consecutive_local = ret.split_local ? number_or(&rule->consecutive_local, 5) : 0;
    ret.interval_ns = number_or(&rule->interval, DEFAULT_INTERVAL_NS);
    ret.base_ns = number_or(&rule->base_ejection, DEFAULT_BASE_NS);
    ret.max_ns = ret.base_ns > DEFAULT_MAX_NS ? ret.base_ns : DEFAULT_MAX_NS;
    ret.max_ns = number_or(&rule->max_ejection, ret.max_ns);
    ret.cap_percent = number_or(&rule->max_ejection_percent, DEFAULT_CAP_PERCENT);
    /* Istio sets the panic threshold whenever outlierDetection is there, 0 by default (B2). */
    ret.panic_percent = number_or(&rule->min_health_percent, 0);
    return ret;
}

void outlier_init(struct outlier *o, const struct outlier_config *config, size_t hosts,
                  uint64_t first_sweep_ns)
{
    INVARIANT(hosts <= OUTLIER_HOSTS_MOST);
    *o = (struct outlier){.config = *config, .hosts = hosts, .sweep_ns = first_sweep_ns};
}

enum outlier_result outlier_result_of(uint16_t status)
{
    if (status >= 502 && status <= 504)
        return OUTLIER_GATEWAY;
    return status >= 500 && status <= 599 ? OUTLIER_SERVER : OUTLIER_SUCCESS;
}

static void show(struct outlier *o, uint64_t now_ns)
{
    for (size_t i = 0; i < o->hosts; i++)
        o->host[i].seen = o->host[i].ejected;
    o->changed = true;
    o->changed_ns = now_ns;
    o->merge_ns = 0;
}

/* Envoy: ClusterManagerImpl::scheduleUpdate. A change within the window of the one shown last waits
 * for a whole window of its own; all changes until then come with it. */
static void change(struct outlier *o, uint64_t now_ns)
{
    if (!o->changed || o->config.merge_ns == 0 || now_ns - o->changed_ns > o->config.merge_ns)
        show(o, now_ns);
    else if (o->merge_ns == 0)
        o->merge_ns = now_ns + o->config.merge_ns;
}

static bool eject(struct outlier *o, struct outlier_host *h, uint64_t now_ns)
{
    /* Envoy >= 1.28: the share with the new ejection counted in; the first one is no exception. */
    if (100 * (o->stats.active + 1) > o->config.cap_percent * o->hosts) {
        o->stats.overflow++;
        return false;
    }
    o->stats.active++;
    o->stats.enforced_total++;
    h->ejected = true;
    h->ejected_ns = now_ns;
    if (h->backoff * o->config.base_ns < o->config.max_ns + o->config.base_ns)
        h->backoff++;
    change(o, now_ns);
    return true;
}

/* Fires exactly at the threshold; the counter starts again whether or not the ejection was allowed.
 */
static void bump(struct outlier *o, struct outlier_host *h, uint64_t *errors, uint64_t threshold,
                 uint64_t *detected, uint64_t *enforced, uint64_t now_ns)
{
    ++*errors;
    if (threshold == 0 || *errors != threshold || h->ejected)
        return;
    *errors = 0;
    ++*detected;
    if (eject(o, h, now_ns))
        ++*enforced;
}

static void bump_external(struct outlier *o, struct outlier_host *h, bool gateway, uint64_t now_ns)
{
    struct outlier_stats *s = &o->stats;
    if (gateway)
        bump(o, h, &h->errors_gateway, o->config.consecutive_gateway, &s->detected_gateway,
             &s->enforced_gateway, now_ns);
    else if (!o->config.success_keeps)
        h->errors_gateway = 0;
    bump(o, h, &h->errors_5xx, o->config.consecutive_5xx, &s->detected_5xx, &s->enforced_5xx,
         now_ns);
}

void outlier_add(struct outlier *o, size_t host, enum outlier_result result, uint64_t now_ns)
{
    INVARIANT(host < o->hosts);
    if (!o->config.present)
        return;
    outlier_advance(o, now_ns);
    struct outlier_host *h = &o->host[host];
    bool split = o->config.split_local;
    switch (result) {
    case OUTLIER_SUCCESS:
        if (!o->config.success_keeps)
            h->errors_5xx = h->errors_gateway = h->errors_local = 0;
        return;
    case OUTLIER_GATEWAY:
    case OUTLIER_SERVER:
        h->errors_local = 0; /* the connect went well */
        bump_external(o, h, result == OUTLIER_GATEWAY, now_ns);
        return;
    case OUTLIER_LOCAL:
        if (!split)
            bump_external(o, h, true, now_ns);
        else
            bump(o, h, &h->errors_local, o->config.consecutive_local, &o->stats.detected_local,
                 &o->stats.enforced_local, now_ns);
        return;
    }
}

void outlier_forget(struct outlier *o, size_t host)
{
    INVARIANT(host < o->hosts);
    o->stats.active -= o->host[host].ejected;
    o->host[host] = (struct outlier_host){0};
}

/* Envoy: DetectorImpl::checkHostForUneject. */
static void sweep_host(struct outlier *o, struct outlier_host *h, uint64_t now_ns)
{
    const struct outlier_config *c = &o->config;
    if (!h->ejected) {
        if (h->backoff > 0 && h->returned && h->returned_ns + c->interval_ns <= now_ns)
            h->backoff--;
        return;
    }
    uint64_t length_ns = c->base_ns * h->backoff;
    if (length_ns > c->max_ns)
        length_ns = c->max_ns;
    if (h->ejected_ns + length_ns > now_ns)
        return;
    o->stats.active--;
    h->ejected = false;
    h->returned = true;
    h->returned_ns = now_ns;
    h->errors_5xx = h->errors_gateway = h->errors_local = 0;
    change(o, now_ns);
}

void outlier_advance(struct outlier *o, uint64_t now_ns)
{
    if (!o->config.present)
        return;
    for (uint64_t at_ns = outlier_next_ns(o); at_ns <= now_ns; at_ns = outlier_next_ns(o)) {
        if (o->merge_ns != 0 && o->merge_ns <= o->sweep_ns) {
            show(o, at_ns);
            continue;
        }
        for (size_t i = 0; i < o->hosts; i++)
            sweep_host(o, &o->host[i], at_ns);
        o->sweep_ns = at_ns + (o->config.interval_ns > 0 ? o->config.interval_ns : NS_PER_MS);
    }
}

uint64_t outlier_next_ns(const struct outlier *o)
{
    if (!o->config.present)
        return UINT64_MAX;
    return o->merge_ns != 0 && o->merge_ns < o->sweep_ns ? o->merge_ns : o->sweep_ns;
}

bool outlier_in_panic(const struct outlier *o)
{
    size_t healthy = 0;
    for (size_t i = 0; i < o->hosts; i++)
        healthy += o->host[i].seen ? 0 : 1;
    return 100 * healthy < o->config.panic_percent * o->hosts;
}

bool outlier_may_pick(const struct outlier *o, size_t host)
{
    return !o->host[host].seen || outlier_in_panic(o);
}
