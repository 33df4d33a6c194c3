#ifndef REPORTS_OUTAGE_H
#define REPORTS_OUTAGE_H

/* Ejections as they were seen and as the policy has them, side by side: what the judge found in a
 * track (verify/eject.h), in the words of a chart. Nothing is judged here: a difference is named
 * where the claim's own bounds are broken. */

#include "reports/scene.h"

enum outage_is {
    OUTAGE_AS_DECLARED,
    OUTAGE_TOO_EARLY, /* back before the shortest that is declared */
    OUTAGE_TOO_LATE,  /* back, or not yet back, after the longest */
    OUTAGE_MAYBE,  /* after a failure, a gap in which too few picks elsewhere tell whether it was */
    OUTAGE_UNTOLD, /* nothing certain shows how long it should have been */
    OUTAGE_MISSING, /* the failures were enough and it was never put out */
};
struct outage {
    const char *service;
    uint16_t endpoint;
    enum outage_is is;
    uint64_t from_ns, to_ns; /* seen; equal when it is missing */
    uint64_t due_ns, due_short_ns,
        due_long_ns;   /* expected: out from, back from, back by; 0: untold */
    uint64_t off_ns;   /* beyond the bound */
    uint64_t failures; /* in a row, that are enough */
    bool ended;
};
struct outages {
    struct outage *at;
    size_t count;
};
void outages_read(const struct scene *s, struct outages *ret);
void outages_release(struct outages *o);
/* The policy of some edge to that service ejects. */
bool outages_are_declared(const struct scene *s, const char *service);
/* "came back 25.1 s too early"; "" where nothing is to be said. Returns ${to}; 64 bytes. */
const char *outage_print(const struct outage *o, char *to, size_t size);

#endif
