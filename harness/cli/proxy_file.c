#include "cli/proxy_file.h"

#include "lua/module.h"
#include "lua/state.h"
#include "lua/values.h"
#include "standalone/proxy_set.h"
#include "standalone/proxy_spec.h"

#include <stdlib.h>

#define MARK "@at" /* in each table that a word returns: the line of its call */

struct reading {
    struct state state;
    struct plan *plan;
    struct errors errors;
    unsigned workers;
    json_t *value;
};

/* A word gives back a copy of its table with what it is and where it stands. */
static int push_marked(lua_State *L, const char *label, const char *word)
{
    struct source at = state_source(L);
    if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TTABLE)
        state_fail(L, at, "%s takes one table", label);
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, 1) != 0) {
        if (lua_type(L, -2) != LUA_TSTRING)
            state_fail(L, at, "%s takes named keys only", label);
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, 2);
    }
    lua_pushfstring(L, "%d", (int)at.line);
    lua_setfield(L, 2, MARK);
    if (word != NULL) {
        lua_pushstring(L, word);
        lua_setfield(L, 2, "word");
    }
    return 1;
}

static int proxy_word(lua_State *L)
{
    return push_marked(L, "proxy", NULL);
}

static int fault_word(lua_State *L)
{
    char label[64];
    const char *word = lua_tostring(L, lua_upvalueindex(1));
    snprintf(label, sizeof(label), "fault.%s", word);
    return push_marked(L, label, word);
}

/* fault_use_from_json's sentence has the list of words; this one has the line. */
static int no_fault(lua_State *L)
{
    struct error err = {0};
    json_t *fault = json_pack("{ss*}", "word", lua_tostring(L, 2));
    struct armed *f = proxy_spec_read_fault(fault, 1, &err);
    INVARIANT(f == NULL);
    json_decref(fault);
    state_fail(L, state_source(L), "%s", err.text);
}

static int define_words(lua_State *L)
{
    size_t count;
    const struct fault_type *const *types = fault_types(&count);
    module_define(L);
    lua_pushcfunction(L, proxy_word);
    script_define(L, "proxy");
    lua_newtable(L);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, types[i]->name);
        lua_pushcclosure(L, fault_word, 1);
        lua_setfield(L, -2, types[i]->name);
    }
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, no_fault);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    script_lock(L);
    script_define(L, "fault");
    return 0;
}

/* What the file returned, in protected mode. */
static int convert(lua_State *L)
{
    struct reading *r = lua_touserdata(L, 1);
    struct values v = {.L = L, .left = VALUES_MOST};
    lua_getfield(L, LUA_REGISTRYINDEX, "proxies");
    r->value = values_to_json(&v, -1);
    if (r->value == NULL)
        state_note(L, (struct source){r->plan->suite, 0, 0}, "what it returns %s",
                   v.why[0] != '\0' ? v.why
                                    : "is an empty table; it must be a proxy or a list of them");
    return 0;
}

static struct source take_mark(const struct reading *r, json_t *of)
{
    const char *line = json_string_value(json_object_get(of, MARK));
    struct source at = {r->plan->suite, line == NULL ? 0 : (uint32_t)strtoul(line, NULL, 10), 0};
    json_object_del(of, MARK);
    return at;
}

static void check_fault(struct reading *r, json_t *fault, struct source proxy_at)
{
    struct error err = {0};
    if (json_string_value(json_object_get(fault, MARK)) == NULL) {
        errors_add(&r->errors, proxy_at, ERROR_INPUT,
                   "faults is a list such as { fault.abort { status = 503 } }");
        return;
    }
    struct source at = take_mark(r, fault);
    struct armed *f = proxy_spec_read_fault(fault, r->workers, &err);
    if (f == NULL)
        errors_take(&r->errors, at, &err);
    armed_release(f);
}

static void check_proxy(struct reading *r, json_t *proxy)
{
    struct proxy_spec spec;
    struct error err = {0};
    json_t *fault;
    size_t i;
    if (json_string_value(json_object_get(proxy, MARK)) == NULL ||
        json_object_get(proxy, "word") != NULL) {
        errors_add(&r->errors, (struct source){r->plan->suite, 0, 0}, ERROR_INPUT,
                   "returns something else than a proxy { ... } or a list of them");
        return;
    }
    struct source at = take_mark(r, proxy);
    size_t before = r->errors.count;
    json_array_foreach(json_object_get(proxy, "faults"), i, fault)
    {
        check_fault(r, fault, at);
    }
    if (r->errors.count > before)
        return;
    if (!proxy_spec_read(proxy, r->workers, &spec, &err))
        errors_take(&r->errors, at, &err);
    proxy_spec_release(&spec);
}

static void check_all(struct reading *r)
{
    json_t *one;
    size_t i;
    if (!json_is_array(r->value)) {
        json_t *list = json_array();
        json_array_append_new(list, r->value);
        r->value = list;
    }
    json_array_foreach(r->value, i, one)
    {
        check_proxy(r, one);
    }
}

static void read_lua(struct reading *r, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *folder =
        slash == NULL ? "" : arena_strndup(&r->plan->arena, path, (size_t)(slash - path) + 1);
    bool ok = state_open(&r->state, r->plan, &r->errors, folder) &&
              state_protect(&r->state, define_words, NULL) &&
              state_run_file(&r->state, path, r->plan->suite);
    if (ok) {
        lua_setfield(r->state.L, LUA_REGISTRYINDEX, "proxies");
        ok = state_protect(&r->state, convert, r);
    }
    state_close(&r->state);
    if (ok && r->errors.count == 0)
        check_all(r);
}

bool proxy_file_load(const char *path, unsigned workers, json_t **ret, struct error *err)
{
    struct error kept[ERRORS_MOST] = {{0}};
    struct reading r = {.plan = plan_new(), .errors = {kept, 0, ERRORS_MOST}, .workers = workers};
    char line[400];
    r.plan->suite = arena_strdup(&r.plan->arena, path);
    read_lua(&r, path);
    errors_sort(&r.errors);
    for (size_t i = 0; i < r.errors.count; i++) {
        error_format(&kept[i], line, sizeof(line));
        fprintf(stderr, "meshproof: %s\n", line);
        error_set(err, kept[i].kind, "%s", line);
    }
    bool ok = r.errors.count == 0;
    if (ok)
        *ret = r.value;
    else
        json_decref(r.value);
    plan_free(r.plan);
    return ok;
}
