#ifndef CLI_PLAN_PORTS_H
#define CLI_PLAN_PORTS_H

/* plan --ports: the lab's listeners get ports that stay (scenario-language.md section 3), so that a
 * mesh can be told of them, or a capture be set up, before the run. The kernel chooses them, all at
 * once and so all different; nobody holds them until the run: one that is taken by then ends it
 * with "address in use". */

#include "cli/prepare.h"

/* Fills lab.ports of each scenario, and with the driver external those of lab.external.endpoint
 * that nobody gave. The same name has the same port in all scenarios. ERROR_USAGE: isolation =
 * "netns", where no port is the host's. */
bool plan_ports_fix(struct prepared *p, struct error *err) WARN_UNUSED;
/* A line each, and how to run with them. */
void plan_ports_print(const struct prepared *p, const char *suite, struct text *to);

#endif
