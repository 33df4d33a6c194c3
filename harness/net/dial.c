/* A new connection to an endpoint's backend, and its TLS handshake where there is one. */

#include "net/relay.h"

#include "net/tls_conn.h"

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

static void on_wake(struct conn *c)
{
    relay_on_backend(&c->watch, 0);
}

enum io dial_go_on(struct conn *c)
{
    struct endpoint *e = c->endpoint;
    enum io io = IO_DONE;
    if (c->tls == NULL) {
        if (socket_error(e->proxy->loop, c->watch.fd) != 0)
            return IO_RESET;
        if (e->tls[SIDE_RESPONSE] != NULL)
            tls_conn_begin(c, e->tls[SIDE_RESPONSE], SIDE_RESPONSE, on_wake);
    }
    if (c->tls != NULL)
        io = tls_conn_handshake(c);
    return io == IO_FIN ? IO_RESET : io;
}
