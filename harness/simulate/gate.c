#include "simulate/gate.h"

#include "simulate/day.h"
#include "simulate/draw.h"
#include "simulate/limits.h"
#include "verify/claims.h"
#include "verify/generate.h"
#include "verify/hearing.h"

#include <stdlib.h>

#define REPEATS_MOST 64
#define DRAIN_NS (40 * NS_PER_S)
#define COUNTED_NS (600 * NS_PER_MS) /* Linkerd has counted all by then */
#define SUITE "judge.lua"
#define ROWS_USUAL 8192 /* of each of the kinds that a gate has many of */

static void fill_scenario(struct plan *p, const struct edge_policy *edge, enum depth depth)
{
    bool linkerd = edge->flavour == FLAVOUR_LINKERD;
    p->suite = SUITE;
    p->scenarios = ARENA_ARRAY(&p->arena, struct scenario, 1);
    p->scenario_count = 1;
    struct scenario *s = &p->scenarios[0];
    *s = (struct scenario){.name = "policy: client -> payments",
                           .from_policy = true,
                           .depth = depth,
                           .source = {SUITE, 1, 0},
                           .deadline_ns = 3600 * NS_PER_S};
    s->mesh.word = linkerd ? "linkerd" : "istio";
    s->mesh.version = arena_printf(&p->arena, "%u.%u", edge->target.major, edge->target.minor);
    s->lab.services = ARENA_ARRAY(&p->arena, struct service_plan, 1);
    s->lab.service_count = 1;
    s->lab.services[0] = (struct service_plan){.name = edge->to,
                                               .endpoints = edge->endpoints,
                                               .slots = 256,
                                               .protocol = "http1",
                                               .status = 200,
                                               .body_bytes = 1024};
}

/* Whether work is done twice is asked where the method may not be repeated: more often where the
 * policy must not do it. */
static const char *draw_method(const struct edge_policy *edge, uint64_t seed)
{
    struct rng rng = rng_for(seed, 0x6d6574686f64, 0, 0, 0);
    return rng_below(&rng, draw_is_safe(edge) ? 2 : 8) == 0 ? "POST" : "GET";
}

static bool make_day(const struct edge_policy *edge, uint64_t seed, const struct gate_options *o,
                     struct plan **ret, struct error *err)
{
    struct plan *p = plan_new();
    fill_scenario(p, edge, DEPTH_QUICK);
    p->scenarios[0].name = "a game day";
    p->scenarios[0].from_policy = false;
    if (o->grpc)
        p->scenarios[0].lab.services[0].protocol = "grpc";
    day_phases(p, &p->scenarios[0], edge, seed, o->keys);
    if (!plan_check(p, err)) {
        plan_free(p);
        return false;
    }
    *ret = p;
    return true;
}

static bool make_plan(const struct edge_policy *edge, enum depth depth, uint64_t seed,
                      const char *method, struct plan **ret, struct error *err)
{
    struct generate_options options = {
        .depth = depth, .seed = seed, .method = method, .source = {SUITE, 1, 0}};
    struct plan *p = plan_new();
    fill_scenario(p, edge, depth);
    bool ok = generate_phases(p, &p->scenarios[0], edge, &options, err);
    if (ok)
        limits_add(p, &p->scenarios[0], edge);
    if (!ok || !plan_check(p, err)) {
        plan_free(p);
        return false;
    }
    *ret = p;
    return true;
}

bool gate_asks(const struct edge_policy *edge, const char *claim, enum depth depth, uint64_t seed)
{
    const struct claim_type *type = claim_type_find(claim);
    struct error err = {0};
    struct plan *p;
    bool asks = false;
    if (type == NULL || !type->applies(edge) ||
        !make_plan(edge, depth, seed, draw_method(edge, seed), &p, &err))
        return false;
    const struct scenario *s = &p->scenarios[0];
    for (size_t i = 0; i < s->phase_count; i++)
        for (size_t k = 0; k < s->phases[i].step_count; k++)
            asks = asks || (s->phases[i].steps[k].kind == STEP_EXPECT &&
                            expectation_means(&s->phases[i].steps[k], type));
    plan_free(p);
    return asks;
}

static struct journal *new_journal(const struct plan *p, const struct edge_policy *edge,
                                   bool by_json)
{
    struct journal *j = journal_new();
    journal_expect(j, RECORD_REQUEST, ROWS_USUAL);
    journal_expect(j, RECORD_ATTEMPT, ROWS_USUAL);
    journal_expect(j, RECORD_METRIC, ROWS_USUAL);
    j->plan = by_json ? plan_to_json(p) : NULL;
    j->policy = json_pack("{s:[{s:s, s:i, s:o}], s:[]}", "edges", "arm", SUBJECT, "scenario", 0,
                          "edge", edge_policy_to_json(edge), "findings");
    return j;
}

/* What is under way ends; what was lost is said. */
static void end_walk(struct scene *s)
{
    s->phase = NULL;
    for (uint64_t end_ns = s->now_ns + DRAIN_NS; events_next_ns(&s->events) < end_ns;)
        (void)scene_step(s);
    /* Our loops tell of their last stops. */
    (void)noise_stopped_ns(&s->noise, NOISE_PROXY, s->now_ns);
    (void)noise_stopped_ns(&s->noise, NOISE_LOAD, s->now_ns);
    if (s->lost > 0) {
        struct lost_record r = {.at = s->lost_first_ns,
                                .to = s->lost_last_ns + 1,
                                .first_seq = 1,
                                .last_seq = 1,
                                .count = s->lost,
                                .kind = RECORD_ATTEMPT};
        journal_add(s->journal, SCENE_PROC_PROXY, RECORD_LOST, &r);
        s->lost = 0;
    }
    s->now_ns += COUNTED_NS;
    scene_scrape(s);
    s->journal->end_how = "complete";
    s->journal->end_ns = s->now_ns;
}

/* The confirmation stage, as the conductor does it: after the walk, until nothing is asked for. */
static bool repeat(struct scene *s, struct gate *g, const struct judge_options *judge,
                   struct error *err)
{
    uint32_t ordinals[REPEATS_MOST];
    size_t count;
    for (uint32_t done = 0;
         (count = judge_repeats(g->judgement, 0, SUBJECT, done, ordinals, REPEATS_MOST)) > 0;
         done++) {
        g->repeated = true;
        scene_add(s, EVENT_SCRAPE, 0, 0, s->now_ns + NS_PER_MS); /* the last one is of now */
        for (size_t i = 0; i < count; i++)
            scene_walk(s, ordinals[i], done + 1);
        end_walk(s);
        judgement_free(g->judgement);
        g->judgement = NULL;
        if (!judge_run(g->journal, judge, &g->judgement, err))
            return false;
    }
    return true;
}

bool gate_run(const struct gate_options *o, struct gate *ret, struct error *err)
{
    struct rng rng = rng_of(o->seed);
    *ret = (struct gate){.edge = o->edge != NULL ? *o->edge : draw_policy(&rng, o->flavour)};
    struct gate *g = ret;
    struct judge_options judge = {.level = o->level};
    uint64_t seed = rng_next(&rng);
    if (o->by_hand && o->grpc)
        draw_grpc(seed, &g->edge);
    const char *method = o->method != NULL ? o->method : draw_method(&g->edge, o->seed);
    if (o->by_hand ? !make_day(&g->edge, seed, o, &g->plan, err)
                   : !make_plan(&g->edge, o->depth, seed, method, &g->plan, err))
        return false;
    g->journal = new_journal(g->plan, &g->edge, o->by_json);
    struct scene *s = check_alloc_zero(1, sizeof(*s));
    struct scene_options options = {.scenario = &g->plan->scenarios[0],
                                    .edge = &g->edge,
                                    .arm = SUBJECT,
                                    .noise = o->noise,
                                    .seed = rng_next(&rng),
                                    .loses = o->loses,
                                    .change = o->change,
                                    .cookie = o->cookie};
    scene_init(s, g->journal, &options);
    for (uint32_t i = 0; i < g->plan->scenarios[0].phase_count; i++)
        scene_walk(s, i, 0);
    end_walk(s);
    struct plan *read = NULL; /* once for all judgements */
    bool ok = !o->by_json || plan_from_json(g->journal->plan, &read, err);
    judge.plan = o->by_json ? read : g->plan;
    ok = ok && judge_run(g->journal, &judge, &g->judgement, err) &&
         (o->level > 0 || repeat(s, g, &judge, err));
    plan_free(read);
    g->length_ns = s->now_ns - SCENE_T0_NS;
    scene_release(s);
    free(s);
    return ok;
}

void gate_release(struct gate *g)
{
    judgement_free(g->judgement);
    journal_free(g->journal);
    plan_free(g->plan);
    *g = (struct gate){0};
}

enum verdict_kind gate_verdict(const struct judgement *g, const char *claim,
                               const struct judged **ret_worst)
{
    enum verdict_kind kind = VERDICT_NOT_APPLICABLE;
    const struct judged *worst = NULL;
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *d = &g->verdicts[i];
        if (strcmp(d->claim->id, claim) != 0 || strcmp(d->arm, SUBJECT) != 0 ||
            d->verdict.kind == VERDICT_NOT_APPLICABLE)
            continue;
        if (worst == NULL || verdict_worse(kind, d->verdict.kind) != kind) {
            kind = d->verdict.kind;
            worst = d;
        }
    }
    if (ret_worst != NULL)
        *ret_worst = worst;
    return kind;
}
