#ifndef LUA_HOOK_FIXTURE_TEST_H
#define LUA_HOOK_FIXTURE_TEST_H

/* For the tests of hooks: one hook from its text, asked moment by moment without sockets. */

#include "lua/hook_engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LINES_MOST 400

struct hook_case {
    struct hook *hook;
    struct error err;
    struct arena arena;
    struct rng rng;
    uint64_t word, now_ns;
    _Alignas(16) uint8_t state[HOOK_STATE_BYTES];
    struct call_view call;
    struct field field[8];
    size_t field_count;
    const char *path;
    struct {
        char source[64], text[1100];
        uint32_t count;
        uint16_t fault;
        uint8_t level;
    } line[LINES_MOST];
    size_t line_count;
};

static inline void hook_case_line(void *cookie, uint16_t fault, const struct hook_line *line)
{
    struct hook_case *c = cookie;
    assert_true(c->line_count < LINES_MOST);
    snprintf(c->line[c->line_count].source, sizeof(c->line[0].source), "%s", line->source);
    snprintf(c->line[c->line_count].text, sizeof(c->line[0].text), "%s", line->text);
    c->line[c->line_count].count = line->count;
    c->line[c->line_count].fault = fault;
    c->line[c->line_count++].level = line->level;
}

static inline struct hook_case *hook_case_try(const char *text, const char *with)
{
    struct hook_case *c = check_alloc_zero(1, sizeof(*c));
    struct hook_source from = {"h.lua", text, with};
    struct hook_host host = {.begun_ns = 1000,
                             .hold_most_ns = HOOK_HOLD_MOST_NS,
                             .service = "payments",
                             .fault = 7,
                             .report = hook_case_line,
                             .cookie = c};
    arena_init(&c->arena, (size_t)64 << 20);
    c->now_ns = 5000;
    c->rng = rng_for(42, 7, 1, 2, 1);
    c->call = (struct call_view){
        .id_hi = 1, .id_lo = 2, .attempt = 1, .conn = 3, .sequence = 2, .endpoint = 2};
    c->path = "/cart/1?a=x&tier=gold&a=y&flag";
    c->field[c->field_count++] = (struct field){BYTES("Host"), BYTES("pay")};
    c->field[c->field_count++] = (struct field){BYTES("X-Tier"), BYTES("gold")};
    c->field[c->field_count++] = (struct field){BYTES("x-tier"), BYTES("silver")};
    c->field[c->field_count++] = (struct field){BYTES("x-meshproof-from"), BYTES("cart")};
    (void)!hook_engine_lua.open(&from, &host, &c->hook, &c->err);
    return c;
}

static inline struct hook_case *hook_case_new(const char *text, const char *with)
{
    struct hook_case *c = hook_case_try(text, with);
    if (c->hook == NULL)
        fail_msg("%s:%u: %s", c->err.source.file, c->err.source.line, c->err.text);
    return c;
}

static inline void hook_case_free(struct hook_case *c)
{
    if (c->hook != NULL)
        hook_engine_lua.close(c->hook);
    arena_release(&c->arena);
    free(c);
}

static inline struct filter_context hook_case_at(struct hook_case *c)
{
    return (struct filter_context){.state = c->state,
                                   .now_ns = c->now_ns,
                                   .rng = &c->rng,
                                   .arena = &c->arena,
                                   .connection = &c->word,
                                   .conn = 3};
}

static inline struct answer hook_case_head(struct hook_case *c, enum side side)
{
    const struct field reply[] = {{BYTES("Content-Type"), BYTES("application/grpc")},
                                  {BYTES("etag"), BYTES("q")}};
    struct filter_context at = hook_case_at(c);
    struct head_view seen = {.call = &c->call,
                             .side = side,
                             .method = BYTES("GET"),
                             .path = bytes_of(c->path),
                             .authority = BYTES("pay"),
                             .status = side == SIDE_RESPONSE ? 200 : 0,
                             .fields = {c->field, c->field_count}};
    if (side == SIDE_RESPONSE)
        seen.fields = (struct fields){reply, COUNT_OF(reply)};
    return hook_engine_lua.on_head(c->hook, &at, &seen);
}

static inline struct answer hook_case_data(struct hook_case *c, enum side side, const char *bytes,
                                           uint64_t offset, bool last)
{
    struct filter_context at = hook_case_at(c);
    struct data_view seen = {
        .call = &c->call, .side = side, .chunk = bytes_of(bytes), .offset = offset, .last = last};
    return hook_engine_lua.on_data(c->hook, &at, &seen);
}

static inline struct answer hook_case_end(struct hook_case *c, uint16_t grpc_status)
{
    struct filter_context at = hook_case_at(c);
    struct end_view seen = {.call = &c->call, .side = SIDE_RESPONSE, .grpc_status = grpc_status};
    return hook_engine_lua.on_end(c->hook, &at, &seen);
}

static inline struct answer hook_case_accept(struct hook_case *c)
{
    struct filter_context at = hook_case_at(c);
    struct accept_view seen = {.peer = BYTES("127.0.0.1"), .nth = 1};
    return hook_engine_lua.on_accept(c->hook, &at, &seen);
}

static inline struct answer hook_case_hello(struct hook_case *c)
{
    struct filter_context at = hook_case_at(c);
    struct handshake_view seen = {.message = TLS_CLIENT_HELLO,
                                  .sni = BYTES("pay.test"),
                                  .terminated = true,
                                  .alpn = BYTES("\x02h2\x08http/1.1"),
                                  .versions = BYTES("\x03\x04\x03\x03")};
    return hook_engine_lua.on_handshake(c->hook, &at, &seen);
}

static inline void hook_case_close(struct hook_case *c)
{
    struct filter_context at = hook_case_at(c);
    hook_engine_lua.on_close(c->hook, &at);
}

/* A new try on the same hook. */
static inline void hook_case_next(struct hook_case *c)
{
    memset(c->state, 0, sizeof(c->state));
}

static inline void expect_line(const struct hook_case *c, size_t i, unsigned level,
                               const char *source, const char *text)
{
    if (i >= c->line_count)
        fail_msg("%zu lines, wanted \"%s\"", c->line_count, text);
    assert_int_equal(c->line[i].level, level);
    assert_string_equal(c->line[i].source, source);
    if (strstr(c->line[i].text, text) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", text, c->line[i].text);
}
static inline void expect_no_line(const struct hook_case *c)
{
    if (c->line_count > 0)
        fail_msg("%s: %s", c->line[0].source, c->line[0].text);
}

#define HOOK(functions) "return hook \"t\" { " functions " }"

#endif
