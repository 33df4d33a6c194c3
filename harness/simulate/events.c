#include "simulate/events.h"

#include "base/check.h"

#include <stdlib.h>

/* A gate of 100 000 requests has some 20 events under way at once; far beyond that is our own bug.
 */
#define EVENTS_MOST ((size_t)1 << 22)

/* Four children a node: half the levels of two. Timers that nobody will wait for lie in the heap by
 * the thousand, and each event taken passes through all levels. */
#define CHILDREN 4

static bool is_before(const struct event *a, const struct event *b)
{
    return a->t_ns != b->t_ns ? a->t_ns < b->t_ns : a->order < b->order;
}

void events_release(struct events *e)
{
    free(e->at);
    *e = (struct events){0};
}

/* Into the hole at ${i}, or above. */
static void put(struct events *e, size_t i, const struct event *event)
{
    for (; i > 0 && is_before(event, &e->at[(i - 1) / CHILDREN]); i = (i - 1) / CHILDREN)
        e->at[i] = e->at[(i - 1) / CHILDREN];
    e->at[i] = *event;
}

void events_add(struct events *e, uint64_t t_ns, uint32_t kind, uint32_t index, uint32_t epoch)
{
    INVARIANT(e->count < EVENTS_MOST);
    if (e->count == e->room) {
        e->room = e->room == 0 ? 256 : e->room * 2;
        e->at = check_realloc(e->at, e->room * sizeof(*e->at));
    }
    struct event event = {t_ns, kind, index, epoch, e->order++};
    put(e, e->count++, &event);
}

bool events_take(struct events *e, struct event *ret)
{
    if (e->count == 0)
        return false;
    *ret = e->at[0];
    struct event last = e->at[--e->count];
    size_t hole = 0;
    for (size_t child = 1; child < e->count; child = CHILDREN * hole + 1) {
        size_t end = child + CHILDREN < e->count ? child + CHILDREN : e->count;
        for (size_t k = child + 1; k < end; k++)
            if (is_before(&e->at[k], &e->at[child]))
                child = k;
        e->at[hole] = e->at[child];
        hole = child;
    }
    /* The last one nearly always belongs down there: it is not asked on the way. */
    put(e, hole, &last);
    return true;
}
