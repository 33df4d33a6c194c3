/* layer: lua */

/* Any bytes as a hook's file: it is refused with a sentence, or each of its functions runs and what
 * it answers is legal where it stands. Limits end what does not end by itself. */

#include "base/check.h"
#include "lua/hook.h"
#include "lua/hook_engine.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_line(void *cookie, uint16_t fault, const struct hook_line *line)
{
    (void)fault;
    INVARIANT(line->source != NULL && line->text != NULL && line->count > 0);
    *(unsigned *)cookie += line->level == HOOK_ERROR;
}

/* Of the hook's whole life: one error at most, and then it passes. */
static void check(const struct answer *a, uint64_t now_ns)
{
    INVARIANT(a->act != ACT_HOLD ||
              (a->until_ns > now_ns && a->until_ns <= now_ns + HOOK_HOLD_MOST_NS));
    INVARIANT(a->act != ACT_RESPOND || a->reply != NULL);
    INVARIANT(a->act != ACT_REPLACE || a->reply != NULL || a->bytes.at != NULL);
}

static void ask_all(struct hook *h, struct arena *arena)
{
    static const struct field field[] = {{BYTES("Host"), BYTES("pay")},
                                         {BYTES("x-tier"), BYTES("gold")}};
    uint64_t conn[HOOK_STATE_BYTES / 8] = {0}, state[HOOK_STATE_BYTES / 8] = {0}, word = 0;
    struct rng rng = rng_for(1, 2, 3, 4, 5);
    struct filter_context at = {
        .state = conn, .now_ns = 5000, .rng = &rng, .arena = arena, .connection = &word, .conn = 1};
    struct call_view call = {.id_lo = 1, .attempt = 1, .conn = 1, .sequence = 1, .endpoint = 1};
    struct accept_view accept = {.nth = 1};
    struct handshake_view hello = {
        .terminated = true, .alpn = BYTES("\x02h2"), .versions = BYTES("\x03\x04")};
    const struct hook_engine *e = &hook_engine_lua;
    struct answer a = e->on_accept(h, &at, &accept);
    check(&a, at.now_ns);
    a = e->on_handshake(h, &at, &hello);
    check(&a, at.now_ns);
    at.state = state;
    for (int side = SIDE_REQUEST; side <= SIDE_RESPONSE; side++) {
        struct head_view head = {.call = &call,
                                 .side = (enum side)side,
                                 .method = BYTES("GET"),
                                 .path = BYTES("/a?a=1&b"),
                                 .authority = BYTES("pay"),
                                 .status = side == SIDE_REQUEST ? 0 : 200,
                                 .fields = {field, COUNT_OF(field)}};
        struct data_view data = {
            .call = &call, .side = (enum side)side, .chunk = BYTES("hello"), .last = true};
        a = e->on_head(h, &at, &head);
        check(&a, at.now_ns);
        a = e->on_data(h, &at, &data);
        check(&a, at.now_ns);
    }
    struct end_view end = {.call = &call, .side = SIDE_RESPONSE, .grpc_status = 1};
    a = e->on_end(h, &at, &end);
    check(&a, at.now_ns);
    e->on_close(h, &at);
    at.state = conn;
    e->on_close(h, &at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned errors = 0;
    struct hook *h = NULL;
    struct error err = {0};
    struct arena arena;
    if (size > 4096)
        return 0;
    char *text = check_alloc_zero(1, size + 1);
    memcpy(text, data, size);
    struct hook_source from = {"h.lua", text, "{\"a\":\"1\"}"};
    struct hook_host host = {
        .hold_most_ns = HOOK_HOLD_MOST_NS, .service = "s", .report = on_line, .cookie = &errors};
    arena_init(&arena, (size_t)64 << 20);
    if (hook_engine_lua.open(&from, &host, &h, &err)) {
        h->script.config.instructions_most = 5000; /* a tiny budget keeps the fuzzer fast */
        h->script.bytes_most = (size_t)1 << 20;
        ask_all(h, &arena);
        hook_engine_lua.close(h);
    } else {
        INVARIANT(err.text[0] != '\0');
    }
    INVARIANT(errors <= 1);
    arena_release(&arena);
    free(text);
    return 0;
}
