#ifndef CLI_PLAN_PARAMS_H
#define CLI_PLAN_PARAMS_H

/* plan --params: what --set can change in a suite. It reads the suite alone: no policy, no place.
 */

#include "cli/arguments.h"

/* Prints to standard output; load errors to stderr. Returns the exit code. */
int plan_params_print(const struct arguments *args, const char *suite, bool json);

#endif
