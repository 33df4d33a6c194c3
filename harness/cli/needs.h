#ifndef CLI_NEEDS_H
#define CLI_NEEDS_H

/* What a scenario says that it needs (scenario-language.md 1.2), against what is here. A scenario
 * that lacks something is not walked: its claims are INCONCLUSIVE(capability), for a journal says
 * what was missing; nothing is asserted of it, and nothing else of the run suffers. */

#include "cli/prepare.h"

/* Looks at every scenario: sets its ${missing} ("net_admin,human") where something is missing here,
 * and writes what, and what to do, into the policy row. No address, no device is touched. */
void needs_look(struct prepared *p, const struct arguments *args);
/* --strict: the first that is missing, as an error of the suite. */
bool needs_strict(const struct prepared *p, struct error *err) WARN_UNUSED;
/* Takes the walks of what lacks something out of the run. */
void needs_drop_walks(struct prepared *p);

#endif
