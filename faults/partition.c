#include "faults/netem.h"

/* Every packet of the edge is lost: a netem of 100 %; or, where packets cannot be touched, silence
 * at the fault proxies: a new connection gets no answer to its first byte, and on one that was open
 * the request is not passed on (to), or its answer is not passed back (from). */

static const char *const direction_words[] = {"to", "from", "both", NULL};

struct partition {
    uint64_t direction;
};

static const struct param partition_params[] = {
    PARAM(struct partition, direction, UNIT_WORD, .fallback = "both", .words = direction_words,
          .help = "which way"),
};

struct fault_netem fault_partition_read(const void *params)
{
    const struct partition *p = params;
    return (struct fault_netem){.netem = {.loss_ppm = 1000000},
                                .direction = (enum netem_direction)p->direction};
}

static struct answer silence(void)
{
    return (struct answer){.act = ACT_HOLD, .until_ns = HOLD_FOREVER};
}

/* Opening a connection needs both ways. */
static struct answer partition_on_accept(struct filter_context *at, const struct accept_view *seen)
{
    (void)at;
    (void)seen;
    return silence();
}

static struct answer partition_on_head(struct filter_context *at, const struct head_view *seen)
{
    const struct partition *p = at->params;
    enum netem_direction way = seen->side == SIDE_REQUEST ? NETEM_TO : NETEM_FROM;
    return p->direction == NETEM_BOTH || p->direction == way ? silence() : ANSWER_PASS;
}

static uint32_t partition_moments(const void *params)
{
    const struct partition *p = params;
    uint32_t moments = MOMENT_BIT(MOMENT_ACCEPT, SIDE_REQUEST);
    if (p->direction != NETEM_FROM)
        moments |= MOMENT_BIT(MOMENT_HEAD, SIDE_REQUEST);
    if (p->direction != NETEM_TO)
        moments |= MOMENT_BIT(MOMENT_HEAD, SIDE_RESPONSE);
    return moments;
}

static const struct stream_filter partition_filter = {
    .on_accept = partition_on_accept,
    .on_head = partition_on_head,
    .moments = partition_moments,
    .head_on_raw = true,
};

static void partition_print(const void *params, char *to, size_t size)
{
    const struct partition *p = params;
    snprintf(to, size, "partition %s", direction_words[p->direction]);
}

const struct fault_type fault_partition = {
    .name = "partition",
    .help = "drop every packet of the edge (NET_ADMIN), or in proxies when unprivileged",
    .example = "fault.partition { direction = \"both\" }",
    .params = partition_params,
    .param_count = COUNT_OF(partition_params),
    .params_bytes = sizeof(struct partition),
    .existing = EXISTING_KEEP,
    .in_proxy = &partition_filter,
    .world = WORLD_NETEM,
    .print = partition_print,
};
