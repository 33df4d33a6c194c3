#ifndef REPORTS_LINT_REPORT_H
#define REPORTS_LINT_REPORT_H

/* What `lint` found, in the formats that people, CI systems and code hosts read. A writer is one
 * file and one line in lint_writers.def. Findings quote what others wrote: each writer escapes for
 * its own format. */

#include "policy/lint_exception.h"

#include <stdio.h>

struct lint_report {
    struct lint_results results; /* sorted by file and line */
    const char *target;          /* "istio@1.31" */
    const char *version;         /* of meshproof */
    bool quiet;                  /* text: no fix, no counts */
};
struct lint_tally {
    size_t errors, warnings, notes, accepted; /* accepted ones are in no other count */
};
struct lint_tally lint_report_tally(const struct lint_results *results);

struct lint_writer {
    const char *name, *help;
    bool (*write)(const struct lint_report *report, FILE *to, struct error *err);
};
const struct lint_writer *lint_writer_find(const char *name);

/* The catalogue of rules, as text or JSON. */
void lint_rules_print(FILE *to);
void lint_rules_print_json(FILE *to);

#endif
