#include "lua/hook.h"
#include "net/grpc.h"
#include "net/select.h"

/* `call`: the fields of a try, looked up in the views that the filter was asked with, or in the
 * copy of a head that is gone. Nothing is built before it is asked for. */

static struct bytes copy(uint8_t **to, struct bytes from)
{
    struct bytes b = {*to, from.len};
    if (from.at == NULL)
        return from;
    if (from.len > 0)
        memcpy(*to, from.at, from.len);
    *to += from.len;
    return b;
}

struct hook_head *hook_head_keep(struct arena *arena, const struct head_view *seen)
{
    size_t bytes = seen->method.len + seen->path.len + seen->authority.len;
    size_t count = seen->fields.count;
    for (size_t i = 0; i < count; i++)
        bytes += seen->fields.at[i].name.len + seen->fields.at[i].value.len;
    struct hook_head *kept =
        arena_take(arena, sizeof(*kept) + count * sizeof(struct field) + bytes + 1);
    struct field *field = (struct field *)(void *)(kept + 1);
    uint8_t *to = (uint8_t *)(field + count);
    kept->method = copy(&to, seen->method);
    kept->path = copy(&to, seen->path);
    kept->authority = copy(&to, seen->authority);
    for (size_t i = 0; i < count; i++)
        field[i] =
            (struct field){copy(&to, seen->fields.at[i].name), copy(&to, seen->fields.at[i].value)};
    kept->fields = (struct fields){field, count};
    return kept;
}

static const struct hook_head *need_request(lua_State *L, const struct hook *h, const char *what)
{
    if (h->now.request != NULL)
        return h->now.request;
    if (h->now.call == NULL) /* a handle that the file has kept from another call */
        script_fail(L, "call.%s is not known in %s", what, hook_event_rows[h->now.event].name);
    if (h->now.call->is_raw)
        script_fail(L, "call.%s: a raw TCP stream has no head", what);
    script_fail(L, "call.%s is not known: match.status chose the call after its request", what);
}

static const struct hook_head *need_response(lua_State *L, const struct hook *h, const char *what)
{
    if (h->now.response == NULL)
        script_fail(L, "call.%s is known from on_response on", what);
    return h->now.response;
}

static struct bytes find(struct fields fields, const char *name, size_t len)
{
    struct bytes want = {(const uint8_t *)name, len};
    for (size_t i = 0; i < fields.count; i++) {
        if (fields.at[i].name.len == len && bytes_equal_nocase(fields.at[i].name, want))
            return fields.at[i].value;
    }
    return (struct bytes){0};
}

static const char *need_name(lua_State *L, int index, const char *what, size_t *ret_len)
{
    if (lua_type(L, index) != LUA_TSTRING)
        script_fail(L, "call.%s takes the name of a header as a text", what);
    return lua_tolstring(L, index, ret_len);
}

/* ---- header, headers, query ---- */

static int header_index(lua_State *L)
{
    struct hook *h = hook_of(L);
    size_t len;
    hook_need(L, h, "call.header");
    const char *name = need_name(L, 2, "header", &len);
    hook_push_bytes(L, find(need_request(L, h, "header")->fields, name, len));
    return 1;
}

static int reply_header_index(lua_State *L)
{
    struct hook *h = hook_of(L);
    size_t len;
    hook_need(L, h, "call.reply");
    const char *name = need_name(L, 2, "reply.header", &len);
    hook_push_bytes(L, find(need_response(L, h, "reply")->fields, name, len));
    return 1;
}

/* call.headers(name) and call:headers(name) alike. */
static int headers(lua_State *L)
{
    struct hook *h = hook_of(L);
    size_t len;
    lua_Integer count = 0;
    hook_need(L, h, "call.headers");
    const char *name = need_name(L, lua_gettop(L) > 1 ? 2 : 1, "headers", &len);
    struct fields fields = need_request(L, h, "headers")->fields;
    struct bytes want = {(const uint8_t *)name, len};
    lua_newtable(L);
    for (size_t i = 0; i < fields.count; i++) {
        if (!bytes_equal_nocase(fields.at[i].name, want))
            continue;
        hook_push_bytes(L, fields.at[i].value);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

/* As match.query sees it: the raw text between name= and the next &. */
static int query_index(lua_State *L)
{
    struct hook *h = hook_of(L);
    size_t len;
    hook_need(L, h, "call.query");
    const char *name = need_name(L, 2, "query", &len);
    struct bytes left = need_request(L, h, "query")->path;
    size_t from = bytes_find(left, '?');
    while (from < left.len) {
        left.at += from + 1;
        left.len -= from + 1;
        from = bytes_find(left, '&');
        size_t end = from < left.len ? from : left.len;
        if (end < len || memcmp(left.at, name, len) != 0 || (end > len && left.at[len] != '='))
            continue;
        size_t skip = end > len ? len + 1 : len;
        lua_pushlstring(L, (const char *)left.at + skip, end - skip);
        return 1;
    }
    lua_pushnil(L);
    return 1;
}

static int age(lua_State *L)
{
    struct hook *h = hook_of(L);
    hook_need(L, h, "call.age");
    lua_pushinteger(L, (lua_Integer)(h->now.at->now_ns - h->now.cell->born_ns));
    return 1;
}

/* ---- fields ---- */

static void push_id(lua_State *L, struct hook *h)
{
    char text[33];
    const struct call_view *c = h->now.call;
    if (c->id_hi == 0 && c->id_lo == 0) {
        lua_pushnil(L);
        return;
    }
    snprintf(text, sizeof(text), "%016llx%016llx", (unsigned long long)c->id_hi,
             (unsigned long long)c->id_lo);
    lua_pushstring(L, text);
}
static void push_attempt(lua_State *L, struct hook *h)
{
    lua_pushinteger(L, h->now.call->attempt);
}
static void push_method(lua_State *L, struct hook *h)
{
    hook_push_bytes(L, need_request(L, h, "method")->method);
}
static void push_path(lua_State *L, struct hook *h)
{
    hook_push_bytes(L, select_path(need_request(L, h, "path")->path));
}
static void push_authority(lua_State *L, struct hook *h)
{
    hook_push_bytes(L, need_request(L, h, "authority")->authority);
}
static void push_grpc(lua_State *L, struct hook *h)
{
    lua_pushboolean(L, h->now.call->is_grpc);
}
static void push_from(lua_State *L, struct hook *h)
{
    static const char name[] = "x-meshproof-from";
    hook_push_bytes(L, find(need_request(L, h, "from")->fields, name, sizeof(name) - 1));
}
static void push_to(lua_State *L, struct hook *h)
{
    lua_pushfstring(L, "%s/%d", h->host.service, (int)h->now.call->endpoint);
}
static void push_with(lua_State *L, struct hook *h)
{
    hook_push(L, h->with);
}
static void push_header(lua_State *L, struct hook *h)
{
    hook_push(L, h->header);
}
static void push_headers(lua_State *L, struct hook *h)
{
    (void)h;
    lua_pushcfunction(L, headers);
}
static void push_query(lua_State *L, struct hook *h)
{
    hook_push(L, h->query);
}
static void push_seen(lua_State *L, struct hook *h)
{
    lua_pushinteger(L, (lua_Integer)h->now.seen);
}
static void push_age(lua_State *L, struct hook *h)
{
    (void)h;
    lua_pushcfunction(L, age);
}
static void push_status(lua_State *L, struct hook *h)
{
    if (h->now.cell->status == 0)
        script_fail(L, "call.status is known from on_response on");
    lua_pushinteger(L, h->now.cell->status);
}
static void push_reply(lua_State *L, struct hook *h)
{
    (void)need_response(L, h, "reply");
    hook_push(L, h->reply);
}
static void push_grpc_status(lua_State *L, struct hook *h)
{
    if (h->now.cell->status == 0)
        script_fail(L, "call.grpc_status is known from on_response on");
    if (h->now.cell->grpc_status == 0)
        lua_pushnil(L);
    else
        lua_pushinteger(L, h->now.cell->grpc_status - 1);
}
static void push_ctx(lua_State *L, struct hook *h)
{
    hook_push_ctx(L, &h->now.cell->ctx);
}

/* The first FIXED_ROWS are the same in each call (fix_fields). */
#define FIXED_ROWS 6
const struct hook_field_row hook_call_rows[] = {
    {"header", "table<string, string?>", "first value of a request header, or nil", push_header},
    {"with", "table<string, any>", "the hook's parameters", push_with},
    {"query", "table<string, string?>", "value of a query parameter, as it was sent", push_query},
    {"headers", "fun(name: string): string[]", "all values of a request header", push_headers},
    {"conn", "meshproof.conn", "the client's connection", hook_push_conn},
    {"age", "fun(): integer", "ns since its head came", push_age},
    {"ctx", "table", "yours; lives as long as the call", push_ctx},
    {"attempt", "integer", "from 1, at this service", push_attempt},
    {"method", "string", "", push_method},
    {"path", "string", "without the query", push_path},
    {"status", "integer", "of the answer; from on_response on", push_status},
    {"seen", "integer", "bytes of this direction's body so far", push_seen},
    {"authority", "string", "", push_authority},
    {"reply", "meshproof.reply", "the answer; from on_response on", push_reply},
    {"grpc_status", "integer?", "from on_response on", push_grpc_status},
    {"grpc", "boolean", "content-type is application/grpc", push_grpc},
    {"id", "string?", "of the request, the same for all its tries", push_id},
    {"from", "string?", "the caller", push_from},
    {"to", "string", "service/endpoint", push_to},
};
const size_t hook_call_row_count = COUNT_OF(hook_call_rows);

static void push_reply_header(lua_State *L, struct hook *h)
{
    hook_push(L, h->reply_header);
}
const struct hook_field_row hook_reply_rows[] = {
    {"header", "table<string, string?>", "first value of an answer's header, or nil",
     push_reply_header},
};
const size_t hook_reply_row_count = COUNT_OF(hook_reply_rows);

static int call_index(lua_State *L)
{
    struct hook *h = hook_of(L);
    if (h->now.running && h->now.call == NULL)
        script_fail(L, "call is not known in %s", hook_event_rows[h->now.event].name);
    return hook_index(L, "call", hook_call_rows, hook_call_row_count);
}

static int reply_index(lua_State *L)
{
    return hook_index(L, "call.reply", hook_reply_rows, hook_reply_row_count);
}

/* What is the same in each call is put in a table before call_index: found without a call of C. */
static void fix_fields(lua_State *L, struct hook *h)
{
    hook_push(L, h->call);
    lua_getmetatable(L, -1);
    lua_newtable(L);
    for (size_t i = 0; i < FIXED_ROWS; i++) {
        hook_call_rows[i].push(L, h);
        lua_setfield(L, -2, hook_call_rows[i].name);
    }
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, call_index);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 2);
}

void hook_define_call(lua_State *L, struct hook *h)
{
    h->call = hook_handle(L, call_index, NULL);
    h->header = hook_handle(L, header_index, NULL);
    h->query = hook_handle(L, query_index, NULL);
    h->reply = hook_handle(L, reply_index, NULL);
    h->reply_header = hook_handle(L, reply_header_index, NULL);
    fix_fields(L, h);
}
