#include "cli/prepare.h"

#include "base/rng.h"
#include "cli/judge_shows.h"
#include "journal/arm.h"
#include "mesh/mesh.h"
#include "policy/quote.h"
#include "verify/generate.h"

/* Which edges a scenario has, what their policy is, who walks it (the subject, and the controls
 * beside it), and what of all this the journal keeps. */

struct edge_name {
    const char *from, *to, *path;
};

static void add_edge(struct edge_name *edges, size_t *count, const char *from, const char *to,
                     const char *path)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(edges[i].from, from) == 0 && strcmp(edges[i].to, to) == 0)
            return;
    }
    if (*count < EDGES_MOST)
        edges[(*count)++] = (struct edge_name){from, to, path};
}

static void add_loads(struct edge_name *edges, size_t *count, const struct load_plan *loads,
                      size_t load_count)
{
    for (size_t i = 0; i < load_count; i++)
        add_edge(edges, count,
                 loads[i].on.from.service == NULL ? "client" : loads[i].on.from.service,
                 loads[i].on.to.service, loads[i].path);
}

static uint32_t endpoints_in(const struct scenario *s, const char *service)
{
    for (size_t i = 0; i < s->lab.service_count; i++) {
        if (strcmp(s->lab.services[i].name, service) == 0)
            return s->lab.services[i].endpoints;
    }
    return 0;
}

bool prepare_edges(struct prepared *p, size_t scenario, struct error *err)
{
    const struct scenario *s = &p->plan->scenarios[scenario];
    struct prepared_scenario *ps = &p->scenarios[scenario];
    struct edge_name names[EDGES_MOST];
    size_t count = 0;
    add_loads(names, &count, s->loads, s->load_count);
    for (size_t i = 0; i < s->phase_count; i++)
        add_loads(names, &count, s->phases[i].loads, s->phases[i].load_count);
    for (size_t i = 0; i < s->lab.service_count; i++) {
        for (size_t k = 0; k < s->lab.services[i].call_count; k++)
            add_edge(names, &count, s->lab.services[i].name, s->lab.services[i].calls[k].to,
                     s->lab.services[i].calls[k].path);
    }
    if (count == 0)
        return error_at(err, s->source, ERROR_INPUT,
                        "scenario \"%s\" has no load: nothing would be sent", s->name);
    ps->edges = ARENA_ARRAY(&p->arena, struct edge_policy, count);
    ps->mesh_edges = ARENA_ARRAY(&p->arena, struct edge_policy, count);
    ps->edge_count = count;
    for (size_t i = 0; i < count; i++) {
        uint32_t endpoints = endpoints_in(s, names[i].to);
        if (endpoints == 0)
            return error_at(err, s->source, ERROR_INPUT,
                            "the lab has no service \"%s\", which a load or a call is for",
                            names[i].to);
        policy_resolve(ps->policy, names[i].from, names[i].to, names[i].path, endpoints,
                       &ps->edges[i]);
        policy_resolve(ps->mesh_policy != NULL ? ps->mesh_policy : ps->policy, names[i].from,
                       names[i].to, names[i].path, endpoints, &ps->mesh_edges[i]);
    }
    return true;
}

static bool add_policy_edges(json_t *list, const char *arm, uint32_t scenario,
                             const struct edge_policy *edges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{s:s, s:I, s:o}", "arm", arm, "scenario",
                                              (json_int_t)scenario, "edge",
                                              edge_policy_to_json(&edges[i])));
    return true;
}

void prepare_lab_beside(struct lab_plan *lab)
{
    lab->driver = DRIVER_BUILTIN;
    lab->external = lab->ports = NULL;
    lab->tls = NULL; /* the builtin mesh has no TLS */
    lab->defects = NULL;
    lab->defect_count = 0;
}

/* The control's scenario: the same claims on its own policy, whose intervals are short enough to
 * end beside the subject. */
static bool add_control(struct prepared *p, const struct arguments *args, uint32_t scenario,
                        const char *arm, const struct defect *defect, struct error *err)
{
    const struct scenario *subject = &p->plan->scenarios[scenario];
    const struct prepared_scenario *ps = &p->scenarios[scenario];
    struct generate_options options;
    if (p->walk_count == WALKS_MOST)
        return error_set(err, ERROR_LIMIT, "more than the %d walks allowed in a run", WALKS_MOST);
    struct plan *plan = plan_new();
    struct edge_policy *edge = ARENA_ARRAY(&p->arena, struct edge_policy, 1);
    p->control_plans[p->control_plan_count++] = plan;
    plan->suite = p->plan->suite;
    plan->false_alarms = p->plan->false_alarms;
    plan->scenarios = ARENA_ARRAY(&plan->arena, struct scenario, 1);
    plan->scenario_count = 1;
    struct scenario *s = &plan->scenarios[0];
    *s = *subject;
    s->phases = NULL;
    s->phase_count = 0;
    s->loads = NULL;
    s->load_count = 0;
    s->steps = NULL;
    s->step_count = 0;
    prepare_lab_beside(&s->lab);
    generate_control_policy(&ps->edges[0], edge);
    if (!prepare_generate_options(args, s, p->seed, &options, err) ||
        !generate_phases(plan, s, edge, &options, err) || !plan_check(plan, err)) {
        error_prefix(err, "control %s: ", arm);
        return false;
    }
    const char **defects = arena_take(&p->arena, sizeof(char *));
    defects[0] = defect == NULL ? NULL : defect->name;
    if (defect != NULL)
        json_array_append_new(json_object_get(p->policy_row, "controls"),
                              json_pack("{s:s, s:s, s:s}", "arm", arm, "defect", defect->name,
                                        "claim", defect->claim));
    p->walks[p->walk_count++] = (struct walk_plan){
        .arm = arm,
        .scenario = scenario,
        .draws_as = scenario,
        .scenario_plan = s,
        .mesh_edges = edge,
        .mesh_edge_count = 1,
        .driver = DRIVER_BUILTIN,
        .defects = defects,
        .defect_count = defect == NULL ? 0 : 1,
    };
    return add_policy_edges(json_object_get(p->policy_row, "edges"), arm, scenario, edge, 1);
}

/* True when the scenario's own expectations hold the claim that must catch the defect. */
static bool asked(const struct scenario *s, const char *claim)
{
    const struct claim_type *type = claim_type_find(claim);
    for (size_t i = 0; type != NULL && i < s->phase_count; i++) {
        for (size_t k = 0; k < s->phases[i].step_count; k++) {
            const struct step *step = &s->phases[i].steps[k];
            if (step->kind != STEP_EXPECT || strcmp(step->word, type->word) != 0)
                continue;
            const json_t *only = json_object_get(step->keys, "only");
            if (only == NULL || type->only == NULL)
                return true;
            for (size_t n = 0; n < json_array_size(only); n++) {
                const char *word = json_string_value(json_array_get(only, n));
                if (word != NULL && strcmp(word, type->only) == 0)
                    return true;
            }
        }
    }
    return false;
}

/* False where the defect cannot show: a control that is like a right mesh says nothing of a judge.
 */
static bool can_show(const struct scenario *s, const struct edge_policy *edge,
                     const struct defect *defect)
{
    const struct claim_type *claim = claim_type_find(defect->claim);
    if (defect->flavour != edge->flavour || claim == NULL || !asked(s, defect->claim) ||
        (claim->applies != NULL && !claim->applies(edge)))
        return false;
    if (strcmp(defect->name, "ejection_repeat_not_grown") == 0 && s->depth != DEPTH_FULL)
        return false;
    struct edge_policy control;
    generate_control_policy(edge, &control);
    return judge_shows(defect->name, &control);
}

static size_t eligible_defects(const struct prepared *p, uint32_t scenario,
                               const struct defect **ret, size_t most)
{
    const struct edge_policy *edge = &p->scenarios[scenario].edges[0];
    size_t all_count, count = 0;
    const struct defect *all = defects(&all_count);
    for (size_t i = 0; i < all_count && count < most; i++) {
        if (can_show(&p->plan->scenarios[scenario], edge, &all[i]))
            ret[count++] = &all[i];
    }
    return count;
}

static bool add_controls(struct prepared *p, const struct arguments *args, uint32_t scenario,
                         struct error *err)
{
    const struct scenario *s = &p->plan->scenarios[scenario];
    const struct defect *list[64];
    if (!s->from_policy || s->controls == CONTROLS_NONE)
        return true;
    size_t count = eligible_defects(p, scenario, list, COUNT_OF(list));
    struct rng rng = rng_for(p->seed, 0x636f6e74726f6cULL, scenario, 0, 0);
    rng_shuffle(&rng, list, count, sizeof(list[0]));
    size_t take = s->controls == CONTROLS_ALL || count < 2 ? count : 2;
    if (!add_control(p, args, scenario, "right", NULL, err))
        return false;
    for (size_t i = 0; i < take && p->walk_count < WALKS_MOST; i++) {
        if (!add_control(p, args, scenario, list[i]->name, list[i], err))
            return false;
    }
    return true;
}

/* The finding among those of the scenarios before: scenarios mostly share their policy. */
static json_t *finding_known(const json_t *list, const struct finding *f)
{
    json_t *each;
    size_t i;
    json_array_foreach(list, i, each)
    {
        const char *file = json_string_value(json_object_get(each, "file"));
        bool same_file = file == NULL ? f->source.file == NULL
                                      : f->source.file != NULL && strcmp(file, f->source.file) == 0;
        if (same_file && json_integer_value(json_object_get(each, "line")) == f->source.line &&
            json_integer_value(json_object_get(each, "column")) == f->source.column &&
            strcmp(json_string_value(json_object_get(each, "rule")), f->rule) == 0 &&
            strcmp(json_string_value(json_object_get(each, "text")), f->text) == 0)
            return each;
    }
    return NULL;
}

/* Of all scenarios, each finding once, with the names of those whose policy has it. */
static json_t *findings_json(const struct prepared *p)
{
    static const char *const severities[] = {"note", "warning", "error"};
    json_t *list = json_array();
    for (size_t k = 0; k < p->plan->scenario_count; k++) {
        size_t count;
        const struct finding *findings = policy_findings(p->scenarios[k].policy, &count);
        for (size_t i = 0; i < count; i++) {
            const struct finding *f = &findings[i];
            json_t *known = finding_known(list, f);
            if (known == NULL) {
                known = json_pack("{s:s, s:s, s:s*, s:I, s:I, s:s, s:[]}", "rule", f->rule,
                                  "severity", severities[f->severity], "file", f->source.file,
                                  "line", (json_int_t)f->source.line, "column",
                                  (json_int_t)f->source.column, "text", f->text, "scenarios");
                INVARIANT(known != NULL && json_array_append_new(list, known) == 0);
            }
            json_array_append_new(json_object_get(known, "scenarios"),
                                  json_string(p->plan->scenarios[k].name));
        }
    }
    return list;
}

static char *joined(struct arena *arena, const char *const *words, size_t count)
{
    char *text = arena_strdup(arena, "");
    for (size_t i = 0; i < count; i++)
        text = arena_printf(arena, "%s%s%s", text, i == 0 ? "" : " ", words[i]);
    return text;
}

static json_t *new_policy_row(struct prepared *p, const struct arguments *args)
{
    size_t at = 0; /* of the arms of a scenario one that has a mesh */
    while (at + 1 < p->plan->scenario_count && plan_is_control_arm(&p->plan->scenarios[at]))
        at++;
    const struct prepared_scenario *first = &p->scenarios[at];
    const struct mesh_plan *mesh = &p->plan->scenarios[at].mesh;
    const char *paths[64], *mesh_paths[64];
    char target[40];
    size_t count = arguments_all(args, "policy", paths, COUNT_OF(paths));
    size_t mesh_count = arguments_all(args, "mesh-policy", mesh_paths, COUNT_OF(mesh_paths));
    const char *text =
        count > 0 ? joined(&p->arena, paths, count)
                  : joined(&p->arena, (const char *const *)mesh->policy, mesh->policy_count);
    json_t *row =
        json_pack("{s:s, s:s, s:s, s:I, s:[], s:[], s:o}", "target",
                  target_print(first->target, target, sizeof(target)), "driver",
                  first->driver == DRIVER_NONE ? "none" : prepare_drivers[first->driver], "paths",
                  text, "objects", (json_int_t)policy_object_count(first->policy), "edges",
                  "controls", "findings", findings_json(p));
    INVARIANT(row != NULL);
    json_object_set_new(row, "files", policy_quotes_to_json(first->policy));
    if (first->istio_says != NULL)
        json_object_set(row, "istio", first->istio_says);
    if (mesh_count > 0)
        json_object_set_new(row, "mesh_paths",
                            json_string(joined(&p->arena, mesh_paths, mesh_count)));
    return row;
}

/* All arms of a scenario meet the same faults: what the first of them would draw. */
static uint32_t first_arm(const struct plan *plan, uint32_t scenario)
{
    uint32_t first = scenario;
    while (first > 0 && plan_same_arms(&plan->scenarios[first - 1], &plan->scenarios[scenario]))
        first--;
    return first;
}

bool prepare_walks(struct prepared *p, const struct arguments *args, struct error *err)
{
    p->walks = ARENA_ARRAY(&p->arena, struct walk_plan, WALKS_MOST);
    p->control_plans = ARENA_ARRAY(&p->arena, struct plan *, WALKS_MOST);
    p->policy_row = new_policy_row(p, args);
    for (size_t i = 0; i < p->plan->scenario_count; i++) {
        const struct scenario *s = &p->plan->scenarios[i];
        const struct prepared_scenario *ps = &p->scenarios[i];
        if (p->walk_count == WALKS_MOST)
            return error_set(err, ERROR_LIMIT, "more than the %d walks allowed in a run",
                             WALKS_MOST);
        const char *arm =
            s->arm == NULL ? ARM_SUBJECT : arena_printf(&p->arena, ARM_PREFIX "%s", s->arm);
        p->walks[p->walk_count++] = (struct walk_plan){
            .arm = arm,
            .group = s->arms_of,
            .scenario = (uint32_t)i,
            .draws_as = first_arm(p->plan, (uint32_t)i),
            .scenario_plan = s,
            .mesh_edges = ps->mesh_edges,
            .mesh_edge_count = ps->edge_count,
            .driver = ps->driver,
            .istio = ps->istio,
            .defects = (const char *const *)s->lab.defects,
            .defect_count = s->lab.defect_count,
            /* What it cannot do then is the finding, not its surroundings. */
            .uncalm = ps->mesh_policy != NULL,
        };
        add_policy_edges(json_object_get(p->policy_row, "edges"), arm, (uint32_t)i, ps->edges,
                         ps->edge_count);
        if (!add_controls(p, args, (uint32_t)i, err))
            return false;
    }
    return true;
}
