#include "lua/build.h"

#include <stdlib.h>
#include <string.h>

/* guard and probes: the nodes that stand as values of these keys. */

#define GUARDS_MOST 100

struct guard_list {
    struct guard_plan **guards;
    size_t *count;
};

static void bad(struct build *b, int index, const char *label, const char *key,
                struct source source, const char *wanted)
{
    const struct node *n = node_at(b->L, index);
    char what[64];
    if (n != NULL)
        node_label(n, what, sizeof(what));
    else if (lua_type(b->L, index) == LUA_TSTRING)
        snprintf(what, sizeof(what), "\"%.40s\"", lua_tostring(b->L, index));
    else
        snprintf(what, sizeof(what), "a %s", luaL_typename(b->L, index));
    errors_add(b->errors, source, ERROR_INPUT, "%s: %s is %s; it must be %s", label, key, what,
               wanted);
}

/* `mode`, `above`, `below`: a text with its unit, or a bare number. */
static const char *number_text(struct build *b, const json_t *keys, const char *key,
                               const char *label, struct source source)
{
    const json_t *value = json_object_get(keys, key);
    char shown[64];
    if (value == NULL)
        return NULL;
    if (json_is_string(value))
        return arena_strdup(&b->plan->arena, json_string_value(value));
    if (json_is_number(value) && json_number_value(value) >= 0)
        return arena_printf(&b->plan->arena, "%.15g", json_number_value(value));
    errors_add(b->errors, source, ERROR_INPUT,
               "%s: %s is %s; it must be a number, or a text with its unit", label, key,
               row_show(value, shown, sizeof(shown)));
    return NULL;
}

static void build_probe(struct build *b, int index, const struct node *n, struct probe_plan *to)
{
    static const char *const words[] = {"client", "grpc_health", "http", "promql", "tcp"};
    char label[64];
    const char *name = to->name;
    *to = (struct probe_plan){.name = name, .source = n->source};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(n->word, words[i]) == 0)
            to->kind = (enum probe_kind)i;
    }
    node_label(n, label, sizeof(label));
    build_keys(b, index, &probe_table, label, to, NULL);
    to->ca = build_path(b, to->ca);
    node_push_table(b->L, index);
    if (values_positions(b->L, lua_gettop(b->L)) > 0)
        errors_add(b->errors, n->source, ERROR_INPUT, "%s takes named keys only", label);
    lua_pop(b->L, 1);
}

void build_own_probe(struct build *b, int index, const char *label, struct source source,
                     struct guard_plan *to)
{
    const struct node *n = node_at(b->L, index);
    if (n != NULL && n->kind == NODE_NOTHING)
        return;
    if (n == NULL && lua_type(b->L, index) == LUA_TSTRING)
        to->probe = arena_strdup(&b->plan->arena, lua_tostring(b->L, index));
    else if (n == NULL || n->kind != NODE_PROBE)
        bad(b, index, label, "probe", source, "a name in probes, or probe.client { ... }");
    else
        build_probe(b, index, n, &to->own);
}

static void build_guard(struct build *b, int index, const struct node *n, void *cookie)
{
    static const char *const words[] = {"limits", "stop", "window", "approval"};
    struct guard_list *list = cookie;
    char label[64];
    node_label(n, label, sizeof(label));
    if (n->kind != NODE_GUARD) {
        errors_add(b->errors, n->source, ERROR_INPUT,
                   "%s cannot stand in guard; it takes guard.approval, guard.limits, guard.stop or "
                   "guard.window",
                   label);
        return;
    }
    if (!build_spend(b, 50))
        return;
    if (*list->count >= GUARDS_MOST) {
        errors_add(b->errors, n->source, ERROR_INPUT, "guard: more than %d of them", GUARDS_MOST);
        return;
    }
    struct guard_plan *g = build_append(b, list->guards, list->count, sizeof(*g));
    *g = (struct guard_plan){.source = n->source};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(n->word, words[i]) == 0)
            g->kind = (enum guard_kind)i;
    }
    json_t *keys = build_keys(b, index, &guard_table, label, g, NULL);
    g->endpoints = number_text(b, keys, "endpoints", label, n->source);
    g->above = number_text(b, keys, "above", label, n->source);
    g->below = number_text(b, keys, "below", label, n->source);
    node_push_table(b->L, index);
    if (values_positions(b->L, lua_gettop(b->L)) > 0)
        errors_add(b->errors, n->source, ERROR_INPUT, "%s takes named keys only", label);
    lua_pop(b->L, 1);
}

void build_guards(struct build *b, int index, const char *label, struct source source,
                  struct guard_plan **guards, size_t *count)
{
    const struct node *n = node_at(b->L, index);
    struct guard_list list = {guards, count};
    if (n != NULL && n->kind == NODE_GUARD)
        build_guard(b, index, n, &list);
    else if (n == NULL && lua_type(b->L, index) == LUA_TTABLE)
        build_positions(b, index, label, source, build_guard, &list);
    else if (n == NULL || n->kind != NODE_NOTHING)
        bad(b, index, label, "guard", source, "a list of guard.limits { ... } and its like");
}

void build_probes(struct build *b, int index, const char *label, struct source source,
                  struct probe_plan **probes, size_t *count)
{
    size_t names = 0;
    if (node_at(b->L, index) != NULL || lua_type(b->L, index) != LUA_TTABLE ||
        values_positions(b->L, index) > 0) {
        bad(b, index, label, "probes", source, "a table such as { orders = probe.tcp { ... } }");
        return;
    }
    const char **keys = values_keys(b->L, index, &names, GUARDS_MOST);
    for (size_t i = 0; i < names && build_spend(b, 50) && lua_checkstack(b->L, 8); i++) {
        lua_pushstring(b->L, keys[i]);
        lua_rawget(b->L, index);
        int at = lua_gettop(b->L);
        const struct node *n = node_at(b->L, at);
        if (n != NULL && n->kind == NODE_PROBE) {
            struct probe_plan *p = build_append(b, probes, count, sizeof(*p));
            *p = (struct probe_plan){.name = arena_strdup(&b->plan->arena, keys[i])};
            build_probe(b, at, n, p);
        } else if (n == NULL || n->kind != NODE_NOTHING) {
            char key[80];
            snprintf(key, sizeof(key), "probes.%.60s", keys[i]);
            bad(b, at, label, key, source, "probe.client { ... }, or another probe.*");
        }
        lua_pop(b->L, 1);
    }
    free(keys);
}

void build_add_guards(struct build *b, struct scenario *s, const struct scenario *defaults)
{
    size_t count = s->guard_count + defaults->guard_count;
    build_add_notifies(b, s, defaults);
    if (s->probe_count == 0) {
        s->probes = defaults->probes;
        s->probe_count = defaults->probe_count;
    }
    if (count > GUARDS_MOST)
        errors_add(b->errors, s->source, ERROR_INPUT,
                   "guard: %zu with those of the suite; at most %d", count, GUARDS_MOST);
    if (defaults->guard_count == 0 || count > GUARDS_MOST || !build_spend(b, count))
        return;
    struct guard_plan *all = ARENA_ARRAY(&b->plan->arena, struct guard_plan, count);
    memcpy(all, defaults->guards, defaults->guard_count * sizeof(*all));
    if (s->guard_count > 0)
        memcpy(all + defaults->guard_count, s->guards, s->guard_count * sizeof(*all));
    s->guards = all;
    s->guard_count = count;
}
