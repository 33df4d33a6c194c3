#include "script/script.h"

#include "base/text.h"

#include <lualib.h>
#include <stdlib.h>

/* The libraries of the sandbox. Gone: whatever reads, prints, loads, draws or matches patterns.
 * Replaced: what could run for long inside one call (no instruction limit sees it), and what
 * differs from run to run (addresses in tostring, the order of pairs). */

#define REP_BYTES_MOST ((lua_Integer)1 << 20)
#define LIST_MOST ((lua_Integer)1000000)
#define GLOB_BYTES_MOST 1024

static int rep(lua_State *L)
{
    size_t len, sep_len = 0;
    const char *text = luaL_checklstring(L, 1, &len);
    lua_Integer count = luaL_checkinteger(L, 2);
    const char *sep = luaL_optlstring(L, 3, "", &sep_len);
    size_t each = len + sep_len;
    if (count <= 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if (each > 0 && (count > REP_BYTES_MOST || (lua_Integer)each > REP_BYTES_MOST / count))
        script_fail(L, "string.rep makes at most 1 MiB");
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (lua_Integer i = 0; i < count && each > 0; i++) {
        luaL_addlstring(&b, text, len);
        if (i + 1 < count)
            luaL_addlstring(&b, sep, sep_len);
    }
    luaL_pushresult(&b);
    return 1;
}

/* Plain: patterns are absent, so a fourth argument changes nothing. */
static int find(lua_State *L)
{
    size_t len, want_len;
    const char *text = luaL_checklstring(L, 1, &len);
    const char *want = luaL_checklstring(L, 2, &want_len);
    lua_Integer from = luaL_optinteger(L, 3, 1);
    if (from < 0)
        from = (lua_Integer)len + from + 1 > 0 ? (lua_Integer)len + from + 1 : 1;
    if (from == 0)
        from = 1;
    if ((size_t)(from - 1) > len) {
        lua_pushnil(L);
        return 1;
    }
    script_charge(L, len / 64);
    const char *at = memmem(text + from - 1, len - (size_t)(from - 1), want, want_len);
    if (at == NULL) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, at - text + 1);
    lua_pushinteger(L, at - text + (lua_Integer)want_len);
    return 2;
}

static int glob(lua_State *L)
{
    size_t len, glob_len;
    const char *text = luaL_checklstring(L, 1, &len);
    const char *pattern = luaL_checklstring(L, 2, &glob_len);
    if (glob_len > GLOB_BYTES_MOST)
        script_fail(L, "string.glob takes a glob of at most 1 KiB");
    script_charge(L, (len + 1) * (glob_len + 1) / 8);
    lua_pushboolean(L, text_glob((struct bytes){(const uint8_t *)text, len},
                                 (struct bytes){(const uint8_t *)pattern, glob_len}));
    return 1;
}

static int split(lua_State *L)
{
    size_t len, sep_len;
    lua_Integer count = 0;
    const char *text = luaL_checklstring(L, 1, &len);
    const char *sep = luaL_checklstring(L, 2, &sep_len);
    if (sep_len == 0)
        script_fail(L, "string.split needs a separator");
    lua_newtable(L);
    for (const char *end = text + len;;) {
        const char *at = memmem(text, (size_t)(end - text), sep, sep_len);
        lua_pushlstring(L, text, (size_t)((at != NULL ? at : end) - text));
        lua_rawseti(L, -2, ++count);
        if (at == NULL)
            return 1;
        text = at + sep_len;
    }
}

/* Addresses differ from run to run, and a plan may not. */
static void push_shown(lua_State *L, int index)
{
    switch (lua_type(L, index)) {
    case LUA_TSTRING:
    case LUA_TNUMBER:
    case LUA_TBOOLEAN:
    case LUA_TNIL:
        luaL_tolstring(L, index, NULL);
        return;
    default:
        lua_pushstring(L, luaL_typename(L, index));
    }
}

static int shown(lua_State *L)
{
    luaL_checkany(L, 1);
    push_shown(L, 1);
    return 1;
}

/* string.format without %p, and with our tostring behind %s. */
static int format(lua_State *L)
{
    const char *how = luaL_checkstring(L, 1);
    for (const char *at = strchr(how, '%'); at != NULL; at = strchr(at, '%')) {
        at += 1 + strspn(at + 1, "-+ #0123456789.");
        if (*at == 'p')
            script_fail(L, "string.format has no %%p: addresses differ from run to run");
        if (*at != '\0')
            at++;
    }
    for (int i = 2; i <= lua_gettop(L); i++) {
        if (lua_type(L, i) > LUA_TSTRING) {
            push_shown(L, i);
            lua_replace(L, i);
        }
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    return 1;
}

/* A function of the table library whose work grows with the table (`#` can be a lie of 2^61). */
static int bounded(lua_State *L)
{
    if (lua_istable(L, 1)) {
        lua_Integer len = luaL_len(L, 1);
        if (len > LIST_MOST)
            script_fail(L, "a table of more than 1 000 000 entries");
        script_charge(L, (uint64_t)len / 8);
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static int move(lua_State *L)
{
    lua_Integer from = luaL_checkinteger(L, 2), to = luaL_checkinteger(L, 3);
    if (to >= from && (from <= 0 || to - from >= LIST_MOST))
        script_fail(L, "table.move moves at most 1 000 000 entries, from 1 on");
    return bounded(L);
}

static int concat(lua_State *L)
{
    lua_Integer from = luaL_optinteger(L, 3, 1);
    if (from <= 0)
        script_fail(L, "table.concat begins at 1 or later");
    return bounded(L);
}

/* The rank of a key in the order of pairs: numbers first, then texts, then the rest as they come.
 */
static bool before(lua_State *L, int a, int b)
{
    int ta = lua_type(L, a), tb = lua_type(L, b);
    if (ta != tb)
        return ta == LUA_TNUMBER || (ta == LUA_TSTRING && tb != LUA_TNUMBER);
    if (ta == LUA_TNUMBER || ta == LUA_TSTRING)
        return lua_compare(L, a, b, LUA_OPLT) != 0;
    return false;
}

static int by_rank(lua_State *L)
{
    lua_pushboolean(L, before(L, 1, 2));
    return 1;
}

static int next_sorted(lua_State *L)
{
    lua_Integer at = lua_tointeger(L, lua_upvalueindex(2)) + 1;
    lua_pushinteger(L, at);
    lua_replace(L, lua_upvalueindex(2));
    lua_rawgeti(L, lua_upvalueindex(1), at);
    if (lua_isnil(L, -1))
        return 1;
    lua_pushvalue(L, -1);
    lua_rawget(L, 1);
    return 2;
}

/* Lua's own order of text keys differs from run to run. */
static int pairs(lua_State *L)
{
    lua_Integer count = 0;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, 1) != 0) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        lua_rawseti(L, 2, ++count);
    }
    script_charge(L, (uint64_t)count);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 2);
    lua_pushcfunction(L, by_rank);
    lua_call(L, 2, 0);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_sorted, 2);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

/* The smallest key above the given one: one pass a step, which the budget is charged for. */
static int next(lua_State *L)
{
    uint64_t seen = 0;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    lua_pushnil(L); /* 3: the best so far */
    lua_pushnil(L);
    while (lua_next(L, 1) != 0) {
        lua_pop(L, 1);
        seen++;
        if ((lua_isnil(L, 2) || before(L, 2, 4)) && (lua_isnil(L, 3) || before(L, 4, 3))) {
            lua_pushvalue(L, 4);
            lua_replace(L, 3);
        }
    }
    script_charge(L, seen);
    lua_settop(L, 3);
    if (lua_isnil(L, 3))
        return 1;
    lua_pushvalue(L, 3);
    lua_rawget(L, 1);
    return 2;
}

static void wrap(lua_State *L, const char *name, lua_CFunction with)
{
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, with, 1);
    lua_setfield(L, -2, name);
}

static void drop(lua_State *L, const char *const *names)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        lua_pushnil(L);
        lua_setfield(L, -2, names[i]);
    }
}

static void set(lua_State *L, const char *name, lua_CFunction f)
{
    lua_pushcfunction(L, f);
    lua_setfield(L, -2, name);
}

/* Patterns can run for hours inside one call (libraries.md 7). */
static int no_patterns(lua_State *L)
{
    script_fail(L,
                "string.%s is absent, as patterns can run without end; use string.find (plain), "
                "string.glob(s, \"a*\") or string.split(s, \",\")",
                lua_tostring(L, lua_upvalueindex(1)));
}

static void explain(lua_State *L, const char *const *names)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        lua_pushstring(L, names[i]);
        lua_pushcclosure(L, no_patterns, 1);
        lua_setfield(L, -2, names[i]);
    }
}

static void open_string(lua_State *L)
{
    static const char *const gone[] = {"dump", "match", "gmatch", "gsub", NULL};
    luaL_requiref(L, "string", luaopen_string, 0);
    drop(L, gone);
    if (script_of(L)->config.explains_patterns)
        explain(L, gone + 1);
    set(L, "rep", rep);
    set(L, "find", find);
    set(L, "glob", glob);
    set(L, "split", split);
    wrap(L, "format", format);
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushliteral(L, "locked");
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
    script_lock(L);
    script_define(L, "string");
}

static void open_table(lua_State *L)
{
    luaL_requiref(L, "table", luaopen_table, 0);
    wrap(L, "insert", bounded);
    wrap(L, "remove", bounded);
    wrap(L, "sort", bounded);
    wrap(L, "unpack", bounded);
    wrap(L, "concat", concat);
    wrap(L, "move", move);
    lua_getfield(L, -1, "sort");
    lua_pushcclosure(L, pairs, 1);
    script_define(L, "pairs");
    script_lock(L);
    script_define(L, "table");
}

static void open_base(lua_State *L)
{
    static const char *const kept[] = {"assert", "error",    "ipairs", "pcall",
                                       "select", "tonumber", "type",   NULL};
    luaL_requiref(L, "_G", luaopen_base, 0);
    for (size_t i = 0; kept[i] != NULL; i++) {
        lua_getfield(L, -1, kept[i]);
        script_define(L, kept[i]);
    }
    lua_pop(L, 1);
    lua_pushcfunction(L, shown);
    script_define(L, "tostring");
    lua_pushcfunction(L, next);
    script_define(L, "next");
}

void script_open_libraries(lua_State *L)
{
    static const char *const draws[] = {"random", "randomseed", NULL};
    open_base(L);
    open_string(L);
    open_table(L);
    luaL_requiref(L, "math", luaopen_math, 0);
    drop(L, draws);
    script_lock(L);
    script_define(L, "math");
    luaL_requiref(L, "utf8", luaopen_utf8, 0);
    script_lock(L);
    script_define(L, "utf8");
}
