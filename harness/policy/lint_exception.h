#ifndef POLICY_LINT_EXCEPTION_H
#define POLICY_LINT_EXCEPTION_H

/* Findings that somebody answers for until a date (spec/scenario-language.md 1.9). The file is a
 * list; an entry with `rule` is one of lint's, one with `claim` is for the verdicts of a run and
 * passed over here:
 *
 *   - {rule: ejection.inert, on: k8s/payments.yaml, until: 2026-12-31, owner: payments,
 *      reason: one endpoint until the move, ticket: PAY-12}
 *
 * ${on} is a glob of the finding's file, or of the end of its path. What is past its date, or
 * accepts nothing, is a finding of its own. Dates come from outside: the same input gives the same
 * findings for ever. */

#include "policy/lint.h"

struct lint_exception {
    const char *rule, *on, *owner, *reason, *ticket;
    uint32_t until; /* the last day, as 20261231 */
    struct source source;
};
struct lint_exceptions {
    struct lint_exception *rows;
    size_t count;
};

/* A finding and who answers for it. */
struct lint_result {
    struct finding finding;
    const struct lint_exception *accepted; /* NULL: it counts */
};
struct lint_results {
    struct lint_result *rows;
    size_t count;
};

/* "2026-12-31"; false for what is no day. */
bool lint_date_parse(const char *text, uint32_t *ret);
/* Reads the file's bytes; text and rows live in ${arena}, ${name}'s copy too. Fails with its line
 * on what is no such list, on a rule that does not exist and on a field that lacks. */
bool lint_exceptions_read(struct bytes yaml, const char *name, struct arena *arena,
                          struct lint_exceptions *ret, struct error *err) WARN_UNUSED;
/* Joins the findings with the exceptions as they stand ${today}, adds what is to be said of the
 * exceptions themselves, and sorts by file and line. Borrows from both; rows live in ${arena}. */
void lint_exceptions_apply(const struct lint_exceptions *exceptions, uint32_t today,
                           const struct finding *findings, size_t count, struct arena *arena,
                           struct lint_results *ret);

#endif
