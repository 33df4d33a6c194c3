#ifndef SIMULATE_EVENTS_H
#define SIMULATE_EVENTS_H

/* What is due when, in virtual time. It knows nothing of what the events mean. What is due next is
 * a short sorted list; timers that nobody waits for any more stay until they are due, by the
 * thousand: up to some seconds ahead they lie in the slot of their time, unsorted, until the list
 * reaches it. A heap holds what is later, and what the list has no room for. */

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
struct event_node {
    struct event event;
    uint32_t next; /* in its slot, or of the free ones; from 1, 0: none */
};
#define EVENTS_SOON 64
#define EVENTS_SLOTS 1024
struct events {
    struct event soon[EVENTS_SOON]; /* the earliest last; none: nothing waits either */
    size_t soon_count;
    uint64_t slot; /* all before it were taken into the list */
    uint32_t
        slots[EVENTS_SLOTS]; /* from ${slot} on, by number modulo their count: the first node */
    size_t waiting;          /* in them */
    struct event_node *nodes;
    size_t node_count, node_room;
    uint32_t node_free;
    struct event_heap far;
    uint64_t now_ns; /* of the last that was taken */
    uint32_t order;
};

void events_release(struct events *e);
void events_add(struct events *e, uint64_t t_ns, uint32_t kind, uint32_t index, uint32_t epoch);
/* The earliest, wherever it is; false: there is none. */
bool events_take_any(struct events *e, struct event *ret);
/* The same: nearly always it is the list's last, and not its only one. */
static inline bool events_take(struct events *e, struct event *ret)
{
    if (e->soon_count < 2)
        return events_take_any(e, ret);
    const struct event *soon = &e->soon[e->soon_count - 1];
    if (e->far.count > 0 && e->far.at[0].t_ns <= soon->t_ns)
        return events_take_any(e, ret);
    *ret = *soon;
    e->now_ns = soon->t_ns;
    e->soon_count--;
    return true;
}
/* When that is due; UINT64_MAX: there is none. */
static inline uint64_t events_next_ns(const struct events *e)
{
    uint64_t soon_ns = e->soon_count == 0 ? UINT64_MAX : e->soon[e->soon_count - 1].t_ns;
    uint64_t far_ns = e->far.count == 0 ? UINT64_MAX : e->far.at[0].t_ns;
    return soon_ns < far_ns ? soon_ns : far_ns;
}

#endif
