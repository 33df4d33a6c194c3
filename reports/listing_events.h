#ifndef REPORTS_LISTING_EVENTS_H
#define REPORTS_LISTING_EVENTS_H

/* What happened in a run, a line each in order of time: phases, faults, endpoints that were out,
 * what people did, and where the judge found something. */

#include "reports/in_force.h"
#include "reports/outage.h"

void listing_events(const struct scene *s, const struct in_force_list *faults,
                    const struct outages *outages, struct text *to);

#endif
