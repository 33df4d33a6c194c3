#ifndef LUA_HOOK_H
#define LUA_HOOK_H

/* Between the files of the hook runtime (scenario-language.md section 4): one Lua state with one
 * hook in it, and what its functions see while one of them runs. hook_state.c loads it and calls
 * its functions, hook_call.c, hook_conn.c and hook_chunk.c are the handles, hook_act.c the acts,
 * hook_rng.c rng, clock and log, hook_engine.c the moments of net/stream.h. */

#include "faults/hook.h"
#include "script/script.h"

#define HOOK_INSTRUCTIONS_MOST 100000
#define HOOK_BYTES_MOST ((size_t)8 << 20)
#define HOOK_REPLACE_MOST_BYTES ((size_t)1 << 20)
#define HOOK_LINE_MOST_BYTES 256
#define HOOK_LINES_A_SECOND 100
/* Connections whose ctx is kept without being told of their end; the oldest goes first. */
#define HOOK_CONNS_MOST 1024

enum hook_event {
    HOOK_ON_CONNECT,
    HOOK_ON_CLIENT_HELLO,
    HOOK_ON_REQUEST,
    HOOK_ON_REQUEST_DATA,
    HOOK_ON_RESPONSE,
    HOOK_ON_RESPONSE_DATA,
    HOOK_ON_TRAILERS,
    HOOK_ON_CLOSE,
    HOOK_EVENTS,
};
enum hook_act_kind {
    HOOK_HOLD,
    HOOK_REPLACE,
    HOOK_DROP,
    HOOK_RESPOND,
    HOOK_HEADERS,
    HOOK_RESET,
    HOOK_CLOSE,
    HOOK_ALERT,
    HOOK_RST_STREAM,
    HOOK_GOAWAY,
    HOOK_ACTS,
};
/* The words of the language, from which the checks, the errors and the editor's file are made. */
struct hook_event_row {
    const char *name, *args, *about;
    uint32_t acts; /* bit per hook_act_kind */
};
struct hook_act_row {
    const char *name, *args, *about;
};
struct hook_field_row {
    const char *name, *type, *about; /* type: as LuaLS spells it */
    void (*push)(lua_State *L, struct hook *h);
};
extern const struct hook_event_row hook_event_rows[HOOK_EVENTS];
extern const struct hook_act_row hook_act_rows[HOOK_ACTS];
extern const struct hook_field_row hook_call_rows[], hook_reply_rows[], hook_conn_rows[],
    hook_hello_rows[];
extern const size_t hook_call_row_count, hook_reply_row_count, hook_conn_row_count,
    hook_hello_row_count;

/* A head that outlives its moment: in the call's arena. */
struct hook_head {
    struct bytes method, path, authority;
    struct fields fields;
};
/* What is kept of a call, or of a connection from its accept on. */
struct hook_cell {
    uint64_t born_ns; /* first asked; 0: not yet */
    uint64_t hold_until_ns, hold_bytes;
    const struct hook_head *request, *response;
    uint32_t conn;
    int ctx; /* reference; 0: none */
    uint16_t status, grpc_status;
    uint8_t held_at;     /* event plus 1; 0: none */
    bool is_conn, asked; /* of on_connect's moment */
};
_Static_assert(sizeof(struct hook_cell) <= HOOK_STATE_BYTES, "state_bytes of the filter");

/* While a function runs. */
struct hook_now {
    bool running;
    enum hook_event event;
    struct filter_context *at;
    struct hook_cell *cell;
    const struct call_view *call;
    const struct accept_view *accept;
    const struct handshake_view *hello;
    const struct hook_head *request, *response;
    struct bytes chunk;
    uint64_t seen;
    uint32_t conn;
    bool last, acted;
    struct answer answer;
};

struct hook_conn {
    uint32_t conn;
    int ctx;
    uint64_t born_ns; /* 0: free */
};

struct hook {
    struct script script;
    struct hook_host host;
    const char *path;
    char *name;
    int functions[HOOK_EVENTS]; /* references; 0: not defined */
    int call, conn, hello, header, query, reply, reply_header, act, with; /* the reused handles */
    bool defined, broken, keeps_request, keeps_response;
    uint64_t calls; /* generation of what is borrowed for one call */
    struct hook_now now;
    struct hook_conn conns[HOOK_CONNS_MOST];
    uint64_t lines_second;
    uint32_t lines, lines_lost;
    uint32_t error_line; /* where the last error was raised; 0: in no function of the file */
    const char *with_json;
};

static inline struct hook *hook_of(lua_State *L)
{
    return (struct hook *)(void *)((char *)script_of(L) - offsetof(struct hook, script));
}
static inline void hook_push(lua_State *L, int reference)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, reference);
}

/* hook_state.c */
bool hook_state_open(const struct hook_source *from, const struct hook_host *host,
                     struct hook **ret, struct error *err) WARN_UNUSED;
void hook_state_close(struct hook *h);
/* Calls a function that is defined; the answer is in ${h->now}. False: it failed, and the hook is
 * switched off. */
bool hook_run(struct hook *h);
/* Fails unless a function runs: "call is borrowed: it ended with on_request". */
void hook_need(lua_State *L, const struct hook *h, const char *what);
/* Puts a new userdata with a locked metatable in the registry: its reference. */
int hook_handle(lua_State *L, lua_CFunction index, lua_CFunction newindex);
/* __index by a table of rows: `call.path`. Unknown names fail, with the nearest. */
int hook_index(lua_State *L, const char *what, const struct hook_field_row *rows, size_t count);
void hook_push_bytes(lua_State *L, struct bytes b);

/* hook_with.c: checks the values against the declared rows (on top of the stack, a table), and
 * leaves the table of values there instead. */
void hook_with(lua_State *L, struct hook *h);

/* After the others, and after hook_with. */
void hook_define_call(lua_State *L, struct hook *h);
void hook_define_conn(lua_State *L, struct hook *h);
void hook_define_chunk(lua_State *L, struct hook *h);
void hook_define_act(lua_State *L, struct hook *h);
void hook_define_rng(lua_State *L, struct hook *h); /* clock and log too */

/* hook_call.c */
struct hook_head *hook_head_keep(struct arena *arena, const struct head_view *seen);
/* hook_conn.c: the entry of a connection, made when it is not there. */
struct hook_conn *hook_conn_get(struct hook *h, uint32_t conn);
void hook_conn_forget(struct hook *h, uint32_t conn);
void hook_push_conn(lua_State *L, struct hook *h);
/* The table of a ${*reference}, made when it is 0. */
void hook_push_ctx(lua_State *L, int *reference);
/* hook_chunk.c: pushes a new chunk. */
void hook_push_chunk(lua_State *L, struct hook *h);
/* hook_act.c: what a function returned, on top of the stack, becomes the answer. */
void hook_act_take(lua_State *L, struct hook *h);
/* hook_rng.c: an info, a warning. */
void hook_log_flush(struct hook *h, uint64_t now_ns);
void hook_report(struct hook *h, uint64_t at_ns, const char *source, const char *text,
                 uint32_t count, enum hook_level level);

#endif
