#ifndef POLICY_LINT_EXCEPTION_H
#define POLICY_LINT_EXCEPTION_H

/* Findings that somebody answers for until a date (policy/exception_entry.h):
 *
 *   - {rule: ejection.inert, on: k8s/payments.yaml, until: 2026-12-31, owner: payments,
 *      reason: one endpoint until the move, ticket: PAY-12}
 *
 * ${on} is a glob of the finding's file, or of the end of its path. What is past its date, or
 * accepts nothing, is a finding of its own. */

#include "policy/exception_entry.h"
#include "policy/lint.h"

struct lint_exceptions {
    struct exception_entry *rows;
    size_t count;
};

/* A finding and who answers for it. */
struct lint_result {
    struct finding finding;
    const struct exception_entry *accepted; /* NULL: it counts */
};
struct lint_results {
    struct lint_result *rows;
    size_t count;
};

/* Text and rows live in ${arena}; fails as exception_entries_read does. */
bool lint_exceptions_read(struct bytes yaml, const char *name, struct arena *arena,
                          struct lint_exceptions *ret, struct error *err) WARN_UNUSED;
/* Joins the findings with the exceptions as they stand ${today}, adds what is to be said of the
 * exceptions themselves, and sorts by file and line. Borrows from both; rows live in ${arena}. */
void lint_exceptions_apply(const struct lint_exceptions *exceptions, uint32_t today,
                           const struct finding *findings, size_t count, struct arena *arena,
                           struct lint_results *ret);

#endif
