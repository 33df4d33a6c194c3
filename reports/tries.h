#ifndef REPORTS_TRIES_H
#define REPORTS_TRIES_H

/* One request with its tries in the order of time, for the sequence diagrams of the terminal and of
 * the page. Lanes are endpoints, in the order of the first try. */

#include "reports/report.h"

#define TRIES_LANES 6

struct tries_lane {
    const char *service;
    uint16_t endpoint;
};
struct tries {
    const struct report *report;
    const struct request_record *request; /* NULL: its client was not ours */
    const struct attempt_row **rows;
    size_t count;
    struct tries_lane lanes[TRIES_LANES];
    size_t lane_count;
    bool more_lanes;   /* the last lane is for other endpoints too */
    uint64_t zero_ns;  /* its first byte was sent, or its first try seen */
    uint32_t scenario; /* in whose phase that was; UINT32_MAX: in none */
};

/* False: the journal knows no such request; tries_release is to be called all the same. */
bool tries_collect(const struct report *report, uint64_t id_hi, uint64_t id_lo, struct tries *ret);
void tries_release(struct tries *t);
/* Past TRIES_LANES endpoints the last lane is for all others. */
size_t tries_lane(const struct tries *t, const struct attempt_row *row);
/* "abort 503" of the plan. */
const char *tries_fault(const struct tries *t, uint16_t fault);
/* When it was over for the mesh: it left, or the answer went out. 0: neither. */
uint64_t tries_end_ns(const struct attempt_record *r);
/* The mesh left before an answer had begun. */
bool tries_left(const struct attempt_record *r);
/* Why its bytes, or its backend's, were no message: the journal's own words; NULL: they were. */
const char *tries_reason(const struct tries *t, const struct attempt_row *row);

#endif
