#include "plan/probe.h"
#include "verify/generate.h"

#include "base/clock.h"
#include "base/units.h"
#include "verify/claims.h"
#include "verify/making.h"
#include "verify/timeout.h"

#include <math.h>

/* Awaits end when what they wait for is seen: the usual times, for the plan's sum. */
#define HEAL_NS (200 * NS_PER_MS)
#define TRIP_MORE_NS (1500 * NS_PER_MS)
/* A control's ejections are shortened to what still can be told apart. */
#define CONTROL_BASE_NS (2 * NS_PER_S)
#define CONTROL_INTERVAL_NS (1 * NS_PER_S)

void making_init(struct making *m, struct plan *p, struct scenario *s,
                 const struct edge_policy *edge, const struct generate_options *options)
{
    *m = (struct making){.p = p, .s = s, .edge = edge, .options = options, .longer = 1};
    m->n = edge->endpoints;
    m->ejects = edge->flavour == FLAVOUR_ENVOY && ejector_init(&m->ejector, edge, m->n);
    m->c = m->ejects ? ejector_lowest(&m->ejector) : 0;
    /* Drawn by the seed, written into the plan: what runs is what was printed. */
    m->one = m->n == 0 ? 1 : (uint32_t)(options->seed % m->n) + 1;
    m->other = m->n == 0 ? 1 : m->one % m->n + 1;
    m->to = arena_strdup(&p->arena, edge->to);
    m->edge_text = arena_printf(&p->arena, "%s -> %s", edge->from, edge->to);
    m->phases = ARENA_ARRAY(&p->arena, struct phase, MAKING_PHASES_MOST);
}

static uint64_t within_of(const struct step *s)
{
    uint64_t ns = 0;
    struct error err = {0};
    const char *within = json_string_value(json_object_get(s->keys, "within"));
    return within != NULL && units_parse_duration(within, &ns, &err) ? ns : 0;
}

/* What the phase's await usually takes: an ejection B to B + I, a trip its c failures on one of n.
 */
static uint64_t usual_ns(const struct phase *p, const struct step *s)
{
    uint64_t within = within_of(s);
    if (strcmp(s->word, "readmitted") == 0 && strncmp(p->name, "heal ", 5) == 0)
        return within < HEAL_NS ? within : HEAL_NS;
    if (strcmp(s->word, "ejected") == 0 && strcmp(p->name, "trip") == 0)
        return within / 8 + TRIP_MORE_NS;
    return within * 2 / 3;
}

uint64_t generate_length_ns(const struct scenario *s)
{
    uint64_t sum = plan_settle_ns(s);
    for (size_t i = 0; i < s->phase_count; i++) {
        const struct phase *p = &s->phases[i];
        sum += p->lasting_ns;
        for (size_t k = 0; p->ends == PHASE_BY_AWAITS && k < p->step_count; k++)
            if (p->steps[k].kind == STEP_AWAIT)
                sum += usual_ns(p, &p->steps[k]);
    }
    return sum;
}

static uint64_t phase_seconds(const struct scenario *s, const char *word, const char *only)
{
    uint64_t ns = 0;
    for (size_t i = 0; i < s->phase_count; i++)
        for (size_t k = 0; k < s->phases[i].step_count; k++) {
            const struct step *step = &s->phases[i].steps[k];
            const json_t *parts = json_object_get(step->keys, "only"), *part;
            bool asks = step->kind == STEP_EXPECT && strcmp(step->word, word) == 0 && parts == NULL;
            size_t n;
            json_array_foreach(parts, n, part)
            {
                asks = asks || (step->kind == STEP_EXPECT && strcmp(step->word, word) == 0 &&
                                json_is_string(part) && strcmp(json_string_value(part), only) == 0);
            }
            struct scenario alone = {.phases = &s->phases[i], .phase_count = 1};
            if (asks)
                ns += generate_length_ns(&alone);
        }
    return (ns + NS_PER_S - 1) / NS_PER_S;
}

static bool too_long(const struct scenario *s, const struct edge_policy *edge,
                     const struct generate_options *options, struct error *err)
{
    char needs[32], budget[32], costs[160] = "";
    uint64_t length = (generate_length_ns(s) + NS_PER_S - 1) / NS_PER_S * NS_PER_S;
    if (options->budget_ns == 0 || length <= options->budget_ns)
        return false;
    static const char *const words[][2] = {{"retries", "happen"},
                                           {"ejection", "trips"},
                                           {"ejection", "stays"},
                                           {"ejection", "cap"},
                                           {"ejection", "not_before"}};
    size_t len = 0;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        uint64_t seconds = phase_seconds(s, words[i][0], words[i][1]);
        if (seconds > 0 && len < sizeof(costs))
            len += (size_t)snprintf(costs + len, sizeof(costs) - len, "%s%s %s %llu s",
                                    len == 0 ? "" : ", ", words[i][0], words[i][1],
                                    (unsigned long long)seconds);
    }
    units_print_duration(length, needs, sizeof(needs));
    units_print_duration(options->budget_ns, budget, sizeof(budget));
    return !error_at(
        err, options->source, ERROR_USAGE,
        "%s -> %s needs %s, more than the budget of %s (%s); give more, or leave claims out",
        edge->from, edge->to, needs, budget, costs);
}

/* A plan without an expectation would pass whatever the mesh does. */
static bool asks_anything(const struct scenario *s)
{
    for (size_t i = 0; i < s->phase_count; i++)
        for (size_t k = 0; k < s->phases[i].step_count; k++)
            if (s->phases[i].steps[k].kind == STEP_EXPECT)
                return true;
    return false;
}

/* A guard on the client's own figures must have held for its over before the first fault. */
static void lengthen_warm(struct scenario *s)
{
    for (size_t i = 0; i < s->guard_count && s->phase_count > 0; i++) {
        const struct guard_plan *g = &s->guards[i];
        if (g->kind != GUARD_STOP)
            continue;
        const struct probe_plan *q = g->probe != NULL ? probe_find(s, g->probe) : &g->own;
        uint64_t least_ns = q == NULL ? 0 : g->over_ns + 2 * q->every_ns;
        if (q != NULL && q->kind == PROBE_CLIENT && s->phases[0].lasting_ns < least_ns)
            s->phases[0].lasting_ns = least_ns;
    }
}

bool generate_phases(struct plan *p, struct scenario *s, const struct edge_policy *edge,
                     const struct generate_options *options, struct error *err)
{
    struct making m;
    if (edge->endpoints == 0)
        return error_at(err, options->source, ERROR_USAGE,
                        "%s -> %s: the number of endpoints is not known", edge->from, edge->to);
    making_init(&m, p, s, edge, options);
    making_phases(&m);
    making_tls(&m);
    s->phases = m.phases;
    s->phase_count = m.phase_count;
    s->settle_ns = 0;
    lengthen_warm(s);
    if (!asks_anything(s))
        return error_at(err, options->source, ERROR_USAGE,
                        "scenario.from_policy: claims and except leave nothing to ask of %s -> %s: "
                        "meshproof explain lists what its policy yields",
                        edge->from, edge->to);
    return !too_long(s, edge, options, err);
}

static uint64_t need_of(const struct claim_type *type)
{
    static const struct {
        const char *id;
        uint64_t n;
    } needs[] = {
        {"success", 300},
        {"retry.max", 10},
        {"retry.must", 10},
        {"retry.only", 20},
        {"retry.started", 10},
        {"retry.other_host", 60},
        {"backoff.max", 30},
        {"backoff.law", 40},
        {"timeout.try", 10},
        {"timeout.try.kept", 8},
        {"timeout.try.restart", 8},
        {"timeout.request", 6},
        {"timeout.none", 3},
        {"honest", 100},
        {"eject.early", 10},
        {"eject.trip", 2},
        {"eject.late", 1},
        {"eject.length", 1},
        {"eject.cap", 1},
        {"eject.return", 1},
        {"eject.never", 1},
        {"amplify", 100},
        {"effects", 10},
        {"eject.panic", 20},
        {"cb.requests", 20},
        {"cb.pending", 10},
        {"cb.connections", 10},
        {"cb.per_connection", 3},
        {"budget.envoy", 10},
        {"budget.linkerd", 50},
        {"rate.limit", 20},
    };
    if (strncmp(type->id, "tls.", 4) == 0 || strcmp(type->id, "rot.R6") == 0)
        return 5;
    if (strcmp(type->id, "rot.R1") == 0)
        return 20;
    for (size_t i = 0; i < COUNT_OF(needs); i++)
        if (strcmp(needs[i].id, type->id) == 0)
            return needs[i].n;
    return 1;
}

static const char nothing_to_judge[] = "the policy gives it nothing to judge",
                  not_generated[] = "not asked by the generated plan";

static const char *why_not(const struct making *m, const struct claim_type *type, uint64_t seconds)
{
    if (!type->applies(m->edge))
        return nothing_to_judge;
    if (!making_wants(m, type->id))
        return "left out";
    if (strcmp(type->id, "timeout.request") == 0 && !making_reaches_timeout(m->edge))
        return "the tries are used up before the whole timeout";
    bool of_retries = strncmp(type->id, "retry.", 6) == 0 || strncmp(type->id, "backoff.", 8) == 0;
    if (seconds == 0 && of_retries && m->ejects && m->c <= 2)
        return "so few failures eject that retries cannot be told from ejections";
    if (seconds == 0 && strcmp(type->id, "timeout.request") == 0 && m->ejects && m->c <= 2)
        return "so few failures eject that no request is held for all its tries";
    if (seconds == 0 && strcmp(type->word, "breaker") == 0)
        return "the lab cannot fill it, or another limit is met first";
    return seconds == 0 ? not_generated : NULL;
}

struct claim_need *generate_needs(const struct edge_policy *edge,
                                  const struct generate_options *options, struct arena *arena,
                                  size_t *ret_count)
{
    struct plan *p = plan_new();
    struct scenario *s = ARENA_ARRAY(&p->arena, struct scenario, 1);
    struct making m;
    size_t type_count, count = 0;
    const struct claim_type *const *types = claim_types(&type_count);
    struct claim_need *ret = ARENA_ARRAY(arena, struct claim_need, type_count);
    making_init(&m, p, s, edge, options);
    if (edge->endpoints > 0)
        making_phases(&m);
    s->phases = m.phases;
    s->phase_count = m.phase_count;
    for (size_t i = 0; i < type_count; i++) {
        if (strncmp(types[i]->id, "await.", 6) == 0)
            continue;
        uint64_t seconds = phase_seconds(s, types[i]->word, types[i]->only);
        const char *why = why_not(&m, types[i], seconds);
        ret[count++] = (struct claim_need){
            .claim = types[i],
            .n = need_of(types[i]),
            .seconds = why == NULL ? seconds : 0,
            .text = why == NULL ? NULL : arena_strdup(arena, why),
            .is_missed = why != NULL && why != nothing_to_judge && why != not_generated,
        };
    }
    plan_free(p);
    *ret_count = count;
    return ret;
}

static void shorten(struct value *v, uint64_t to_ns)
{
    if (v->set && v->number > to_ns)
        v->number = to_ns;
    else if (!v->set || v->number == 0) {
        v->number = to_ns;
        v->set = true;
    }
}

void generate_control_policy(const struct edge_policy *edge, struct edge_policy *ret)
{
    *ret = *edge;
    if (!edge->outlier.present)
        return;
    shorten(&ret->outlier.base_ejection, CONTROL_BASE_NS);
    shorten(&ret->outlier.interval, CONTROL_INTERVAL_NS);
}
