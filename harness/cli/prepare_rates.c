#include "cli/prepare.h"
#include "base/units.h"
#include "plan/limits.h"
#include "verify/claims.h"

/* `rate = "enough"` (scenario-language.md 1.7): as many requests as the claims of the phase need
 * over its time, at least so many that a share can be told, at most what guard.limits allows. */

#define LEAST_PER_S 100
#define MARGIN 4 /* a fault takes a share of the requests, stalls take some, and the guard */
#define BY_AWAITS_NS UINT64_C(60000000000)

static bool is_on(const struct place *on, const struct edge_policy *edge)
{
    return on->to.service != NULL && strcmp(on->to.service, edge->to) == 0 &&
           (on->from.service == NULL || strcmp(on->from.service, edge->from) == 0);
}

static bool is_of(const struct claim_type *type, const struct step *s)
{
    return strcmp(type->word, s->word) == 0 ||
           (type->also_word != NULL && strcmp(type->also_word, s->word) == 0);
}

/* By the step's list `only`, where it has one. */
static bool is_asked(const struct claim_type *type, const struct step *s)
{
    const json_t *only = json_object_get(s->keys, "only"), *each;
    const char *one = json_string_value(only), *part = type->only == NULL ? "" : type->only;
    size_t i;
    if (type->also_only != NULL && type->also_word != NULL && strcmp(type->also_word, s->word) == 0)
        part = type->also_only;
    if (only == NULL || (one != NULL && strcmp(one, part) == 0))
        return true;
    json_array_foreach(only, i, each)
    {
        const char *text = json_string_value(each);
        if (text != NULL && strcmp(text, part) == 0)
            return true;
    }
    return false;
}

/* The most instances that a claim of the step needs. */
static uint64_t step_needs(const struct prepared *p, size_t scenario, const struct step *s,
                           const char **ret_claim)
{
    const struct prepared_scenario *of = &p->scenarios[scenario];
    struct generate_options options = {
        .depth = DEPTH_FULL, .method = "GET", .patience_ns = UINT64_C(16000000000)};
    struct arena arena;
    json_int_t enough = json_integer_value(json_object_get(s->keys, "enough"));
    uint64_t most = 0, floor = enough > 0 ? (uint64_t)enough : 0;
    arena_init(&arena, (size_t)1024 * 1024);
    for (size_t i = 0; i < of->edge_count; i++) {
        if (!is_on(&s->on, &of->edges[i]))
            continue;
        size_t count;
        const struct claim_need *needs = generate_needs(&of->edges[i], &options, &arena, &count);
        for (size_t k = 0; k < count; k++) {
            uint64_t n = needs[k].n > floor ? needs[k].n : floor;
            if (!is_of(needs[k].claim, s) || !is_asked(needs[k].claim, s) ||
                needs[k].text != NULL || n <= most)
                continue;
            most = n;
            *ret_claim = needs[k].claim->id;
        }
    }
    arena_release(&arena);
    return most;
}

static uint64_t span_ns(const struct phase *phase)
{
    return phase->ends == PHASE_BY_CLOCK  ? phase->lasting_ns
           : phase->ends == PHASE_DECIDED ? phase->atmost_ns
                                          : BY_AWAITS_NS;
}

static uint64_t phase_needs(const struct prepared *p, size_t scenario, const struct phase *phase,
                            const char **ret_claim)
{
    uint64_t most = 0;
    for (size_t i = 0; i < phase->step_count; i++) {
        const char *claim = NULL;
        if (phase->steps[i].kind != STEP_EXPECT || !phase->steps[i].has_on)
            continue;
        uint64_t n = step_needs(p, scenario, &phase->steps[i], &claim);
        if (n > most) {
            most = n;
            *ret_claim = claim;
        }
    }
    return most;
}

/* Requests an hour that the phase's claims ask of its load; all arms of a scenario get the same, so
 * what the most demanding of them needs. */
static uint64_t phase_rate(const struct prepared *p, size_t scenario, const struct phase *phase,
                           const char **ret_claim)
{
    uint64_t most = 0;
    for (size_t i = 0; i < p->plan->scenario_count; i++) {
        const char *claim = NULL;
        const struct scenario *arm = &p->plan->scenarios[i];
        if (!plan_same_arms(arm, &p->plan->scenarios[scenario]) || plan_is_control_arm(arm))
            continue;
        uint64_t n = phase_needs(p, i, phase, &claim);
        if (n > most) {
            most = n;
            *ret_claim = claim;
        }
    }
    double seconds = (double)span_ns(phase) / 1e9;
    double per_h = (double)most * MARGIN / seconds * 3600;
    uint64_t least = (uint64_t)LEAST_PER_S * 3600;
    return per_h > (double)least ? (uint64_t)per_h : least;
}

static bool fill(struct load_plan *l, uint64_t per_h, uint64_t limit, const char *claim,
                 struct error *err)
{
    char asked[40], allowed[40];
    if (!l->enough || l->rate_per_h != 0)
        return true;
    if (per_h > limit)
        return error_at(err, l->source, ERROR_LIMIT,
                        "load.open: rate \"enough\" comes to %s for %s, and guard.limits allows "
                        "%s: give the phase more time, or leave the claim out",
                        units_print_rate(per_h, asked, sizeof(asked)), claim,
                        units_print_rate(limit, allowed, sizeof(allowed)));
    l->rate_per_h = per_h;
    return true;
}

/* A suite's load is shared by its scenarios, whose claims need not be the same. */
static void own(struct prepared *p, struct load_plan **loads, size_t count)
{
    struct load_plan *copy = ARENA_ARRAY(&p->plan->arena, struct load_plan, count);
    for (size_t i = 0; i < count; i++)
        copy[i] = (*loads)[i];
    *loads = copy;
}

bool prepare_rates(struct prepared *p, size_t scenario, struct error *err)
{
    struct scenario *s = &p->plan->scenarios[scenario];
    struct limits limits;
    uint64_t most = (uint64_t)LEAST_PER_S * 3600;
    const char *by = "its claims";
    if (s->from_policy)
        return true;
    limits_of(s, &limits);
    for (size_t i = 0; i < s->phase_count; i++) {
        struct phase *phase = &s->phases[i];
        const char *of = "its claims";
        uint64_t per_h = phase_rate(p, scenario, phase, &of);
        for (size_t k = 0; k < phase->load_count; k++)
            if (!fill(&phase->loads[k], per_h, limits.requests_per_h, of, err))
                return false;
        if (phase->load_count == 0 && per_h > most) {
            most = per_h;
            by = of;
        }
    }
    own(p, &s->loads, s->load_count);
    for (size_t k = 0; k < s->load_count; k++)
        if (!fill(&s->loads[k], most, limits.requests_per_h, by, err))
            return false;
    return true;
}
