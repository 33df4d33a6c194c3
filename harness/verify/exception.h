#ifndef VERIFY_EXCEPTION_H
#define VERIFY_EXCEPTION_H

/* Failures of a run that somebody answers for until a date (policy/exception_entry.h):
 *
 *   - {claim: retry.max, on: checkout -> payments, until: 2026-12-31, owner: payments,
 *      reason: the sidecar's own retries, ticket: PAY-12}
 *
 * ${claim} is an id, a word or a family, ${on} and the optional ${scenario} are globs. */

#include "policy/exception_entry.h"
#include "verify/judge.h"

struct exception {
    struct exception_entry entry;
    size_t failed, passed; /* verdicts that it met so far */
};
struct exceptions {
    struct exception *rows;
    size_t count;
};

/* Rows and text live in ${arena}; fails as exception_entries_read does. */
bool exceptions_read(struct bytes yaml, const char *name, struct arena *arena,
                     struct exceptions *ret, struct error *err) WARN_UNUSED;
/* A FAIL of the subject that an exception meets, as it stands ${today}, gates no more; past its day
 * it does, and the verdict says so. Counts of ${g} and what each exception met are brought up to
 * date. ${scenario}: of this one alone, or EXCEPTIONS_ALL. */
#define EXCEPTIONS_ALL UINT32_MAX
void exceptions_apply(struct exceptions *exceptions, uint32_t today, uint32_t scenario,
                      struct judgement *g);
/* "accepted until 2026-12-31, ticket PAY-12"; returns ${to}. */
const char *accepted_print(const struct accepted *a, char *to, size_t size);
/* What is to be said of an exception that met no failure; NULL: nothing. Lives in ${arena}. */
const char *exception_stale(const struct exception *e, struct arena *arena);

#endif
