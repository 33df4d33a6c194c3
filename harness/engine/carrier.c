#include "engine/carrier.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t plain_recv(struct carrier *w, void *to, size_t size)
{
    return recv(w->fd, to, size, MSG_DONTWAIT);
}

static ssize_t plain_send(struct carrier *w, const void *from, size_t size)
{
    return send(w->fd, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void plain_close(struct carrier *w)
{
    close(w->fd);
    free(w);
}

struct carrier *carrier_plain(int take_fd)
{
    struct carrier *w = check_alloc(sizeof(*w));
    *w = (struct carrier){
        .fd = take_fd, .recv = plain_recv, .send = plain_send, .close = plain_close};
    return w;
}
