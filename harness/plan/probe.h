#ifndef PLAN_PROBE_H
#define PLAN_PROBE_H

/* What the bounds of a probe mean (scenario-language.md section 2): a share of the client's errors,
 * a duration of its quantiles, a rate, else a bare number. Values of samples are in the base unit:
 * 0..1, ns, a second, itself. */

#include "plan/plan.h"

/* NULL: the scenario has no such probe. */
const struct probe_plan *probe_find(const struct scenario *s, const char *name);
/* "25%" of errors is 0.25, "950ms" of p99 950000000, "20/s" of rate 20, "5" of others 5. The error
 * is without a name: `is "5"; it must be a share such as "25%"`. */
bool probe_bound(const struct probe_plan *p, const char *text, double *ret,
                 struct error *err) WARN_UNUSED;
/* `above` and `below` of the keys of an await or an expectation, texts or numbers: one of them is
 * there, and each has the unit of ${p}. */
bool probe_check_bounds(const struct probe_plan *p, const json_t *keys,
                        struct error *err) WARN_UNUSED;
/* ${value} lies where they want it. */
bool probe_wanted(const struct probe_plan *p, const json_t *keys, double value);
/* A value as people read it: "12.5 %", "950 ms", "4.2". Returns ${to}. */
const char *probe_print(const struct probe_plan *p, double value, char *to, size_t size);
/* Its name in `probes`, or what it is: "client errors", "tcp 127.0.0.1:80". Returns ${to}. */
const char *probe_label(const struct probe_plan *p, char *to, size_t size);

#endif
