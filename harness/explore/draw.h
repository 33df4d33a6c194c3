#ifndef EXPLORE_DRAW_H
#define EXPLORE_DRAW_H

/* A random schedule: a pure function of the space, the seed and the trial's number, so that the
 * same seed gives the same trials in the same order, however long each takes. */

#include "explore/space.h"

/* At least one fault, at most SPACE_FAULTS_MOST, within every limit (space_fits). False: hundreds
 * of draws came to nothing that guard.limits allow; ${err} is what the last one broke. */
bool draw_schedule(const struct space *space, uint64_t seed, uint64_t trial, struct schedule *ret,
                   struct error *err) WARN_UNUSED;

#endif
