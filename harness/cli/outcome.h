#ifndef CLI_OUTCOME_H
#define CLI_OUTCOME_H

/* What became of a whole `run`, over all of its suites, told to those who cannot read a report: one
 * word in a file (--verdict-file), and a pod's termination message (spec/kubernetes.md 1.2), which
 * Kubernetes keeps in the pod's status. Both are written whatever the end was, so that a word of an
 * earlier run never stands for this one. */

#include "cli/arguments.h"
#include "reports/report.h"

#define TERMINATION_LOG "/dev/termination-log"
#define TERMINATION_MOST_BYTES 2048

struct outcome {
    char begun[9];     /* the id of the suite that began last */
    char run[9];       /* the id of the suite that ended worst */
    char results[256]; /* where its journal is */
    char first[512];   /* "retries client -> payments", the first of the worst kind */
    size_t pass, fail, inconclusive;
    int code; /* of the suite that ${run} names */
    bool any;
};

/* A suite is about to be run under this id: what recover asks for, should no verdict come of it. */
void outcome_begin(struct outcome *o, const char *run);
/* One suite was judged: ${code} is how it ended. */
void outcome_add(struct outcome *o, const struct report *report, const char *journal, int code);
/* "PASS", "FAIL", ..., also for the codes of what was never judged. */
const char *outcome_word(int code);
/* The JSON, at most TERMINATION_MOST_BYTES with its last newline. ${why}: the sentence of an error
 * that ended the run before a verdict; NULL: none. */
void outcome_print(const struct outcome *o, int code, const char *why, struct text *to);
/* The termination message alone: before a way back that may outlast the pod. */
bool outcome_message(const struct outcome *o, const struct arguments *args, int code,
                     struct error *err);
/* Writes both files, where they are asked for. The exit code: ${code}, or what a file that cannot
 * be written makes of it. */
int outcome_write(const struct outcome *o, const struct arguments *args, int code);

#endif
