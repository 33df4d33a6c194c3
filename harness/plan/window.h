#ifndef PLAN_WINDOW_H
#define PLAN_WINDOW_H

/* guard.window: when a run may be, by the clock on the wall of a named zone. */

#include "plan/plan.h"

/* "Mon-Fri 09:00-17:00" and "2026-12-20..2027-01-03", and whether this machine knows the zone. */
bool window_check(const struct guard_plan *g, struct error *err) WARN_UNUSED;
/* Whether it is open at ${wall_ns}; false with the sentence: `guard.window: it is Sat 14:02 in
 * Europe/Berlin, outside Mon-Fri 09:00-17:00`. */
bool window_open(const struct guard_plan *g, uint64_t wall_ns, struct error *err) WARN_UNUSED;

#endif
