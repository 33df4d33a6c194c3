#include "faults/netem.h"

/* Every packet of the edge is lost: a netem of 100 %. */

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

static void partition_print(const void *params, char *to, size_t size)
{
    const struct partition *p = params;
    snprintf(to, size, "partition %s", direction_words[p->direction]);
}

const struct fault_type fault_partition = {
    .name = "partition",
    .help = "drop every packet of the edge (NET_ADMIN)",
    .example = "fault.partition { direction = \"both\" }",
    .params = partition_params,
    .param_count = COUNT_OF(partition_params),
    .params_bytes = sizeof(struct partition),
    .existing = EXISTING_KEEP,
    .world = WORLD_NETEM,
    .print = partition_print,
};
