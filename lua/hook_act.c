#include "base/text.h"
#include "base/units.h"
#include "faults/codes.h"
#include "lua/hook.h"
#include "net/grpc.h"

#include <ctype.h>
#include <math.h>

/* `act`: what a function may return, and the answer of net/stream.h that it becomes. One a call. */

#define FIELDS_MOST 64
#define MESSAGE_MOST_BYTES 4096
#define HEADERS_MOST_BYTES 16384

const struct hook_act_row hook_act_rows[HOOK_ACTS] = {
    [HOOK_HOLD] = {"hold", "time: string|integer", "wait so long (\"2s\", or ns), then go on"},
    [HOOK_REPLACE] = {"replace", "bytes: string", "these bytes instead of the chunk"},
    [HOOK_DROP] = {"drop", "", "the chunk does not go on"},
    [HOOK_RESPOND] = {"respond", "answer: meshproof.answer", "an answer of our own"},
    [HOOK_HEADERS] = {"headers", "edit: meshproof.edit", "set and drop headers, or trailers"},
    [HOOK_RESET] = {"reset", "", "end the connection by RST"},
    [HOOK_CLOSE] = {"close", "", "end the connection by FIN; HTTP/2: GOAWAY"},
    [HOOK_ALERT] = {"alert", "name: string", "end the handshake by an alert (RFC 8446 6)"},
    [HOOK_RST_STREAM] = {"rst_stream", "code: string", "HTTP/2 RST_STREAM; HTTP/1 lets pass"},
    [HOOK_GOAWAY] = {"goaway", "code: string", "HTTP/2 GOAWAY; HTTP/1 lets pass"},
};

NORETURN static void not_legal(lua_State *L, const struct hook *h, enum hook_act_kind kind)
{
    const struct hook_event_row *event = &hook_event_rows[h->now.event];
    char list[160] = " none";
    size_t len = 0;
    for (size_t i = 0; i < HOOK_ACTS; i++) {
        if ((event->acts & (UINT32_C(1) << i)) != 0)
            len += (size_t)snprintf(list + len, sizeof(list) - len, " %s", hook_act_rows[i].name);
    }
    script_fail(L, "act.%s is not legal in %s; legal are%s", hook_act_rows[kind].name, event->name,
                list);
}

/* Each act begins here. */
static struct hook *begin(lua_State *L, enum hook_act_kind kind)
{
    struct hook *h = hook_of(L);
    hook_need(L, h, "act");
    if ((hook_event_rows[h->now.event].acts & (UINT32_C(1) << kind)) == 0)
        not_legal(L, h, kind);
    if (h->now.acted)
        script_fail(L, "act.%s: one act a call, and there was one already",
                    hook_act_rows[kind].name);
    return h;
}

static int end(lua_State *L, struct hook *h, struct answer answer)
{
    h->now.acted = true;
    h->now.answer = answer;
    hook_push(L, h->act);
    return 1;
}

static int hold(lua_State *L)
{
    struct hook *h = begin(L, HOOK_HOLD);
    struct error err = {0};
    uint64_t ns = 0;
    char shown[32], most[32];
    if (lua_isinteger(L, 1) && lua_tointeger(L, 1) >= 0)
        ns = (uint64_t)lua_tointeger(L, 1);
    else if (lua_type(L, 1) != LUA_TSTRING)
        script_fail(L, "act.hold takes a duration such as \"2s\", or whole nanoseconds");
    else if (!units_parse_duration(lua_tostring(L, 1), &ns, &err))
        script_fail(L, "act.hold %s", err.text);
    if (ns > h->host.hold_most_ns)
        script_fail(L, "act.hold of %s is longer than guard.limits delay, %s",
                    units_print_duration(ns, shown, sizeof(shown)),
                    units_print_duration(h->host.hold_most_ns, most, sizeof(most)));
    return end(L, h, (struct answer){.act = ACT_HOLD, .until_ns = h->now.at->now_ns + ns});
}

/* A copy in the call's arena: Lua may collect its own. */
static struct bytes keep(struct hook *h, const char *from, size_t len)
{
    char *to = arena_take(h->now.at->arena, len + 1);
    memcpy(to, from, len);
    return (struct bytes){(uint8_t *)to, len};
}

static int replace_by(lua_State *L, struct hook *h, struct bytes with)
{
    return end(L, h,
               (struct answer){.act = ACT_REPLACE,
                               .take = h->now.chunk.len > 0 ? (uint32_t)h->now.chunk.len : TAKE_ALL,
                               .bytes = with});
}

static int replace(lua_State *L)
{
    struct hook *h = begin(L, HOOK_REPLACE);
    size_t len;
    if (lua_type(L, 1) != LUA_TSTRING)
        script_fail(L, "act.replace takes bytes as a text, not a %s", luaL_typename(L, 1));
    const char *from = lua_tolstring(L, 1, &len);
    if (len > HOOK_REPLACE_MOST_BYTES)
        script_fail(L, "act.replace takes at most 1 MiB, not %zu bytes", len);
    script_charge(L, len / 64);
    return replace_by(L, h, keep(h, from, len));
}

static int drop(lua_State *L)
{
    struct hook *h = begin(L, HOOK_DROP);
    return replace_by(L, h, BYTES(""));
}

static int end_connection(lua_State *L, enum hook_act_kind kind, enum act act)
{
    return end(L, begin(L, kind), (struct answer){.act = act, .scope = SCOPE_CONNECTION});
}
static int reset(lua_State *L)
{
    return end_connection(L, HOOK_RESET, ACT_RESET);
}
static int close_it(lua_State *L)
{
    return end_connection(L, HOOK_CLOSE, ACT_CLOSE);
}

static const char *need_name(lua_State *L, enum hook_act_kind kind, const char *such)
{
    if (lua_type(L, 1) != LUA_TSTRING)
        script_fail(L, "act.%s takes a name such as \"%s\"", hook_act_rows[kind].name, such);
    return lua_tostring(L, 1);
}

static int alert(lua_State *L)
{
    struct hook *h = begin(L, HOOK_ALERT);
    const char *name = need_name(L, HOOK_ALERT, "bad_certificate");
    for (size_t i = 0; i < CODES_ALERTS; i++) {
        if (strcmp(codes_alert_words[i], name) == 0)
            return end(L, h,
                       (struct answer){.act = ACT_CLOSE,
                                       .scope = SCOPE_CONNECTION,
                                       .code = (uint32_t)codes_alert_numbers[i] + 1});
    }
    script_fail(L, "act.alert: \"%.40s\" is no alert of RFC 8446, such as \"bad_certificate\"",
                name);
}

/* HTTP/1 has neither: it lets pass, and has not fired, as fault.rst_stream and fault.goaway. */
static int h2_end(lua_State *L, enum hook_act_kind kind, struct answer answer)
{
    struct hook *h = begin(L, kind);
    const char *name = need_name(L, kind, "CANCEL");
    for (size_t i = 0; i < CODES_H2; i++) {
        if (strcmp(codes_h2[i], name) == 0) {
            answer.code = (uint32_t)i;
            return end(L, h, h->now.call->is_h2 ? answer : ANSWER_PASS);
        }
    }
    const char *near = text_nearest(name, codes_h2, CODES_H2);
    script_fail(L, "act.%s: \"%.40s\" is no error code of RFC 9113%s%s%s", hook_act_rows[kind].name,
                name, near != NULL ? " (did you mean \"" : "", near != NULL ? near : "",
                near != NULL ? "\"?)" : "");
}
static int rst_stream(lua_State *L)
{
    return h2_end(L, HOOK_RST_STREAM, (struct answer){.act = ACT_RESET, .scope = SCOPE_STREAM});
}
static int goaway(lua_State *L)
{
    return h2_end(L, HOOK_GOAWAY, (struct answer){.act = ACT_CLOSE, .scope = SCOPE_CONNECTION});
}

/* ---- headers and answers ---- */

struct list {
    struct field at[FIELDS_MOST];
    size_t count, bytes;
};

/* RFC 9110 5.1: a token. */
static bool is_name(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)text[i]) &&
            (text[i] == '\0' || strchr("!#$%&'*+-.^_`|~", text[i]) == NULL))
            return false;
    }
    return len > 0;
}

/* The name is at ${name}, its value at ${value}; 0: dropped. Names go out in lower case (HTTP/2).
 */
static void add_field(lua_State *L, struct hook *h, struct list *to, const char *act, int name,
                      int value)
{
    size_t name_len = 0, len = 0;
    const char *from = lua_type(L, name) == LUA_TSTRING ? lua_tolstring(L, name, &name_len) : NULL;
    int type = value == 0 ? LUA_TSTRING : lua_type(L, value);
    if (from == NULL || !is_name(from, name_len))
        script_fail(L, "act.%s: a header's name is a text without spaces", act);
    if (type != LUA_TSTRING && type != LUA_TNUMBER)
        script_fail(L, "act.%s: the value of %.40s must be a text or a number, not a %s", act, from,
                    luaL_typename(L, value));
    struct bytes text = {0};
    if (value != 0) {
        lua_pushvalue(L, value); /* tolstring would change the key's neighbour in place */
        const char *words = lua_tolstring(L, -1, &len);
        if (memchr(words, '\r', len) != NULL || memchr(words, '\n', len) != NULL ||
            memchr(words, '\0', len) != NULL)
            script_fail(L, "act.%s: the value of %.40s has a line end", act, from);
        text = keep(h, words, len);
        lua_pop(L, 1);
    }
    to->bytes += name_len + len;
    if (to->count >= FIELDS_MOST || to->bytes > HEADERS_MOST_BYTES)
        script_fail(L, "act.%s: more than %d headers, or 16 KiB of them", act, FIELDS_MOST);
    char *lower = arena_strndup(h->now.at->arena, from, name_len);
    for (size_t i = 0; i < name_len; i++)
        lower[i] = (char)tolower((unsigned char)lower[i]);
    to->at[to->count++] = (struct field){{(uint8_t *)lower, name_len}, text};
}

/* The table of names and values at the stack's top. */
static void add_set(lua_State *L, struct hook *h, struct list *to, const char *act)
{
    if (!lua_istable(L, -1))
        script_fail(L, "act.%s: headers are a table such as { [\"x-a\"] = \"1\" }", act);
    int table = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, table) != 0) {
        add_field(L, h, to, act, table + 1, table + 2);
        lua_settop(L, table + 1);
    }
}

static void add_drop(lua_State *L, struct hook *h, struct list *to)
{
    if (!lua_istable(L, -1))
        script_fail(L, "act.headers: drop is a list such as { \"etag\" }");
    int table = lua_gettop(L);
    for (lua_Integer i = 1; lua_rawgeti(L, table, i) != LUA_TNIL; i++) {
        add_field(L, h, to, "headers", table + 1, 0);
        lua_settop(L, table);
    }
    lua_settop(L, table);
}

/* By name: pairs of a table come in an order that differs from run to run. */
static int by_name(const void *a, const void *b)
{
    const struct bytes *x = &((const struct field *)a)->name, *y = &((const struct field *)b)->name;
    int order = memcmp(x->at, y->at, x->len < y->len ? x->len : y->len);
    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static struct fields keep_fields(struct hook *h, struct list *list)
{
    qsort(list->at, list->count, sizeof(*list->at), by_name);
    struct field *at = ARENA_ARRAY(h->now.at->arena, struct field, list->count + 1);
    memcpy(at, list->at, list->count * sizeof(*at));
    return (struct fields){at, list->count};
}

static void check_keys(lua_State *L, const char *act, const char *const *keys)
{
    if (lua_gettop(L) != 1 || !lua_istable(L, 1))
        script_fail(L, "act.%s takes one table", act);
    lua_pushnil(L);
    while (lua_next(L, 1) != 0) {
        const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";
        bool known = false;
        for (size_t i = 0; keys[i] != NULL; i++)
            known = known || strcmp(keys[i], key) == 0;
        if (!known)
            script_fail(L, "act.%s has no key \"%.40s\"", act, key);
        lua_settop(L, 2);
    }
    lua_settop(L, 1);
}

static int headers(lua_State *L)
{
    static const char *const keys[] = {"set", "drop", NULL};
    struct hook *h = begin(L, HOOK_HEADERS);
    struct list list = {.count = 0};
    check_keys(L, "headers", keys);
    if (lua_getfield(L, 1, "set") != LUA_TNIL)
        add_set(L, h, &list, "headers");
    lua_settop(L, 1);
    if (lua_getfield(L, 1, "drop") != LUA_TNIL)
        add_drop(L, h, &list);
    struct reply *reply = arena_take(h->now.at->arena, sizeof(*reply));
    reply->fields = keep_fields(h, &list);
    return end(L, h, (struct answer){.act = ACT_REPLACE, .take = TAKE_ALL, .reply = reply});
}

static struct bytes text_field(lua_State *L, struct hook *h, const char *key, size_t most)
{
    size_t len;
    int type = lua_getfield(L, 1, key);
    if (type == LUA_TNIL)
        return (struct bytes){0};
    if (type != LUA_TSTRING)
        script_fail(L, "act.respond: %s must be a text, not a %s", key, luaL_typename(L, -1));
    const char *text = lua_tolstring(L, -1, &len);
    if (len > most)
        script_fail(L, "act.respond: %s has more than %zu bytes", key, most);
    return keep(h, text, len);
}

static unsigned grpc_status(lua_State *L)
{
    unsigned number = 0;
    size_t len;
    const char *name = lua_tolstring(L, -1, &len);
    if (name == NULL || !grpc_status_parse((struct bytes){(const uint8_t *)name, len}, &number))
        script_fail(L, "act.respond: grpc is a status such as \"UNAVAILABLE\", or its number");
    return number;
}

static void fill_reply(lua_State *L, struct hook *h, struct reply *reply)
{
    int grpc = lua_getfield(L, 1, "grpc"), status = lua_getfield(L, 1, "status");
    if ((grpc == LUA_TNIL) == (status == LUA_TNIL))
        script_fail(L, "act.respond needs exactly one of status and grpc");
    if (grpc != LUA_TNIL) {
        lua_pop(L, 1);
        *reply = (struct reply){.status = 200, .grpc_status = (uint16_t)(grpc_status(L) + 1)};
        reply->body = text_field(L, h, "message", MESSAGE_MOST_BYTES);
        return;
    }
    lua_Integer code = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
    if (code < 200 || code > 599)
        script_fail(L, "act.respond: status must be a code from 200 to 599");
    reply->status = (uint16_t)code;
    reply->body = text_field(L, h, "body", HOOK_REPLACE_MOST_BYTES);
    if (reply->body.len > 0 && (code == 204 || code == 304))
        script_fail(L, "act.respond: an answer of status %d has no body", (int)code);
}

static int respond(lua_State *L)
{
    static const char *const keys[] = {"status", "headers", "body", "grpc", "message", NULL};
    struct hook *h = begin(L, HOOK_RESPOND);
    struct list list = {.count = 0};
    check_keys(L, "respond", keys);
    struct reply *reply = arena_take(h->now.at->arena, sizeof(*reply));
    fill_reply(L, h, reply);
    lua_settop(L, 1);
    if (lua_getfield(L, 1, "headers") != LUA_TNIL)
        add_set(L, h, &list, "respond");
    reply->fields = keep_fields(h, &list);
    return end(L, h, (struct answer){.act = ACT_RESPOND, .scope = SCOPE_STREAM, .reply = reply});
}

/* The function has returned: its own first line must do. */
NORETURN static void bad_return(lua_State *L, const struct hook *h, const char *what)
{
    lua_Debug ar;
    hook_push(L, h->functions[h->now.event]);
    lua_getinfo(L, ">S", &ar);
    luaL_error(L, "%s:%d: %s returned %s", h->path, ar.linedefined,
               hook_event_rows[h->now.event].name, what);
    UNREACHABLE();
}

void hook_act_take(lua_State *L, struct hook *h)
{
    struct answer answer = h->now.answer;
    h->now.answer = ANSWER_PASS;
    if (lua_isnil(L, -1))
        return;
    hook_push(L, h->act);
    if (!lua_rawequal(L, -1, -2)) {
        char what[80];
        snprintf(what, sizeof(what), "a %s; it must return an act, or nothing",
                 luaL_typename(L, -2));
        bad_return(L, h, what);
    }
    if (!h->now.acted)
        bad_return(L, h, "an act of another call");
    h->now.answer = answer;
}

static int no_field(lua_State *L)
{
    script_fail(L, "an act is to be returned, it has no fields");
}

void hook_define_act(lua_State *L, struct hook *h)
{
    static const lua_CFunction functions[HOOK_ACTS] = {
        [HOOK_HOLD] = hold,       [HOOK_REPLACE] = replace, [HOOK_DROP] = drop,
        [HOOK_RESPOND] = respond, [HOOK_HEADERS] = headers, [HOOK_RESET] = reset,
        [HOOK_CLOSE] = close_it,  [HOOK_ALERT] = alert,     [HOOK_RST_STREAM] = rst_stream,
        [HOOK_GOAWAY] = goaway,
    };
    h->act = hook_handle(L, no_field, no_field);
    lua_createtable(L, 0, HOOK_ACTS);
    for (size_t i = 0; i < HOOK_ACTS; i++) {
        lua_pushcfunction(L, functions[i]);
        lua_setfield(L, -2, hook_act_rows[i].name);
    }
    script_lock(L);
    script_define(L, "act");
}
