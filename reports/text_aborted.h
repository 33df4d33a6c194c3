#ifndef REPORTS_TEXT_ABORTED_H
#define REPORTS_TEXT_ABORTED_H

/* What the text report says of a run that was stopped (scenario-language.md section 7, Aborted). */

#include "reports/report.h"

/* In the block of the phase that was cut: who stopped it, and why. */
void aborted_add_stop(const struct report *report, const struct judged_phase *phase,
                      struct text *to);
/* The subject's walk of that scenario was cut. */
bool aborted_is_cut(const struct report *report, uint32_t scenario);
/* " by guard", or nothing: behind the last line's ABORTED. */
const char *aborted_by(const struct report *report);
/* Before the last line: the phases that were not run, what was undone and how soon, and what the
 * load saw afterwards. Nothing when the run was not aborted. */
void aborted_add_end(const struct report *report, struct text *to);

/* The rows of which aborted_add_end tells; false: it tells of none. */
bool aborted_slice(const struct journal *j, struct journal_slice *ret);

#endif
