#ifndef EXPLORE_SHRINK_H
#define EXPLORE_SHRINK_H

/* Makes a failing schedule smaller while it still fails: fewer faults first (delta debugging:
 * Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 2002,
 * section 3.2), then windows, then places and parameters, and again until nothing gets smaller.
 * What counts as failing is the caller's to say: k of k replays that FAIL the same claim. */

#include "explore/schedule.h"

struct shrink_oracle {
    /* The smaller schedule fails still. Never asked twice of the same one. */
    bool (*fails)(void *cookie, const struct schedule *s);
    bool (*fits)(void *cookie, const struct schedule *s); /* it keeps within the limits */
    bool (*may_go_on)(void *cookie);                      /* there is time for one more */
    void *cookie;
};
struct shrink_result {
    size_t asked; /* schedules that were tried */
    bool minimal; /* false: time was up before nothing got smaller */
};
/* ${s} fails; it becomes the smallest that does. */
void shrink_schedule(struct schedule *s, const struct shrink_oracle *oracle,
                     struct shrink_result *ret);

#endif
