#ifndef CLI_RUN_PLACE_H
#define CLI_RUN_PLACE_H

/* run --on PLACE: where the agents of the subject come from (engine/fleet.h). */

#include "cli/arguments.h"
#include "engine/engine.h"

extern const char *const run_places[];

/* Fills what ${options} needs of it. ERROR_USAGE: the options do not fit each other. ${program} is
 * borrowed. */
bool run_place_open(const struct arguments *args, const char *program,
                    struct engine_options *options, struct error *err) WARN_UNUSED;
void run_place_close(struct engine_options *options);

#endif
