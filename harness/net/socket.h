#ifndef NET_SOCKET_H
#define NET_SOCKET_H

/* Addresses parsed once, and the I/O calls of the data path, each counted in loop_counters. Numeric
 * addresses only: a resolver blocks, so it has no place on the data path (engine.md rule 27). */

#include "net/loop.h"

#include <sys/socket.h>
#include <sys/uio.h>

struct socket_address {
    struct sockaddr_storage storage;
    socklen_t len;
};

/* "127.0.0.1:80" or "[::1]:80". */
bool socket_parse(const char *address, struct socket_address *ret, struct error *err) WARN_UNUSED;
/* "127.0.0.1:43001" into ${to}; "?" for families that we do not know. */
void socket_print(const struct socket_address *address, char *to, size_t size);
bool socket_dial(const struct socket_address *address, int *ret_fd, struct error *err) WARN_UNUSED;
/* socket_listen with SO_REUSEPORT: each process of a user's that listens so on one address gets its
 * part of the connections. */
bool socket_listen_shared(const char *address, int *ret_fd, struct error *err) WARN_UNUSED;
/* Nobody else is given its port, and connections there are refused, until ${ret_fd} is closed; a
 * listener of ours (SO_REUSEADDR) may have it meanwhile. */
bool socket_reserve(const char *address, int *ret_fd, struct error *err) WARN_UNUSED;
/* The address that ${fd} is bound to. */
bool socket_own_address(int fd, struct socket_address *ret, struct error *err) WARN_UNUSED;
/* The error that is waiting on ${fd} (SO_ERROR; reading clears it); 0: none. */
int socket_error(struct loop *l, int fd);
/* Bytes that the peer has not acknowledged yet (SIOCOUTQ). */
size_t socket_unsent(struct loop *l, int fd);
/* RLIMIT_NOFILE to its hard maximum; returns the limit in force. */
uint64_t socket_raise_limit(void);

ssize_t socket_recv(struct loop *l, int fd, void *to, size_t size);
ssize_t socket_send(struct loop *l, int fd, const struct iovec *from, size_t count);
/* Non-blocking, CLOEXEC, TCP_NODELAY; -1 with errno. */
int socket_accept(struct loop *l, int fd, struct socket_address *ret_peer);

#endif
