#ifndef NET_HOLD_HEAP_H
#define NET_HOLD_HEAP_H

/* The loop's 4-ary heap of deadlines: four children share a cache line, and a pop touches half as
 * many lines as a binary heap does. No clock, no timer: loop.c has those. */

#include "net/loop.h"

struct hold_node {
    uint64_t at_ns;
    struct hold *hold;
};
struct hold_heap {
    struct hold_node *nodes;
    size_t count, capacity;
};

void hold_heap_release(struct hold_heap *heap);
/* ${h} must be idle; its at_ns is set. */
void hold_heap_add(struct hold_heap *heap, struct hold *h);
/* Does nothing to an idle one. */
void hold_heap_remove(struct hold_heap *heap, struct hold *h);
/* UINT64_MAX when it is empty. */
static inline uint64_t hold_heap_next_ns(const struct hold_heap *heap)
{
    return heap->count == 0 ? UINT64_MAX : heap->nodes[0].at_ns;
}

#endif
