#ifndef NET_STREAK_H
#define NET_STREAK_H

/* The streak guard of one endpoint (verifier.md 4.1): how long its run of failures is, so that
 * faults do not eject a host that is not to be ejected. A mesh on several threads may see two
 * successes and a failure in another order than we do, so a run that came within one of the limit
 * is ended only by two successes in a row (verifier.md 4.2, phase B1). */

#include "base/check.h"

#include <stdbool.h>
#include <stdint.h>

#define STREAK_HISTORY 128

struct streak {
    uint8_t failed[STREAK_HISTORY]; /* the last tries that ended, a ring */
    uint64_t ended;                 /* how many, ever */
    uint32_t run;                   /* failures since the last success */
    uint32_t open; /* tries that a fault has chosen and that have not ended: holds above all */
};

void streak_end(struct streak *s, bool failed);
/* True when one more failure, on top of those that ended and of the ${others} still open, would
 * make a run of ${limit}. */
bool streak_withholds(const struct streak *s, uint32_t limit, uint32_t others);

#endif
