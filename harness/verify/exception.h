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
 * date. */
void exceptions_apply(struct exceptions *exceptions, uint32_t today, struct judgement *g);
/* What is to be said of an exception that met no failure; NULL: nothing. Lives in ${arena}. */
const char *exception_stale(const struct exception *e, struct arena *arena);

#endif
