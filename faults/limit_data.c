#include "faults/fault.h"

static const char *const end_words[] = {"close", "reset", NULL};
static const char *const side_words[] = {"request", "response", NULL};

struct limit_data {
    uint64_t bytes, ends, side; /* side: enum side */
};

static const struct param limit_data_params[] = {
    PARAM(struct limit_data, bytes, UNIT_BYTES, .required = true, .help = "limit"),
    PARAM(struct limit_data, ends, UNIT_WORD, .fallback = "close", .words = end_words,
          .help = "how"),
    PARAM(struct limit_data, side, UNIT_WORD, .fallback = "response", .words = side_words,
          .help = "direction"),
};

static struct answer limit_data_on_data(struct filter_context *at, const struct data_view *seen)
{
    const struct limit_data *p = at->params;
    if (p->side != (uint64_t)seen->side || p->bytes > seen->offset + seen->chunk.len)
        return ANSWER_PASS;
    return (struct answer){.act = p->ends == 0 ? ACT_CLOSE : ACT_RESET,
                           .scope = SCOPE_CONNECTION,
                           .take =
                               p->bytes <= seen->offset ? 0 : (uint32_t)(p->bytes - seen->offset)};
}

static uint32_t limit_data_moments(const void *params)
{
    const struct limit_data *p = params;
    return MOMENT_BIT(MOMENT_DATA, p->side);
}

static void limit_data_print(const void *params, char *to, size_t size)
{
    char bytes[40];
    if (param_print(&limit_data_params[0], params, bytes, sizeof(bytes)))
        snprintf(to, size, "limit_data %s", bytes);
}

static const struct stream_filter limit_data_filter = {.on_data = limit_data_on_data,
                                                       .moments = limit_data_moments};

const struct fault_type fault_limit_data = {
    .name = "limit_data",
    .help = "end a connection after N bytes",
    .example = "fault.limit_data { bytes = \"100B\" }",
    .params = limit_data_params,
    .param_count = COUNT_OF(limit_data_params),
    .params_bytes = sizeof(struct limit_data),
    .existing = EXISTING_KEEP,
    .stream = &limit_data_filter,
    .print = limit_data_print,
};
