#include "lua/build.h"
#include "lua/policy_value.h"

#include "base/units.h"

/* mesh, lab, service, call and load: the nodes that stand as values of keys. */

static void bad_value(struct build *b, int index, const char *label, const char *key,
                      struct source source, const char *wanted)
{
    const struct node *n = node_at(b->L, index);
    char what[64], shown[80];
    if (n != NULL)
        node_label(n, what, sizeof(what));
    else if (lua_type(b->L, index) == LUA_TSTRING)
        snprintf(what, sizeof(what), "\"%.40s\"", lua_tostring(b->L, index));
    else
        snprintf(what, sizeof(what), "a %s", luaL_typename(b->L, index));
    snprintf(shown, sizeof(shown), "%s: %s is %s", label, key, what);
    errors_add(b->errors, source, ERROR_INPUT, "%s; it must be %s", shown, wanted);
}

/* ---- body, maps ---- */

static void read_body(struct build *b, const json_t *keys, const char *label, struct source source,
                      const char **text, uint64_t *bytes)
{
    const json_t *value = json_object_get(keys, "body");
    char shown[64];
    if (value == NULL)
        return;
    if (!json_is_string(value)) {
        errors_add(b->errors, source, ERROR_INPUT,
                   "%s: body is %s; it must be a text, or a size such as \"4KiB\"", label,
                   row_show(value, shown, sizeof(shown)));
        return;
    }
    *bytes = 0;
    if (!units_parse_size(json_string_value(value), bytes, NULL))
        *text = arena_strdup(&b->plan->arena, json_string_value(value));
    else if (*bytes > UINT64_C(64) << 20)
        errors_add(b->errors, source, ERROR_INPUT, "%s: body is %s; at most 64MiB", label,
                   row_show(value, shown, sizeof(shown)));
}

/* An inner table of two keys, such as breaker = { failures = 5, open = "10s" }. */
static const json_t *inner(struct build *b, const json_t *keys, const char *key, const char *first,
                           const char *second, struct source source)
{
    const json_t *table = json_object_get(keys, key);
    const char *name;
    json_t *value;
    if (table == NULL)
        return NULL;
    if (!json_is_object(table)) {
        errors_add(b->errors, source, ERROR_INPUT, "call: %s must be a table with %s and %s", key,
                   first, second);
        return NULL;
    }
    json_object_foreach((json_t *)(uintptr_t)table, name, value)
    {
        if (strcmp(name, first) != 0 && strcmp(name, second) != 0)
            errors_add(b->errors, source, ERROR_INPUT,
                       "call: %s has no key \"%.40s\"; it has %s %s", key, name, first, second);
    }
    return table;
}

static uint64_t inner_number(struct build *b, const json_t *table, const char *key,
                             const char *name, enum unit unit, uint64_t most, struct source source)
{
    struct error err = {0};
    uint64_t number = 0;
    const json_t *value = json_object_get(table, name);
    if (value == NULL) {
        errors_add(b->errors, source, ERROR_INPUT, "call: %s needs %s", key, name);
        return 0;
    }
    if (row_quantity(unit, value, &number, &err) && number > most)
        error_set(&err, ERROR_INPUT, "is more than the %llu allowed", (unsigned long long)most);
    error_prefix(&err, "call: %s: %s ", key, name);
    if (err.kind == ERROR_NONE)
        return number;
    errors_take(b->errors, source, &err);
    return 0;
}

static void build_call(struct build *b, int index, const struct node *n, void *cookie)
{
    struct service_plan *s = cookie;
    if (n->kind != NODE_CALL) {
        bad_value(b, index, "service", "calls", n->source, "a list of call \"name\" { ... }");
        return;
    }
    if (!build_spend(b, 20))
        return;
    struct call_plan *c = build_append(b, &s->calls, &s->call_count, sizeof(*c));
    *c = (struct call_plan){.source = n->source};
    c->to = build_name(b, index, "call", n->source);
    json_t *keys = build_keys(b, index, &call_table, "call", c, NULL);
    const json_t *breaker = inner(b, keys, "breaker", "failures", "open", n->source);
    if (breaker != NULL) {
        c->breaker_failures = (uint32_t)inner_number(b, breaker, "breaker", "failures", UNIT_COUNT,
                                                     1000000, n->source);
        c->breaker_open_ns =
            inner_number(b, breaker, "breaker", "open", UNIT_TIME_NS, INT64_MAX, n->source);
    }
    const json_t *fallback = inner(b, keys, "fallback", "status", "body", n->source);
    if (fallback != NULL) {
        const json_t *body = json_object_get(fallback, "body");
        c->fallback_status =
            (uint16_t)inner_number(b, fallback, "fallback", "status", UNIT_COUNT, 599, n->source);
        if (json_is_string(body))
            c->fallback_body = arena_strdup(&b->plan->arena, json_string_value(body));
    }
}

/* ---- lab ---- */

/* A service that runs already has as many endpoints as addresses; it, and a program of the user's,
 * do what they do. */
static void read_others(struct build *b, const json_t *keys, struct service_plan *s)
{
    static const char *const ours[] = {"body", "jitter", "slots",     "status",
                                       "work", "run",    "endpoints", "calls"};
    size_t count = s->run != NULL ? COUNT_OF(ours) - 3 : COUNT_OF(ours);
    if (s->run != NULL)
        s->run_in = b->folder[0] == '\0' ? NULL : arena_strdup(&b->plan->arena, b->folder);
    if (s->address_count > 0) {
        s->endpoints = (uint32_t)s->address_count;
        count = COUNT_OF(ours);
    }
    for (size_t i = 0; (s->run != NULL || s->address_count > 0) && i < count; i++)
        if (json_object_get(keys, ours[i]) != NULL)
            errors_add(b->errors, s->source, ERROR_INPUT,
                       "service \"%.60s\" has both %s and %s: %s is no stub of ours%s", s->name,
                       s->address_count > 0 ? "address" : "run", ours[i],
                       s->address_count > 0 ? "what runs already" : "a program",
                       s->address_count > 0 ? ", with one endpoint an address" : "");
}

static void build_service(struct build *b, int index, const struct node *n, void *cookie)
{
    struct lab_plan *lab = cookie;
    char label[64];
    if (n->kind != NODE_SERVICE) {
        errors_add(b->errors, n->source, ERROR_INPUT,
                   "%s cannot stand in lab; lab holds service \"name\" { ... }",
                   node_label(n, label, sizeof(label)));
        return;
    }
    if (!build_spend(b, 20) || lab->service_count >= 200)
        return;
    struct service_plan *s = build_append(b, &lab->services, &lab->service_count, sizeof(*s));
    *s = (struct service_plan){.source = n->source, .body_bytes = 1024};
    s->name = build_name(b, index, "service", n->source);
    json_t *keys = build_keys(b, index, &service_table, "service", s, NULL);
    read_body(b, keys, "service", n->source, &s->body_text, &s->body_bytes);
    read_others(b, keys, s);
}

static void build_lab(struct build *b, int index, const char *label, const char *key,
                      struct source source, void *to)
{
    const struct node *n = node_at(b->L, index);
    struct lab_plan *lab = to;
    if (n != NULL && n->kind == NODE_NOTHING)
        return;
    if (n == NULL || n->kind != NODE_LAB) {
        bad_value(b, index, label, key, source, "lab { service \"name\" { ... } }");
        return;
    }
    *lab = (struct lab_plan){.source = n->source};
    const json_t *keys = build_keys(b, index, &lab_table, "lab", lab, NULL);
    lab->driver_unsaid = json_object_get(keys, "driver") == NULL;
    node_push_table(b->L, index);
    build_positions(b, lua_gettop(b->L), "lab", n->source, build_service, lab);
    lua_pop(b->L, 1);
}

/* ---- mesh ---- */

/* ${path} as seen from the suite's ${folder} ("suites/selftest/"), each "../" eating a folder's
 * name, so that marks read well. */
static const char *join(struct arena *arena, const char *folder, const char *path)
{
    size_t len = strlen(folder);
    while (strncmp(path, "../", 3) == 0 && len > 1) {
        size_t start = len - 1;
        while (start > 0 && folder[start - 1] != '/')
            start--;
        if (len - start < 2 || strncmp(folder + start, "../", 3) == 0 ||
            strncmp(folder + start, "./", 2) == 0)
            break;
        len = start;
        path += 3;
    }
    return arena_printf(arena, "%.*s%s", (int)len, folder, path);
}

const char *build_path(struct build *b, const char *path)
{
    return path == NULL || path[0] == '/' ? path : join(&b->plan->arena, b->folder, path);
}

void build_paths(struct build *b, struct mesh_plan *to)
{
    for (size_t i = 0; i < to->policy_count; i++) {
        if (to->policy[i][0] != '/')
            to->policy[i] = join(&b->plan->arena, b->folder, to->policy[i]);
    }
}

static void fill_mesh(struct build *b, int index, const struct node *n, struct mesh_plan *mesh)
{
    char word[64];
    bool none = strcmp(n->word, "none") == 0, broken;
    *mesh = (struct mesh_plan){.word = n->word, .source = n->source};
    node_label(n, word, sizeof(word));
    json_t *keys = build_keys(b, index, &mesh_table, word, mesh, &broken);
    if (none && (mesh->policy_count > 0 || mesh->version != NULL || mesh->ignore_count > 0))
        errors_add(b->errors, n->source, ERROR_INPUT, "mesh.none has name, and nothing else");
    if (!none && !broken && json_object_get(keys, "policy") == NULL)
        errors_add(b->errors, n->source, ERROR_INPUT, "%s needs policy", word);
    if (!none && !broken && json_object_get(keys, "version") == NULL)
        errors_add(b->errors, n->source, ERROR_INPUT, "%s needs version", word);
    if (mesh->name == NULL)
        mesh->name = n->word;
    build_paths(b, mesh);
}

static void build_arm(struct build *b, int index, const struct node *n, void *cookie)
{
    struct scenario *s = cookie;
    char label[64];
    if (n->kind != NODE_MESH)
        errors_add(b->errors, n->source, ERROR_INPUT, "%s cannot stand in a list of meshes",
                   node_label(n, label, sizeof(label)));
    else if (build_spend(b, 20) && s->arm_count <= PLAN_ARMS_MOST)
        fill_mesh(b, index, n, build_append(b, &s->arms, &s->arm_count, sizeof(struct mesh_plan)));
}

/* The first that a policy stands for: words such as policy.value are read from it. */
static const struct mesh_plan *first_meshed(const struct scenario *s)
{
    for (size_t i = 0; i < s->arm_count; i++)
        if (strcmp(s->arms[i].word, "none") != 0)
            return &s->arms[i];
    return &s->arms[0];
}

static void build_arms(struct build *b, int index, const char *label, struct source source,
                       struct scenario *s)
{
    build_positions(b, index, label, source, build_arm, s);
    if (s->arm_count < 2 || s->arm_count > PLAN_ARMS_MOST)
        errors_add(b->errors, source, ERROR_INPUT, "%s: mesh has %zu meshes; as arms 2 to %d",
                   label, s->arm_count, PLAN_ARMS_MOST);
    if (s->arm_count > 0)
        s->mesh = *first_meshed(s);
}

/* `mesh` stands in scenarios, and in suites as their default. */
static void build_mesh(struct build *b, int index, const char *label, const char *key,
                       struct source source, void *to)
{
    struct scenario *s = (struct scenario *)(void *)((char *)to - offsetof(struct scenario, mesh));
    const struct node *n = node_at(b->L, index);
    if (n != NULL && n->kind == NODE_NOTHING)
        return;
    s->arms = NULL;
    s->arm_count = 0;
    if (n == NULL && lua_type(b->L, index) == LUA_TTABLE)
        build_arms(b, index, label, source, s);
    else if (n != NULL && n->kind == NODE_MESH)
        fill_mesh(b, index, n, &s->mesh);
    else
        bad_value(b, index, label, key, source,
                  "mesh.istio { ... }, another mesh.*, or a list of them");
}

void build_target(struct build *b, const json_t *value, struct source source, struct mesh_plan *to)
{
    static const char *const targets[] = {"istio", "istio-ambient", "linkerd", "gateway-api"};
    static const char *const words[] = {"istio", "istio_ambient", "linkerd", "gateway_api"};
    const char *text = json_string_value(value);
    const char *at = text == NULL ? NULL : strchr(text, '@');
    char shown[64];
    for (size_t i = 0; at != NULL && at[1] != '\0' && i < COUNT_OF(targets); i++) {
        if (strlen(targets[i]) != (size_t)(at - text) ||
            strncmp(targets[i], text, (size_t)(at - text)) != 0)
            continue;
        to->word = to->name = words[i];
        to->version = arena_strdup(&b->plan->arena, at + 1);
        return;
    }
    to->word = to->name =
        "istio"; /* the error stops the load; nothing else should stumble over it */
    if (value != NULL)
        errors_add(
            b->errors, source, ERROR_INPUT,
            "scenario.from_policy: target is %s; it must be a target such as \"istio@1.31\", "
            "\"istio-ambient@1.22\", \"linkerd@2.15\", \"gateway-api@1.6\"",
            row_show(value, shown, sizeof(shown)));
}

/* ---- loads ---- */

static void read_rate(struct build *b, const json_t *keys, struct load_plan *l)
{
    struct error err = {0};
    const json_t *value = json_object_get(keys, "rate");
    if (value == NULL)
        return;
    if (json_is_string(value) && strcmp(json_string_value(value), "enough") == 0) {
        l->enough = true;
        return;
    }
    if (policy_value_is(value)) { /* once the scenario's policy is known */
        l->rate_asked = value;
        return;
    }
    if (row_quantity(UNIT_RATE_PER_H, value, &l->rate_per_h, &err) &&
        (l->rate_per_h == 0 || l->rate_per_h > UINT64_C(3600) * 1000000))
        error_set(&err, ERROR_INPUT, "is \"%.40s\"; it must be from 1/h to 1000000/s",
                  json_string_value(value));
    error_prefix(&err, "load.open: rate ");
    if (err.kind != ERROR_NONE)
        errors_take(b->errors, l->source, &err);
}

static void read_tagged(struct build *b, const json_t *keys, const char *label, struct load_plan *l)
{
    const json_t *table = json_object_get(keys, "tagged");
    const char *tag;
    json_t *count;
    if (table == NULL)
        return;
    if (!json_is_object(table) || json_object_size(table) > 10000) {
        errors_add(
            b->errors, l->source, ERROR_INPUT,
            "%s: tagged must be a table such as { [\"f1:503\"] = 10 }, of at most 10 000 tags",
            label);
        return;
    }
    l->tagged = ARENA_ARRAY(&b->plan->arena, struct tagged, json_object_size(table));
    json_object_foreach((json_t *)(uintptr_t)table, tag, count)
    {
        json_int_t n = json_integer_value(count);
        if (n < 1 || n > 1000000) {
            errors_add(b->errors, l->source, ERROR_INPUT,
                       "%s: tagged: \"%.40s\" must be a count from 1 to 1000000", label, tag);
            continue;
        }
        l->tagged[l->tagged_count++] =
            (struct tagged){.tag = arena_strdup(&b->plan->arena, tag), .count = (uint32_t)n};
    }
}

struct load_list {
    struct load_plan **loads;
    size_t *count;
};

static void build_load(struct build *b, int index, const struct node *n, void *cookie)
{
    struct load_list *list = cookie;
    char label[64];
    node_label(n, label, sizeof(label));
    if (n->kind != NODE_LOAD) {
        errors_add(b->errors, n->source, ERROR_INPUT,
                   "%s cannot stand in load; it takes load.open or load.closed", label);
        return;
    }
    if (!build_spend(b, 50) || *list->count >= 100)
        return;
    struct load_plan *l = build_append(b, list->loads, list->count, sizeof(*l));
    *l = (struct load_plan){.closed = strcmp(n->word, "closed") == 0, .source = n->source};
    bool broken;
    size_t before = b->errors->count;
    b->values.policy = true;
    json_t *keys = build_keys(b, index, &load_table, label, l, &broken);
    b->values.policy = false;
    if (!l->closed)
        read_rate(b, keys, l);
    read_tagged(b, keys, label, l);
    read_body(b, keys, label, l->source, &l->body_text, &l->body_bytes);
    if (l->on.text == NULL) { /* its error is said; the checks that follow need a place */
        if (b->errors->count == before && !broken)
            errors_add(b->errors, n->source, ERROR_INPUT, "%s needs on", label);
        (*list->count)--;
    }
}

static void build_loads(struct build *b, int index, const char *label, struct source source,
                        struct load_list *list)
{
    const struct node *n = node_at(b->L, index);
    *list->count = 0;
    if (n != NULL && n->kind == NODE_LOAD)
        build_load(b, index, n, list);
    else if (n == NULL && lua_type(b->L, index) == LUA_TTABLE)
        build_positions(b, index, label, source, build_load, list);
    else if (n == NULL || n->kind != NODE_NOTHING)
        bad_value(b, index, label, "load", source, "load.open { ... } or load.closed { ... }");
}

void build_field(struct build *b, int index, const struct row *row, const char *label,
                 struct source source, void *to)
{
    uint8_t *field = (uint8_t *)to + row->offset;
    if (row->of == &mesh_table) {
        build_mesh(b, index, label, row->name, source, field);
    } else if (row->of == &lab_table) {
        build_lab(b, index, label, row->name, source, field);
    } else if (row->of == &load_table) {
        struct load_list list = {(struct load_plan **)(void *)field,
                                 (size_t *)(void *)((uint8_t *)to + row->count_offset)};
        build_loads(b, index, label, source, &list);
    } else if (row->of == &guard_table) {
        build_guards(b, index, label, source, (struct guard_plan **)(void *)field,
                     (size_t *)(void *)((uint8_t *)to + row->count_offset));
    } else if (row->of == &notify_table) {
        build_notifies(b, index, label, source, (struct notify_plan **)(void *)field,
                       (size_t *)(void *)((uint8_t *)to + row->count_offset));
    } else if (row->of == &probe_table && row->kind == ROW_LIST) {
        build_probes(b, index, label, source, (struct probe_plan **)(void *)field,
                     (size_t *)(void *)((uint8_t *)to + row->count_offset));
    } else if (row->of == &probe_table) {
        build_own_probe(b, index, label, source, to);
    } else {
        const struct node *n = node_at(b->L, index);
        if (n != NULL && n->kind == NODE_CALL)
            build_call(b, index, n, to);
        else if (n == NULL && lua_type(b->L, index) == LUA_TTABLE)
            build_positions(b, index, "service: calls", source, build_call, to);
        else
            bad_value(b, index, label, row->name, source, "a list of call \"name\" { ... }");
    }
}
