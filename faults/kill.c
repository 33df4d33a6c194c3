#include "faults/process.h"

static const struct param kill_params[] = {FAULT_WHAT_ROW(struct fault_process)};

static void kill_print(const void *params, char *to, size_t size)
{
    fault_process_print("kill", params, to, size);
}

const struct fault_type fault_kill = {
    .name = "kill",
    .help = "SIGKILL, and keep dead for the lifetime",
    .example = "fault.kill { what = \"proxy\" }",
    .params = kill_params,
    .param_count = COUNT_OF(kill_params),
    .params_bytes = sizeof(struct fault_process),
    .existing = EXISTING_RESET,
    .world = WORLD_KILL,
    .print = kill_print,
};
