/* A new connection to an endpoint's backend. */

#include "net/relay.h"

struct conn *dial_backend(struct endpoint *e, struct error *err)
{
    int fd = -1;
    loop_counters(e->proxy->loop)->connect++;
    if (!socket_dial(&e->upstream, &fd, err))
        return NULL;
    struct conn *c = conn_open(e, fd, CONN_BACKEND, relay_on_backend, err);
    if (c != NULL)
        c->connecting = true;
    return c;
}
