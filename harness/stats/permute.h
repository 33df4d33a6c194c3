#ifndef STATS_PERMUTE_H
#define STATS_PERMUTE_H

/* An exact permutation test of two samples by their ranks (Wilcoxon's rank sum with midranks for
 * ties): counted, not approximated, and nothing is drawn. For blocks of time, whose own values are
 * not independent inside (spec/verifier.md 3.7, tail). No I/O, no clock. */

#include <stddef.h>

#define PERMUTE_MOST 48 /* values on one side */

/* P(the ranks of ${b} sum up to so much or more), were all splits of the values into sides of
 * these sizes equally likely: small when ${b} lies above ${a}. 1 when a side is empty. */
double permute_above(const double *a, size_t a_count, const double *b, size_t b_count);

#endif
