#ifndef REPORTS_IN_FORCE_H
#define REPORTS_IN_FORCE_H

/* The faults that were in force, as bars of a timeline: from when to when, where, and how often
 * each fired. Faults of one place and one span of time are one bar. It draws nothing. */

#include "reports/scene.h"

struct in_force {
    const char *service; /* "" where the place is no endpoint of the lab */
    uint16_t endpoint;   /* 0: all of the service */
    uint64_t from_ns, to_ns;
    const char *text; /* "abort 503", of the first */
    uint32_t faults;  /* of the bar */
    uint32_t idle;    /* of these, never fired, at none of their endpoints */
    uint8_t row;      /* among those of its lane at that time */
};
struct in_force_list {
    struct in_force *at; /* by place, then by time */
    size_t count;
    size_t left_out; /* past IN_FORCE_MOST */
    struct arena arena;
};
#define IN_FORCE_MOST 4000
void in_force_read(const struct scene *s, struct in_force_list *ret);
void in_force_release(struct in_force_list *l);
bool in_force_is_on(const struct in_force *f, const char *service, uint16_t endpoint);

#endif
