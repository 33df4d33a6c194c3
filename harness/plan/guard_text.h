#ifndef PLAN_GUARD_TEXT_H
#define PLAN_GUARD_TEXT_H

/* The guards as the dry run says them: what a run may touch at most, what stops it, when it may be
 * at all, and who must agree. A line each. */

#include "plan/plan.h"

#include "base/text.h"

void guards_print_text(const struct scenario *s, struct text *to);
/* "5 min 40 s", "90 s", "200 ms". Returns ${to}. */
const char *guard_spoken(uint64_t ns, char *to, size_t size);
/* An author's words behind a space, quoted, and fit for a terminal. */
void guard_quote(const char *words, struct text *to);

#endif
