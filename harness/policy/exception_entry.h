#ifndef POLICY_EXCEPTION_ENTRY_H
#define POLICY_EXCEPTION_ENTRY_H

/* The file in which somebody answers for what is wrong until a date (spec/scenario-language.md
 * 1.9): a list whose entries are for findings of lint (`rule`, policy/lint_exception.h) or for
 * verdicts of a run (`claim`, verify/exception.h). Each reader takes its own and passes the others
 * over. Dates come from outside: the same input gives the same answer for ever. */

#include "base/arena.h"
#include "base/bytes.h"

enum exception_kind { EXCEPTION_RULE, EXCEPTION_CLAIM };

struct exception_entry {
    const char *name;                         /* of the rule, or of the claim */
    const char *on, *owner, *reason, *ticket; /* never NULL */
    const char *scenario;                     /* of a claim; NULL: any */
    uint32_t until;                           /* the last day, as 20261231 */
    struct source source;
};

/* Whether there is such a rule or claim; the error has the place of ${name} already. */
typedef bool exception_knows(const char *name, struct source source, struct error *err);

/* "2026-12-31"; false for what is no day. */
bool exception_date_parse(const char *text, uint32_t *ret);
/* The day, in UTC, of ${wall_s} seconds since 1970; 0: it cannot be told. */
uint32_t exception_date_of(uint64_t wall_s);
/* Reads the file's bytes; rows and text live in ${arena}, ${name}'s copy too. Fails with its line
 * on what is no such list, on a name that ${knows} denies and on a field that lacks. */
bool exception_entries_read(struct bytes yaml, const char *name, enum exception_kind kind,
                            exception_knows *knows, struct arena *arena,
                            struct exception_entry **ret, size_t *ret_count,
                            struct error *err) WARN_UNUSED;

#endif
