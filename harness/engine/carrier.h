#ifndef ENGINE_CARRIER_H
#define ENGINE_CARRIER_H

/* What carries an agent's bytes, as its two ends see it: the inherited socket, or TLS over TCP
 * (channel.h). The calls are those of recv(2) and send(2) that never block. */

#include "base/check.h"

#include <stddef.h>
#include <sys/types.h>

struct carrier {
    int fd; /* to be watched for both edges; after either, both directions may go on */
    /* 0: the end; -1 with EAGAIN: nothing now, or no room. */
    ssize_t (*recv)(struct carrier *w, void *to, size_t size);
    /* After EAGAIN: again with these bytes first, and no fewer. */
    ssize_t (*send)(struct carrier *w, const void *from, size_t size);
    /* Closes the descriptor and frees the wire. */
    void (*close)(struct carrier *w);
};

/* Takes a connected socket. */
struct carrier *carrier_plain(int take_fd);

#endif
