#ifndef NET_ACCEPTOR_H
#define NET_ACCEPTOR_H

/* The listening socket of our own small servers (http_server, h2_server): it takes connections up
 * to a limit and rests when there are no descriptors, so that a level-triggered listener does not
 * spin. Not the fault proxy's, whose listener has a place in the evidence (accept.c). */

#include "net/socket.h"

struct acceptor {
    struct watch watch; /* first */
    struct hold again;
    struct loop *loop;
    int fd; /* -1: closed */
    size_t most, open;
    char address[64]; /* bound */
    /* ${fd} is the callee's; it says acceptor_left once that connection is over. */
    void (*on_accept)(void *cookie, int fd, const struct socket_address *peer);
    void *cookie;
};

bool acceptor_open(struct acceptor *a, struct loop *loop, const char *listen, size_t most,
                   void (*on_accept)(void *cookie, int fd, const struct socket_address *peer),
                   void *cookie, struct error *err) WARN_UNUSED;
void acceptor_close(struct acceptor *a);
void acceptor_left(struct acceptor *a);

#endif
