#include "plan/probe.h"
#include "verify/generate.h"

#include "base/clock.h"
#include "base/units.h"
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
    if (strcmp(s->word, "ejected") == 0 && strncmp(p->name, "trip", 4) == 0)
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
        uint64_t seconds = making_seconds(s, words[i][0], words[i][1]);
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
    making_tell_unasked(&m);
    return !too_long(s, edge, options, err);
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
