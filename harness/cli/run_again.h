#ifndef CLI_RUN_AGAIN_H
#define CLI_RUN_AGAIN_H

/* run --rerun: the words of a former run, read from its journal, with its seed. */

#include "cli/outcome.h"

typedef int run_again_run(const struct arguments *args, struct outcome *outcome);
/* Parses the former's words as ${command}'s, gives them to ${run}, and returns its exit code; or
 * that of a journal that cannot be read, told. */
int run_again(const struct arguments *given, const struct command *command, run_again_run *run,
              struct outcome *outcome);

#endif
