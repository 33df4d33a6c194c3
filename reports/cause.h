#ifndef REPORTS_CAUSE_H
#define REPORTS_CAUSE_H

/* What the witnesses of a FAIL have in common, where the other requests do not have it: a cause,
 * offered with its hedge (ui.md 7). Nothing is judged here. */

#include "reports/scene.h"

/* "In all 87 cases one of the tries had timed out ... The likely cause: ...". False: they share
 * nothing, or too few requests tell; nothing is added. Of the claims that causes.h lists. */
bool cause_add(const struct scene *s, const struct judged *d, struct text *to);

#endif
