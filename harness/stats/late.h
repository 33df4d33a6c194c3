#ifndef STATS_LATE_H
#define STATS_LATE_H

/* The test of lateness (spec/verifier.md 5.3): x of n instances were later than the bound and its
 * tolerance, while x_c of n_c clean requests of the control arm were late by as much; is it the
 * mesh, or this machine? */

#include <stdint.h>

enum late_verdict { LATE_PASS, LATE_UNDECIDED, LATE_FAIL };

struct late {
    enum late_verdict verdict;
    double p_hi;     /* the most that the machine explains, at a / 2 */
    double tail;     /* P(so many late or more), if that is the truth */
    uint64_t needed; /* UNDECIDED: instances in all that would decide; 0: no number would */
};

/* ${a}: the claim's whole level; half goes to p_hi. No instance, or late ones without a control, is
 * UNDECIDED: a PASS needs evidence. */
struct late late_test(uint64_t x, uint64_t n, uint64_t x_c, uint64_t n_c, double a);

#endif
