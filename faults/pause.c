#include "faults/process.h"

static const struct param pause_params[] = {FAULT_WHAT_ROW(struct fault_process)};

static void pause_print(const void *params, char *to, size_t size)
{
    fault_process_print("pause", params, to, size);
}

const struct fault_type fault_pause = {
    .name = "pause",
    .help = "SIGSTOP for the lifetime",
    .example = "fault.pause { what = \"endpoint\" }",
    .params = pause_params,
    .param_count = COUNT_OF(pause_params),
    .params_bytes = sizeof(struct fault_process),
    .existing = EXISTING_KEEP,
    .world = WORLD_PAUSE,
    .print = pause_print,
};
