#ifndef VERIFY_SIMULATOR_RUN_TEST_H
#define VERIFY_SIMULATOR_RUN_TEST_H

/* The simulator's walk: a generated plan, phase by phase, and the journal that comes of it. */

#include "verify/simulator_test.h"

static inline void sim_load(struct sim *s, const struct phase *p, uint64_t length_ns)
{
    for (uint32_t l = 0; l < p->load_count; l++) {
        const struct load_plan *load = &p->loads[l];
        if (load->closed) {
            sim_arrive(s, l, s->phase_ns, NULL);
            continue;
        }
        uint64_t gap = 3600 * NS_PER_S / load->rate_per_h;
        for (uint64_t t = 0; t < length_ns; t += gap)
            sim_arrive(s, l, s->phase_ns + t, NULL);
        const struct tagged *tags[1024];
        uint64_t at_ns = 3 * NS_PER_MS;
        size_t count = 0;
        for (size_t i = 0; i < load->tagged_count; i++)
            for (uint32_t k = 0; k < load->tagged[i].count && count < 1024; k++)
                tags[count++] = &load->tagged[i];
        rng_shuffle(&s->rng, tags, count, sizeof(tags[0]));
        for (size_t i = 0; i < count; i++) {
            sim_arrive(s, l, s->phase_ns + at_ns, tags[i]->tag);
            at_ns += tagged_gap_ns(load, tags[i]);
        }
    }
}

/* When an await is met: out for 1.3 s, or in for 0.3 s. */
static inline bool sim_met(const struct sim *s, const struct step *await, uint64_t *since_ns)
{
    uint32_t h = await->on.to.endpoint - 1u;
    bool now = strcmp(await->word, "ejected") == 0 ? !sim_is_in(s, h) : sim_is_in(s, h);
    if (!now)
        *since_ns = 0;
    else if (*since_ns == 0)
        *since_ns = s->now_ns;
    return now &&
           s->now_ns >= *since_ns + (strcmp(await->word, "ejected") == 0 ? 1300 : 300) * NS_PER_MS;
}

static inline void sim_carry(struct sim *s, const struct phase *p)
{
    for (size_t i = 0; i < p->step_count; i++) {
        const char *until = p->steps[i].kind == STEP_FAULT
                                ? json_string_value(json_object_get(p->steps[i].keys, "to_end_of"))
                                : NULL;
        if (until == NULL)
            continue;
        s->carried[s->carried_count] = &p->steps[i];
        s->carried_to[s->carried_count++] = until;
    }
}

static inline void sim_drop(struct sim *s, const struct phase *p)
{
    for (size_t i = 0; i < s->carried_count; i++)
        if (strcmp(s->carried_to[i], p->name) == 0)
            s->carried[i] = s->carried[--s->carried_count];
}

/* Requests that were only planned are not sent. */
static inline void sim_unplan(struct sim *s)
{
    struct sim_event *old = s->heap;
    size_t count = s->heap_count;
    s->heap = NULL;
    s->heap_count = s->heap_room = 0;
    for (size_t i = 0; i < count; i++)
        if (old[i].kind != SIM_ARRIVE)
            sim_push(s, old[i].t_ns, old[i].kind, old[i].request, old[i].epoch);
    free(old);
}

/* Until all awaits are met, or one is late. */
static inline void sim_await(struct sim *s, const struct phase *p)
{
    uint64_t since = 0, begun = s->now_ns;
    for (size_t i = 0; i < p->step_count && s->heap_count > 0;) {
        const struct step *await = &p->steps[i];
        uint64_t within = 0;
        struct error err = {0};
        if (await->kind != STEP_AWAIT) {
            i++;
            continue;
        }
        sim_step(s);
        if (!units_parse_duration(json_string_value(json_object_get(await->keys, "within")),
                                  &within, &err))
            within = NS_PER_S;
        bool met = sim_met(s, await, &since), late = s->now_ns > begun + within;
        if (!met && !late)
            continue;
        journal_add_event(s->j, s->phase_id + 100 * s->lane, s->now_ns, "await",
                          json_pack("{s:s, s:s, s:b, s:I}", "word", await->word, "on",
                                    await->on.text, "met", met, "after_ns",
                                    (json_int_t)(s->now_ns - begun)));
        since = 0;
        begun = s->now_ns;
        i = met ? i + 1 : p->step_count;
    }
}

static inline void sim_phase(struct sim *s, uint32_t ordinal, const char *suffix)
{
    const struct phase *p = &s->s->phases[ordinal];
    bool by_clock = p->ends == PHASE_BY_CLOCK;
    char name[96];
    snprintf(name, sizeof(name), "%s%s", p->name, suffix);
    s->phase = p;
    s->phase_ns = s->now_ns;
    s->phase_id++;
    sim_carry(s, p);
    sim_load(s, p, by_clock ? p->lasting_ns : 30 * NS_PER_S);
    while (by_clock && s->heap_count > 0 && s->heap[0].t_ns < s->phase_ns + p->lasting_ns)
        sim_step(s);
    if (!by_clock)
        sim_await(s, p);
    s->now_ns = by_clock ? s->phase_ns + p->lasting_ns : s->now_ns + 1;
    struct journal_phase row = {.phase = s->phase_id + 100 * s->lane,
                                .ordinal = ordinal,
                                .arm = s->arm,
                                .name = name,
                                .why = by_clock ? "clock" : "event",
                                .t0_ns = s->phase_ns,
                                .t1_ns = s->now_ns};
    journal_add_phase(s->j, &row);
    sim_unplan(s);
    sim_drop(s, p);
}

static inline struct value sim_value(uint64_t number, uint32_t line)
{
    return (struct value){number, true, {"vs.yaml", line, 3}, "VirtualService payments"};
}

/* The policy of the specification's example, on three endpoints of which one may be out. */
static inline struct edge_policy sim_policy(void)
{
    struct edge_policy e = {
        .from = "client",
        .to = "payments",
        .path = "/",
        .route = "payments/http[0]",
        .target = {MESH_ISTIO, 1, 31},
        .flavour = FLAVOUR_ENVOY,
        .endpoints = 3,
        .retry = {.attempts = sim_value(3, 9),
                  .per_try_timeout = sim_value(600 * NS_PER_MS, 9),
                  .on = RETRY_5XX | RETRY_RESET | RETRY_CONNECT_FAILURE,
                  .conditions = sim_value(0, 9),
                  .backoff_base = sim_value(25 * NS_PER_MS, 0),
                  .other_host = true},
        .request_timeout = sim_value(2 * NS_PER_S, 8),
        .outlier = {.present = true,
                    .consecutive_5xx = sim_value(5, 17),
                    .interval = sim_value(NS_PER_S, 17),
                    .base_ejection = sim_value(2 * NS_PER_S, 17),
                    .max_ejection = {300 * NS_PER_S, false, {0}, NULL},
                    .max_ejection_percent = sim_value(34, 17)},
    };
    return e;
}

static inline struct sim_mesh sim_mesh_of(const struct edge_policy *e)
{
    return (struct sim_mesh){
        .retries = e->retry.attempts.number,
        .p_ns = e->retry.per_try_timeout.number,
        .t_ns = e->request_timeout.number,
        .backoff_ns = e->retry.backoff_base.number,
        .c = e->outlier.consecutive_5xx.number,
        .interval_ns = e->outlier.interval.number,
        .base_ns = e->outlier.base_ejection.number,
        .cap = outlier_rule_cap(&e->outlier, e->endpoints),
    };
}

/* A journal with the plan for ${edge}; nothing has run yet. */
static inline void sim_open(struct sim *s, const struct edge_policy *edge, enum depth depth,
                            uint64_t seed)
{
    *s = (struct sim){.edge = *edge,
                      .rng = rng_of(seed),
                      .arm = "subject",
                      .n = edge->endpoints,
                      .now_ns = SIM_T0};
    struct generate_options options = {
        .depth = depth, .seed = seed, .method = "GET", .source = {"gate.lua", 1, 0}};
    struct error err = {0};
    s->mesh = sim_mesh_of(edge);
    s->plan = plan_new();
    s->plan->suite = "gate.lua";
    s->plan->scenarios = ARENA_ARRAY(&s->plan->arena, struct scenario, 1);
    s->plan->scenario_count = 1;
    s->s = &s->plan->scenarios[0];
    *s->s = (struct scenario){.name = "policy: client -> payments",
                              .from_policy = true,
                              .depth = depth,
                              .source = options.source,
                              .deadline_ns = 1800 * NS_PER_S};
    s->s->mesh.word = "istio";
    s->s->mesh.version = "1.31";
    s->s->lab.services = ARENA_ARRAY(&s->plan->arena, struct service_plan, 1);
    s->s->lab.service_count = 1;
    s->s->lab.services[0] = (struct service_plan){.name = "payments",
                                                  .endpoints = edge->endpoints,
                                                  .slots = 256,
                                                  .protocol = "http1",
                                                  .status = 200,
                                                  .body_bytes = 1024};
    if (!generate_phases(s->plan, s->s, edge, &options, &err) || !plan_check(s->plan, &err)) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    s->j = journal_new();
    s->sweep_ns = SIM_T0 + rng_below(&s->rng, edge->outlier.interval.number + 1);
    s->j->plan = plan_to_json(s->plan);
    s->j->policy = json_pack("{s:[{s:s, s:i, s:o}], s:[]}", "edges", "arm", "subject", "scenario",
                             0, "edge", edge_policy_to_json(edge), "findings");
    journal_add_proc(s->j, SIM_LOAD, "load", "subject", "client");
    journal_add_proc(s->j, SIM_PROXY, "proxy", "subject", "payments");
}

/* Another mesh beside it, from the same plan, as a control. */
static inline void sim_beside(struct sim *s, const char *arm)
{
    s->lane++;
    s->arm = arm;
    s->now_ns = SIM_T0;
    s->changed_ns = 0;
    memset(s->hosts, 0, sizeof(s->hosts));
    s->sweep_ns = SIM_T0;
    s->phase_id = 0;
    s->mesh = sim_mesh_of(&s->edge);
    json_array_append_new(json_object_get(s->j->policy, "edges"),
                          json_pack("{s:s, s:i, s:o}", "arm", arm, "scenario", 0, "edge",
                                    edge_policy_to_json(&s->edge)));
    journal_add_proc(s->j, SIM_LOAD + 10 * s->lane, "load", arm, "client");
    journal_add_proc(s->j, SIM_PROXY + 10 * s->lane, "proxy", arm, "payments");
}

static inline void sim_run(struct sim *s)
{
    for (uint32_t i = 0; i < s->s->phase_count; i++)
        sim_phase(s, i, "");
    while (s->heap_count > 0)
        sim_step(s);
    s->j->end_how = "complete";
}

/* A stall of our proxy's loop, which it journals itself. */
static inline void sim_stall(struct sim *s, uint64_t from_ns, uint64_t length_ns)
{
    struct stall_record r = {.at = from_ns, .fired = length_ns};
    s->stalls[s->stall_count++] = (struct span){from_ns, from_ns + length_ns};
    journal_add(s->j, SIM_PROXY + 10 * s->lane, RECORD_STALL, &r);
}

/* A shared machine: our proxy and the mesh are stopped now and then, about every ${every_ns}, for
 * up to ${most_ns}. Nobody journals the mesh's stops: the clean background shows them. */
static inline void sim_starve(struct sim *s, uint64_t every_ns, uint64_t most_ns)
{
    uint64_t end = SIM_T0 + 150 * NS_PER_S;
    for (uint64_t t = SIM_T0; t < end && s->stall_count < SIM_STALLS;
         t += rng_below(&s->rng, 2 * every_ns) + 2 * most_ns)
        sim_stall(s, t + rng_below(&s->rng, every_ns), 3 * NS_PER_MS + rng_below(&s->rng, most_ns));
    for (uint64_t t = SIM_T0; t < end && s->freeze_count < SIM_STALLS;
         t += rng_below(&s->rng, 2 * every_ns) + 2 * most_ns) {
        uint64_t from = t + rng_below(&s->rng, every_ns);
        s->freezes[s->freeze_count++] =
            (struct span){from, from + 3 * NS_PER_MS + rng_below(&s->rng, most_ns)};
    }
}

static inline void sim_close(struct sim *s)
{
    journal_free(s->j);
    plan_free(s->plan);
    free(s->heap);
    free(s->requests);
}

static inline const struct judged *sim_verdict(const struct judgement *g, const char *id)
{
    const struct judged *worst = NULL;
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *d = &g->verdicts[i];
        bool worse =
            worst == NULL || d->verdict.kind == VERDICT_FAIL ||
            (d->verdict.kind == VERDICT_INCONCLUSIVE && worst->verdict.kind == VERDICT_PASS);
        if (strcmp(d->claim->id, id) == 0 && strcmp(d->arm, "subject") == 0 &&
            d->verdict.kind != VERDICT_NOT_APPLICABLE && worse)
            worst = d;
    }
    return worst;
}

#endif
