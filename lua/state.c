#include "lua/state.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT_EVERY 1000

/* An address only: the mark of an error that is already noted. */
static const char raised;

struct state *state_of(lua_State *L)
{
    return (struct state *)(void *)((char *)script_of(L) - offsetof(struct state, script));
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

struct source state_source(lua_State *L)
{
    const char *file;
    uint32_t line;
    if (!script_where(L, &file, &line))
        return (struct source){0};
    return (struct source){intern(state_of(L), file), line, 0};
}

NORETURN static void leave(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)(uintptr_t)&raised);
    lua_error(L);
    UNREACHABLE();
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

/* What the script layer raises: the sentence is noted at once, so that no pcall hides it. */
static void fail_script(lua_State *L, const char *sentence)
{
    state_fail(L, state_source(L), "%s", sentence);
}

static void note_message(struct state *s, struct source source, const char *text)
{
    uint32_t line = 0;
    size_t len;
    char words[200];
    const char *from = script_skip_mark(text, &line);
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
    if (lua_islightuserdata(L, 1) || s->script.stop != SCRIPT_GOES_ON)
        return 1;
    if (lua_type(L, 1) == LUA_TSTRING)
        note_message(s, state_source(L), lua_tostring(L, 1));
    else
        errors_add(s->errors, state_source(L), ERROR_INPUT, "error with %s instead of a text",
                   luaL_typename(L, 1));
    lua_pushlightuserdata(L, (void *)(uintptr_t)&raised);
    return 1;
}

static void note_stop(struct state *s)
{
    static const char *const sentences[] = {
        [SCRIPT_INSTRUCTIONS] = "a suite may take at most 50 million instructions to load",
        [SCRIPT_MEMORY] = "a suite may use at most 64 MiB to load",
        [SCRIPT_TIME] = "a suite may take at most 5 s to load",
    };
    const struct script *script = &s->script;
    struct source at = {s->plan->suite, script->stopped_line, 0};
    if (script->stopped_line != 0)
        at.file = intern(s, script->stopped_file);
    if (script->stop != SCRIPT_GOES_ON)
        errors_add(s->errors, at, ERROR_LIMIT, "%s", sentences[script->stop]);
    else if (s->errors->count == 0)
        errors_add(s->errors, at, ERROR_LIMIT, "the suite calls itself too deeply");
}

/* Calls the function below its ${args} arguments on the stack. */
static bool call(struct state *s, int args, int results)
{
    int base = lua_gettop(s->script.L) - args - 1;
    if (script_call(&s->script, args, results, on_error) == LUA_OK)
        return true;
    note_stop(s);
    lua_settop(s->script.L, base);
    return false;
}

bool state_open(struct state *s, struct plan *plan, struct errors *errors, const char *folder)
{
    static const struct script_config config = {
        .file_kind = "a scenario file",
        .bytes_most = STATE_BYTES_MOST,
        .instructions_most = STATE_INSTRUCTIONS_MOST,
        .time_most_ns = STATE_TIME_MOST_NS,
        .count_every = COUNT_EVERY,
        .fail = fail_script,
    };
    *s = (struct state){.plan = plan, .errors = errors, .folder = folder};
    bool good = script_open(&s->script, &config);
    s->L = s->script.L;
    if (!good)
        note_stop(s);
    return good;
}

void state_close(struct state *s)
{
    script_close(&s->script);
    s->L = NULL;
}

bool state_protect(struct state *s, lua_CFunction f, void *cookie)
{
    lua_pushcfunction(s->L, f);
    lua_pushlightuserdata(s->L, cookie);
    return call(s, 1, 0);
}

static char *read_open(int fd, size_t *ret_len, char *why, size_t size)
{
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        snprintf(why, size, "cannot be read: %s", strerror(errno));
        return NULL;
    }
    if (!S_ISREG(st.st_mode)) {
        snprintf(why, size, "is no file");
        return NULL;
    }
    if ((uint64_t)st.st_size > STATE_FILE_BYTES_MOST) {
        snprintf(why, size, "is %lld bytes; a suite file has at most 1 MiB", (long long)st.st_size);
        return NULL;
    }
    char *to = check_alloc_zero(1, (size_t)st.st_size + 1);
    ssize_t n;
    while (*ret_len < (size_t)st.st_size &&
           (n = read(fd, to + *ret_len, (size_t)st.st_size - *ret_len)) > 0)
        *ret_len += (size_t)n;
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

char *state_read_file(struct plan *plan, const char *path, const char *name, size_t *ret_len,
                      char *why, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *ret_len = 0;
    char *text = read_open(fd, ret_len, why, size);
    if (fd >= 0)
        close(fd);
    if (text != NULL)
        add_file(plan, name, text, *ret_len);
    return text;
}

void state_load(lua_State *L, const char *path, const char *name)
{
    struct state *s = state_of(L);
    char why[160] = "";
    size_t len;
    char *text = state_read_file(s->plan, path, name, &len, why, sizeof(why));
    if (text == NULL)
        state_fail(L, (struct source){intern(s, name), 0, 0}, "%s", why);
    struct bytes chunk = {(const uint8_t *)text, len};
    int status = script_load(L, chunk, name);
    bool bytecode = script_is_compiled(chunk);
    free(text);
    if (status == LUA_ERRMEM)
        lua_error(L);
    if (status == LUA_OK)
        return;
    struct source source = {intern(s, name), 0, 0};
    if (bytecode)
        state_fail(L, source, "is compiled; a suite is a text file");
    if (lua_type(L, -1) != LUA_TSTRING) /* on_error was there first: the parser's own overflow */
        leave(L);
    note_message(s, source, lua_tostring(L, -1));
    leave(L);
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
