#ifndef SIMULATE_EVENTS_H
#define SIMULATE_EVENTS_H

/* What is due when, in virtual time: a heap by time. It knows nothing of what the events mean. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event {
    uint64_t t_ns;
    uint32_t kind, index, epoch;
    uint32_t order; /* equal times go in the order in which they were added */
};
struct events {
    struct event *at;
    size_t count, room;
    uint32_t order;
};

void events_release(struct events *e);
void events_add(struct events *e, uint64_t t_ns, uint32_t kind, uint32_t index, uint32_t epoch);
/* The earliest; false: there is none. */
bool events_take(struct events *e, struct event *ret);

#endif
