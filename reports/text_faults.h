#ifndef REPORTS_TEXT_FAULTS_H
#define REPORTS_TEXT_FAULTS_H

/* Faults in the text report: what was armed where, and how often it fired. */

#include "reports/report.h"

/* A line for each fault of the phase; those that read alike are one. */
void text_faults_add(const struct report *report, const struct judged_phase *p, struct text *to);

#endif
