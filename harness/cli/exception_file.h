#ifndef CLI_EXCEPTION_FILE_H
#define CLI_EXCEPTION_FILE_H

/* --exceptions FILE and --today (spec/scenario-language.md 1.9): one file for findings of the
 * reader and for verdicts of runs. */

#include "cli/arguments.h"
#include "policy/lint_exception.h"
#include "verify/exception.h"

struct exception_file {
    struct arena arena;
    struct lint_exceptions findings;
    struct exceptions verdicts;
    uint32_t today; /* as 20261231 */
};
/* Without --exceptions both lists are empty. */
bool exception_file_read(const struct arguments *args, struct exception_file *ret,
                         struct error *err) WARN_UNUSED;
void exception_file_release(struct exception_file *f);
/* Says on stderr which exceptions for verdicts met no failure. After all judgements. */
void exception_file_say(struct exception_file *f);

#endif
