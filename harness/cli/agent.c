#include "cli/arguments.h"
#include "cli/guardian_pod.h"

#include "engine/engine.h"
#include "lua/hook_engine.h"

/* meshproof agent: a role of a run. Started by the conductor, or as a pod that dials it
 * (spec/kubernetes.md 1.4). */

static const struct option agent_options[] = {
    {"fd", 0, "N", NULL, "Internal", "the conductor's socket", NULL, false},
    {"id", 0, "NAME", NULL, "Internal", "payments/1, load/1: who it is", NULL, false},
    {"index", 0, "N", NULL, "Internal",
     "of a pod of an Indexed Job, from 0: who it is is NAME/N+1, and --id its NAME", NULL, false},
    {"conductor", 0, "ADDRESS", NULL, "Internal", "where it dials its conductor", NULL, false},
    {"psk-file", 0, "FILE", NULL, "Internal", "the run's key, as RUN:64 hex digits", NULL, false},
    {"listen", 0, "ADDRESS", NULL, "Internal", "where its endpoint takes the mesh's requests", NULL,
     false},
    {"health", 0, "ADDRESS", "0.0.0.0:7402", "Internal",
     "accepts connections while the agent is in service; none: never", NULL, false},
    {"stay", 0, NULL, NULL, "Internal", "in service without a conductor too: --swap", NULL, false},
};

/* ${whole}: where the id is put together, of 100 bytes. */
static bool read_id(const struct arguments *args, char whole[100], struct agent_options *ret,
                    struct error *err)
{
    uint64_t index = 0;
    ret->id = arguments_get(args, "id");
    if (ret->id != NULL && strlen(ret->id) > 90)
        return error_set(err, ERROR_USAGE, "--id has %zu bytes; at most 90 are allowed",
                         strlen(ret->id));
    if (ret->id == NULL || !arguments_has(args, "index"))
        return true;
    if (!arguments_count(args, "index", &index, err))
        return false;
    if (index > 9999)
        return error_set(err, ERROR_USAGE, "--index must be at most 9999");
    snprintf(whole, 100, "%s/%u", ret->id, (unsigned)index + 1);
    ret->id = whole;
    return true;
}

static bool read_dialled(const struct arguments *args, char whole[100], struct agent_options *ret,
                         struct error *err)
{
    const char *health = arguments_get(args, "health");
    ret->conductor = arguments_get(args, "conductor");
    ret->psk_file = arguments_get(args, "psk-file");
    ret->listen = arguments_get(args, "listen");
    ret->stays = arguments_has(args, "stay");
    ret->health = strcmp(health, "none") == 0 ? NULL : health;
    if (!read_id(args, whole, ret, err))
        return false;
    if (ret->id == NULL || ret->conductor == NULL || ret->psk_file == NULL)
        return error_set(err, ERROR_USAGE,
                         "agent is started by meshproof run, or with --id, --conductor and "
                         "--psk-file");
    return true;
}

static int run(const struct arguments *args)
{
    uint64_t fd = 0;
    char whole[100];
    struct error err = {0};
    struct agent_options options = {.fd = -1, .hooks = &hook_engine_lua};
    bool ok =
        args->position_count == 1 ||
        error_set(&err, ERROR_USAGE, "agent needs one role: proxy, load, stub, mesh or guardian");
    if (ok && strcmp(args->positions[0], "guardian") == 0)
        return guardian_pod(arguments_get(args, "psk-file"), arguments_get(args, "conductor"));
    if (ok && arguments_has(args, "fd")) {
        ok = arguments_count(args, "fd", &fd, &err) &&
             (fd <= 65535 || error_set(&err, ERROR_USAGE, "--fd is no descriptor"));
        options.fd = (int)fd;
    } else {
        ok = ok && read_dialled(args, whole, &options, &err);
    }
    if (!ok)
        return command_fail(&err);
    options.role = args->positions[0];
    return agent_main(&options);
}

const struct command command_agent = {
    .name = "agent",
    .about = "A role of a run; started by the conductor, or as a pod.",
    .positions = "ROLE",
    .options = agent_options,
    .option_count = COUNT_OF(agent_options),
    .exits = "0 ended as told  1 failed, or its conductor refused it  64 usage",
    .example = "meshproof agent proxy --id payments/1 --listen 0.0.0.0:8080 --conductor "
               "10.77.0.2:7400 --psk-file /run/meshproof/psk",
    .run = run,
    .internal = true,
};
