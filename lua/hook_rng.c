#include "base/bytes.h"
#include "lua/hook.h"

#include <math.h>

/* `rng`, `clock` and `log`. The numbers are those of the filter: keyed by (seed, fault, request,
 * attempt), and the number of the draw counts within the try, so that the order in which requests
 * come changes nothing. */

static struct rng *draw(lua_State *L)
{
    struct hook *h = hook_of(L);
    hook_need(L, h, "rng");
    return h->now.at->rng;
}

static lua_Number number(lua_State *L, int index, const char *what)
{
    int good;
    lua_Number n = lua_tonumberx(L, index, &good);
    if (!good || !isfinite(n))
        script_fail(L, "rng.%s takes numbers", what);
    return n;
}

static int below(lua_State *L)
{
    struct rng *rng = draw(L);
    if (!lua_isinteger(L, 1) || lua_tointeger(L, 1) <= 0)
        script_fail(L, "rng.below takes a whole number from 1 on");
    lua_pushinteger(L, (lua_Integer)rng_below(rng, (uint64_t)lua_tointeger(L, 1)));
    return 1;
}

static int chance(lua_State *L)
{
    struct rng *rng = draw(L);
    lua_Number share = number(L, 1, "chance");
    if (share < 0 || share > 1)
        script_fail(L, "rng.chance takes a share from 0 to 1");
    lua_pushboolean(L, rng_unit(rng) < share);
    return 1;
}

static int uniform(lua_State *L)
{
    struct rng *rng = draw(L);
    lua_Number a = number(L, 1, "uniform"), b = number(L, 2, "uniform");
    lua_pushnumber(L, a + (b - a) * rng_unit(rng));
    return 1;
}

static int normal(lua_State *L)
{
    struct rng *rng = draw(L);
    lua_Number mean = number(L, 1, "normal"), sd = number(L, 2, "normal");
    lua_pushnumber(L, mean + sd * rng_normal(rng));
    return 1;
}

static int now(lua_State *L)
{
    const struct hook *h = hook_of(L);
    hook_need(L, h, "clock");
    uint64_t at_ns = h->now.at->now_ns, begun_ns = h->host.begun_ns;
    lua_pushinteger(L, at_ns > begun_ns ? (lua_Integer)(at_ns - begun_ns) : 0);
    return 1;
}

void hook_report(struct hook *h, uint64_t at_ns, const char *source, const char *text,
                 uint32_t count, enum hook_level level)
{
    struct hook_line line = {
        .at_ns = at_ns, .source = source, .text = text, .count = count, .level = (uint8_t)level};
    if (h->host.report != NULL)
        h->host.report(h->host.cookie, h->host.fault, &line);
}

/* Tells how many lines of the last second were only counted. ${now_ns} UINT64_MAX: at the end. */
void hook_log_flush(struct hook *h, uint64_t now_ns)
{
    uint64_t at_ns = now_ns == UINT64_MAX ? (h->lines_second + 1) * UINT64_C(1000000000) : now_ns;
    if (h->lines_lost > 0)
        hook_report(h, at_ns, h->path, "lines beyond 100 a second, counted only", h->lines_lost,
                    HOOK_WARN);
    h->lines_lost = 0;
}

static int log_line(lua_State *L, enum hook_level level)
{
    struct hook *h = hook_of(L);
    char source[256], text[HOOK_LINE_MOST_BYTES + 1];
    size_t len;
    const char *file = h->path;
    uint32_t line = 0;
    hook_need(L, h, "log");
    if (lua_type(L, 1) != LUA_TSTRING && lua_type(L, 1) != LUA_TNUMBER)
        script_fail(L, "log.%s takes a text", level == HOOK_INFO ? "info" : "warn");
    uint64_t now_ns = h->now.at->now_ns, second = now_ns / UINT64_C(1000000000);
    if (second != h->lines_second) {
        hook_log_flush(h, now_ns);
        h->lines_second = second;
        h->lines = 0;
    }
    if (h->lines >= HOOK_LINES_A_SECOND) {
        h->lines_lost++;
        return 0;
    }
    h->lines++;
    const char *words = lua_tolstring(L, 1, &len);
    snprintf(text, sizeof(text), "%.*s",
             (int)(len < HOOK_LINE_MOST_BYTES ? len : HOOK_LINE_MOST_BYTES), words);
    (void)script_where(L, &file, &line);
    source_format((struct source){file, line, 0}, false, source, sizeof(source));
    hook_report(h, now_ns, source, text, 1, level);
    return 0;
}

static int log_info(lua_State *L)
{
    return log_line(L, HOOK_INFO);
}
static int log_warn(lua_State *L)
{
    return log_line(L, HOOK_WARN);
}

static void define(lua_State *L, const char *name, const luaL_Reg *functions)
{
    lua_newtable(L);
    luaL_setfuncs(L, functions, 0);
    script_lock(L);
    script_define(L, name);
}

void hook_define_rng(lua_State *L, struct hook *h)
{
    static const luaL_Reg draws[] = {{"below", below},
                                     {"chance", chance},
                                     {"uniform", uniform},
                                     {"normal", normal},
                                     {NULL, NULL}};
    static const luaL_Reg clocks[] = {{"now", now}, {NULL, NULL}};
    static const luaL_Reg logs[] = {{"info", log_info}, {"warn", log_warn}, {NULL, NULL}};
    (void)h;
    define(L, "rng", draws);
    define(L, "clock", clocks);
    define(L, "log", logs);
}
