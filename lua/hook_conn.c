#include "lua/hook.h"

/* `conn` and `hello`, and the tables that hooks keep of calls and connections. A connection's end
 * is told only where the hook was asked about its beginning (faults are not told otherwise), so the
 * entries are a ring by the connections' numbers: a later one takes an older one's place. */

static void empty(struct hook *h, struct hook_conn *c)
{
    if (c->ctx != 0)
        luaL_unref(h->script.L, LUA_REGISTRYINDEX, c->ctx);
    *c = (struct hook_conn){0};
}

struct hook_conn *hook_conn_get(struct hook *h, uint32_t conn)
{
    struct hook_conn *c = &h->conns[conn % HOOK_CONNS_MOST];
    if (c->conn == conn && c->born_ns != 0)
        return c;
    empty(h, c);
    *c = (struct hook_conn){.conn = conn, .born_ns = h->now.at->now_ns};
    return c;
}

void hook_conn_forget(struct hook *h, uint32_t conn)
{
    struct hook_conn *c = &h->conns[conn % HOOK_CONNS_MOST];
    if (c->conn == conn)
        empty(h, c);
}

void hook_push_ctx(lua_State *L, int *reference)
{
    if (*reference == 0) {
        lua_newtable(L);
        *reference = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    hook_push(L, *reference);
}

void hook_push_conn(lua_State *L, struct hook *h)
{
    hook_push(L, h->conn);
}

static uint64_t born_ns(struct hook *h)
{
    /* the word of the connection, when the relay has one, knows better than an entry made just now
     */
    const uint64_t *first = h->now.at->connection;
    return first != NULL && *first != 0 ? *first : hook_conn_get(h, h->now.conn)->born_ns;
}

static int age(lua_State *L)
{
    struct hook *h = hook_of(L);
    hook_need(L, h, "conn.age");
    lua_pushinteger(L, (lua_Integer)(h->now.at->now_ns - born_ns(h)));
    return 1;
}

static void push_id(lua_State *L, struct hook *h)
{
    lua_pushinteger(L, h->now.conn);
}
static void push_from(lua_State *L, struct hook *h)
{
    hook_push_bytes(L, h->now.accept != NULL ? h->now.accept->peer : (struct bytes){0});
}
static void push_to(lua_State *L, struct hook *h)
{
    lua_pushstring(L, h->host.service);
}
static void push_protocol(lua_State *L, struct hook *h)
{
    const struct call_view *c = h->now.call;
    if (c == NULL)
        lua_pushnil(L);
    else
        lua_pushstring(L, c->is_raw ? "tcp" : c->is_h2 ? "http2" : "http1");
}
static void push_reused(lua_State *L, struct hook *h)
{
    uint32_t nth = h->now.call != NULL ? h->now.call->sequence : 0;
    lua_pushinteger(L, nth > 0 ? nth - 1 : 0);
}
static void push_age(lua_State *L, struct hook *h)
{
    (void)h;
    lua_pushcfunction(L, age);
}
static void push_ctx(lua_State *L, struct hook *h)
{
    hook_push_ctx(L, &hook_conn_get(h, h->now.conn)->ctx);
}

static void set_text(lua_State *L, const char *name, struct bytes value)
{
    if (value.len == 0)
        return;
    hook_push_bytes(L, value);
    lua_setfield(L, -2, name);
}
static const char *version_name(unsigned version)
{
    return version == 0x0304 ? "TLSv1.3" : version == 0x0303 ? "TLSv1.2" : "other";
}
static void push_tls(lua_State *L, struct hook *h)
{
    const struct tls_view *tls = h->now.call != NULL ? h->now.call->tls : NULL;
    if (tls == NULL) {
        lua_pushnil(L);
        return;
    }
    lua_createtable(L, 0, 4);
    lua_pushstring(L, version_name(tls->version));
    lua_setfield(L, -2, "version");
    set_text(L, "alpn", tls->alpn);
    set_text(L, "peer", tls->peer);
    lua_pushboolean(L, tls->resumed);
    lua_setfield(L, -2, "resumed");
}

const struct hook_field_row hook_conn_rows[] = {
    {"id", "integer", "number of the connection in its proxy", push_id},
    {"from", "string?", "the peer's address, while it is accepted", push_from},
    {"to", "string", "the service", push_to},
    {"protocol", "string?", "http1, http2 or tcp; nil before the first byte", push_protocol},
    {"reused", "integer", "requests before this one", push_reused},
    {"tls", "meshproof.tls?", "of its handshake; nil: plain, or not finished", push_tls},
    {"age", "fun(): integer", "ns since the hook first saw it", push_age},
    {"ctx", "table", "yours; lives as long as the connection", push_ctx},
};
const size_t hook_conn_row_count = COUNT_OF(hook_conn_rows);

static void push_sni(lua_State *L, struct hook *h)
{
    hook_push_bytes(L, h->now.hello->sni);
}
static void push_resumes(lua_State *L, struct hook *h)
{
    lua_pushboolean(L, h->now.hello->resumes);
}
/* RFC 7301 3.1: names with a length of one byte before each. */
static void push_alpn(lua_State *L, struct hook *h)
{
    struct bytes list = h->now.hello->alpn;
    lua_newtable(L);
    for (lua_Integer i = 1; list.len > 0 && list.at[0] < list.len; i++) {
        size_t len = list.at[0];
        lua_pushlstring(L, (const char *)list.at + 1, len);
        lua_rawseti(L, -2, i);
        list.at += len + 1;
        list.len -= len + 1;
    }
}
static void push_versions(lua_State *L, struct hook *h)
{
    struct bytes list = h->now.hello->versions;
    lua_newtable(L);
    for (size_t i = 0; i + 1 < list.len; i += 2) {
        lua_pushstring(L, version_name(((unsigned)list.at[i] << 8) | list.at[i + 1]));
        lua_rawseti(L, -2, (lua_Integer)(i / 2 + 1));
    }
}
const struct hook_field_row hook_hello_rows[] = {
    {"alpn", "string[]", "protocols offered", push_alpn},
    {"versions", "string[]", "versions offered: TLSv1.3, TLSv1.2, other", push_versions},
    {"sni", "string?", "server name asked for", push_sni},
    {"resumes", "boolean", "a session was offered", push_resumes},
};
const size_t hook_hello_row_count = COUNT_OF(hook_hello_rows);

static int conn_index(lua_State *L)
{
    return hook_index(L, "conn", hook_conn_rows, hook_conn_row_count);
}

static int hello_index(lua_State *L)
{
    const struct hook *h = hook_of(L);
    if (h->now.running && h->now.hello == NULL)
        script_fail(L, "hello is borrowed: it ended with on_client_hello");
    return hook_index(L, "hello", hook_hello_rows, hook_hello_row_count);
}

void hook_define_conn(lua_State *L, struct hook *h)
{
    h->conn = hook_handle(L, conn_index, NULL);
    h->hello = hook_handle(L, hello_index, NULL);
}
