#include "plan/row.h"

#include "base/units.h"
#include "plan/guard_lua.h"

/* A plan as an ordinary suite to copy from. Loaded again from the same folder it gives an equal
 * plan, but for the lines that things came from, and for `heal` of generated loads, which no suite
 * can say. */

static const char *const families[] = {"fault", "expect", "cert", "await"};

/* Policy paths are relative to the suite: its folder, as far as it is in front, is left out again.
 */
static const char *relative(const struct plan *p, const char *path)
{
    const char *slash = p->suite == NULL ? NULL : strrchr(p->suite, '/');
    size_t folder = slash == NULL ? 0 : (size_t)(slash - p->suite) + 1;
    return folder > 0 && strncmp(path, p->suite, folder) == 0 ? path + folder : path;
}

static void print_paths(const struct plan *p, const char *const *paths, size_t count,
                        struct text *to)
{
    text_add(to, "policy = { ");
    for (size_t i = 0; i < count; i++) {
        text_add(to, "%s", i == 0 ? "" : ", ");
        row_quote(to, relative(p, paths[i]));
    }
    text_add(to, " }");
}

static void print_mesh(const struct plan *p, const struct mesh_plan *m, struct text *to)
{
    struct mesh_plan rest = *m;
    size_t count = m->policy_count > 0;
    text_add(to, "mesh.%s { ", m->word);
    if (count > 0)
        print_paths(p, m->policy, m->policy_count, to);
    rest.policy_count = 0;
    row_print(&mesh_table, m->word, &rest, to, &count);
    text_add(to, " }");
}

/* Of a scenario that was split into its arms, all of them. */
static void print_meshes(const struct plan *p, const struct scenario *s, struct text *to)
{
    size_t told = 0;
    if (s->mesh.word == NULL)
        return;
    text_add(to, "  mesh = %s", s->arm != NULL || s->arm_count > 0 ? "{ " : "");
    for (size_t i = 0; i < s->arm_count; i++) {
        text_add(to, "%s", told++ == 0 ? "" : ", ");
        print_mesh(p, &s->arms[i], to);
    }
    for (size_t i = 0; s->arm_count == 0 && i < p->scenario_count; i++)
        if (plan_same_arms(s, &p->scenarios[i])) {
            text_add(to, "%s", told++ == 0 ? "" : ", ");
            print_mesh(p, &p->scenarios[i].mesh, to);
        }
    text_add(to, "%s,\n", s->arm != NULL || s->arm_count > 0 ? " }" : "");
}

static void print_call(const struct call_plan *c, struct text *to)
{
    char open[32];
    size_t count = 0;
    text_add(to, "call \"%s\" { ", c->to);
    row_print(&call_table, "call", c, to, &count);
    if (c->breaker_failures > 0)
        text_add(to, "%sbreaker = { failures = %u, open = \"%s\" }", count++ == 0 ? "" : ", ",
                 c->breaker_failures, units_print_duration(c->breaker_open_ns, open, sizeof(open)));
    if (c->fallback_status > 0) {
        text_add(to, "%sfallback = { status = %u", count++ == 0 ? "" : ", ", c->fallback_status);
        if (c->fallback_body != NULL) {
            text_add(to, ", body = ");
            row_quote(to, c->fallback_body);
        }
        text_add(to, " }");
    }
    text_add(to, " }");
}

static void print_body(const char *text, uint64_t bytes, uint64_t fallback, size_t *count,
                       struct text *to)
{
    char size[32];
    if (text == NULL && bytes == fallback)
        return;
    text_add(to, "%sbody = ", (*count)++ == 0 ? "" : ", ");
    row_quote(to, text != NULL ? text : units_print_size(bytes, size, sizeof(size)));
}

static void print_service(const struct service_plan *s, struct text *to)
{
    size_t count = 0;
    text_add(to, "service \"%s\" { ", s->name);
    row_print(&service_table, "service", s, to, &count);
    print_body(s->body_text, s->body_bytes, 1024, &count, to);
    if (s->call_count > 0)
        text_add(to, "%scalls = { ", count == 0 ? "" : ", ");
    for (size_t i = 0; i < s->call_count; i++) {
        text_add(to, "%s", i == 0 ? "" : ", ");
        print_call(&s->calls[i], to);
    }
    text_add(to, "%s },\n", s->call_count > 0 ? " }" : "");
}

static void print_lab(const struct lab_plan *l, struct text *to)
{
    size_t count = 0;
    if (l->service_count == 0)
        return;
    text_add(to, "  lab = lab {\n    ");
    row_print(&lab_table, "lab", l, to, &count);
    text_add(to, "%s", count > 0 ? ",\n    " : "");
    for (size_t i = 0; i < l->service_count; i++) {
        text_add(to, "%s", i == 0 ? "" : "    ");
        print_service(&l->services[i], to);
    }
    text_add(to, "  },\n");
}

/* Of a scenario that was split into its arms: what is external again under each arm's name. */
static void print_labs(const struct plan *p, const struct scenario *s, struct text *to)
{
    struct lab_plan lab = s->lab;
    json_t *external = json_object();
    for (size_t i = 0; s->arm != NULL && i < p->scenario_count; i++) {
        const struct scenario *arm = &p->scenarios[i];
        if (!plan_same_arms(s, arm) || arm->lab.external == NULL)
            continue;
        lab.driver = arm->lab.driver;
        json_object_set(external, arm->arm, arm->lab.external);
    }
    if (s->arm != NULL)
        lab.external = json_object_size(external) == 0 ? NULL : external;
    print_lab(&lab, to);
    json_decref(external);
}

static void print_load(const struct load_plan *l, struct text *to)
{
    char rate[32], apart[32];
    size_t count = 0;
    const char *word = l->closed ? "load.closed" : "load.open";
    text_add(to, "%s { ", word);
    if (!l->closed)
        text_add(to, "rate = \"%s\"",
                 l->enough ? "enough" : units_print_rate(l->rate_per_h, rate, sizeof(rate)));
    count = l->closed ? 0 : 1;
    row_print(&load_table, word, l, to, &count);
    print_body(l->body_text, l->body_bytes, 0, &count, to);
    if (l->tagged_count > 0)
        text_add(to, "%stagged = { ", count == 0 ? "" : ", ");
    for (size_t i = 0; i < l->tagged_count; i++) {
        text_add(to, "%s[", i == 0 ? "" : ", ");
        row_quote(to, l->tagged[i].tag);
        text_add(to, "] = %u", l->tagged[i].count);
    }
    text_add(to, "%s }", l->tagged_count > 0 ? " }" : "");
    uint64_t longest_ns = tagged_longest_gap_ns(l);
    if (longest_ns > l->tag_every_ns)
        text_add(
            to,
            " --[[ up to %s apart, so that few at once have room; only a saved plan keeps it ]]",
            units_print_duration(longest_ns, apart, sizeof(apart)));
    if (l->heal > 0)
        text_add(
            to,
            " --[[ heal = %u: clean requests after each tagged one; only a saved plan keeps it ]]",
            l->heal);
}

static void print_loads(const struct load_plan *loads, size_t count, const char *indent,
                        struct text *to)
{
    if (count == 0)
        return;
    text_add(to, "%sload = %s", indent, count == 1 ? "" : "{ ");
    for (size_t i = 0; i < count; i++) {
        text_add(to, "%s", i == 0 ? "" : ", ");
        print_load(&loads[i], to);
    }
    text_add(to, "%s,\n", count == 1 ? "" : " }");
}

static void print_keys(const struct step *s, struct text *to)
{
    const char *key;
    json_t *value;
    size_t count = 0;
    text_add(to, "{ ");
    json_object_foreach(s->keys, key, value)
    {
        text_add(to, "%s%s = ", count++ == 0 ? "" : ", ", key);
        row_print_value(to, value);
    }
    text_add(to, " }");
}

static void print_steps(const struct step *steps, size_t count, int depth, struct text *to);

static void print_step(const struct step *s, int depth, struct text *to)
{
    char from[32], end[32] = "";
    text_add(to, "%*s", 2 * depth, "");
    if (s->kind <= STEP_AWAIT) {
        text_add(to, "%s.%s ", families[s->kind], s->word);
        print_keys(s, to);
        text_add(to, ",\n");
        return;
    }
    units_print_duration(s->from_ns, from, sizeof(from));
    if (s->kind == STEP_GROUP) {
        const char *name = json_string_value(json_object_get(s->keys, "name"));
        text_add(to, "group ");
        row_quote(to, name != NULL ? name : "");
    } else if (s->kind == STEP_AT) {
        text_add(to, "at \"%s\"", from);
    } else {
        if (s->to_ns != UINT64_MAX)
            units_print_duration(s->to_ns, end, sizeof(end));
        text_add(to, "during \"%s..%s\"", from, end);
    }
    text_add(to, " {\n");
    print_steps(s->steps, s->step_count, depth + 1, to);
    text_add(to, "%*s},\n", 2 * depth, "");
}

static void print_steps(const struct step *steps, size_t count, int depth, struct text *to)
{
    for (size_t i = 0; i < count; i++)
        print_step(&steps[i], depth, to);
}

static void print_phase(const struct scenario *s, const struct phase *p, struct text *to)
{
    char lasting[32], settle[32];
    text_add(to, "  phase ");
    row_quote(to, p->name);
    text_add(to, " {\n");
    if (p->ends == PHASE_BY_CLOCK)
        text_add(to, "    lasting = \"%s\",\n",
                 units_print_duration(p->lasting_ns, lasting, sizeof(lasting)));
    if (p->ends == PHASE_DECIDED)
        text_add(to, "    lasting = \"decided\", atmost = \"%s\",\n",
                 units_print_duration(p->atmost_ns, lasting, sizeof(lasting)));
    if (p->settle_ns != s->settle_ns)
        text_add(to, "    settle = \"%s\",\n",
                 units_print_duration(p->settle_ns, settle, sizeof(settle)));
    if (p->about != NULL) {
        text_add(to, "    about = ");
        row_quote(to, p->about);
        text_add(to, ",\n");
    }
    print_loads(p->loads, p->load_count, "    ", to);
    print_steps(p->steps, p->step_count, 2, to);
    text_add(to, "  },\n");
}

static void print_from_policy(const struct plan *p, const struct scenario *s, struct text *to)
{
    struct scenario rest = *s;
    size_t count = 1;
    rest.mesh.policy_count = 0;
    rest.exceptions = s->exceptions == NULL ? NULL : relative(p, s->exceptions);
    text_add(to, "scenario.from_policy {\n  ");
    print_paths(p, s->mesh.policy, s->mesh.policy_count, to);
    text_add(to, ", target = \"%s@%s\"",
             strcmp(s->mesh.word, "istio_ambient") == 0 ? "istio-ambient"
             : strcmp(s->mesh.word, "gateway_api") == 0 ? "gateway-api"
                                                        : s->mesh.word,
             s->mesh.version);
    row_print(&from_policy_table, "scenario.from_policy", &rest, to, &count);
    text_add(to, ",\n");
    print_lab(&s->lab, to);
    print_loads(s->loads, s->load_count, "  ", to);
    guards_print_lua(s, to);
    text_add(to, "}");
}

static void print_quarantine(const struct scenario *s, struct text *to)
{
    size_t count = 0;
    if (s->quarantine_until == NULL)
        return;
    text_add(to, "  quarantine = { ");
    row_print(&quarantine_table, "quarantine", s, to, &count);
    text_add(to, " },\n");
}

static void print_scenario(const struct plan *p, const struct scenario *s, struct text *to)
{
    size_t count = 0;
    if (s->from_policy && s->phase_count == 0 && s->mesh.word != NULL && s->mesh.version != NULL) {
        print_from_policy(p, s, to);
        return;
    }
    text_add(to, "scenario ");
    row_quote(to, s->arms_of != NULL ? s->arms_of : s->name);
    text_add(to, " {\n  ");
    row_print(&scenario_table, "scenario", s, to, &count);
    text_add(to, "%s\n", count > 0 ? "," : "");
    print_quarantine(s, to);
    print_meshes(p, s, to);
    print_labs(p, s, to);
    print_loads(s->loads, s->load_count, "  ", to);
    guards_print_lua(s, to);
    for (size_t i = 0; i < s->phase_count; i++)
        print_phase(s, &s->phases[i], to);
    print_steps(s->steps, s->step_count, 1, to);
    text_add(to, "}");
}

/* What a scenario itself has no key for: the suite's, where all of them have it. */
static const char *common_exceptions(const struct plan *p)
{
    const char *first = p->scenario_count == 0 ? NULL : p->scenarios[0].exceptions;
    for (size_t i = 0; first != NULL && i < p->scenario_count; i++)
        if (p->scenarios[i].exceptions == NULL || strcmp(p->scenarios[i].exceptions, first) != 0)
            return NULL;
    return first;
}

void plan_print_lua(const struct plan *p, struct text *to)
{
    text_add(to,
             "-- Printed by meshproof plan --as lua. Policy paths are relative to this file's "
             "folder: keep it\n"
             "-- beside %s.\n",
             p->suite != NULL ? p->suite : "its policy");
    plan_print_suite(p, to);
}

void plan_print_suite(const struct plan *p, struct text *to)
{
    const char *exceptions = common_exceptions(p);
    if (p->scenario_count == 1 && p->false_alarms == 1e-6 && exceptions == NULL) {
        text_add(to, "return ");
        print_scenario(p, &p->scenarios[0], to);
        text_add(to, "\n");
        return;
    }
    text_add(to, "return suite \"plan\" { false_alarms = ");
    json_t *budget = json_real(p->false_alarms);
    row_print_value(to, budget);
    json_decref(budget);
    if (exceptions != NULL) {
        text_add(to, ", exceptions = ");
        row_quote(to, relative(p, exceptions));
    }
    text_add(to, ",\n");
    for (size_t i = 0; i < p->scenario_count; i++) {
        if (i > 0 && plan_same_arms(&p->scenarios[i - 1], &p->scenarios[i]))
            continue; /* told with the first of them */
        print_scenario(p, &p->scenarios[i], to);
        text_add(to, ",\n");
    }
    text_add(to, "}\n");
}
