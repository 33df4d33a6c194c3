#ifndef REPORTS_HTML_END_H
#define REPORTS_HTML_END_H

/* What the banner says of a run that did not end as it should (ui.md 8): stopped, not undone, its
 * surroundings gone, its record not whole. */

#include "reports/html.h"

/* Above the banner: changes to the world that were not read back, and the command that undoes them.
 * Nothing when there are none. */
void html_end_left(struct html *h);
/* How many of them there are, and how many changes to the world there were. */
size_t html_end_outstanding(const struct journal *j, size_t *ret_all);
/* The sentence of an aborted run: who, when, why, what was undone. */
void html_end_abort(struct html *h);
/* The sentence of a run whose surroundings were missing. */
void html_end_surroundings(struct html *h);
/* A further line: the run did not end, was stopped besides ${code}, its rows were altered. */
void html_end_note(struct html *h, int code);

#endif
