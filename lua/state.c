#include "lua/state.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOOK_EVERY 1000

/* Addresses only: the mark of an error that is already noted, and keys of the registry. */
static const char raised, words_key, environment_key;

struct state *state_of(lua_State *L)
{
    return *(struct state **)lua_getextraspace(L);
}

static void on_count(lua_State *L, lua_Debug *ar);

/* From now on every instruction raises, until the outermost pcall is left: a plain error of a count
 * hook would be swallowed by a pcall in the suite (libraries.md 7). */
static void stop_now(struct state *s, enum stop why)
{
    if (s->stop == STOP_NONE)
        s->stop = why;
    if (s->L != NULL)
        lua_sethook(s->L, on_count, LUA_MASKCOUNT, 1);
}

/* Lua collects garbage and asks again when it is refused; only the second refusal of the same size
 * is final. */
static void *allocate(void *cookie, void *at, size_t old_bytes, size_t bytes)
{
    struct state *s = cookie;
    size_t old = at == NULL ? 0 : old_bytes; /* at NULL: old_bytes is a type */
    if (bytes == 0) {
        free(at);
        s->used_bytes -= old;
        return NULL;
    }
    if (bytes > old && s->used_bytes - old + bytes > s->bytes_most) {
        if (s->refused_bytes == bytes)
            stop_now(s, STOP_MEMORY);
        s->refused_bytes = bytes;
        return NULL;
    }
    if (bytes > old)
        s->refused_bytes = 0;
    void *to = check_realloc(at, bytes);
    s->used_bytes = s->used_bytes - old + bytes;
    return to;
}

static const char *intern(struct state *s, const char *file)
{
    struct errors *e = s->errors;
    for (size_t i = 0; i < e->count; i++) {
        if (e->at[i].source.file != NULL && strcmp(e->at[i].source.file, file) == 0)
            return e->at[i].source.file;
    }
    const char *known;
    for (size_t i = 0; i < json_array_size(s->plan->files); i++) {
        known = json_string_value(json_object_get(json_array_get(s->plan->files, i), "path"));
        if (strcmp(known, file) == 0)
            return known;
    }
    return arena_strdup(&s->plan->arena, file);
}

static bool frame_source(lua_State *L, lua_Debug *ar, struct source *ret)
{
    if (lua_getinfo(L, "Sl", ar) == 0 || ar->source[0] != '@' || ar->currentline <= 0)
        return false;
    *ret = (struct source){intern(state_of(L), ar->source + 1), (uint32_t)ar->currentline, 0};
    return true;
}

struct source state_source(lua_State *L)
{
    lua_Debug ar;
    struct source source = {0};
    for (int level = 0; lua_getstack(L, level, &ar) == 1; level++) {
        if (frame_source(L, &ar, &source))
            return source;
    }
    return source;
}

NORETURN static void leave(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)(uintptr_t)&raised);
    lua_error(L);
    UNREACHABLE();
}

static void check_limits(lua_State *L)
{
    struct state *s = state_of(L);
    if (s->stop == STOP_NONE && s->instructions > STATE_INSTRUCTIONS_MOST)
        stop_now(s, STOP_INSTRUCTIONS);
    if (s->stop == STOP_NONE && clock_now_ns() > s->deadline_ns)
        stop_now(s, STOP_TIME);
    if (s->stop == STOP_NONE)
        return;
    if (s->stopped_at.file == NULL)
        s->stopped_at = state_source(L);
    leave(L);
}

static void on_count(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    state_of(L)->instructions += HOOK_EVERY;
    check_limits(L);
}

void state_charge(lua_State *L, uint64_t instructions)
{
    struct state *s = state_of(L);
    s->instructions +=
        instructions > STATE_INSTRUCTIONS_MOST ? STATE_INSTRUCTIONS_MOST + 1 : instructions;
    check_limits(L);
}

PRINTF_LIST(3)
static void take_error(lua_State *L, struct source source, const char *format, va_list args)
{
    struct error e = {.kind = ERROR_INPUT, .source = source};
    vsnprintf(e.text, sizeof(e.text), format, args);
    errors_take(state_of(L)->errors, source, &e);
}

void state_note(lua_State *L, struct source source, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    take_error(L, source, format, args);
    va_end(args);
}

void state_fail(lua_State *L, struct source source, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    take_error(L, source, format, args);
    va_end(args);
    leave(L);
}

/* "path:12: words" of Lua's own errors: where the words begin, and the line. */
static const char *skip_mark(const char *text, uint32_t *ret_line)
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

static void note_message(struct state *s, struct source source, const char *text)
{
    uint32_t line = 0;
    size_t len;
    char words[200];
    const char *from = skip_mark(text, &line);
    len = strcspn(from, "\n");
    snprintf(words, sizeof(words), "%.*s", (int)(len < sizeof(words) ? len : sizeof(words) - 1),
             from);
    if (line != 0 && source.line == 0)
        source.line = line;
    if (source.file == NULL)
        source.file = s->plan->suite;
    if (strstr(words, "stack overflow") != NULL)
        errors_add(s->errors, source, ERROR_LIMIT, "is nested, or calls itself, too deeply: %.120s",
                   words);
    else
        errors_add(s->errors, source, ERROR_INPUT, "%s",
                   words[0] != '\0' ? words : "stopped with an error of no words");
}

/* The message handler of every protected call: an error of Lua's own becomes one of ours, with its
 * line. */
static int on_error(lua_State *L)
{
    struct state *s = state_of(L);
    if (lua_islightuserdata(L, 1) || s->stop != STOP_NONE)
        return 1;
    if (lua_type(L, 1) == LUA_TSTRING)
        note_message(s, state_source(L), lua_tostring(L, 1));
    else
        errors_add(s->errors, state_source(L), ERROR_INPUT, "error with %s instead of a text",
                   luaL_typename(L, 1));
    lua_pushlightuserdata(L, (void *)(uintptr_t)&raised);
    return 1;
}

static void note_stop(struct state *s, int status)
{
    static const char *const sentences[] = {
        [STOP_INSTRUCTIONS] = "a suite may take at most 50 million instructions to load",
        [STOP_MEMORY] = "a suite may use at most 64 MiB to load",
        [STOP_TIME] = "a suite may take at most 5 s to load",
    };
    if (s->stop == STOP_NONE && status == LUA_ERRMEM)
        s->stop = STOP_MEMORY;
    if (s->stopped_at.file == NULL)
        s->stopped_at.file = s->plan->suite;
    if (s->stop != STOP_NONE)
        errors_add(s->errors, s->stopped_at, ERROR_LIMIT, "%s", sentences[s->stop]);
    else if (s->errors->count == 0)
        errors_add(s->errors, s->stopped_at, ERROR_LIMIT, "the suite calls itself too deeply");
}

/* Calls the function below its ${args} arguments on the stack. */
static bool call(struct state *s, int args, int results)
{
    lua_State *L = s->L;
    int base = lua_gettop(L) - args;
    lua_pushcfunction(L, on_error);
    lua_insert(L, base);
    int status = lua_pcall(L, args, results, base);
    if (status != LUA_OK || s->stop != STOP_NONE) {
        note_stop(s, status);
        lua_settop(L, base - 1);
        return false;
    }
    lua_remove(L, base);
    return true;
}

static int no_such_word(lua_State *L)
{
    if (lua_type(L, 2) == LUA_TSTRING)
        state_fail(L, state_source(L), "there is no word \"%.60s\" in a scenario file",
                   lua_tostring(L, 2));
    return 0;
}

static int no_global(lua_State *L)
{
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";
    state_fail(L, state_source(L), "\"%.60s\" would be a global; write local %.60s", name, name);
}

static int is_locked(lua_State *L)
{
    state_fail(L, state_source(L), "the words of the language and the libraries cannot be changed");
}

static int find_word(lua_State *L)
{
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNIL)
        return no_such_word(L);
    return 1;
}

void state_lock(lua_State *L)
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

/* The words live in one table; the environment that chunks see is an empty table in front of it. */
static void make_environment(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 3);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &words_key);
    lua_pushcclosure(L, find_word, 1);
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
    library_open(L);
    return 0;
}

bool state_open(struct state *s, struct plan *plan, struct errors *errors, const char *folder)
{
    *s = (struct state){.plan = plan, .errors = errors, .folder = folder};
    s->bytes_most = STATE_BYTES_MOST;
    s->deadline_ns = clock_now_ns() + STATE_TIME_MOST_NS;
    lua_State *L = lua_newstate(allocate, s);
    INVARIANT(L != NULL); /* the first few KiB are far below the limit */
    *(struct state **)lua_getextraspace(L) = s;
    s->L = L;
    lua_sethook(L, on_count, LUA_MASKCOUNT, HOOK_EVERY);
    return state_protect(s, open_libraries, NULL);
}

void state_close(struct state *s)
{
    if (s->L != NULL) {
        lua_sethook(s->L, NULL, 0, 0);
        lua_close(s->L);
    }
    s->L = NULL;
}

bool state_protect(struct state *s, lua_CFunction f, void *cookie)
{
    lua_pushcfunction(s->L, f);
    lua_pushlightuserdata(s->L, cookie);
    return call(s, 1, 0);
}

/* Read whole; the caller frees. An own error for each way that it can fail. */
static char *read_file(const char *path, size_t *ret_len, char *why, size_t size)
{
    struct stat st;
    char *to = NULL;
    size_t len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        snprintf(why, size, "cannot be read: %s", strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        snprintf(why, size, "is no file");
    } else if ((uint64_t)st.st_size > STATE_FILE_BYTES_MOST) {
        snprintf(why, size, "is %lld bytes; a suite file has at most 1 MiB", (long long)st.st_size);
    } else {
        to = check_alloc((size_t)st.st_size + 1);
        ssize_t n;
        while (len < (size_t)st.st_size && (n = read(fd, to + len, (size_t)st.st_size - len)) > 0)
            len += (size_t)n;
    }
    if (fd >= 0)
        close(fd);
    *ret_len = len;
    return to;
}

static void add_file(struct plan *plan, const char *name, const char *text, size_t len)
{
    uint8_t digest[32];
    char hex[65];
    unsigned n = 0;
    INVARIANT(EVP_Digest(text, len, digest, &n, EVP_sha256(), NULL) == 1 && n == sizeof(digest));
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    json_t *entry = json_pack("{s:s, s:s}", "path", name, "sha256", hex);
    if (entry != NULL)
        INVARIANT(json_array_append_new(plan->files, entry) == 0);
}

void state_load(lua_State *L, const char *path, const char *name)
{
    struct state *s = state_of(L);
    char why[160] = "", chunk[512];
    size_t len;
    char *text = read_file(path, &len, why, sizeof(why));
    if (text == NULL)
        state_fail(L, (struct source){intern(s, name), 0, 0}, "%s", why);
    snprintf(chunk, sizeof(chunk), "@%s", name);
    add_file(s->plan, name, text, len);
    int status = luaL_loadbufferx(L, text, len, chunk, "t");
    bool bytecode = len > 0 && text[0] == LUA_SIGNATURE[0];
    free(text);
    if (status == LUA_ERRMEM)
        lua_error(L);
    if (status != LUA_OK) {
        struct source source = {intern(s, name), 0, 0};
        if (bytecode)
            state_fail(L, source, "is compiled; a suite is a text file");
        if (lua_type(L, -1) !=
            LUA_TSTRING) /* on_error was there first: the parser's own stack overflow */
            leave(L);
        note_message(s, source, lua_tostring(L, -1));
        leave(L);
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, &environment_key);
    lua_setupvalue(L, -2, 1);
}

struct run {
    const char *path, *name;
};

static int run_file(lua_State *L)
{
    const struct run *run = lua_touserdata(L, 1);
    state_load(L, run->path, run->name);
    lua_call(L, 0, 1);
    return 1;
}

bool state_run_file(struct state *s, const char *path, const char *name)
{
    struct run run = {path, name};
    lua_pushcfunction(s->L, run_file);
    lua_pushlightuserdata(s->L, &run);
    return call(s, 1, 1);
}

void state_define(lua_State *L, const char *name)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &words_key);
    lua_insert(L, -2);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}
