#include "cli/prepare.h"

/* scenario.from_policy becomes one scenario "policy: a -> b" per governed edge, with the generated
 * phases. */

bool prepare_generate_options(const struct arguments *args, const struct scenario *s, uint64_t seed,
                              struct generate_options *ret, struct error *err)
{
    const char *depth = arguments_get(args, "depth");
    *ret = (struct generate_options){
        .depth = depth == NULL                 ? s->depth
                 : strcmp(depth, "quick") == 0 ? DEPTH_QUICK
                                               : DEPTH_FULL,
        .strict = arguments_has(args, "strict"),
        .seed = seed,
        .budget_ns = s->budget_ns,
        .patience_ns = s->patience_ns,
        .method = s->method_count > 0 ? s->methods[0] : "GET",
        .claims = s->claims,
        .claim_count = s->claim_count,
        .except = s->except,
        .except_count = s->except_count,
        .source = s->source,
    };
    return arguments_duration(args, "patience", &ret->patience_ns, err);
}

static bool has_service(const struct lab_plan *lab, const char *name)
{
    for (size_t i = 0; i < lab->service_count; i++) {
        if (strcmp(lab->services[i].name, name) == 0)
            return true;
    }
    return false;
}

/* The lab's default: the edge's right side with three endpoints, so that one may be out. */
static void default_lab(struct plan *plan, struct scenario *s, const char *to)
{
    if (has_service(&s->lab, to))
        return;
    struct service_plan *services =
        ARENA_ARRAY(&plan->arena, struct service_plan, s->lab.service_count + 1);
    for (size_t i = 0; i < s->lab.service_count; i++)
        services[i] = s->lab.services[i];
    services[s->lab.service_count] = (struct service_plan){
        .name = arena_strdup(&plan->arena, to),
        .source = s->source,
        .endpoints = 3,
        .slots = 256,
        .protocol = "http1",
        .work_ns = 1000000,
        .body_bytes = 1024,
        .status = 200,
    };
    s->lab.services = services;
    s->lab.service_count++;
}

static uint32_t endpoints_in(const struct lab_plan *lab, const char *name)
{
    for (size_t i = 0; i < lab->service_count; i++) {
        if (strcmp(lab->services[i].name, name) == 0)
            return lab->services[i].endpoints;
    }
    return 0;
}

static bool expand_edge(struct prepared *p, const struct arguments *args,
                        const struct scenario *from, const char *name, const struct policy *policy,
                        const char *left, const char *right, struct scenario *ret,
                        struct error *err)
{
    struct generate_options options;
    struct edge_policy edge;
    *ret = *from;
    ret->name = name;
    ret->settle_ns = 0;
    default_lab(p->plan, ret, right);
    policy_resolve(policy, left, right, NULL, endpoints_in(&ret->lab, right), &edge);
    if (!prepare_generate_options(args, from, p->seed, &options, err))
        return false;
    ret->depth = options.depth; /* the judge asks no more than was planned */
    return generate_phases(p->plan, ret, &edge, &options, err);
}

static bool left_and_right(struct prepared *p, const struct scenario *s, const char *text,
                           const char **ret_left, const char **ret_right, struct error *err)
{
    struct place place;
    if (!place_parse(text, &p->arena, &place, err)) {
        err->source = s->source;
        error_prefix(err, "scenario.from_policy: edges ");
        return false;
    }
    *ret_left = place.from.service == NULL ? "client" : place.from.service;
    *ret_right = place.to.service;
    return place.to.service != NULL ||
           error_at(err, s->source, ERROR_INPUT,
                    "scenario.from_policy: edges has \"%s\"; it must be an edge", text);
}

struct expansion {
    struct scenario *scenarios;
    struct prepared_scenario *prepared;
    size_t count;
};

/* None of its edges is chosen: nobody else has its policies. */
static void drop(struct prepared_scenario *s)
{
    policy_free(s->policy);
    policy_free(s->mesh_policy);
    s->policy = s->mesh_policy = NULL;
}

static bool expand(struct prepared *p, const struct arguments *args, size_t i, struct expansion *to,
                   struct error *err)
{
    const struct scenario *s = &p->plan->scenarios[i];
    const struct policy *policy = p->scenarios[i].policy;
    size_t service_count;
    const char *const *services = policy_services(policy, &service_count);
    size_t count = s->edge_count > 0 ? s->edge_count : service_count, before = to->count;
    if (count == 0)
        return error_at(err, s->source, ERROR_INPUT,
                        "scenario.from_policy: the policy governs no edge");
    for (size_t k = 0; k < count; k++) {
        const char *left = "client", *right = s->edge_count > 0 ? NULL : services[k];
        if (to->count == EDGES_MOST)
            return error_at(err, s->source, ERROR_LIMIT, "more than the %d edges allowed in a run",
                            EDGES_MOST);
        if (s->edge_count > 0 && !left_and_right(p, s, s->edges[k], &left, &right, err))
            return false;
        const char *name = arena_printf(&p->plan->arena, "policy: %s -> %s", left, right);
        if (!prepare_is_named(args, s->name) && !prepare_is_named(args, name))
            continue;
        to->prepared[to->count] = p->scenarios[i];
        if (!expand_edge(p, args, s, name, policy, left, right, &to->scenarios[to->count++], err))
            return false;
    }
    if (to->count == before)
        drop(&p->scenarios[i]);
    return true;
}

bool prepare_expand(struct prepared *p, const struct arguments *args, struct error *err)
{
    struct expansion to = {
        .scenarios = ARENA_ARRAY(&p->plan->arena, struct scenario, EDGES_MOST),
        .prepared = ARENA_ARRAY(&p->arena, struct prepared_scenario, EDGES_MOST),
    };
    for (size_t i = 0; i < p->plan->scenario_count; i++) {
        if (p->plan->scenarios[i].from_policy && p->plan->scenarios[i].phase_count == 0) {
            if (!expand(p, args, i, &to, err))
                return false;
        } else if (to.count < EDGES_MOST) {
            to.scenarios[to.count] = p->plan->scenarios[i];
            to.prepared[to.count++] = p->scenarios[i];
        } else {
            return error_set(err, ERROR_LIMIT, "more than the %d scenarios allowed in a run",
                             EDGES_MOST);
        }
    }
    p->plan->scenarios = to.scenarios;
    p->plan->scenario_count = to.count;
    p->scenarios = to.prepared;
    return to.count > 0 || prepare_none_is_chosen(p->plan, err);
}
