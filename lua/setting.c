#include "lua/setting.h"

#include "base/units.h"
#include "lua/values.h"
#include "plan/row.h"

#include <stdlib.h>

/* The type that a default binds its replacement to. */
enum type {
    TYPE_DURATION,
    TYPE_SHARE,
    TYPE_RATE,
    TYPE_SIZE,
    TYPE_BYTERATE,
    TYPE_TEXT,
    TYPE_COUNT,
    TYPE_NUMBER
};

static const char *const type_names[] = {
    "a duration such as \"250ms\"",
    "a share such as \"30%\"",
    "a rate such as \"200/s\"",
    "a size such as \"64KiB\"",
    "a byte rate such as \"64KiB/s\"",
    "a text",
    "a count such as 3",
    "a number such as 1.25",
};
static const enum unit units[] = {UNIT_TIME_NS, UNIT_SHARE_PPM, UNIT_RATE_PER_H, UNIT_BYTES,
                                  UNIT_BYTES_PER_S};

static bool is_of(enum type type, const char *text)
{
    json_t *value = json_string(text);
    bool good =
        value != NULL && (type > TYPE_BYTERATE || row_quantity(units[type], value, NULL, NULL));
    json_decref(value);
    return good;
}

static enum type type_of(lua_State *L, int index)
{
    if (lua_type(L, index) == LUA_TNUMBER)
        return lua_isinteger(L, index) ? TYPE_COUNT : TYPE_NUMBER;
    for (int t = TYPE_DURATION; t <= TYPE_BYTERATE; t++) {
        if (is_of((enum type)t, lua_tostring(L, index)))
            return (enum type)t;
    }
    return TYPE_TEXT;
}

/* Pushes the replacement; false: it is not of that type. */
static bool push_set(lua_State *L, enum type type, const char *text)
{
    uint64_t count;
    char *end = NULL;
    if (type == TYPE_COUNT) {
        if (!bytes_to_u64(bytes_of(text), &count) || count > INT64_MAX)
            return false;
        lua_pushinteger(L, (lua_Integer)count);
        return true;
    }
    if (type == TYPE_NUMBER) {
        double number = strtod(text, &end);
        if (*text == '\0' || *end != '\0' || strspn(text, "0123456789.eE+-") != strlen(text))
            return false;
        lua_pushnumber(L, number);
        return true;
    }
    if (!is_of(type, text))
        return false;
    lua_pushstring(L, text);
    return true;
}

/* The last --set of that name; NULL: none. */
static const char *find_set(struct settings *s, const char *name)
{
    size_t len = strlen(name);
    const char *found = NULL;
    for (size_t i = 0; i < s->options->set_count && i < SETTINGS_MOST; i++) {
        const char *set = s->options->sets[i];
        if (strncmp(set, name, len) == 0 && set[len] == '=') {
            found = set + len + 1;
            s->used[i] = true;
        }
    }
    return found;
}

static bool allowed(lua_State *L, int oneof, int value)
{
    if (lua_type(L, oneof) != LUA_TTABLE)
        return true;
    for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, oneof); i++) {
        lua_rawgeti(L, oneof, i);
        bool same = lua_compare(L, -1, value, LUA_OPEQ) != 0;
        lua_pop(L, 1);
        if (same)
            return true;
    }
    return false;
}

static void put(lua_State *L, json_t *to, const char *key, int index)
{
    struct values v = {.L = L, .left = 1000};
    json_t *value = lua_isnil(L, index) ? NULL : values_to_json(&v, index);
    if (value != NULL)
        json_object_set_new(to, key, value);
}

static void list_param(lua_State *L, const char *name, struct source at)
{
    struct settings *s = state_of(L)->words;
    char where[400];
    json_t *entry = json_object();
    source_format(at, false, where, sizeof(where));
    json_object_set_new(entry, "name", json_string(name));
    put(L, entry, "default", 3);
    put(L, entry, "value", 6);
    put(L, entry, "oneof", 4);
    put(L, entry, "help", 5);
    json_object_set_new(entry, "where", json_string(where));
    put(L, state_of(L)->plan->params, name, 6);
    for (size_t i = 0; i < json_array_size(s->listed); i++) {
        const char *known =
            json_string_value(json_object_get(json_array_get(s->listed, i), "name"));
        if (known != NULL && strcmp(known, name) == 0) {
            json_decref(entry);
            return;
        }
    }
    if (json_array_size(s->listed) < 1000)
        json_array_append_new(s->listed, entry);
    else
        json_decref(entry);
}

static void check_keys(lua_State *L, struct source at)
{
    static const char *const names[] = {"default", "help", "oneof"};
    char text[sizeof(((struct error *)NULL)->text)];
    lua_pushnil(L);
    while (lua_next(L, 1) != 0) {
        lua_pop(L, 1);
        const char *key = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
        if (strcmp(key, "default") == 0 || strcmp(key, "help") == 0 || strcmp(key, "oneof") == 0)
            continue;
        row_no_key("param", key, names, COUNT_OF(names), text, sizeof(text));
        state_note(L, at, "%s", text);
    }
}

/* Upvalues: the name, its line. Stack: 1 the table, 2 name, 3 default, 4 oneof, 5 help, 6 value. */
static int take_param(lua_State *L)
{
    struct settings *s = state_of(L)->words;
    const struct source *at = lua_touserdata(L, lua_upvalueindex(2));
    if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TTABLE)
        state_fail(L, *at, "param takes one table after its name");
    check_keys(L, *at);
    lua_pushvalue(L, lua_upvalueindex(1));
    const char *name = lua_tostring(L, 2);
    lua_getfield(L, 1, "default");
    lua_getfield(L, 1, "oneof");
    lua_getfield(L, 1, "help");
    if (lua_type(L, 3) != LUA_TSTRING && lua_type(L, 3) != LUA_TNUMBER)
        state_fail(L, *at, "param %.60s needs default: a text or a number", name);
    enum type type = type_of(L, 3);
    const char *set = find_set(s, name);
    if (set == NULL)
        lua_pushvalue(L, 3);
    else if (!push_set(L, type, set))
        state_fail(L, (struct source){0}, "--set %.60s=%.60s: param %.60s is %s", name, set, name,
                   type_names[type]);
    if (!allowed(L, 4, 6)) {
        if (set == NULL)
            state_fail(L, *at, "param %.60s: its default is not among oneof", name);
        state_fail(L, (struct source){0},
                   "--set %.60s=%.60s: it is not among the values that param %.60s allows", name,
                   set, name);
    }
    list_param(L, name, *at);
    lua_settop(L, 6);
    return 1;
}

static int param(lua_State *L)
{
    struct source at = state_source(L);
    if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TSTRING)
        state_fail(L, at, "param needs a name first: param \"name\" { default = ... }");
    struct source *source = lua_newuserdatauv(L, sizeof(*source), 0);
    *source = at;
    lua_pushcclosure(L, take_param, 2);
    return 1;
}

void setting_define(lua_State *L)
{
    lua_pushcfunction(L, param);
    script_define(L, "param");
}

void setting_check_used(struct state *s)
{
    struct settings *settings = s->words;
    for (size_t i = 0; i < settings->options->set_count && i < SETTINGS_MOST; i++) {
        const char *set = settings->options->sets[i];
        struct text names;
        if (settings->used[i])
            continue;
        text_init(&names, 160);
        for (size_t j = 0; j < json_array_size(settings->listed); j++)
            text_add(
                &names, " %s",
                json_string_value(json_object_get(json_array_get(settings->listed, j), "name")));
        bool none = names.len == 0;
        if (strchr(set, '=') == NULL)
            errors_add(s->errors, (struct source){0}, ERROR_USAGE,
                       "--set %.60s: it must be NAME=VALUE", set);
        else
            errors_add(s->errors, (struct source){0}, ERROR_USAGE,
                       "--set %.60s: no param \"%.*s\" in %.80s; it has%s", set,
                       (int)strcspn(set, "="), set, s->plan->suite,
                       none ? " none" : text_get(&names));
        text_release(&names);
    }
}
