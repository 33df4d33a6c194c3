#include "base/map.h"
#include "faults/fault.h"

#include <string.h>

enum kind {
    KIND_EMPTY,
    KIND_BAD_STATUS_LINE,
    KIND_BAD_CHUNK,
    KIND_RANDOM,
    KIND_OVERSIZED_HEADER,
    KIND_BAD_FRAME
};
static const char *const kind_words[] = {
    "empty", "bad_status_line", "bad_chunk", "random", "oversized_header", "bad_frame", NULL};

struct malformed {
    uint64_t kind, size;
    struct reply built; /* by malformed_prepare */
};

static const struct param malformed_params[] = {
    PARAM(struct malformed, kind, UNIT_WORD, .required = true, .words = kind_words,
          .help = "which; bad_frame needs HTTP/2: on HTTP/1 it lets pass, and has not fired"),
    PARAM(struct malformed, size, UNIT_BYTES, .fallback = "64KiB", .least = 1,
          .most = UINT64_C(1) << 20, .help = "of random and oversized_header"),
};

static struct bytes random_bytes(size_t size, uint64_t seed, struct arena *arena)
{
    struct rng rng = rng_for(seed, map_hash("malformed", 9), size, 0, 0);
    uint8_t *at = arena_take(arena, size);
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)rng_next(&rng);
    at[0] |= 0x80; /* no status line begins so, whatever the seed */
    return (struct bytes){at, size};
}

static struct bytes oversized_header(size_t size, struct arena *arena)
{
    static const char before[] = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-oversized: ",
                      after[] = "\r\n\r\n";
    size_t len = sizeof(before) - 1 + size + sizeof(after) - 1;
    uint8_t *at = arena_take(arena, len);
    memcpy(at, before, sizeof(before) - 1);
    memset(at + sizeof(before) - 1, 'a', size);
    memcpy(at + sizeof(before) - 1 + size, after, sizeof(after) - 1);
    return (struct bytes){at, len};
}

/* Length 0, type DATA, no flags, stream 0. */
static const uint8_t bad_frame[9];

static void malformed_prepare(void *params, uint64_t seed, struct arena *arena)
{
    struct malformed *p = params;
    p->built = (struct reply){0};
    switch ((enum kind)p->kind) {
    case KIND_EMPTY: /* nothing but the FIN */
        break;
    case KIND_BAD_STATUS_LINE:
        p->built.raw = BYTES("HTTP/1.1 2x0 ?\r\ncontent-length: 0\r\n\r\n");
        break;
    case KIND_BAD_CHUNK:
        p->built.raw =
            BYTES("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n");
        break;
    case KIND_RANDOM:
        p->built.raw = random_bytes((size_t)p->size, seed, arena);
        break;
    case KIND_OVERSIZED_HEADER:
        p->built.raw = oversized_header((size_t)p->size, arena);
        break;
    case KIND_BAD_FRAME: /* DATA on stream 0: RFC 9113 6.1 wants a connection error for it */
        p->built.raw = (struct bytes){bad_frame, sizeof(bad_frame)};
        break;
    }
}

/* At the request's head: the backend never runs, so no effect is counted for a broken answer. */
static struct answer malformed_on_head(struct filter_context *at, const struct head_view *seen)
{
    const struct malformed *p = at->params;
    if (seen->side != SIDE_REQUEST)
        return ANSWER_PASS;
    if (p->kind == KIND_BAD_FRAME && !seen->call->is_h2)
        return ANSWER_PASS;
    if (p->kind ==
        KIND_EMPTY) /* on HTTP/2 a GOAWAY goes before the FIN, and no stream is answered */
        return (struct answer){.act = ACT_CLOSE, .scope = SCOPE_UNPROCESSED};
    return (struct answer){.act = ACT_RESPOND, .scope = SCOPE_CONNECTION, .reply = &p->built};
}

static uint32_t malformed_moments(const void *params)
{
    (void)params;
    return MOMENT_BIT(MOMENT_HEAD, SIDE_REQUEST);
}

static void malformed_print(const void *params, char *to, size_t size)
{
    const struct malformed *p = params;
    snprintf(to, size, "malformed %s", kind_words[p->kind]);
}

static const struct stream_filter malformed_filter = {.on_head = malformed_on_head,
                                                      .moments = malformed_moments};

const struct fault_type fault_malformed = {
    .name = "malformed",
    .help = "bytes that are not HTTP",
    .example = "fault.malformed { kind = \"bad_chunk\" }",
    .params = malformed_params,
    .param_count = COUNT_OF(malformed_params),
    .params_bytes = sizeof(struct malformed),
    .existing = EXISTING_KEEP,
    .stream = &malformed_filter,
    .prepare = malformed_prepare,
    .print = malformed_print,
};
