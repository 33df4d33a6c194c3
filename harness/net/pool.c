#include "net/pool.h"

struct conn *pool_take(struct endpoint *e)
{
    struct conn *c = e->idle;
    if (c != NULL)
        pool_remove(c);
    return c;
}

void pool_put(struct conn *c)
{
    struct endpoint *e = c->endpoint;
    INVARIANT(!c->idle && !c->dead && c->call == NULL);
    if (e->idle_count >= POOL_MOST) {
        conn_close(c, CONN_BY_US, false);
        return;
    }
    c->idle = c->used = true;
    c->previous_idle = NULL;
    c->next_idle = e->idle;
    if (e->idle != NULL)
        e->idle->previous_idle = c;
    e->idle = c;
    e->idle_count++;
}

void pool_remove(struct conn *c)
{
    struct endpoint *e = c->endpoint;
    if (!c->idle)
        return;
    c->idle = false;
    if (c->previous_idle != NULL)
        c->previous_idle->next_idle = c->next_idle;
    else
        e->idle = c->next_idle;
    if (c->next_idle != NULL)
        c->next_idle->previous_idle = c->previous_idle;
    c->next_idle = c->previous_idle = NULL;
    e->idle_count--;
}
