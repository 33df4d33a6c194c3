#include "faults/fault.h"

#include <string.h>

static const char *const side_words[] = {"request", "response", NULL};

struct corrupt {
    uint64_t bits, every, side; /* side: enum side */
};

#define BITS_MOST 64
#define EVERY_MOST (UINT64_C(1) << 40)

static const struct param corrupt_params[] = {
    PARAM(struct corrupt, bits, UNIT_COUNT, .fallback = "1", .least = 1, .most = BITS_MOST,
          .help = "a hit: so many in a row are flipped"),
    PARAM(struct corrupt, every, UNIT_BYTES, .fallback = "64KiB", .least = 1, .most = EVERY_MOST,
          .help = "one hit per so many bytes: a shorter body is hit as rarely as it is shorter"),
    PARAM(struct corrupt, side, UNIT_WORD, .fallback = "response", .words = side_words,
          .help = "direction"),
};

static bool corrupt_check(const void *params, struct error *err)
{
    const struct corrupt *p = params;
    if (p->bits > p->every * 8)
        return error_set(err, ERROR_INPUT,
                         "fault.corrupt: a hit of %llu bits does not fit into every = \"%lluB\"",
                         (unsigned long long)p->bits, (unsigned long long)p->every);
    return true;
}

/* The part of a hit that lies in the chunk is flipped in ${to}, which becomes a copy with the first
 * of them. */
static void flip(const struct data_view *seen, uint64_t first_bit, uint64_t bits, uint8_t **to,
                 struct arena *arena)
{
    for (uint64_t bit = first_bit; bit < first_bit + bits; bit++) {
        uint64_t at = bit / 8;
        if (at < seen->offset || at - seen->offset >= seen->chunk.len)
            continue;
        if (*to == NULL) {
            *to = arena_take(arena, seen->chunk.len);
            memcpy(*to, seen->chunk.at, seen->chunk.len);
        }
        (*to)[at - seen->offset] ^= (uint8_t)(1u << (bit % 8));
    }
}

/* Where a hit falls depends on the key of the try's random numbers and on the number of its block
 * alone, so that the same seed flips the same bits however the body is cut into chunks. A hit lies
 * within its block. */
static struct answer corrupt_on_data(struct filter_context *at, const struct data_view *seen)
{
    const struct corrupt *p = at->params;
    uint8_t *to = NULL;
    if (p->side != (uint64_t)seen->side || seen->chunk.len == 0)
        return ANSWER_PASS;
    uint64_t last = (seen->offset + seen->chunk.len - 1) / p->every;
    for (uint64_t block = seen->offset / p->every; block <= last; block++) {
        struct rng rng = rng_for(at->rng->key, block, p->every, p->bits, 0);
        uint64_t bit = rng_below(&rng, p->every * 8 - p->bits + 1);
        flip(seen, block * p->every * 8 + bit, p->bits, &to, at->arena);
    }
    if (to == NULL)
        return ANSWER_PASS;
    return (struct answer){
        .act = ACT_REPLACE, .take = (uint32_t)seen->chunk.len, .bytes = {to, seen->chunk.len}};
}

static uint32_t corrupt_moments(const void *params)
{
    const struct corrupt *p = params;
    return MOMENT_BIT(MOMENT_DATA, p->side);
}

static void corrupt_print(const void *params, char *to, size_t size)
{
    const struct corrupt *p = params;
    char every[40];
    if (param_print(&corrupt_params[1], params, every, sizeof(every)))
        snprintf(to, size, "corrupt %llu bit%s every %s", (unsigned long long)p->bits,
                 p->bits == 1 ? "" : "s", every);
}

static const struct stream_filter corrupt_filter = {.on_data = corrupt_on_data,
                                                    .moments = corrupt_moments};

const struct fault_type fault_corrupt = {
    .name = "corrupt",
    .help = "flip bits",
    .example = "fault.corrupt { bits = 2, every = \"1KiB\" }",
    .params = corrupt_params,
    .param_count = COUNT_OF(corrupt_params),
    .params_bytes = sizeof(struct corrupt),
    .check = corrupt_check,
    .existing = EXISTING_KEEP,
    .stream = &corrupt_filter,
    .print = corrupt_print,
};
