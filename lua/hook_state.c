#include "base/text.h"
#include "lua/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MOST_BYTES 1000 /* of a traceback: a name of the journal */
#define COUNT_EVERY 1000

const struct hook_event_row hook_event_rows[HOOK_EVENTS] = {
#define BIT(act) (UINT32_C(1) << HOOK_##act)
#define ENDS (BIT(HOLD) | BIT(RESET) | BIT(CLOSE))
    [HOOK_ON_CONNECT] = {"on_connect", "conn", "a connection was accepted, no byte read", ENDS},
    [HOOK_ON_CLIENT_HELLO] = {"on_client_hello", "conn, hello",
                              "TLS terminated by us; before ServerHello", ENDS | BIT(ALERT)},
    [HOOK_ON_REQUEST] = {"on_request", "call", "head parsed, nothing forwarded",
                         ENDS | BIT(HEADERS) | BIT(RESPOND) | BIT(RST_STREAM) | BIT(GOAWAY)},
    [HOOK_ON_REQUEST_DATA] = {"on_request_data", "call, chunk", "body bytes towards the backend",
                              ENDS | BIT(REPLACE) | BIT(DROP) | BIT(RST_STREAM)},
    [HOOK_ON_RESPONSE] = {"on_response", "call", "response head parsed, nothing sent",
                          ENDS | BIT(HEADERS) | BIT(RESPOND) | BIT(RST_STREAM) | BIT(GOAWAY)},
    [HOOK_ON_RESPONSE_DATA] = {"on_response_data", "call, chunk", "body bytes towards the mesh",
                               ENDS | BIT(REPLACE) | BIT(DROP) | BIT(RST_STREAM)},
    [HOOK_ON_TRAILERS] = {"on_trailers", "call", "trailers (HTTP/2, gRPC, chunked) not sent",
                          BIT(HOLD) | BIT(HEADERS) | BIT(RESET) | BIT(RST_STREAM)},
    [HOOK_ON_CLOSE] = {"on_close", "conn", "for counting only", 0},
#undef ENDS
#undef BIT
};

void hook_need(lua_State *L, const struct hook *h, const char *what)
{
    if (h->now.running)
        return;
    if (h->calls == 0)
        script_fail(L, "%s is known within the functions of a hook only", what);
    script_fail(L, "%s is borrowed: it ended with %s", what, hook_event_rows[h->now.event].name);
}

void hook_push_bytes(lua_State *L, struct bytes b)
{
    if (b.at == NULL)
        lua_pushnil(L);
    else
        lua_pushlstring(L, (const char *)b.at, b.len);
}

static int refuse_set(lua_State *L)
{
    script_fail(L, "what a hook is handed is read-only; keep what is yours in ctx");
}

int hook_handle(lua_State *L, lua_CFunction index, lua_CFunction newindex)
{
    lua_newuserdatauv(L, 1, 0);
    lua_createtable(L, 0, 3);
    lua_pushcfunction(L, index);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, newindex != NULL ? newindex : refuse_set);
    lua_setfield(L, -2, "__newindex");
    lua_pushliteral(L, "locked");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

NORETURN static void no_field(lua_State *L, const char *what, const char *name,
                              const struct hook_field_row *rows, size_t count)
{
    const char *names[40];
    INVARIANT(count <= COUNT_OF(names));
    for (size_t i = 0; i < count; i++)
        names[i] = rows[i].name;
    const char *near = text_nearest(name, names, count);
    script_fail(L, "%s has no field \"%.40s\"%s%s%s", what, name,
                near != NULL ? " (did you mean \"" : "", near != NULL ? near : "",
                near != NULL ? "\"?)" : "");
}

int hook_index(lua_State *L, const char *what, const struct hook_field_row *rows, size_t count)
{
    struct hook *h = hook_of(L);
    size_t len;
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tolstring(L, 2, &len) : NULL;
    hook_need(L, h, what);
    if (name == NULL)
        script_fail(L, "%s has fields with names, not numbers", what);
    for (size_t i = 0; i < count; i++) {
        if (rows[i].name[0] == name[0] && strcmp(rows[i].name, name) == 0) {
            rows[i].push(L, h);
            return 1;
        }
    }
    no_field(L, what, name, rows, count);
}

/* ---- calls ---- */

static int on_error(lua_State *L)
{
    if (script_of(L)->stop != SCRIPT_GOES_ON)
        return 1;
    const char *text = lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : NULL, *file;
    hook_of(L)->error_line = 0;
    (void)script_where(L, &file, &hook_of(L)->error_line);
    if (text == NULL)
        text = lua_pushfstring(L, "error with %s instead of a text", luaL_typename(L, 1));
    luaL_traceback(L, L, text, 1);
    return 1;
}

/* The sentence of what a call ended with, in ${text}, and its line. The stack's top is the error.
 */
static void describe(struct hook *h, int status, const char **ret_text, struct source *ret)
{
    static const char *const sentences[] = {
        [SCRIPT_INSTRUCTIONS] = "a hook may take at most 100 000 instructions a call",
        [SCRIPT_MEMORY] = "a hook may use at most 8 MiB",
    };
    struct script *s = &h->script;
    *ret = (struct source){h->path, 0, 0};
    if (s->stop != SCRIPT_GOES_ON) {
        *ret_text = sentences[s->stop];
        ret->line = s->stopped_line;
    } else if (lua_type(s->L, -1) != LUA_TSTRING) {
        *ret_text =
            status == LUA_ERRERR ? "the error could not be described" : "an error of no words";
    } else {
        size_t len = strlen(h->path);
        *ret_text = lua_tostring(s->L, -1);
        ret->line = h->error_line;
        if (strncmp(*ret_text, h->path, len) == 0 && (*ret_text)[len] == ':')
            *ret_text = script_skip_mark(*ret_text + len, &ret->line);
    }
}

static void switch_off(struct hook *h, int status)
{
    char source[256], text[TEXT_MOST_BYTES];
    const char *words;
    struct source where;
    describe(h, status, &words, &where);
    source_format(where, false, source, sizeof(source));
    snprintf(text, sizeof(text), "%s: %s", hook_event_rows[h->now.event].name, words);
    h->broken = true;
    hook_log_flush(h, h->now.at->now_ns);
    hook_report(h, h->now.at->now_ns, source, text, 1, HOOK_ERROR);
}

static int push_args(lua_State *L, struct hook *h)
{
    switch (h->now.event) {
    case HOOK_ON_CONNECT:
    case HOOK_ON_CLOSE:
        hook_push(L, h->conn);
        return 1;
    case HOOK_ON_CLIENT_HELLO:
        hook_push(L, h->conn);
        hook_push(L, h->hello);
        return 2;
    case HOOK_ON_REQUEST_DATA:
    case HOOK_ON_RESPONSE_DATA:
        hook_push(L, h->call);
        hook_push_chunk(L, h);
        return 2;
    case HOOK_ON_REQUEST:
    case HOOK_ON_RESPONSE:
    case HOOK_ON_TRAILERS:
        hook_push(L, h->call);
        return 1;
    case HOOK_EVENTS:
        break;
    }
    UNREACHABLE();
}

/* In protected mode: handing out the arguments takes memory of the state too. */
static int run_event(lua_State *L)
{
    struct hook *h = hook_of(L);
    hook_push(L, h->functions[h->now.event]);
    lua_call(L, push_args(L, h), 1);
    hook_act_take(L, h);
    return 0;
}

bool hook_run(struct hook *h)
{
    h->calls++;
    h->now.running = true;
    h->now.acted = false;
    h->now.answer = ANSWER_PASS;
    script_begin(&h->script);
    lua_pushcfunction(h->script.L, run_event);
    int status = script_call(&h->script, 0, 0, on_error);
    h->now.running = false;
    if (status == LUA_OK)
        return true;
    switch_off(h, status);
    lua_settop(h->script.L, 0);
    return false;
}

/* ---- loading ---- */

static int event_of(const char *name)
{
    for (int i = 0; i < HOOK_EVENTS; i++) {
        if (strcmp(hook_event_rows[i].name, name) == 0)
            return i;
    }
    return -1;
}

NORETURN static void unknown_key(lua_State *L, const struct hook *h, const char *key)
{
    const char *names[HOOK_EVENTS + 2] = {"with", "about"};
    for (size_t i = 0; i < HOOK_EVENTS; i++)
        names[i + 2] = hook_event_rows[i].name;
    const char *near = text_nearest(key, names, COUNT_OF(names));
    script_fail(L,
                "hook \"%.60s\" has no key \"%.40s\"%s%s%s; it has with, about and functions on_*",
                h->name, key, near != NULL ? " (did you mean \"" : "", near != NULL ? near : "",
                near != NULL ? "\"?)" : "");
}

/* A key of the table at 1 at index 2, its value at 3. */
static void take_key(lua_State *L, struct hook *h)
{
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : NULL;
    if (key == NULL)
        script_fail(L, "hook \"%.60s\" takes named keys only", h->name);
    int event = event_of(key);
    if (event >= 0 && !lua_isfunction(L, 3))
        script_fail(L, "hook \"%.60s\": %s must be a function, not a %s", h->name, key,
                    luaL_typename(L, 3));
    if (event >= 0) {
        lua_pushvalue(L, 3);
        h->functions[event] = luaL_ref(L, LUA_REGISTRYINDEX);
    } else if (strcmp(key, "about") == 0) {
        if (lua_type(L, 3) != LUA_TSTRING)
            script_fail(L, "hook \"%.60s\": about must be a text", h->name);
    } else if (strcmp(key, "with") != 0) {
        unknown_key(L, h, key);
    } else if (!lua_istable(L, 3)) {
        script_fail(L,
                    "hook \"%.60s\": with must be a table of rows such as "
                    "{ tier = \"text!\", stall = \"duration=2s\" }",
                    h->name);
    }
}

static int take_hook(lua_State *L)
{
    struct hook *h = hook_of(L);
    if (lua_gettop(L) != 1 || !lua_istable(L, 1))
        script_fail(L, "hook \"%.60s\" takes one table after its name", h->name);
    if (h->defined)
        script_fail(L, "a hook file has one hook");
    h->defined = true;
    lua_pushnil(L);
    while (lua_next(L, 1) != 0) {
        take_key(L, h);
        lua_settop(L, 2);
    }
    lua_settop(L, 1);
    lua_pushliteral(L, "with");
    if (lua_rawget(L, 1) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
    }
    lua_setfield(L, LUA_REGISTRYINDEX, "declared");
    hook_push(L, h->act); /* any value of ours will do: a file returns what it got from here */
    return 1;
}

static int name_hook(lua_State *L)
{
    struct hook *h = hook_of(L);
    if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TSTRING)
        script_fail(L, "hook needs a name first: hook \"name\" { ... }");
    if (h->name == NULL)
        h->name = check_strdup(lua_tostring(L, 1));
    lua_pushcfunction(L, take_hook);
    return 1;
}

static int define(lua_State *L)
{
    struct hook *h = hook_of(L);
    hook_define_conn(L, h);
    hook_define_chunk(L, h);
    hook_define_act(L, h);
    hook_define_rng(L, h);
    lua_pushcfunction(L, name_hook);
    script_define(L, "hook");
    return 0;
}

static int load(lua_State *L)
{
    struct hook *h = hook_of(L);
    const struct bytes *text = lua_touserdata(L, 1);
    if (script_is_compiled(*text))
        return luaL_error(L, "is compiled; a hook is a text file");
    if (script_load(L, *text, h->path) != LUA_OK)
        return lua_error(L);
    lua_call(L, 0, 1);
    hook_push(L, h->act);
    if (!h->defined || !lua_rawequal(L, -1, -2))
        return luaL_error(L, "a hook file returns one hook \"name\" { ... }");
    return 0;
}

static int check_with(lua_State *L)
{
    struct hook *h = hook_of(L);
    lua_getfield(L, LUA_REGISTRYINDEX, "declared");
    hook_with(L, h);
    script_lock(L);
    h->with = luaL_ref(L, LUA_REGISTRYINDEX);
    hook_define_call(L, h);
    return 0;
}

/* The parser's and luaL_error's texts have the line in front; a traceback is not for loading. */
static int keep_error(lua_State *L)
{
    const char *file;
    hook_of(L)->error_line = 0;
    (void)script_where(L, &file, &hook_of(L)->error_line);
    if (lua_type(L, 1) != LUA_TSTRING && script_of(L)->stop == SCRIPT_GOES_ON)
        lua_pushfstring(L, "error with %s instead of a text", luaL_typename(L, 1));
    return 1;
}

static bool protect(struct hook *h, lua_CFunction f, const void *cookie, bool has_line,
                    struct error *err)
{
    struct source where;
    const char *text;
    lua_State *L = h->script.L;
    script_begin(&h->script);
    lua_pushcfunction(L, f);
    lua_pushlightuserdata(L, (void *)(uintptr_t)cookie);
    int status = script_call(&h->script, 1, 0, keep_error);
    if (status == LUA_OK)
        return true;
    describe(h, status, &text, &where);
    if (has_line)
        error_at(err, where, ERROR_INPUT, "%.*s", (int)strcspn(text, "\n"), text);
    else
        error_set(err, ERROR_INPUT, "%.*s", (int)strcspn(text, "\n"), text);
    return false;
}

static char *read_file(const char *path, size_t *ret_len, struct error *err)
{
    struct stat st;
    struct source where = {path, 0, 0};
    char *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        error_at(err, where, ERROR_INPUT, "cannot be read: %s", strerror(errno));
    } else if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > HOOK_FILE_MOST_BYTES) {
        error_at(err, where, ERROR_LIMIT, "is no file of at most 64 KiB");
    } else {
        text = check_alloc_zero(1, (size_t)st.st_size + 1);
        ssize_t n;
        while (*ret_len < (size_t)st.st_size &&
               (n = read(fd, text + *ret_len, (size_t)st.st_size - *ret_len)) > 0)
            *ret_len += (size_t)n;
    }
    if (fd >= 0)
        close(fd);
    return text;
}

void hook_state_close(struct hook *h)
{
    if (!h->broken)
        hook_log_flush(h, UINT64_MAX);
    script_close(&h->script);
    free(h->name);
    free((char *)(uintptr_t)h->host.service);
    free((char *)(uintptr_t)h->path);
    free(h);
}

bool hook_state_open(const struct hook_source *from, const struct hook_host *host,
                     struct hook **ret, struct error *err)
{
    static const struct script_config config = {
        .file_kind = "a hook file",
        .bytes_most = HOOK_BYTES_MOST,
        .instructions_most = HOOK_INSTRUCTIONS_MOST,
        .count_every = COUNT_EVERY,
        .explains_patterns = true,
    };
    size_t len = from->text != NULL ? strlen(from->text) : 0;
    char *read_text = from->text == NULL ? read_file(from->path, &len, err) : NULL;
    if (from->text == NULL && read_text == NULL)
        return false;
    struct bytes text = {(const uint8_t *)(from->text != NULL ? from->text : read_text), len};
    struct hook *h = check_alloc_zero(1, sizeof(*h));
    h->host = *host;
    h->host.service = check_strdup(host->service);
    h->path = check_strdup(from->path);
    h->with_json = from->with_json;
    bool good = script_open(&h->script, &config);
    INVARIANT(good); /* 8 MiB hold the libraries */
    good = protect(h, define, NULL, true, err) && protect(h, load, &text, true, err) &&
           protect(h, check_with, NULL, false, err);
    free(read_text);
    h->with_json = NULL;
    if (!good) {
        if (err->source.file == h->path)
            err->source.file = from->path;
        h->broken = true; /* nothing was logged */
        hook_state_close(h);
        return false;
    }
    for (int i = HOOK_ON_REQUEST_DATA; i <= HOOK_ON_TRAILERS; i++)
        h->keeps_request = h->keeps_request || h->functions[i] != 0;
    h->keeps_response =
        h->functions[HOOK_ON_RESPONSE_DATA] != 0 || h->functions[HOOK_ON_TRAILERS] != 0;
    *ret = h;
    return true;
}
