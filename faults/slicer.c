#include "base/clock.h"
#include "base/units.h"
#include "faults/fault.h"

static const char *const side_words[] = {"request", "response", NULL};

struct slicer {
    uint64_t size, vary, delay, side; /* side: enum side */
};
struct slicer_state {
    uint64_t until_ns; /* the next slice goes out then */
};

#define SLICE_MOST (UINT64_C(1) << 30)

static const struct param slicer_params[] = {
    PARAM(struct slicer, size, UNIT_BYTES, .required = true, .least = 1, .most = SLICE_MOST,
          .help = "mean"),
    PARAM(struct slicer, vary, UNIT_BYTES, .fallback = "0B", .most = SLICE_MOST, .help = "+/-"),
    PARAM(struct slicer, delay, UNIT_TIME_NS, .fallback = "0ms", .most = 600 * NS_PER_S,
          .help = "between slices"),
    PARAM(struct slicer, side, UNIT_WORD, .fallback = "response", .words = side_words,
          .help = "direction"),
};

static bool slicer_check(const void *params, struct error *err)
{
    const struct slicer *p = params;
    char vary[32], size[32];
    if (p->vary >= p->size)
        return error_set(err, ERROR_INPUT, "fault.slicer: vary %s is not less than size %s",
                         units_print_size(p->vary, vary, sizeof(vary)),
                         units_print_size(p->size, size, sizeof(size)));
    return true;
}

static struct answer slicer_on_data(struct filter_context *at, const struct data_view *seen)
{
    const struct slicer *p = at->params;
    struct slicer_state *state = at->state;
    if (p->side != (uint64_t)seen->side || seen->chunk.len == 0)
        return ANSWER_PASS;
    if (at->now_ns < state->until_ns)
        return (struct answer){.act = ACT_HOLD, .until_ns = state->until_ns};
    uint64_t take = p->size - p->vary + rng_below(at->rng, 2 * p->vary + 1);
    state->until_ns = p->delay > 0 ? at->now_ns + p->delay : 0;
    if (take >= seen->chunk.len)
        return ANSWER_PASS;
    return (struct answer){.act = ACT_PASS, .take = (uint32_t)take};
}

static uint32_t slicer_moments(const void *params)
{
    const struct slicer *p = params;
    return MOMENT_BIT(MOMENT_DATA, p->side);
}

static void slicer_print(const void *params, char *to, size_t size)
{
    const struct slicer *p = params;
    char bytes[32];
    snprintf(to, size, "slicer %s", units_print_size(p->size, bytes, sizeof(bytes)));
}

static const struct stream_filter slicer_filter = {.state_bytes = sizeof(struct slicer_state),
                                                   .on_data = slicer_on_data,
                                                   .moments = slicer_moments};

const struct fault_type fault_slicer = {
    .name = "slicer",
    .help = "small writes",
    .example = "fault.slicer { size = \"64B\", delay = \"10ms\" }",
    .params = slicer_params,
    .param_count = COUNT_OF(slicer_params),
    .params_bytes = sizeof(struct slicer),
    .check = slicer_check,
    .existing = EXISTING_KEEP,
    .stream = &slicer_filter,
    .print = slicer_print,
};
