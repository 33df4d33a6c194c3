#ifndef REPORTS_TEXT_PEOPLE_H
#define REPORTS_TEXT_PEOPLE_H

/* Who agreed to a scenario, or refused it: a line each in its block of the text report. */

#include "reports/report.h"

/* Somebody was asked. */
bool people_asked(const struct report *report, uint32_t scenario);
void people_add(const struct report *report, uint32_t scenario, struct text *to);

#endif
