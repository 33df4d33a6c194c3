#include "cli/run_place.h"

#include "engine/fleet_processes.h"

const char *const run_places[] = {"local", "processes", "kubernetes", NULL};

bool run_place_open(const struct arguments *args, const char *program,
                    struct engine_options *options, struct error *err)
{
    const char *on = arguments_get(args, "on");
    bool dials = strcmp(on, "local") != 0;
    uint64_t loads = 1;
    if (!arguments_count(args, "load-agents", &loads, err))
        return false;
    if (loads != 1 && !dials)
        return error_set(err, ERROR_USAGE, "--load-agents is %llu; with --on local it must be 1",
                         (unsigned long long)loads);
    if (loads == 0 || loads > FLEET_AGENTS_MOST)
        return error_set(err, ERROR_USAGE,
                         "--load-agents is %llu; it must be 1 to %d, the most agents of a run",
                         (unsigned long long)loads, FLEET_AGENTS_MOST);
    options->load_agents = (uint32_t)loads;
    options->fleet = strcmp(on, "processes") == 0 ? fleet_processes_new(program) : NULL;
    return true;
}

void run_place_close(struct engine_options *options)
{
    fleet_processes_free(options->fleet);
    options->fleet = NULL;
}
