#ifndef SIMULATE_EVENTS_H
#define SIMULATE_EVENTS_H

/* What is due when, in virtual time: heaps by time. It knows nothing of what the events mean.
 * Timers that nobody waits for any more stay until they are due, by the thousand; they have a heap
 * of their own, so that what comes and goes in between passes through a heap of some 20. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event {
    uint64_t t_ns;
    uint32_t kind, index, epoch;
    uint32_t order; /* equal times go in the order in which they were added */
};
struct event_heap {
    struct event *at;
    size_t count, room;
};
struct events {
    struct event_heap soon, far;
    uint64_t now_ns; /* of the last that was taken */
    uint32_t order;
};

void events_release(struct events *e);
void events_add(struct events *e, uint64_t t_ns, uint32_t kind, uint32_t index, uint32_t epoch);
/* The earliest; false: there is none. */
bool events_take(struct events *e, struct event *ret);
/* When that is due; UINT64_MAX: there is none. */
uint64_t events_next_ns(const struct events *e);

#endif
