#ifndef CLI_LINT_GATE_H
#define CLI_LINT_GATE_H

#include "cli/exception_file.h"
#include "cli/prepare.h"

/* An error finding of the policy reader ends a scenario before it begins, unless the suite says
 * otherwise (scenario-language.md 1.2, `lint`). Prints them; EXIT_PASS: there is none. */
int lint_gate(const struct prepared *p, struct exception_file *exceptions);

#endif
