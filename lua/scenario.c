#include "lua/build.h"

#include "base/units.h"
#include "lua/hook_step.h"
#include "lua/policy_value.h"
#include "policy/exception_entry.h"

/* Suites, scenarios, phases and steps: nodes -> plan. What a step may hold is plan_check's to say.
 */

#define LIST_MOST 1000
#define PHASE_MOST_NS (UINT64_C(30) * 86400 * 1000000000)

static void bad_place(struct build *b, const struct node *n, const char *in, const char *wanted)
{
    char label[64];
    errors_add(b->errors, n->source, ERROR_INPUT, "%s cannot stand in %s; it takes %s",
               node_label(n, label, sizeof(label)), in, wanted);
}

/* ---- steps ---- */

struct step_list {
    const char *in; /* the word that holds them */
    struct step **steps;
    size_t *count;
    struct scenario *scenario; /* in = "scenario": takes phases too */
    bool lost;                 /* a step with an error was left out */
};

static bool step_kind_of(enum node_kind kind, enum step_kind *ret)
{
    static const struct {
        enum node_kind from;
        enum step_kind to;
    } kinds[] = {{NODE_FAULT, STEP_FAULT}, {NODE_EXPECT, STEP_EXPECT}, {NODE_CERT, STEP_CERT},
                 {NODE_AWAIT, STEP_AWAIT}, {NODE_AT, STEP_AT},         {NODE_DURING, STEP_DURING},
                 {NODE_GROUP, STEP_GROUP}};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (kinds[i].from == kind) {
            *ret = kinds[i].to;
            return true;
        }
    }
    return false;
}

static void build_step(struct build *b, int index, const struct node *n, void *cookie);

/* "20s" of at, "20s..50s" and "20s.." of during; the word checked its form already. */
static void read_window(struct step *s, const char *text)
{
    const char *dots = strstr(text, "..");
    char from[40];
    size_t len = dots == NULL ? strlen(text) : (size_t)(dots - text);
    snprintf(from, sizeof(from), "%.*s", (int)(len < sizeof(from) ? len : 0), text);
    s->to_ns = s->kind == STEP_DURING ? UINT64_MAX : 0;
    bool good = units_parse_duration(from, &s->from_ns, NULL);
    if (good && dots != NULL && dots[2] != '\0')
        good = units_parse_duration(dots + 2, &s->to_ns, NULL);
    INVARIANT(good);
}

static void no_names(struct build *b, const json_t *keys, const char *label, struct source source)
{
    const char *key = json_object_iter_key(json_object_iter((json_t *)(uintptr_t)keys));
    if (key != NULL)
        errors_add(b->errors, source, ERROR_INPUT, "%s has no key \"%.40s\"; it holds steps only",
                   label, key);
}

static bool fill_holder(struct build *b, int index, const struct node *n, struct step *s)
{
    char label[64];
    struct step_list list = {node_label(n, label, sizeof(label)), &s->steps, &s->step_count, NULL,
                             false};
    s->word = label[0] == 'a' ? "at" : label[0] == 'd' ? "during" : "group";
    const char *name = build_name(b, index, label, n->source);
    json_t *keys = build_keys(b, index, NULL, label, NULL, NULL);
    no_names(b, keys, label, n->source);
    json_object_clear(keys);
    s->keys = keys;
    if (s->kind == STEP_GROUP)
        INVARIANT(json_object_set_new(keys, "name", json_string(name)) == 0);
    else
        read_window(s, node_name(b->L, index));
    node_push_table(b->L, index);
    build_positions(b, lua_gettop(b->L), list.in, n->source, build_step, &list);
    lua_pop(b->L, 1);
    return true;
}

/* What is left once the keys are values: of the policy, and of other files. */
static bool finish_word(struct build *b, struct step *s)
{
    if (!policy_values_resolve(b, b->scenario, s))
        return false;
    return s->kind != STEP_FAULT || strcmp(s->word, "hook") != 0 || hook_step_fill(b, s);
}

static bool fill_word(struct build *b, int index, const struct node *n, struct step *s)
{
    char label[64];
    bool broken;
    struct error err = {0};
    node_label(n, label, sizeof(label));
    s->word = n->word;
    b->values.policy = true;
    s->keys = build_keys(b, index, NULL, label, NULL, &broken);
    b->values.policy = false;
    node_push_table(b->L, index);
    if (values_positions(b->L, lua_gettop(b->L)) > 0)
        errors_add(b->errors, n->source, ERROR_INPUT, "%s takes named keys only", label);
    lua_pop(b->L, 1);
    if (broken)
        return false;
    const json_t *on = json_object_get(s->keys, "on");
    char shown[64];
    if (on == NULL)
        return finish_word(b, s);
    s->has_on = true;
    if (!json_is_string(on))
        error_set(&err, ERROR_INPUT,
                  "is %s; it must be a place: \"a -> b\", \"b\", \"b/2\", \"b/any\", \"zone:a\"",
                  row_show(on, shown, sizeof(shown)));
    else if (place_parse(json_string_value(on), &b->plan->arena, &s->on, &err))
        return finish_word(b, s);
    error_prefix(&err, "%s: on ", label);
    return errors_take(b->errors, n->source, &err);
}

static void build_phase(struct build *b, int index, const struct node *n, struct scenario *s);

static void build_step(struct build *b, int index, const struct node *n, void *cookie)
{
    struct step_list *list = cookie;
    struct step s = {.source = n->source};
    if (n->kind == NODE_PHASE && list->scenario != NULL) {
        build_phase(b, index, n, list->scenario);
        return;
    }
    if (!step_kind_of(n->kind, &s.kind)) {
        bad_place(b, n, list->in,
                  list->scenario != NULL ? "phases, faults and expectations" : "steps");
        list->lost = true;
        return;
    }
    if (!build_spend(b, 20) || !lua_checkstack(b->L, 16))
        return;
    if (*list->count >= LIST_MOST) {
        errors_add(b->errors, n->source, ERROR_LIMIT, "%s holds more than %d steps", list->in,
                   LIST_MOST);
        return;
    }
    if (s.kind <= STEP_AWAIT ? fill_word(b, index, n, &s) : fill_holder(b, index, n, &s))
        *(struct step *)build_append(b, list->steps, list->count, sizeof(s)) = s;
    else
        list->lost = true;
}

/* ---- phases ---- */

/* A duration of the phase; one that is wrong is said, and stands for an hour, so that no check
 * stumbles over it. */
static uint64_t read_time(struct build *b, const json_t *value, const char *key,
                          const struct phase *p)
{
    struct error err = {0};
    uint64_t ns = 0;
    if (row_quantity(UNIT_TIME_NS, value, &ns, &err) && (ns == 0 || ns > PHASE_MOST_NS))
        error_set(&err, ERROR_INPUT, "is \"%.40s\"; it must be longer than 0, and at most 30d",
                  json_string_value(value));
    if (err.kind == ERROR_NONE)
        return ns;
    error_prefix(&err, "phase: %s ", key);
    errors_take(b->errors, p->source, &err);
    return UINT64_C(3600) * 1000000000;
}

static void read_end(struct build *b, const json_t *keys, struct phase *p)
{
    const json_t *lasting = json_object_get(keys, "lasting"),
                 *atmost = json_object_get(keys, "atmost");
    if (json_is_string(lasting) && strcmp(json_string_value(lasting), "decided") == 0) {
        p->ends = PHASE_DECIDED;
        p->atmost_ns = atmost == NULL ? 0 : read_time(b, atmost, "atmost", p);
        return;
    }
    if (atmost != NULL)
        errors_add(b->errors, p->source, ERROR_INPUT,
                   "phase \"%.80s\": atmost goes with lasting = \"decided\"", p->name);
    if (lasting == NULL && atmost == NULL)
        return;
    p->ends = PHASE_BY_CLOCK;
    p->lasting_ns =
        read_time(b, lasting != NULL ? lasting : atmost, lasting != NULL ? "lasting" : "atmost", p);
}

static bool any_await(const struct phase *p)
{
    for (size_t i = 0; i < p->step_count; i++) {
        if (p->steps[i].kind == STEP_AWAIT)
            return true;
    }
    return false;
}

static void build_phase(struct build *b, int index, const struct node *n, struct scenario *s)
{
    if (!build_spend(b, 20))
        return;
    if (s->phase_count >= LIST_MOST) {
        errors_add(b->errors, n->source, ERROR_LIMIT, "a scenario holds more than %d phases",
                   LIST_MOST);
        return;
    }
    bool broken;
    struct phase *p = build_append(b, &s->phases, &s->phase_count, sizeof(*p));
    *p = (struct phase){.source = n->source, .ends = PHASE_BY_AWAITS, .settle_ns = s->settle_ns};
    p->name = build_name(b, index, "phase", n->source);
    json_t *keys = build_keys(b, index, &phase_table, "phase", p, &broken);
    read_end(b, keys, p);
    struct step_list list = {"phase", &p->steps, &p->step_count, NULL, false};
    node_push_table(b->L, index);
    build_positions(b, lua_gettop(b->L), "phase", n->source, build_step, &list);
    lua_pop(b->L, 1);
    if ((list.lost || broken) && p->ends == PHASE_BY_AWAITS && !any_await(p)) {
        p->ends = PHASE_BY_CLOCK; /* its await may be what was left out */
        p->lasting_ns = UINT64_C(3600) * 1000000000;
    }
}

/* ---- scenarios ---- */

static void add_tags(struct build *b, struct scenario *s, const struct scenario *defaults)
{
    size_t count = s->tag_count + defaults->tag_count;
    if (defaults->tag_count == 0 || !build_spend(b, count))
        return;
    const char **tags = ARENA_ARRAY(&b->plan->arena, const char *, count);
    size_t n = 0;
    for (size_t i = 0; i < defaults->tag_count; i++)
        tags[n++] = defaults->tags[i];
    for (size_t i = 0; i < s->tag_count; i++)
        tags[n++] = s->tags[i];
    s->tags = tags;
    s->tag_count = n;
}

/* quarantine = { until_date =, owner =, reason = }: somebody answers for it until a day. */
static void read_quarantine(struct build *b, const json_t *keys, struct scenario *s)
{
    const json_t *table = json_object_get(keys, "quarantine");
    uint32_t day;
    if (table == NULL)
        return;
    row_parse(&quarantine_table, "scenario: quarantine", table, s, s->source, &b->plan->arena,
              b->plan->owned, b->errors);
    if (s->quarantine_until != NULL && !exception_date_parse(s->quarantine_until, &day))
        errors_add(b->errors, s->source, ERROR_INPUT,
                   "scenario: quarantine: until_date is \"%.40s\"; it must be a day such as "
                   "\"2026-12-31\"",
                   s->quarantine_until);
}

static void fill_scenario(struct build *b, int index, const struct node *n, struct scenario *s)
{
    s->name = build_name(b, index, "scenario", n->source);
    read_quarantine(b, build_keys(b, index, &scenario_table, "scenario", s, NULL), s);
    b->scenario = s;
    struct step_list list = {"scenario", &s->steps, &s->step_count, s, false};
    node_push_table(b->L, index);
    build_positions(b, lua_gettop(b->L), "scenario", n->source, build_step, &list);
    lua_pop(b->L, 1);
}

static void fill_from_policy(struct build *b, int index, const struct node *n, struct scenario *s)
{
    bool broken;
    s->name = "policy";
    s->from_policy = true;
    s->lint = "fail";
    s->deadline_ns = UINT64_C(1800) * 1000000000;
    s->mesh = (struct mesh_plan){.source = n->source};
    s->arms = NULL;
    s->arm_count = 0;
    json_t *keys = build_keys(b, index, &from_policy_table, "scenario.from_policy", s, &broken);
    build_target(b, json_object_get(keys, "target"), n->source, &s->mesh);
    build_paths(b, &s->mesh);
    if (json_object_get(keys, "exceptions") != NULL)
        s->exceptions = build_path(b, s->exceptions);
    node_push_table(b->L, index);
    if (values_positions(b->L, lua_gettop(b->L)) > 0)
        errors_add(b->errors, n->source, ERROR_INPUT, "scenario.from_policy takes named keys only");
    lua_pop(b->L, 1);
}

/* ${cookie}: the suite's defaults. */
static void build_scenario(struct build *b, int index, const struct node *n, void *cookie)
{
    const struct scenario *defaults = cookie;
    if (n->kind != NODE_SCENARIO && n->kind != NODE_FROM_POLICY) {
        bad_place(b, n, "suite", "scenarios, and lists of them");
        return;
    }
    if (!build_spend(b, 100))
        return;
    if (b->plan->scenario_count >= LIST_MOST) {
        errors_add(b->errors, n->source, ERROR_LIMIT, "a suite holds more than %d scenarios",
                   LIST_MOST);
        return;
    }
    struct scenario *s = build_append(b, &b->plan->scenarios, &b->plan->scenario_count, sizeof(*s));
    *s = (struct scenario){.source = n->source,
                           .mesh = defaults->mesh,
                           .arms = defaults->arms,
                           .arm_count = defaults->arm_count,
                           .lab = defaults->lab,
                           .loads = defaults->loads,
                           .load_count = defaults->load_count,
                           .exceptions = defaults->exceptions};
    if (n->kind == NODE_SCENARIO)
        fill_scenario(b, index, n, s);
    else
        fill_from_policy(b, index, n, s);
    policy_values_rates(b, s, &s->loads, s->load_count);
    for (size_t i = 0; i < s->phase_count; i++)
        policy_values_rates(b, s, &s->phases[i].loads, s->phases[i].load_count);
    if (!s->from_policy)
        plan_choose_driver(s);
    add_tags(b, s, defaults);
    build_add_guards(b, s, defaults);
}

static void build_whole_suite(struct build *b, int index, const struct node *n)
{
    struct scenario defaults = {0};
    json_t *keys = build_keys(b, index, &suite_table, "suite", &defaults, NULL);
    const json_t *budget = json_object_get(keys, "false_alarms");
    char shown[64];
    defaults.exceptions = build_path(b, defaults.exceptions);
    if (budget != NULL && json_is_number(budget) && json_number_value(budget) > 0 &&
        json_number_value(budget) < 1)
        b->plan->false_alarms = json_number_value(budget);
    else if (budget != NULL)
        errors_add(b->errors, n->source, ERROR_INPUT,
                   "suite: false_alarms is %s; it must be a number such as 1e-6",
                   row_show(budget, shown, sizeof(shown)));
    node_push_table(b->L, index);
    build_positions(b, lua_gettop(b->L), "suite", n->source, build_scenario, &defaults);
    lua_pop(b->L, 1);
    if (b->plan->scenario_count == 0 && b->errors->count == 0)
        errors_add(b->errors, n->source, ERROR_INPUT, "a suite with no scenario");
}

void build_suite(struct build *b, int index)
{
    const struct node *n = node_at(b->L, index);
    struct scenario none = {0};
    struct source file = {b->plan->suite, 0, 0};
    if (n != NULL && n->kind == NODE_SUITE)
        build_whole_suite(b, index, n);
    else if (n != NULL && n->kind == NODE_SCENARIO)
        build_scenario(b, index, n, &none);
    else if (n == NULL && lua_type(b->L, index) == LUA_TTABLE && values_positions(b->L, index) > 0)
        build_positions(b, index, "the suite's list", file, build_scenario, &none);
    else if (b->errors->count == 0)
        errors_add(
            b->errors, n != NULL ? n->source : file, ERROR_INPUT,
            "a suite file returns one scenario, one list of scenario.from_policy, or one suite");
}
