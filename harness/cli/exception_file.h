#ifndef CLI_EXCEPTION_FILE_H
#define CLI_EXCEPTION_FILE_H

/* --exceptions FILE and --today, and what suites name themselves (spec/scenario-language.md 1.9):
 * files for findings of the reader and for verdicts of runs. */

#include "cli/arguments.h"
#include "plan/plan.h"
#include "policy/lint_exception.h"
#include "verify/exception.h"

#define EXCEPTION_FILES_MOST 64

/* One file, read. Of a suite: what its scenarios keep of it. */
struct exception_part {
    const char *path, *yaml;
    struct lint_exceptions findings;
    struct exceptions verdicts;
};
struct exception_file {
    struct arena arena;
    struct lint_exceptions findings;
    struct exceptions verdicts;
    struct exception_part parts[EXCEPTION_FILES_MOST];
    size_t part_count;
    uint32_t today; /* as 20261231 */
};
/* Without --exceptions both lists are empty. */
bool exception_file_read(const struct arguments *args, struct exception_file *ret,
                         struct error *err) WARN_UNUSED;
void exception_file_release(struct exception_file *f);
/* Reads the file that the suite names, if any, and checks it; what it holds goes into ${s}, so that
 * a journal is judged again without it. Text lives in ${arena}, which outlives ${s}. */
bool exception_file_keep(struct scenario *s, struct arena *arena, struct error *err) WARN_UNUSED;
/* Takes what scenario ${s} keeps to the command line's, for findings, once for all scenarios that
 * name the same file. */
bool exception_file_join(struct exception_file *f, const struct scenario *s,
                         struct error *err) WARN_UNUSED;
/* What stands in the way of findings on scenario ${s}: of the command line, and of its suite. */
bool exception_file_findings(struct exception_file *f, const struct scenario *s,
                             struct lint_exceptions *ret, struct error *err) WARN_UNUSED;
/* To all verdicts, the command line's first. Fails where a scenario's own are none. */
bool exception_file_apply(struct exception_file *f, const struct plan *plan, struct judgement *g,
                          struct error *err) WARN_UNUSED;
/* Says on stderr which exceptions for verdicts met no failure. After all judgements. */
void exception_file_say(struct exception_file *f);

#endif
