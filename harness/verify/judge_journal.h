#ifndef VERIFY_JUDGE_JOURNAL_H
#define VERIFY_JUDGE_JOURNAL_H

/* What the journal itself says of a claim's window, whatever the claim found in it: records that
 * were lost, a hook that failed, clocks that are not one. */

#include "verify/window.h"

/* ${arm}: whose window it is. Makes of ${v} an INCONCLUSIVE that says why, or leaves it. */
void judge_mind_journal(const struct claim_type *type, const struct window *w, const char *arm,
                        struct arena *arena, struct verdict *v);

#endif
