#include "base/clock.h"
#include "faults/process.h"

#define GRACE_MOST_NS (60 * NS_PER_S)
#define DOWN_MOST_NS (600 * NS_PER_S)

static const struct param restart_params[] = {
    FAULT_WHAT_ROW(struct fault_process),
    PARAM(struct fault_process, grace, UNIT_TIME_NS, .fallback = "5s", .most = GRACE_MOST_NS,
          .help = "before SIGKILL"),
    PARAM(struct fault_process, down, UNIT_TIME_NS, .fallback = "0ms", .most = DOWN_MOST_NS,
          .help = "between stop and start"),
};

static void restart_print(const void *params, char *to, size_t size)
{
    fault_process_print("restart", params, to, size);
}

const struct fault_type fault_restart = {
    .name = "restart",
    .help = "stop and start once",
    .example = "fault.restart { what = \"proxy\", down = \"2s\" }",
    .params = restart_params,
    .param_count = COUNT_OF(restart_params),
    .params_bytes = sizeof(struct fault_process),
    .existing = EXISTING_KEEP,
    .world = WORLD_RESTART,
    .print = restart_print,
};
