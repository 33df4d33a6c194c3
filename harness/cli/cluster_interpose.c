#include "cli/cluster_interpose.h"

#include "base/clock.h"
#include "faults/fault.h"
#include "plan/limits.h"

#include <strings.h>

#define SHARE_PPM 500000
#define DELAY_NS (5 * NS_PER_S)
#define TTL_NS (5 * 60 * NS_PER_S)
#define ENDPOINTS_PPM 340000 /* of a Service at once: of its own and ours together */
#define NOWHERE "0.0.0.0:1"  /* until the Service behind it is made */

static bool is_allowed(const struct arguments *args, const char *what)
{
    const char *values[4];
    size_t count = arguments_all(args, "allow", values, COUNT_OF(values));
    for (size_t i = 0; i < count && i < COUNT_OF(values); i++)
        if (strcmp(values[i], what) == 0)
            return true;
    return false;
}

bool cluster_interpose_check(const struct arguments *args, struct error *err)
{
    const char *mode = arguments_get(args, "mode");
    bool interpose = mode != NULL && strcmp(mode, "interpose") == 0;
    bool swap = arguments_given(args, "swap"), plain = !arguments_given(args, "job");
    bool edit = is_allowed(args, "edit");
    const char *endpoints = arguments_get(args, "endpoints");
    if (interpose && endpoints != NULL && strcmp(endpoints, "ports") == 0)
        return error_set(err, ERROR_USAGE,
                         "--endpoints ports is for --mode canary: beside real pods each endpoint "
                         "of ours is a pod, whose readiness gate is the way in and out");
    if (interpose && arguments_has(args, "netem-agents"))
        return error_set(err, ERROR_USAGE,
                         "--netem-agents is for --mode canary: beside real pods it would be their "
                         "callers' packets; fault.latency and fault.blackhole choose requests");
    if (!interpose && (swap || arguments_given(args, "allow")))
        return error_set(err, ERROR_USAGE, "--%s goes with --mode interpose",
                         swap ? "swap" : "allow");
    if (swap != edit)
        return error_set(err, ERROR_USAGE,
                         swap ? "--swap edits the Service's selector, and takes it back: it goes "
                                "with --allow edit"
                              : "--allow edit permits an edit, and none is asked for: --swap");
    if (interpose && arguments_given(args, "as-manifests") && plain)
        return error_set(err, ERROR_USAGE,
                         "what --mode interpose makes depends on the Services that are there: plan "
                         "--on kubernetes --mode interpose tries it; --as-manifests --job prints "
                         "the Job");
    return true;
}

/* ---- consent ---- */

static bool is_approved(const struct arguments *args, const struct scenario *s)
{
    bool approved = arguments_has(args, "yes");
    for (size_t i = 0; i < s->guard_count; i++)
        approved = approved || s->guards[i].kind == GUARD_APPROVAL;
    return approved;
}

/* RFC 9110 9.2.2. */
static bool is_idempotent(const char *method)
{
    static const char *const words[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (method == NULL || strcasecmp(method, words[i]) == 0)
            return true;
    return false;
}

/* A POST of ours reaches a real pod, and may charge a card: --yes for a gate is not meant for that.
 */
static bool check_loads(const struct scenario *s, const struct load_plan *loads, size_t count,
                        struct error *err)
{
    for (size_t i = 0; i < s->guard_count; i++)
        if (s->guards[i].kind == GUARD_APPROVAL)
            return true;
    for (size_t i = 0; i < count; i++)
        if (!is_idempotent(loads[i].method))
            return error_at(err, loads[i].source, ERROR_USAGE,
                            "load: %s reaches real pods of \"%s\" in --mode interpose: "
                            "guard.approval must ask for it",
                            loads[i].method, loads[i].on.to.service);
    return true;
}

static bool names(const struct guard_plan *g, const char *namespace)
{
    for (size_t i = 0; i < g->namespace_count; i++)
        if (strcmp(g->namespaces[i], namespace) == 0)
            return true;
    return g->namespace_count == 0;
}

static bool check_consent(const struct cluster *c, const struct arguments *args,
                          const struct scenario *s, struct error *err)
{
    /* `plan` asks no one, and has no --yes. */
    if (strcmp(args->command->name, "run") != 0)
        return true;
    if (!is_approved(args, s))
        return error_at(err, s->source, ERROR_USAGE,
                        "scenario \"%s\" reaches real callers in --mode interpose, and nobody has "
                        "agreed: guard.approval, or --yes",
                        s->name);
    for (size_t i = 0; i < s->guard_count; i++)
        if (s->guards[i].kind == GUARD_LIMITS && !names(&s->guards[i], c->namespace))
            return error_at(err, s->guards[i].source, ERROR_USAGE,
                            "guard.limits namespaces does not have \"%s\"", c->namespace);
    if (!check_loads(s, s->loads, s->load_count, err))
        return false;
    for (size_t i = 0; i < s->phase_count; i++)
        if (!check_loads(s, s->phases[i].loads, s->phases[i].load_count, err))
            return false;
    return true;
}

/* ---- leave to kill ---- */

static bool names_namespace(const struct scenario *s, const char *namespace)
{
    for (size_t i = 0; i < s->guard_count; i++)
        if (s->guards[i].kind == GUARD_LIMITS && s->guards[i].namespace_count > 0 &&
            names(&s->guards[i], namespace))
            return true;
    return false;
}

/* With --swap a Service has our endpoints alone. */
static bool check_kept(const struct scenario *s, const struct step *step, struct error *err)
{
    const struct place_end *to = &step->on.to;
    const char *mode = json_string_value(json_object_get(step->keys, "mode"));
    for (size_t i = 0; i < s->lab.service_count; i++) {
        const struct service_plan *of = &s->lab.services[i];
        if (to->service == NULL || strcmp(of->name, to->service) != 0)
            continue;
        bool one = to->endpoint != 0 || to->any;
        uint32_t dead = one ? 1 : limits_mode_count(mode, of->endpoints);
        if (dead + PREFLIGHT_READY_LEAST > of->endpoints)
            return error_at(
                err, step->source, ERROR_USAGE,
                "fault.%s: with --swap \"%s\" has our endpoints alone; %u of %u would be "
                "dead, and %d are kept",
                step->word, of->name, dead, of->endpoints, PREFLIGHT_READY_LEAST);
    }
    return true;
}

static bool check_kill(const struct cluster *c, const struct arguments *args,
                       const struct scenario *s, const struct step *step, struct error *err)
{
    if (!is_allowed(args, "kill") || !names_namespace(s, c->namespace))
        return error_at(err, step->source, ERROR_USAGE,
                        "fault.%s in --mode interpose is met by real callers: it needs "
                        "guard.limits { namespaces = { \"%s\" } } and --allow kill",
                        step->word, c->namespace);
    return !c->options.run.swap || check_kept(s, step, err);
}

static bool is_kill(const struct step *step)
{
    const struct fault_type *type = step->kind == STEP_FAULT ? fault_type_find(step->word) : NULL;
    return type != NULL && (type->world == WORLD_KILL || type->world == WORLD_PAUSE ||
                            type->world == WORLD_RESTART);
}

static bool check_steps(const struct cluster *c, const struct arguments *args,
                        const struct scenario *s, const struct step *steps, size_t count, bool *any,
                        struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        bool kill = is_kill(&steps[i]);
        *any = *any || kill;
        if ((kill && !check_kill(c, args, s, &steps[i], err)) ||
            !check_steps(c, args, s, steps[i].steps, steps[i].step_count, any, err))
            return false;
    }
    return true;
}

/* Callers of others lose what is under way at an endpoint that is killed: the suite and the command
 * line both say that it is meant (scenario-language.md 3). */
static bool check_kills(const struct cluster *c, const struct arguments *args,
                        const struct plan *plan, struct error *err)
{
    bool any = false;
    for (size_t i = 0; i < plan->scenario_count; i++) {
        const struct scenario *s = &plan->scenarios[i];
        if (!check_steps(c, args, s, s->steps, s->step_count, &any, err))
            return false;
        for (size_t k = 0; k < s->phase_count; k++)
            if (!check_steps(c, args, s, s->phases[k].steps, s->phases[k].step_count, &any, err))
                return false;
    }
    return any || !is_allowed(args, "kill") ||
           error_set(err, ERROR_USAGE, "--allow kill permits a kill, and none is asked for");
}

/* ---- how far, and where ---- */

/* What holds where the suite says nothing (scenario-language.md 2.1, "interpose"). */
static void add_limits(struct plan *plan, struct scenario *s)
{
    struct guard_plan here = {
        .kind = GUARD_LIMITS, .share_ppm = SHARE_PPM, .delay_ns = DELAY_NS, .ttl_ns = TTL_NS};
    struct guard_plan *all = ARENA_ARRAY(&plan->arena, struct guard_plan, s->guard_count + 1);
    for (size_t i = 0; i < s->guard_count; i++) {
        const struct guard_plan *g = &s->guards[i];
        all[i + 1] = *g;
        if (g->kind != GUARD_LIMITS)
            continue;
        here.share_ppm = g->share_ppm != 0 ? 0 : here.share_ppm;
        here.delay_ns = g->delay_ns != 0 ? 0 : here.delay_ns;
        here.ttl_ns = g->ttl_ns != 0 ? 0 : here.ttl_ns;
    }
    all[0] = here;
    s->guards = all;
    s->guard_count++;
}

/* The part of a Service's endpoints that may be ours, by the tightest guard. */
static uint32_t endpoints_ppm(const struct plan *plan)
{
    uint32_t least = UINT32_MAX;
    for (size_t i = 0; i < plan->scenario_count; i++) {
        const struct scenario *s = &plan->scenarios[i];
        for (size_t k = 0; k < s->guard_count; k++) {
            if (s->guards[k].kind != GUARD_LIMITS || s->guards[k].endpoints == NULL)
                continue;
            uint32_t ppm = limits_mode_count(s->guards[k].endpoints, 1000000);
            least = ppm < least ? ppm : least;
        }
    }
    return least == UINT32_MAX ? ENDPOINTS_PPM : least;
}

static bool check_swap(const struct scenario *s, struct error *err)
{
    for (size_t i = 0; i < s->lab.service_count; i++)
        if (s->lab.services[i].endpoints < PREFLIGHT_READY_LEAST)
            return error_at(
                err, s->lab.services[i].source, ERROR_USAGE,
                "with --swap \"%s\" would have %u endpoint, and %d are kept: endpoints = "
                "%d",
                s->lab.services[i].name, s->lab.services[i].endpoints, PREFLIGHT_READY_LEAST,
                PREFLIGHT_READY_LEAST);
    return true;
}

/* An endpoint of ours has no stub: it passes on to the real pods. */
static void relay(struct plan *plan, struct service_plan *s)
{
    s->addresses = ARENA_ARRAY(&plan->arena, const char *, s->endpoints);
    s->address_count = s->endpoints;
    s->run = s->run_in = NULL; /* the lab is for local runs */
    for (uint32_t i = 0; i < s->endpoints; i++)
        s->addresses[i] = NOWHERE;
}

bool cluster_interpose_plan(struct cluster *c, const struct arguments *args, struct prepared *p,
                            struct error *err)
{
    struct conduct_options *o = &c->options;
    o->run.swap = o->edits = arguments_given(args, "swap");
    if (!check_kills(c, args, p->plan, err))
        return false;
    for (size_t i = 0; i < p->plan->scenario_count; i++) {
        struct scenario *s = &p->plan->scenarios[i];
        if (!check_consent(c, args, s, err) || (o->run.swap && !check_swap(s, err)))
            return false;
        add_limits(p->plan, s);
        for (size_t k = 0; k < s->lab.service_count; k++)
            relay(p->plan, &s->lab.services[k]);
        json_object_del(s->lab.external, "host"); /* callers know it by its own name */
    }
    /* A swap has all of a Service for itself. */
    o->share_ppm = o->run.swap ? 0 : endpoints_ppm(p->plan);
    return plan_check(p->plan, err);
}

void cluster_interpose_leg(struct cluster *c, const char *service, const char *address)
{
    struct plan *plan = c->prepared->plan;
    for (size_t i = 0; i < plan->scenario_count; i++) {
        const struct lab_plan *lab = &plan->scenarios[i].lab;
        for (size_t k = 0; k < lab->service_count; k++) {
            struct service_plan *s = &lab->services[k];
            for (size_t n = 0; strcmp(s->name, service) == 0 && n < s->address_count; n++)
                s->addresses[n] = arena_strdup(&plan->arena, address);
        }
    }
}

static void place_load(struct cluster *c, const struct objects_service *s)
{
    const struct plan *plan = c->prepared->plan;
    char to[80], listen[32];
    snprintf(to, sizeof(to), strchr(s->cluster_ip, ':') != NULL ? "[%s]:%u" : "%s:%u",
             s->cluster_ip, (unsigned)s->port);
    snprintf(listen, sizeof(listen), "0.0.0.0:%u", (unsigned)s->listen_port);
    for (size_t i = 0; i < plan->scenario_count; i++) {
        json_t *external = plan->scenarios[i].lab.external;
        json_t *entry = json_object_get(external, "to");
        if (json_object_get(entry, s->name) == NULL)
            continue;
        json_object_set_new(entry, s->name, json_string(to));
        for (uint32_t n = 1; n <= s->endpoints; n++) {
            char key[300];
            snprintf(key, sizeof(key), "%s/%u", s->name, (unsigned)n);
            if (json_object_get(json_object_get(external, "endpoint"), key) != NULL)
                json_object_set_new(json_object_get(external, "endpoint"), key,
                                    json_string(listen));
        }
    }
}

/* Which tries of ours are seen: all where the callers' way leads by our endpoints alone (a swap, or
 * the builtin mesh, which knows no others). Those of the Service's other callers are there anyway.
 */
void cluster_interpose_opened(struct cluster *c)
{
    size_t count;
    const struct objects_service *all = conduct_services(c->conduct, &count);
    json_t *row = json_object();
    bool whole = c->options.run.swap || c->prepared->scenarios[0].driver == DRIVER_BUILTIN;
    for (size_t i = 0; i < count; i++) {
        place_load(c, &all[i]);
        json_object_set_new(row, all[i].name,
                            json_pack("{s:I, s:I, s:b}", "ours", (json_int_t)all[i].endpoints,
                                      "others", (json_int_t)all[i].others, "whole", whole ? 1 : 0));
    }
    json_object_set_new(c->prepared->policy_row, "interposed", row);
}
