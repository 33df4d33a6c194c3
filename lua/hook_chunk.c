#include "lua/hook.h"

/* `chunk`: body bytes borrowed for one call. Each is a userdata of its own, so that one that is
 * used later is known for what it is. */

#define SUB_MOST_BYTES ((size_t)64 * 1024)

struct chunk {
    uint64_t call; /* generation */
    enum hook_event event;
};
static const char metatable; /* key of the registry */

void hook_push_chunk(lua_State *L, struct hook *h)
{
    struct chunk *c = lua_newuserdatauv(L, sizeof(*c), 0);
    *c = (struct chunk){h->calls, h->now.event};
    lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable);
    lua_setmetatable(L, -2);
}

static struct bytes chunk_of(lua_State *L)
{
    struct hook *h = hook_of(L);
    const struct chunk *c = lua_touserdata(L, 1);
    bool ours = lua_type(L, 1) == LUA_TUSERDATA && lua_getmetatable(L, 1) != 0;
    if (ours) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable);
        ours = lua_rawequal(L, -1, -2) != 0;
        lua_pop(L, 2);
    }
    if (!ours)
        script_fail(L, "a function of a chunk is called with a colon: chunk:bytes()");
    if (!h->now.running || c->call != h->calls)
        script_fail(L, "chunk is borrowed: it ended with %s", hook_event_rows[c->event].name);
    return h->now.chunk;
}

static int length(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)chunk_of(L).len);
    return 1;
}

static lua_Integer whole(lua_State *L, int index, const char *what)
{
    int good;
    lua_Integer n = lua_tointegerx(L, index, &good);
    if (!good)
        script_fail(L, "chunk:%s takes whole numbers", what);
    return n;
}

/* From 1; negative: from the end, as in string.sub. */
static lua_Integer place(lua_Integer at, size_t len)
{
    return at >= 0 ? at : (lua_Integer)len + at + 1;
}

static int byte(lua_State *L)
{
    struct bytes b = chunk_of(L);
    lua_Integer at = place(whole(L, 2, "byte"), b.len);
    if (at < 1 || (size_t)at > b.len)
        return 0;
    lua_pushinteger(L, b.at[at - 1]);
    return 1;
}

static int sub(lua_State *L)
{
    struct bytes b = chunk_of(L);
    lua_Integer from = place(whole(L, 2, "sub"), b.len);
    lua_Integer to = lua_isnoneornil(L, 3) ? (lua_Integer)b.len : place(whole(L, 3, "sub"), b.len);
    from = from < 1 ? 1 : from;
    to = to > (lua_Integer)b.len ? (lua_Integer)b.len : to;
    if (from > to) {
        lua_pushliteral(L, "");
        return 1;
    }
    if ((size_t)(to - from) >= SUB_MOST_BYTES)
        script_fail(L, "chunk:sub copies at most 64 KiB");
    lua_pushlstring(L, (const char *)b.at + from - 1, (size_t)(to - from + 1));
    return 1;
}

static int find(lua_State *L)
{
    struct bytes b = chunk_of(L);
    size_t len;
    if (lua_type(L, 2) != LUA_TSTRING)
        script_fail(L, "chunk:find takes a plain text");
    const char *want = lua_tolstring(L, 2, &len);
    lua_Integer from = lua_isnoneornil(L, 3) ? 1 : place(whole(L, 3, "find"), b.len);
    from = from < 1 ? 1 : from;
    script_charge(L, b.len / 64);
    const uint8_t *at = (size_t)from > b.len + 1 ? NULL
                        : b.len == 0
                            ? (len == 0 ? (const uint8_t *)"" : NULL)
                            : memmem(b.at + from - 1, b.len - (size_t)(from - 1), want, len);
    if (at == NULL) {
        lua_pushnil(L);
        return 1;
    }
    lua_Integer first = b.len == 0 ? 1 : at - b.at + 1;
    lua_pushinteger(L, first);
    lua_pushinteger(L, first + (lua_Integer)len - 1);
    return 2;
}

/* The bytes with one bit changed: 0 is the lowest of the first byte. */
static int flip(lua_State *L)
{
    struct bytes b = chunk_of(L);
    lua_Integer bit = whole(L, 2, "flip");
    if (bit < 0 || (uint64_t)bit >= (uint64_t)b.len * 8)
        script_fail(L, "chunk:flip takes a bit from 0 to %lld, not %lld", (long long)b.len * 8 - 1,
                    (long long)bit);
    luaL_Buffer to;
    char *at = luaL_buffinitsize(L, &to, b.len);
    memcpy(at, b.at, b.len);
    at[bit / 8] = (char)((uint8_t)at[bit / 8] ^ (1u << (bit % 8)));
    luaL_pushresultsize(&to, b.len);
    script_charge(L, b.len / 64);
    return 1;
}

static int bytes(lua_State *L)
{
    struct bytes b = chunk_of(L);
    lua_pushlstring(L, b.len > 0 ? (const char *)b.at : "", b.len);
    return 1;
}

static int chunk_index(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"byte", byte}, {"sub", sub}, {"find", find}, {"flip", flip}, {"bytes", bytes}};
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";
    (void)chunk_of(L);
    if (strcmp(name, "last") == 0) {
        lua_pushboolean(L, hook_of(L)->now.last);
        return 1;
    }
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        if (strcmp(methods[i].name, name) == 0) {
            lua_pushcfunction(L, methods[i].func);
            return 1;
        }
    }
    script_fail(L, "chunk has no field \"%.40s\"; it has last, and byte sub find flip bytes", name);
}

static int refuse_set(lua_State *L)
{
    script_fail(L, "a chunk is read-only; return act.replace(bytes)");
}

void hook_define_chunk(lua_State *L, struct hook *h)
{
    (void)h;
    lua_createtable(L, 0, 4);
    lua_pushcfunction(L, chunk_index);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, refuse_set);
    lua_setfield(L, -2, "__newindex");
    lua_pushcfunction(L, length);
    lua_setfield(L, -2, "__len");
    lua_pushliteral(L, "locked");
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &metatable);
}
