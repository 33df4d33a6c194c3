#include "script/script.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdlib.h>

/* Addresses only: keys of the registry. */
static const char words_key, environment_key;

struct script *script_of(lua_State *L)
{
    return *(struct script **)lua_getextraspace(L);
}

bool script_where(lua_State *L, const char **ret_file, uint32_t *ret_line)
{
    lua_Debug ar;
    for (int level = 0; lua_getstack(L, level, &ar) == 1; level++) {
        if (lua_getinfo(L, "Sl", &ar) == 0 || ar.source[0] != '@' || ar.currentline <= 0)
            continue;
        *ret_file = ar.source + 1;
        *ret_line = (uint32_t)ar.currentline;
        return true;
    }
    return false;
}

static void note_where(struct script *s)
{
    const char *file;
    s->stopped_line = 0;
    if (s->L != NULL && script_where(s->L, &file, &s->stopped_line))
        snprintf(s->stopped_file, sizeof(s->stopped_file), "%s", file);
}

static void on_count(lua_State *L, lua_Debug *ar);

/* From now on every instruction raises, until the outermost pcall is left: a plain error of a count
 * hook would be swallowed by a pcall in the script (libraries.md 7). */
static void stop_now(struct script *s, enum script_stop why)
{
    if (s->stop == SCRIPT_GOES_ON) {
        s->stop = why;
        note_where(s);
    }
    if (s->L != NULL)
        lua_sethook(s->L, on_count, LUA_MASKCOUNT, 1);
}

/* Lua collects garbage and asks again when it is refused; only the second refusal of the same size
 * is final. */
static void *allocate(void *cookie, void *at, size_t old_bytes, size_t bytes)
{
    struct script *s = cookie;
    size_t old = at == NULL ? 0 : old_bytes; /* at NULL: old_bytes is a type */
    if (bytes == 0) {
        free(at);
        s->used_bytes -= old;
        return NULL;
    }
    if (bytes > old && s->used_bytes - old + bytes > s->bytes_most) {
        if (s->refused_bytes == bytes)
            stop_now(s, SCRIPT_MEMORY);
        else if (s->stop == SCRIPT_GOES_ON)
            note_where(s); /* in case Lua gives up at once */
        s->refused_bytes = bytes;
        return NULL;
    }
    if (bytes > old)
        s->refused_bytes = 0;
    void *to = check_realloc(at, bytes);
    s->used_bytes = s->used_bytes - old + bytes;
    return to;
}

static void check_limits(lua_State *L)
{
    struct script *s = script_of(L);
    if (s->stop == SCRIPT_GOES_ON && s->instructions > s->config.instructions_most)
        stop_now(s, SCRIPT_INSTRUCTIONS);
    if (s->stop == SCRIPT_GOES_ON && s->deadline_ns != 0 && clock_thread_ns() > s->deadline_ns)
        stop_now(s, SCRIPT_TIME);
    if (s->stop == SCRIPT_GOES_ON)
        return;
    lua_pushlightuserdata(L, s);
    lua_error(L);
}

static void on_count(lua_State *L, lua_Debug *ar)
{
    struct script *s = script_of(L);
    (void)ar;
    s->instructions += (uint64_t)s->config.count_every;
    check_limits(L);
}

void script_charge(lua_State *L, uint64_t instructions)
{
    struct script *s = script_of(L);
    uint64_t most = s->config.instructions_most;
    s->instructions += instructions > most ? most + 1 : instructions;
    check_limits(L);
}

void script_fail(lua_State *L, const char *format, ...)
{
    const struct script *s = script_of(L);
    char text[256];
    const char *file;
    uint32_t line;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (s->config.fail != NULL)
        s->config.fail(L, text);
    else if (script_where(L, &file, &line))
        lua_pushfstring(L, "%s:%d: %s", file, (int)line, text);
    else
        lua_pushstring(L, text);
    lua_error(L);
    UNREACHABLE();
}

const char *script_skip_mark(const char *text, uint32_t *ret_line)
{
    for (const char *at = strchr(text, ':'); at != NULL; at = strchr(at + 1, ':')) {
        size_t digits = strspn(at + 1, "0123456789");
        if (digits > 0 && digits < 9 && strncmp(at + 1 + digits, ": ", 2) == 0) {
            *ret_line = (uint32_t)strtoul(at + 1, NULL, 10);
            return at + digits + 3;
        }
    }
    return text;
}

static int no_such_word(lua_State *L)
{
    if (lua_type(L, 2) == LUA_TSTRING)
        script_fail(L, "there is no word \"%.60s\" in %s", lua_tostring(L, 2),
                    script_of(L)->config.file_kind);
    return 0;
}

static int no_global(lua_State *L)
{
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";
    script_fail(L, "\"%.60s\" would be a global; write local %.60s", name, name);
}

static int is_locked(lua_State *L)
{
    script_fail(L, "the words of the language and the libraries cannot be changed");
}

void script_lock(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 3);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, is_locked);
    lua_setfield(L, -2, "__newindex");
    lua_pushliteral(L, "locked");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

/* The words live in one table, whose metatable knows what is missing; the environment that chunks
 * see is an empty table in front of it. A word that is there is found without a call of C. */
static void make_environment(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 3);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, no_such_word);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &words_key);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, no_global);
    lua_setfield(L, -2, "__newindex");
    lua_pushliteral(L, "locked");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &environment_key);
}

static int open_libraries(lua_State *L)
{
    make_environment(L);
    script_open_libraries(L);
    return 0;
}

void script_begin(struct script *s)
{
    s->instructions = 0;
    if (s->config.time_most_ns != 0)
        s->deadline_ns = clock_thread_ns() + s->config.time_most_ns;
    if (s->stop == SCRIPT_GOES_ON)
        lua_sethook(s->L, on_count, LUA_MASKCOUNT, s->config.count_every);
}

bool script_open(struct script *s, const struct script_config *config)
{
    *s = (struct script){.config = *config, .bytes_most = config->bytes_most};
    lua_State *L = lua_newstate(allocate, s);
    INVARIANT(L != NULL); /* the first few KiB are far below any limit */
    *(struct script **)lua_getextraspace(L) = s;
    s->L = L;
    script_begin(s);
    lua_pushcfunction(L, open_libraries);
    return lua_pcall(L, 0, 0, 0) == LUA_OK;
}

void script_close(struct script *s)
{
    if (s->L != NULL) {
        lua_sethook(s->L, NULL, 0, 0);
        lua_close(s->L);
    }
    s->L = NULL;
}

int script_call(struct script *s, int args, int results, lua_CFunction on_error)
{
    lua_State *L = s->L;
    int base = lua_gettop(L) - args;
    lua_pushcfunction(L, on_error);
    lua_insert(L, base);
    int status = lua_pcall(L, args, results, base);
    lua_remove(L, base);
    if (status == LUA_ERRMEM && s->stop == SCRIPT_GOES_ON)
        s->stop = SCRIPT_MEMORY;
    return status == LUA_OK && s->stop != SCRIPT_GOES_ON ? LUA_ERRRUN : status;
}

bool script_is_compiled(struct bytes text)
{
    return text.len > 0 && text.at[0] == (uint8_t)LUA_SIGNATURE[0];
}

int script_load(lua_State *L, struct bytes text, const char *name)
{
    char chunk[512];
    snprintf(chunk, sizeof(chunk), "%s%s", name[0] == '=' ? "" : "@", name);
    int status = luaL_loadbufferx(L, (const char *)text.at, text.len, chunk, "t");
    if (status == LUA_OK) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &environment_key);
        lua_setupvalue(L, -2, 1);
    }
    return status;
}

void script_define(lua_State *L, const char *name)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &words_key);
    lua_insert(L, -2);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}
