#include "lua/hook_engine.h"

#include "lua/hook.h"
#include "net/grpc.h"

/* The moments of net/stream.h as the functions of a hook. HOLD is asked again at its time, and then
 * lets pass what it held: the function runs once. */

static bool has(const struct hook *h, enum hook_event event)
{
    return h->functions[event] != 0;
}

static uint32_t moments(const struct hook *h)
{
    uint32_t live = 0;
    const struct {
        bool wanted;
        enum moment moment;
        enum side side;
    } rows[] = {
        {has(h, HOOK_ON_CONNECT) || has(h, HOOK_ON_CLOSE), MOMENT_ACCEPT, SIDE_REQUEST},
        {has(h, HOOK_ON_CLIENT_HELLO), MOMENT_HANDSHAKE, SIDE_REQUEST},
        {has(h, HOOK_ON_REQUEST) || h->keeps_request, MOMENT_HEAD, SIDE_REQUEST},
        {has(h, HOOK_ON_REQUEST_DATA), MOMENT_DATA, SIDE_REQUEST},
        {has(h, HOOK_ON_RESPONSE) || h->keeps_response, MOMENT_HEAD, SIDE_RESPONSE},
        {has(h, HOOK_ON_RESPONSE_DATA), MOMENT_DATA, SIDE_RESPONSE},
        {has(h, HOOK_ON_TRAILERS), MOMENT_END, SIDE_RESPONSE},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        live |= rows[i].wanted ? MOMENT_BIT(rows[i].moment, rows[i].side) : 0;
    return live;
}

/* What all moments begin with. False: there is nothing to do, ${*ret} is the answer. */
static bool begin(struct hook *h, enum hook_event event, struct filter_context *at,
                  struct answer *ret)
{
    struct hook_cell *cell = at->state;
    *ret = ANSWER_PASS;
    if (h->broken)
        return false;
    if (cell->born_ns == 0)
        cell->born_ns = at->now_ns;
    if (at->connection != NULL && *at->connection == 0)
        *at->connection = at->now_ns;
    if (cell->held_at == (uint8_t)event + 1) {
        if (at->now_ns < cell->hold_until_ns) {
            *ret = (struct answer){.act = ACT_HOLD, .until_ns = cell->hold_until_ns};
            return false;
        }
        cell->held_at = 0;
        if (event == HOOK_ON_REQUEST_DATA || event == HOOK_ON_RESPONSE_DATA)
            ret->take = (uint32_t)cell->hold_bytes;
        return false;
    }
    h->now = (struct hook_now){
        .event = event, .at = at, .cell = cell, .request = cell->request, .conn = cell->conn};
    return has(h, event);
}

static struct answer ask(struct hook *h)
{
    struct hook_cell *cell = h->now.cell;
    if (!hook_run(h))
        return ANSWER_PASS;
    struct answer answer = h->now.answer;
    if (answer.act == ACT_HOLD && answer.until_ns <= h->now.at->now_ns)
        return ANSWER_PASS;
    if (answer.act == ACT_HOLD) {
        cell->held_at = (uint8_t)h->now.event + 1;
        cell->hold_until_ns = answer.until_ns;
        cell->hold_bytes = h->now.chunk.len;
    }
    return answer;
}

static struct answer on_accept(struct hook *h, struct filter_context *at,
                               const struct accept_view *seen)
{
    struct answer answer;
    struct hook_cell *cell = at->state;
    cell->is_conn = true;
    cell->conn = at->conn;
    if (!begin(h, HOOK_ON_CONNECT, at, &answer))
        return answer;
    h->now.accept = seen;
    return ask(h);
}

static struct answer on_handshake(struct hook *h, struct filter_context *at,
                                  const struct handshake_view *seen)
{
    struct answer answer;
    struct hook_cell *cell = at->state;
    if (seen->side != SIDE_REQUEST || seen->message != TLS_CLIENT_HELLO || !seen->terminated)
        return ANSWER_PASS;
    cell->is_conn = true;
    cell->conn = at->conn;
    if (!begin(h, HOOK_ON_CLIENT_HELLO, at, &answer))
        return answer;
    h->now.hello = seen;
    return ask(h);
}

static struct answer on_head(struct hook *h, struct filter_context *at,
                             const struct head_view *seen)
{
    struct answer answer;
    struct hook_cell *cell = at->state;
    bool request = seen->side == SIDE_REQUEST;
    const struct hook_head here = {seen->method, seen->path, seen->authority, seen->fields};
    cell->conn = at->conn;
    if (!request)
        cell->status = seen->status;
    bool runs = begin(h, request ? HOOK_ON_REQUEST : HOOK_ON_RESPONSE, at, &answer);
    if (h->broken || answer.act == ACT_HOLD)
        return answer;
    if (request && h->keeps_request && cell->request == NULL)
        cell->request = hook_head_keep(at->arena, seen);
    if (!request && h->keeps_response && cell->response == NULL)
        cell->response = hook_head_keep(at->arena, seen);
    if (!runs)
        return answer;
    if (!request && cell->grpc_status == 0)
        cell->grpc_status = grpc_status_of(seen->fields);
    h->now.call = seen->call;
    h->now.request = request ? &here : cell->request;
    h->now.response = request ? NULL : &here;
    answer = ask(h);
    h->now.request = h->now.response = NULL;
    return answer;
}

static struct answer on_data(struct hook *h, struct filter_context *at,
                             const struct data_view *seen)
{
    struct answer answer;
    struct hook_cell *cell = at->state;
    cell->conn = at->conn;
    if (!begin(h, seen->side == SIDE_REQUEST ? HOOK_ON_REQUEST_DATA : HOOK_ON_RESPONSE_DATA, at,
               &answer)) {
        if (answer.act == ACT_PASS && answer.take < seen->chunk.len && answer.take == 0)
            answer.take = TAKE_ALL; /* nothing was held but the end */
        return answer;
    }
    h->now.call = seen->call;
    h->now.response = cell->response;
    h->now.chunk = seen->chunk;
    h->now.seen = seen->offset;
    h->now.last = seen->last;
    return ask(h);
}

static struct answer on_end(struct hook *h, struct filter_context *at, const struct end_view *seen)
{
    struct answer answer;
    struct hook_cell *cell = at->state;
    cell->conn = at->conn;
    if (seen->side != SIDE_RESPONSE || !begin(h, HOOK_ON_TRAILERS, at, &answer))
        return seen->side == SIDE_RESPONSE ? answer : ANSWER_PASS;
    uint16_t in_trailers = grpc_status_of(seen->trailers); /* HTTP/2 notes it only after us */
    if (in_trailers != 0 || seen->grpc_status != 0)
        cell->grpc_status = in_trailers != 0 ? in_trailers : seen->grpc_status;
    h->now.call = seen->call;
    h->now.response = cell->response;
    return ask(h);
}

/* Of a call its table goes; of a connection the hook is told, where it was asked at its beginning.
 */
static void on_close(struct hook *h, struct filter_context *at)
{
    struct hook_cell *cell = at->state;
    struct answer answer;
    if (cell->is_conn && !h->broken && has(h, HOOK_ON_CLOSE)) {
        cell->held_at = 0;
        (void)begin(h, HOOK_ON_CLOSE, at, &answer);
        (void)hook_run(h);
    }
    if (cell->is_conn)
        hook_conn_forget(h, cell->conn);
    if (cell->ctx != 0)
        luaL_unref(h->script.L, LUA_REGISTRYINDEX, cell->ctx);
    cell->ctx = 0;
}

const struct hook_engine hook_engine_lua = {
    .open = hook_state_open,
    .close = hook_state_close,
    .moments = moments,
    .on_accept = on_accept,
    .on_handshake = on_handshake,
    .on_head = on_head,
    .on_data = on_data,
    .on_end = on_end,
    .on_close = on_close,
};
