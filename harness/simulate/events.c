#include "simulate/events.h"

#include "base/check.h"
#include "base/clock.h"

#include <stdlib.h>

#define EVENTS_MOST ((size_t)1 << 22) /* far beyond a gate's: our own bug */
#define FAR_NS (20 * NS_PER_MS)       /* from now on; only how quick it is depends on it */

static bool is_before(const struct event *a, const struct event *b)
{
    return a->t_ns != b->t_ns ? a->t_ns < b->t_ns : a->order < b->order;
}

void events_release(struct events *e)
{
    free(e->soon.at);
    free(e->far.at);
    *e = (struct events){0};
}

/* Into the hole at ${i}, or above. */
static void put(struct event_heap *h, size_t i, const struct event *event)
{
    for (; i > 0 && is_before(event, &h->at[(i - 1) / 2]); i = (i - 1) / 2)
        h->at[i] = h->at[(i - 1) / 2];
    h->at[i] = *event;
}

void events_add(struct events *e, uint64_t t_ns, uint32_t kind, uint32_t index, uint32_t epoch)
{
    struct event event = {t_ns, kind, index, epoch, e->order++};
    struct event_heap *h = t_ns > e->now_ns && t_ns - e->now_ns > FAR_NS ? &e->far : &e->soon;
    INVARIANT(h->count < EVENTS_MOST);
    if (h->count == h->room) {
        h->room = h->room == 0 ? 256 : h->room * 2;
        h->at = check_realloc(h->at, h->room * sizeof(*h->at));
    }
    put(h, h->count++, &event);
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

/* The heap with the earliest event; NULL: both are empty. */
static struct event_heap *first_of(struct events *e)
{
    if (e->soon.count == 0 || e->far.count == 0)
        return e->soon.count > 0 ? &e->soon : e->far.count > 0 ? &e->far : NULL;
    return is_before(&e->soon.at[0], &e->far.at[0]) ? &e->soon : &e->far;
}

bool events_take(struct events *e, struct event *ret)
{
    struct event_heap *h = first_of(e);
    if (h == NULL)
        return false;
    *ret = h->at[0];
    e->now_ns = ret->t_ns;
    take(h);
    return true;
}

uint64_t events_next_ns(const struct events *e)
{
    uint64_t soon_ns = e->soon.count == 0 ? UINT64_MAX : e->soon.at[0].t_ns;
    uint64_t far_ns = e->far.count == 0 ? UINT64_MAX : e->far.at[0].t_ns;
    return soon_ns < far_ns ? soon_ns : far_ns;
}
