#include "engine/health.h"

#include <unistd.h>

#define PROBES_MOST 64

/* To have been accepted is the answer. */
static void on_accept(void *cookie, int fd, const struct socket_address *peer)
{
    struct health *h = cookie;
    (void)peer;
    close(fd);
    acceptor_left(&h->acceptor);
}

void health_init(struct health *h, struct loop *loop, const char *listen)
{
    *h = (struct health){.loop = loop, .listen = listen, .acceptor = {.fd = -1}};
}

bool health_open(struct health *h, struct error *err)
{
    if (h->open || h->listen == NULL)
        return true;
    if (!acceptor_open(&h->acceptor, h->loop, h->listen, PROBES_MOST, on_accept, h, err)) {
        error_prefix(err, "the health port: ");
        return false;
    }
    h->open = true;
    return true;
}

void health_close(struct health *h)
{
    if (h->open)
        acceptor_close(&h->acceptor);
    h->open = false;
}
