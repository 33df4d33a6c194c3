#ifndef WORLD_DISTRIBUTION_H
#define WORLD_DISTRIBUTION_H

/* The tables by which the kernel's netem shapes its jitter: quantiles of a law with mean 0 and
 * standard deviation 1, in units of 1/8192, as int16. So no value is beyond 4 deviations. Computed
 * here, not taken from files: a law's tail that is cut at 4 is centred and scaled again, so that
 * the mean delay and its deviation stay those that were asked. */

#include "world/netem.h"

#define DISTRIBUTION_ENTRIES 4096
/* Not for NETEM_UNIFORM, which the kernel makes itself (from -jitter to +jitter). */
void distribution_table(enum netem_distribution law, int16_t table[DISTRIBUTION_ENTRIES]);

#endif
