#include "cli/arguments.h"

#include "engine/engine.h"
#include "lua/hook_engine.h"

/* meshproof agent: a role of a run, started by the conductor only. */

static const struct option agent_options[] = {
    {"fd", 0, "N", NULL, "Internal", "the conductor's socket", NULL, false},
};

static int run(const struct arguments *args)
{
    uint64_t fd = 0;
    struct error err = {0};
    if (args->position_count != 1 || !arguments_has(args, "fd") ||
        !arguments_count(args, "fd", &fd, &err) || fd > 65535) {
        error_set(&err, ERROR_USAGE, "agent is started by meshproof run, not by hand");
        return command_fail(&err);
    }
    return agent_main(args->positions[0], (int)fd, &hook_engine_lua);
}

const struct command command_agent = {
    .name = "agent",
    .about = "A role of a run; started by the conductor.",
    .positions = "ROLE",
    .options = agent_options,
    .option_count = COUNT_OF(agent_options),
    .exits = "0 ended as told",
    .example = "meshproof agent proxy --fd 3",
    .run = run,
    .internal = true,
};
