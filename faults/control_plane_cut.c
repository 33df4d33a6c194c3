#include "faults/control_plane_cut.h"

#include <string.h>

static const char *const channel_words[] = {"config", "identity", NULL};

struct cut {
    const char *what; /* a JSON array of names; NULL: all */
};

static const struct param cut_params[] = {
    PARAM(struct cut, what, UNIT_TEXT, .list = true, .words = channel_words,
          .help = "which services: config, identity; default: both"),
};

unsigned fault_cut_channels(const void *params)
{
    const struct cut *c = params;
    unsigned ret = 0;
    for (unsigned k = 0; channel_words[k] != NULL; k++)
        ret |= c->what == NULL || strstr(c->what, channel_words[k]) != NULL ? 1U << k : 0;
    return ret;
}

static bool cut_check(const void *params, struct error *err)
{
    return fault_cut_channels(params) != 0 ||
           error_set(err, ERROR_INPUT,
                     "fault.control_plane_cut: what names nothing; it has config, identity");
}

static void cut_print(const void *params, char *to, size_t size)
{
    unsigned channels = fault_cut_channels(params);
    snprintf(to, size, "control_plane_cut%s",
             channels == FAULT_CONFIG     ? " config"
             : channels == FAULT_IDENTITY ? " identity"
                                          : "");
}

const struct fault_type fault_control_plane_cut = {
    .name = "control_plane_cut",
    .help = "the mesh's proxies of the place lose xDS / policy / identity",
    .example = "fault.control_plane_cut { what = { \"config\" } }",
    .params = cut_params,
    .param_count = COUNT_OF(cut_params),
    .params_bytes = sizeof(struct cut),
    .check = cut_check,
    .existing = EXISTING_KEEP,
    .world = WORLD_CUT,
    .print = cut_print,
};
