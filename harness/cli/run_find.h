#ifndef CLI_RUN_FIND_H
#define CLI_RUN_FIND_H

/* RUN on a command line: a journal file, a run id or a unique prefix of one, or `last`
 * (scenario-language.md 6). */

#include "reports/report.h"

#define RUNS_FOLDER ".meshproof/runs"

/* The journal's path in ${to}. */
bool run_find(const char *run, char *to, size_t size, struct error *err) WARN_UNUSED;

/* A journal opened, judged and ready for a writer. */
struct opened {
    struct journal *journal;
    struct plan *plan;
    struct judgement *judgement;
    struct report report;
};
/* Exit code: EXIT_PASS when it is open, else the error is printed (65 for a journal that cannot be
 * read). */
int run_open(const char *run, const struct judge_options *options, struct opened *ret);
/* The same for its verdicts alone, and the writers text, json and junit: of a long run no more rows
 * are in memory than one walk has. Tails are judged against the run ${against} instead of those
 * that the suite names; NULL: those. */
int run_open_judged(const char *run, const struct judge_options *options, const char *against,
                    struct opened *ret);
void run_close(struct opened *o);
/* Writes one report to a file ("-": standard output). */
bool run_write(const struct opened *o, const char *format, const char *path,
               struct error *err) WARN_UNUSED;
/* The same, at the end of what the file has. */
bool run_append(const struct opened *o, const char *format, const char *path,
                struct error *err) WARN_UNUSED;

#endif
