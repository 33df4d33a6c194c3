#include "simulate/events.h"

#include "base/check.h"

#include <stdlib.h>

#define EVENTS_MOST ((size_t)1 << 22) /* far beyond a gate's: our own bug */
#define SLOT_BITS 22                  /* 4.2 ms; only how quick it is depends on it */

static bool is_before(const struct event *a, const struct event *b)
{
    return a->t_ns != b->t_ns ? a->t_ns < b->t_ns : a->order < b->order;
}

void events_release(struct events *e)
{
    free(e->far.at);
    free(e->nodes);
    *e = (struct events){0};
}

/* Into the hole at ${i}, or above. */
static void put(struct event_heap *h, size_t i, const struct event *event)
{
    for (; i > 0 && is_before(event, &h->at[(i - 1) / 2]); i = (i - 1) / 2)
        h->at[i] = h->at[(i - 1) / 2];
    h->at[i] = *event;
}

static void add_far(struct events *e, const struct event *event)
{
    struct event_heap *h = &e->far;
    INVARIANT(h->count < EVENTS_MOST);
    if (h->count == h->room) {
        h->room = h->room == 0 ? 256 : h->room * 2;
        h->at = check_realloc(h->at, h->room * sizeof(*h->at));
    }
    put(h, h->count++, event);
}

static void add_soon(struct events *e, const struct event *event)
{
    if (e->soon_count == EVENTS_SOON) {
        add_far(e, event);
        return;
    }
    size_t i = e->soon_count++;
    for (; i > 0 && is_before(&e->soon[i - 1], event); i--)
        e->soon[i] = e->soon[i - 1];
    e->soon[i] = *event;
}

static void add_waiting(struct events *e, uint64_t slot, const struct event *event)
{
    uint32_t *first = &e->slots[slot % EVENTS_SLOTS], node = e->node_free;
    if (node != 0) {
        e->node_free = e->nodes[node - 1].next;
    } else {
        INVARIANT(e->node_count < EVENTS_MOST);
        if (e->node_count == e->node_room) {
            e->node_room = e->node_room == 0 ? 256 : e->node_room * 2;
            e->nodes = check_realloc(e->nodes, e->node_room * sizeof(*e->nodes));
        }
        node = (uint32_t)++e->node_count;
    }
    e->nodes[node - 1] = (struct event_node){*event, *first};
    *first = node;
    e->waiting++;
}

/* The next slot with something in it, where the list is empty. */
static void refill(struct events *e)
{
    while (e->soon_count == 0 && e->waiting > 0) {
        uint32_t *first = &e->slots[e->slot++ % EVENTS_SLOTS];
        while (*first != 0) {
            struct event_node *node = &e->nodes[*first - 1];
            uint32_t next = node->next;
            add_soon(e, &node->event);
            node->next = e->node_free;
            e->node_free = *first;
            *first = next;
            e->waiting--;
        }
    }
}

void events_add(struct events *e, uint64_t t_ns, uint32_t kind, uint32_t index, uint32_t epoch)
{
    struct event event = {t_ns, kind, index, epoch, e->order++};
    uint64_t slot = t_ns >> SLOT_BITS, now = e->now_ns >> SLOT_BITS;
    if (e->waiting == 0 && e->slot <= now)
        e->slot = now + 1;
    if (slot < e->slot && e->soon_count < EVENTS_SOON) {
        /* Of those at the same time it is the last. */
        size_t i = e->soon_count++;
        for (; i > 0 && e->soon[i - 1].t_ns <= t_ns; i--)
            e->soon[i] = e->soon[i - 1];
        e->soon[i] = event;
    } else if (slot >= e->slot && slot - e->slot < EVENTS_SLOTS) {
        add_waiting(e, slot, &event);
        refill(e);
    } else {
        add_far(e, &event);
    }
}

static void take(struct event_heap *h)
{
    struct event last = h->at[--h->count];
    size_t hole = 0;
    for (size_t child = 1; child < h->count; child = 2 * hole + 1) {
        if (child + 1 < h->count && is_before(&h->at[child + 1], &h->at[child]))
            child++;
        h->at[hole] = h->at[child];
        hole = child;
    }
    /* The last one nearly always belongs down there: it is not asked on the way. */
    put(h, hole, &last);
}

bool events_take_any(struct events *e, struct event *ret)
{
    const struct event *soon = e->soon_count == 0 ? NULL : &e->soon[e->soon_count - 1];
    if (soon == NULL && e->far.count == 0)
        return false;
    if (soon != NULL && (e->far.count == 0 || is_before(soon, &e->far.at[0]))) {
        *ret = *soon;
        e->soon_count--;
        refill(e);
    } else {
        *ret = e->far.at[0];
        take(&e->far);
    }
    e->now_ns = ret->t_ns;
    return true;
}
