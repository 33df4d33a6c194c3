#ifndef CLI_PEOPLE_H
#define CLI_PEOPLE_H

/* The people of a run: who may answer what (roles of .meshproof.yaml), and who sits here. */

#include "cli/arguments.h"
#include "engine/engine.h"

/* Every role that the plan asks has somebody, where roles are configured at all; the error carries
 * the line that asks. */
bool people_check(const struct plan *plan, const struct config *config,
                  struct error *err) WARN_UNUSED;
/* Roles, name, --yes and the terminal. The terminal is read when standard input and error are one
 * and we are in its foreground. */
void people_options(const struct arguments *args, struct engine_options *ret);
/* The name of whoever runs us: LOGNAME, USER, else that of the account; NULL: none is fit. */
const char *people_name(void);

#endif
