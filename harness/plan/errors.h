#ifndef PLAN_ERRORS_H
#define PLAN_ERRORS_H

/* Several errors of one file: a suite is checked as far as it can go on (scenario-language.md 1.1
 * rule 7), and at most so many are kept. Not a log: each entry is one sentence about one line that
 * the user wrote. */

#include "base/error.h"

#define ERRORS_MOST 20

struct errors {
    struct error *at; /* the caller's, ${most} of them, zeroed */
    size_t count, most;
};

/* Adds one sentence; past ${most}, or when the same line already has the same sentence, nothing.
 * Returns false, so that `return errors_add(...)` is the whole failure path. */
bool errors_add(struct errors *to, struct source source, enum error_kind kind, const char *format,
                ...) PRINTF(4, 5);
/* Adds a filled error; ${source} stands in where it has no mark of its own. */
bool errors_take(struct errors *to, struct source source, const struct error *from);
/* By line within a file, files in the order in which they first appear. */
void errors_sort(struct errors *e);

#endif
