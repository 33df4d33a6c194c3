#ifndef CLI_LINT_GATE_H
#define CLI_LINT_GATE_H

#include "cli/exception_file.h"
#include "cli/prepare.h"

/* An error finding of the policy reader ends a scenario before it begins, unless the suite says
 * otherwise (scenario-language.md 1.2, `lint`), and so does a fault filter or a mirror of the
 * mesh's own a generated one (1.8). Prints each once; EXIT_PASS: there is none. */
int lint_gate(const struct prepared *p, struct exception_file *exceptions);

#endif
