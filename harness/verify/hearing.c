#include "verify/hearing.h"

#include "base/clock.h"
#include "verify/claims.h"
#include "verify/timeout.h"

#include <stdlib.h>

#define MIN_PENALTY_NS (1 * NS_PER_S)    /* Linkerd's default */
#define BASE_EJECTION_NS (30 * NS_PER_S) /* Envoy's default */
#define FALSE_ALARMS 1e-6                /* of a gate, where the plan says nothing */

static bool read_edges(struct hearing *h, struct error *err)
{
    const json_t *list = json_object_get(h->journal->policy, "edges");
    size_t count = json_array_size(list), i;
    const json_t *row;
    h->edges = ARENA_ARRAY(&h->g->arena, struct arm_edge, count + 1);
    json_array_foreach(list, i, row)
    {
        const char *arm = json_string_value(json_object_get(row, "arm"));
        struct arm_edge *e = &h->edges[h->edge_count++];
        e->arm = arm == NULL ? SUBJECT : arm;
        e->scenario = (uint32_t)json_integer_value(json_object_get(row, "scenario"));
        if (!edge_policy_from_json(json_object_get(row, "edge"), &h->g->arena, &e->edge, err)) {
            error_prefix(err, "the journal's policy: ");
            return false;
        }
    }
    return true;
}

static unsigned sides_of_steps(const struct hearing *h, uint32_t scenario, const struct step *steps,
                               size_t count)
{
    unsigned sides = 0;
    size_t type_count;
    const struct claim_type *const *types = claim_types(&type_count);
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        sides += sides_of_steps(h, scenario, s->steps, s->step_count);
        const struct edge_policy *edge =
            s->kind == STEP_EXPECT ? hearing_edge(h, scenario, hearing_subject(h, scenario), s)
                                   : NULL;
        for (size_t k = 0; edge != NULL && k < type_count; k++)
            if (expectation_means(s, types[k]) && types[k]->applies(edge))
                sides += claim_type_sides(types[k]);
    }
    return sides;
}

/* Fixed by the plan before the run: what was chosen to be judged, or what came out, changes
 * nothing. */
static double alpha_of(const struct hearing *h)
{
    unsigned sides = 0;
    for (uint32_t i = 0; i < h->plan->scenario_count; i++) {
        const struct scenario *s = &h->plan->scenarios[i];
        sides += sides_of_steps(h, i, s->steps, s->step_count);
        for (size_t k = 0; k < s->phase_count; k++)
            sides += sides_of_steps(h, i, s->phases[k].steps, s->phases[k].step_count);
    }
    double budget = h->plan->false_alarms > 0 ? h->plan->false_alarms : FALSE_ALARMS;
    return budget / (sides == 0 ? 1 : sides);
}

static void name_subjects(struct hearing *h)
{
    h->subjects = ARENA_ARRAY(&h->g->arena, const char *, h->plan->scenario_count + 1);
    for (size_t i = 0; i < h->plan->scenario_count; i++) {
        const char *arm = h->plan->scenarios[i].arm;
        h->subjects[i] = arm == NULL ? SUBJECT : arena_printf(&h->g->arena, ARM_PREFIX "%s", arm);
    }
}

const char *hearing_subject(const struct hearing *h, uint32_t scenario)
{
    return scenario < h->plan->scenario_count ? h->subjects[scenario] : SUBJECT;
}

bool hearing_init(struct hearing *h, const struct journal *j, const struct judge_options *options,
                  struct judgement *g, struct error *err)
{
    *h = (struct hearing){.journal = j, .options = options, .g = g};
    if (options->plan == NULL && j->plan == NULL)
        return error_set(err, ERROR_INPUT,
                         "the journal has no plan: the run ended before it began");
    if (options->plan == NULL && !plan_from_json(j->plan, &h->own_plan, err))
        return false;
    h->plan = options->plan != NULL ? options->plan : h->own_plan;
    name_subjects(h);
    if (!read_edges(h, err)) {
        hearing_release(h);
        return false;
    }
    h->alpha = options->level > 0 ? options->level : alpha_of(h);
    return true;
}

void hearing_release(struct hearing *h)
{
    hearing_leave(h);
    free(h->tracks);
    plan_free(h->own_plan);
    h->tracks = NULL;
    h->plan = h->own_plan = NULL;
}

const char *hearing_service(const struct step *s)
{
    return s->has_on ? s->on.to.service : NULL;
}

const struct edge_policy *hearing_edge(const struct hearing *h, uint32_t scenario, const char *arm,
                                       const struct step *s)
{
    const char *to = hearing_service(s), *from = s->has_on ? s->on.from.service : NULL;
    const struct edge_policy *loose = NULL;
    for (size_t i = 0; i < h->edge_count; i++) {
        const struct arm_edge *e = &h->edges[i];
        if (e->scenario != scenario || strcmp(e->arm, arm) != 0)
            continue;
        /* "client", the mesh's own side, is awaited on no edge of its own. */
        if (to == NULL || strcmp(to, "client") == 0)
            return &e->edge;
        if (strcmp(e->edge.to, to) != 0)
            continue;
        if (from == NULL || strcmp(e->edge.from, from) == 0)
            return &e->edge;
        if (loose == NULL)
            loose = &e->edge;
    }
    return loose;
}

const struct edge_policy *hearing_edges(struct hearing *h, uint32_t scenario, const char *arm,
                                        size_t *ret_count)
{
    if (h->edges_of == NULL || h->edges_of_scenario != scenario ||
        strcmp(h->edges_of_arm, arm) != 0) {
        size_t count = 0; /* of all scenarios there may be many */
        for (size_t i = 0; i < h->edge_count; i++)
            count += h->edges[i].scenario == scenario && strcmp(h->edges[i].arm, arm) == 0;
        h->edges_of = ARENA_ARRAY(&h->g->arena, struct edge_policy, count + 1);
        h->edges_of_count = 0;
        h->edges_of_scenario = scenario;
        h->edges_of_arm = arm;
        for (size_t i = 0; i < h->edge_count; i++)
            if (h->edges[i].scenario == scenario && strcmp(h->edges[i].arm, arm) == 0)
                h->edges_of[h->edges_of_count++] = h->edges[i].edge;
    }
    *ret_count = h->edges_of_count;
    return h->edges_of;
}

struct span hearing_span(const struct hearing *h, uint32_t scenario, const char *arm)
{
    struct span span = {UINT64_MAX, 0};
    for (size_t i = 0; i < h->journal->phase_count; i++) {
        const struct journal_phase *p = &h->journal->phases[i];
        if (p->scenario != scenario || strcmp(p->arm, arm) != 0)
            continue;
        if (p->t0_ns < span.from_ns)
            span.from_ns = p->t0_ns;
        if (p->t1_ns > span.to_ns)
            span.to_ns = p->t1_ns;
    }
    return span;
}

/* What ends after the last phase (an answer under way, a request that waits for its next try) still
 * belongs to the walk, until the arm's next one begins. */
#define AFTER_LAST_NS (30 * NS_PER_S)

static uint64_t after_last(const struct hearing *h, uint32_t scenario, const char *arm,
                           uint64_t to_ns)
{
    uint64_t until = to_ns < UINT64_MAX - AFTER_LAST_NS ? to_ns + AFTER_LAST_NS : to_ns;
    for (size_t i = 0; i < h->journal->phase_count; i++) {
        const struct journal_phase *p = &h->journal->phases[i];
        if (p->scenario != scenario && strcmp(p->arm, arm) == 0 && p->t0_ns >= to_ns &&
            p->t0_ns < until)
            until = p->t0_ns;
    }
    return until;
}

/* The calm requests come before the first phase, and are no evidence; but the mesh counts them. */
static uint64_t calm_from(const struct hearing *h, uint32_t scenario, const char *arm,
                          uint64_t from_ns)
{
    for (size_t i = 0; i < h->journal->event_count; i++) {
        const struct journal_event *e = &h->journal->events[i];
        if (strcmp(e->what, "calm") != 0)
            continue;
        const char *of = json_string_value(json_object_get(e->json, "arm"));
        if (of != NULL && strcmp(of, arm) == 0 &&
            json_integer_value(json_object_get(e->json, "scenario")) == (json_int_t)scenario &&
            e->t_ns < from_ns)
            from_ns = e->t_ns;
    }
    return from_ns;
}

struct span hearing_reach(const struct hearing *h, uint32_t scenario, const char *arm)
{
    struct span walk = hearing_span(h, scenario, arm);
    return (struct span){calm_from(h, scenario, arm, walk.from_ns),
                         after_last(h, scenario, arm, walk.to_ns)};
}

/* Half of the shortest ejection: its first pick back need not be the first that was possible. */
static uint64_t unseen_of(const struct edge_policy *edge)
{
    if (edge == NULL || (!edge->outlier.present && !edge->accrual.present))
        return 0;
    bool linkerd = edge->flavour == FLAVOUR_LINKERD;
    const struct value *v = linkerd ? &edge->accrual.min_penalty : &edge->outlier.base_ejection;
    uint64_t usual = linkerd ? MIN_PENALTY_NS : BASE_EJECTION_NS;
    return (v->set && v->number != 0 ? v->number : usual) / 2;
}

const struct track *hearing_track(struct hearing *h, uint32_t scenario, const char *arm,
                                  const char *service, const struct edge_policy *edge)
{
    for (size_t i = 0; i < h->track_count; i++) {
        const struct track *t = h->tracks[i].track;
        if (h->tracks[i].scenario == scenario && strcmp(t->arm, arm) == 0 &&
            strcmp(t->service, service) == 0)
            return t;
    }
    struct span span = hearing_span(h, scenario, arm), baseline = span;
    for (size_t i = 0; i < h->journal->phase_count; i++) {
        const struct journal_phase *p = &h->journal->phases[i];
        if (p->scenario == scenario && strcmp(p->arm, arm) == 0 && p->t0_ns == span.from_ns)
            baseline = (struct span){p->t0_ns, p->t1_ns};
    }
    struct track_options options = {
        .arm = arm,
        .service = service,
        .flavour = edge == NULL ? FLAVOUR_ENVOY : edge->flavour,
        .endpoints = edge == NULL ? 0 : edge->endpoints,
        .retries = edge == NULL ? 0 : (uint32_t)edge->retry.attempts.number,
        .unseen_ns = unseen_of(edge),
        .try_timeout_ns = edge == NULL ? 0 : timeout_try_ns(edge),
        .request_timeout_ns = edge == NULL ? 0 : timeout_request_ns(edge),
        .limited =
            edge != NULL && edge->pool.max_connections.set && edge->pool.max_connections.number > 0,
        .span = hearing_reach(h, scenario, arm),
        .baseline = baseline,
    };
    if (h->track_count == h->track_room) {
        h->track_room = h->track_room == 0 ? 8 : h->track_room * 2;
        h->tracks = check_realloc(h->tracks, h->track_room * sizeof(*h->tracks));
    }
    h->tracks[h->track_count] = (struct known_track){scenario, track_new(h->journal, &options)};
    return h->tracks[h->track_count++].track;
}

size_t hearing_arms(const struct hearing *h, uint32_t scenario, const char **ret, size_t most)
{
    size_t count = 1;
    ret[0] = hearing_subject(h, scenario);
    for (size_t i = 0; i < h->journal->phase_count; i++) {
        const struct journal_phase *p = &h->journal->phases[i];
        bool known = p->scenario != scenario;
        for (size_t k = 0; k < count && !known; k++)
            known = strcmp(ret[k], p->arm) == 0;
        if (!known && count < most)
            ret[count++] = p->arm;
    }
    return count;
}

bool hearing_wants(const struct hearing *h, const struct claim_type *type)
{
    return h->options->claim == NULL || claim_type_is(type, h->options->claim);
}

static bool means(const struct step *s, const char *word, const char *part)
{
    if (word == NULL || strcmp(s->word, word) != 0)
        return false;
    /* Two words call their parts otherwise (scenario-language.md 1.7). */
    const char *key = strcmp(word, "mtls") == 0      ? "never"
                      : strcmp(word, "refused") == 0 ? "because"
                                                     : "only";
    const json_t *only = json_object_get(s->keys, key), *each;
    size_t i;
    if (only == NULL)
        return true;
    if (json_is_string(only))
        return strcmp(json_string_value(only), part) == 0 ||
               strcmp(json_string_value(only), "any") == 0;
    json_array_foreach(only, i, each)
    {
        if (json_is_string(each) && strcmp(json_string_value(each), part) == 0)
            return true;
    }
    return false;
}

bool expectation_means(const struct step *s, const struct claim_type *type)
{
    return means(s, type->word, type->only) || means(s, type->also_word, type->also_only);
}

struct judged *hearing_add(struct hearing *h)
{
    struct judgement *g = h->g;
    if (g->verdict_count == h->verdict_room) {
        h->verdict_room = h->verdict_room == 0 ? 64 : h->verdict_room * 2;
        g->verdicts = check_realloc(g->verdicts, h->verdict_room * sizeof(*g->verdicts));
    }
    struct judged *d = &g->verdicts[g->verdict_count++];
    *d = (struct judged){0};
    return d;
}
