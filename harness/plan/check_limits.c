#include "plan/check.h"

#include "base/units.h"
#include "faults/fault.h"
#include "plan/limits.h"

#include <stdlib.h>

/* The blast radius: every fault and load against guard.limits, with the number that would fit.
 * Which endpoints `mode` draws is not known yet, so drawn ones count as different ones. */

#define REACHES_MOST 1000

/* A fault, and when it may be in force. */
struct reach {
    const struct step *step;
    const struct service_plan *service;
    uint32_t first, last;    /* phases; a whole scenario's: 0 .. UINT32_MAX */
    uint64_t from_ns, to_ns; /* of one phase alone */
    uint32_t count;          /* endpoints */
};
struct reaches {
    const struct scenario *scenario;
    const struct limits *limits;
    struct reach *at;
    size_t count;
    struct errors *errors;
};

static const char *text_of(const struct step *s, const char *key)
{
    return json_string_value(json_object_get(s->keys, key));
}

static uint64_t share_of(const struct step *s)
{
    uint64_t ppm = 1000000;
    const char *text = text_of(s, "share");
    return text != NULL && units_parse_share(text, &ppm, NULL) ? ppm : 1000000;
}

/* `mode` may be a bare count. */
static uint32_t touched_by(const struct scenario *of, const struct step *s, uint32_t count)
{
    const json_t *mode = json_object_get(s->keys, "mode");
    if (s->on.to.endpoint != 0 || s->on.to.any)
        return 1;
    if (s->has_on && s->on.to.subset != NULL) /* 0 while the policy is not known */
        count = plan_subset_count(of, &s->on.to);
    if (count == 0)
        return 0;
    if (json_is_integer(mode))
        return json_integer_value(mode) < count ? (uint32_t)json_integer_value(mode) : count;
    return limits_mode_count(json_string_value(mode), count);
}

static const struct service_plan *service_of(const struct scenario *s, const struct step *step)
{
    const char *name = step->has_on ? step->on.to.service : NULL;
    for (size_t i = 0; name != NULL && i < s->lab.service_count; i++) {
        if (strcmp(s->lab.services[i].name, name) == 0)
            return &s->lab.services[i];
    }
    return NULL;
}

static bool check_times(const struct step *s, const struct limits *l, struct error *err)
{
    char said[120] = "", limit[32], other[32];
    uint64_t ttl_ns = 0, delay_ns = limits_delay_of(s, said, sizeof(said));
    const char *ttl = text_of(s, "ttl");
    if (delay_ns > l->delay_ns)
        return error_set(err, ERROR_INPUT, "fault.%s: %s longer than guard.limits delay %s",
                         s->word, said, units_print_duration(l->delay_ns, limit, sizeof(limit)));
    if (ttl != NULL && units_parse_duration(ttl, &ttl_ns, NULL) && ttl_ns > l->ttl_ns)
        return error_set(err, ERROR_INPUT,
                         "fault.%s: ttl \"%s\" is longer than guard.limits ttl %s", s->word,
                         units_print_duration(ttl_ns, other, sizeof(other)),
                         units_print_duration(l->ttl_ns, limit, sizeof(limit)));
    return true;
}

/* Of a service's requests; what `match` leaves is known to nobody yet: the proxies count it. */
static bool check_share(const struct reach *r, const struct limits *l, struct error *err)
{
    char share[32], all[32], most[32], limit[32];
    uint64_t count = r->service->endpoints, ppm = share_of(r->step);
    uint64_t faulted = ppm * r->count / count;
    if (faulted <= l->share_ppm || json_object_get(r->step->keys, "match") != NULL)
        return true;
    units_print_share(l->share_ppm, limit, sizeof(limit));
    uint64_t fits = l->share_ppm * count / r->count;
    return error_set(err, ERROR_INPUT,
                     "fault.%s: share %s on %u of %u endpoints of %s faults %s of the requests, "
                     "more than guard.limits share %s: at most %s",
                     r->step->word, units_print_share(ppm, share, sizeof(share)), r->count,
                     r->service->endpoints, r->service->name,
                     units_print_share(faulted, all, sizeof(all)), limit,
                     units_print_share(fits < 1000000 ? fits : 1000000, most, sizeof(most)));
}

static bool too_many(const struct reach *r, const struct limits *l, uint32_t touched, bool together,
                     struct error *err)
{
    uint32_t count = r->service->endpoints, most = limits_endpoints(l, count);
    const json_t *mode = json_object_get(r->step->keys, "mode");
    char who[120] = "the faults in force at once touch", limit[60];
    if (touched <= most)
        return false;
    if (!together && r->step->on.to.endpoint != 0)
        snprintf(who, sizeof(who), "on \"%.60s\" touches", r->step->on.text);
    else if (!together && json_is_integer(mode))
        snprintf(who, sizeof(who), "mode %lld touches", (long long)json_integer_value(mode));
    else if (!together)
        snprintf(who, sizeof(who), "mode \"%.30s\" touches",
                 r->step->on.to.any ? "one"
                 : mode != NULL     ? json_string_value(mode)
                                    : "all");
    if (touched > limits_mode_count(l->endpoints, count))
        snprintf(limit, sizeof(limit), "more than guard.limits endpoints %.20s", l->endpoints);
    else
        snprintf(limit, sizeof(limit), "and guard.limits keep is %u", l->keep);
    error_set(err, ERROR_INPUT, "fault.%s: %s %u of %u endpoints of %s, %s: at most %u",
              r->step->word, who, touched, count, r->service->name, limit, most);
    return true;
}

static bool together(const struct reach *a, const struct reach *b)
{
    if (a->service != b->service || a->first > b->last || b->first > a->last)
        return false;
    bool one_phase = a->first == a->last && b->first == b->last;
    return !one_phase || (a->from_ns < b->to_ns && b->from_ns < a->to_ns);
}

/* How many endpoints fault ${i} and those written before it may touch at one time. */
static uint32_t touched_with(const struct reaches *all, size_t i)
{
    const struct reach *r = &all->at[i];
    uint32_t most = r->service->endpoints, fixed[64], fixed_count = 0, drawn = 0;
    for (size_t k = 0; k <= i; k++) {
        const struct reach *other = &all->at[k];
        uint32_t endpoint = other->step->on.to.endpoint;
        bool known = false;
        if (!together(other, r))
            continue;
        for (uint32_t n = 0; n < fixed_count; n++)
            known = known || fixed[n] == endpoint;
        if (endpoint == 0)
            drawn += other->count;
        else if (!known && fixed_count < COUNT_OF(fixed))
            fixed[fixed_count++] = endpoint;
        else if (!known)
            drawn++; /* one may be counted twice, never left out */
    }
    return fixed_count + drawn < most ? fixed_count + drawn : most;
}

static bool names_service(const struct guard_plan *g, const char *name)
{
    for (size_t i = 0; i < g->service_count; i++) {
        size_t len = strcspn(g->services[i], "./@");
        if (strlen(name) == len && strncmp(g->services[i], name, len) == 0)
            return true;
    }
    return g->service_count == 0;
}

static bool names_namespace(const struct guard_plan *g, const char *name)
{
    for (size_t i = 0; name != NULL && i < g->namespace_count; i++) {
        if (strcmp(g->namespaces[i], name) == 0)
            return true;
    }
    return g->namespace_count == 0 || name == NULL; /* the lab's own have none */
}

static bool check_named(const struct scenario *s, const struct step *step, struct error *err)
{
    for (size_t i = 0; i < s->guard_count; i++) {
        const struct guard_plan *g = &s->guards[i];
        if (g->kind != GUARD_LIMITS)
            continue;
        bool service = names_service(g, step->on.to.service);
        if (service && names_namespace(g, step->on.to.ns))
            continue;
        struct text list;
        text_init(&list, 160);
        for (size_t k = 0; k < (service ? g->namespace_count : g->service_count); k++)
            text_add(&list, " %.60s", service ? g->namespaces[k] : g->services[k]);
        error_set(err, ERROR_INPUT, "fault.%s: on names \"%.63s\": guard.limits %s has%s",
                  step->word, service ? step->on.to.ns : step->on.to.service,
                  service ? "namespaces" : "services", text_get(&list));
        text_release(&list);
        return false;
    }
    return true;
}

/* A count of more endpoints than there are is a slip of the author's, or of the lab's. */
static bool check_count(const struct reach *r, struct error *err)
{
    const json_t *mode = json_object_get(r->step->keys, "mode");
    long long wanted = json_is_integer(mode) ? (long long)json_integer_value(mode) : 0;
    return wanted <= r->service->endpoints ||
           error_set(err, ERROR_INPUT, "fault.%s: mode is %lld; %s has %u endpoint%s",
                     r->step->word, wanted, r->service->name, r->service->endpoints,
                     r->service->endpoints == 1 ? "" : "s");
}

static bool holds_dead(const struct reach *r)
{
    const char *what = text_of(r->step, "what");
    return strcmp(r->step->word, "refuse") == 0 ||
           (strcmp(r->step->word, "kill") == 0 && (what == NULL || strcmp(what, "endpoint") == 0));
}

/* They surely share one, whatever is drawn. */
static bool share_endpoint(const struct reach *a, const struct reach *b, uint32_t *ret_endpoint)
{
    uint32_t x = a->step->on.to.endpoint, y = b->step->on.to.endpoint;
    *ret_endpoint = x != 0 ? x : y;
    return x != 0 && y != 0 ? x == y : a->count + b->count > a->service->endpoints;
}

static const char *name_of(const struct step *s, char *to, size_t size)
{
    const char *name = text_of(s, "name");
    snprintf(to, size, name == NULL ? "fault.%.60s" : "\"%.60s\"", name == NULL ? s->word : name);
    return to;
}

static bool check_dead(const struct reaches *all, const struct reach *r, struct error *err)
{
    char one[80], other[80], which[24] = "";
    uint32_t endpoint;
    for (size_t k = 0; holds_dead(r) && k < all->count; k++) {
        const struct reach *before = &all->at[k];
        if (!holds_dead(before) || !together(before, r) || !share_endpoint(before, r, &endpoint))
            continue;
        if (endpoint != 0)
            snprintf(which, sizeof(which), "/%u", endpoint);
        return error_set(err, ERROR_INPUT,
                         "two faults hold %s%s dead at once: %s and %s; a dead endpoint shows no "
                         "other fault",
                         r->service->name, which, name_of(before->step, one, sizeof(one)),
                         name_of(r->step, other, sizeof(other)));
    }
    return true;
}

static void check_fault(struct reaches *all, const struct step *step, struct reach span)
{
    struct error err = {0};
    span.step = step;
    span.service = service_of(all->scenario, step);
    if (span.service == NULL || span.service->endpoints == 0)
        return;
    span.count = touched_by(all->scenario, step, span.service->endpoints);
    bool good = check_named(all->scenario, step, &err) && check_times(step, all->limits, &err) &&
                check_count(&span, &err) && check_dead(all, &span, &err) &&
                !too_many(&span, all->limits, span.count, false, &err) &&
                check_share(&span, all->limits, &err);
    if (good && all->count < REACHES_MOST) {
        all->at[all->count] = span;
        good = !too_many(&span, all->limits, touched_with(all, all->count), true, &err);
        all->count++;
    }
    if (!good)
        errors_take(all->errors, step->source, &err);
}

static void check_steps_in(struct reaches *all, const struct step *steps, size_t count,
                           struct reach span)
{
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        struct reach within = span;
        if (s->kind == STEP_AT || s->kind == STEP_DURING)
            within.from_ns = s->from_ns;
        if (s->kind == STEP_DURING)
            within.to_ns = s->to_ns;
        if (s->kind == STEP_FAULT) {
            const char *until = text_of(s, "to_end_of");
            const struct phase *end = until == NULL ? NULL : check_find_phase(all->scenario, until);
            if (end != NULL)
                within.last = (uint32_t)(end - all->scenario->phases);
            check_fault(all, s, within);
        }
        check_steps_in(all, s->steps, s->step_count, within);
    }
}

/* Of users who wait: at most this, were there no answer time; UINT64_MAX: nothing bounds it. */
static uint64_t closed_per_h(const struct load_plan *load)
{
    if (load->think_ns == 0)
        return UINT64_MAX;
    return (uint64_t)((double)load->users * 3600e9 / (double)load->think_ns);
}

/* ${given}: the author has said how much, so that users who wait count too. */
static void check_rates(const struct load_plan *loads, size_t count, const struct limits *l,
                        bool given, struct errors *errors)
{
    uint64_t sum = 0;
    char rate[32], limit[32];
    for (size_t i = 0; i < count; i++) {
        if (given && loads[i].closed && closed_per_h(&loads[i]) > l->requests_per_h) {
            errors_add(errors, loads[i].source, ERROR_INPUT,
                       "load.closed: its users, with that think, may send more than guard.limits "
                       "requests %s",
                       units_print_rate(l->requests_per_h, limit, sizeof(limit)));
            return;
        }
        sum += loads[i].closed ? 0 : loads[i].rate_per_h;
        if (sum <= l->requests_per_h)
            continue;
        errors_add(errors, loads[i].source, ERROR_INPUT,
                   "load.open: rate %s%s is more than guard.limits requests %s",
                   units_print_rate(sum, rate, sizeof(rate)), i == 0 ? "" : " in all",
                   units_print_rate(l->requests_per_h, limit, sizeof(limit)));
        return;
    }
}

static bool says_requests(const struct scenario *s)
{
    for (size_t i = 0; i < s->guard_count; i++)
        if (s->guards[i].kind == GUARD_LIMITS && s->guards[i].requests_per_h != 0)
            return true;
    return false;
}

static bool is_mode(const char *text)
{
    uint64_t value;
    return strcmp(text, "all") == 0 || strcmp(text, "one") == 0 ||
           (bytes_to_u64(bytes_of(text), &value) && value > 0) ||
           units_parse_share(text, &value, NULL);
}

static void check_own(const struct scenario *s, const struct guard_plan *g, struct errors *errors)
{
    if (g->endpoints != NULL && !is_mode(g->endpoints))
        errors_add(
            errors, g->source, ERROR_INPUT,
            "guard.limits: endpoints is \"%.40s\"; it must be \"all\", \"one\", a count or a "
            "share such as \"30%%\"",
            g->endpoints);
    for (size_t i = 0; i < g->service_count; i++) {
        struct error err = {0};
        struct arena arena;
        struct place place;
        arena_init(&arena, 64 * 1024);
        if (!place_parse(g->services[i], &arena, &place, &err))
            error_prefix(&err, "guard.limits: services ");
        else if (!check_place(s, "services", &place, &err))
            error_prefix(&err, "guard.limits: ");
        arena_release(&arena);
        if (err.kind != ERROR_NONE)
            errors_take(errors, g->source, &err);
    }
}

void check_limits(const struct scenario *s, struct errors *errors)
{
    struct limits limits;
    size_t before = errors->count;
    for (size_t i = 0; i < s->guard_count; i++) {
        if (s->guards[i].kind == GUARD_LIMITS)
            check_own(s, &s->guards[i], errors);
    }
    if (errors->count > before)
        return;
    limits_of(s, &limits);
    struct reaches all = {s, &limits, check_alloc_zero(REACHES_MOST, sizeof(*all.at)), 0, errors};
    struct reach whole = {.last = UINT32_MAX, .to_ns = UINT64_MAX};
    check_steps_in(&all, s->steps, s->step_count, whole);
    check_rates(s->loads, s->load_count, &limits, says_requests(s), errors);
    for (size_t i = 0; i < s->phase_count; i++) {
        const struct phase *p = &s->phases[i];
        struct reach span = {.first = (uint32_t)i, .last = (uint32_t)i, .to_ns = UINT64_MAX};
        check_steps_in(&all, p->steps, p->step_count, span);
        check_rates(p->loads, p->load_count, &limits, says_requests(s), errors);
    }
    free(all.at);
}
