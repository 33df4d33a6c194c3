#include "net/socket.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define HOST_MOST 64

/* Splits "host:port" or "[host]:port" in place of ${host}; returns the port or NULL. */
static const char *split(const char *address, char host[HOST_MOST])
{
    const char *colon = strrchr(address, ':');
    const char *from = address, *end = colon;
    if (colon == NULL)
        return NULL;
    if (*from == '[') {
        from++;
        end = colon - 1;
        if (end <= from || *end != ']')
            return NULL;
    } else if (memchr(address, ':', (size_t)(colon - address)) != NULL) {
        return NULL;
    }
    size_t len = (size_t)(end - from);
    if (len == 0 || len >= HOST_MOST)
        return NULL;
    memcpy(host, from, len);
    host[len] = '\0';
    return colon + 1;
}

bool socket_parse(const char *address, struct socket_address *ret, struct error *err)
{
    char host[HOST_MOST];
    const char *port = split(address, host);
    uint64_t number = 0;
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (port == NULL || !bytes_to_u64(bytes_of(port), &number) || number > UINT16_MAX ||
        getaddrinfo(host, port, &hints, &found) != 0)
        return error_set(err, ERROR_INPUT,
                         "\"%.80s\" is not an address; it must be such as \"127.0.0.1:18080\" or "
                         "\"[::1]:18080\"",
                         address);
    *ret = (struct socket_address){.len = found->ai_addrlen};
    memcpy(&ret->storage, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return true;
}

void socket_print(const struct socket_address *address, char *to, size_t size)
{
    char host[HOST_MOST], port[8];
    const struct sockaddr *at = (const struct sockaddr *)&address->storage;
    if (getnameinfo(at, address->len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(to, size, "?");
    else
        snprintf(to, size, at->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static int open_stream(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd >= 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

/* A port of the kernel's choice is bound to by its number, beside the socket that it was chosen
 * for: only so the kernel keeps it for a listener that is shut down (listener_refuse). */
static int bind_to(int fd, struct socket_address *at)
{
    int on = 1, chosen = -1;
    const void *raw = &at->storage;
    const struct sockaddr_in *v4 = raw;
    const struct sockaddr_in6 *v6 = raw;
    if ((at->storage.ss_family == AF_INET6 ? v6->sin6_port : v4->sin_port) == 0) {
        chosen = open_stream(at->storage.ss_family);
        if (chosen < 0)
            return -1;
        (void)setsockopt(chosen, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (bind(chosen, (struct sockaddr *)&at->storage, at->len) != 0 ||
            getsockname(chosen, (struct sockaddr *)&at->storage, &at->len) != 0) {
            int sys = errno;
            close(chosen);
            errno = sys;
            return -1;
        }
    }
    int failed = bind(fd, (struct sockaddr *)&at->storage, at->len), sys = errno;
    if (chosen >= 0)
        close(chosen);
    errno = sys;
    return failed;
}

static bool listen_on(const char *address, bool shared, int *ret_fd, uint16_t *ret_port,
                      struct error *err)
{
    struct socket_address at;
    int on = 1;
    if (!socket_parse(address, &at, err))
        return false;
    int fd = open_stream(at.storage.ss_family);
    if (fd < 0)
        return error_system(err, errno, "a socket to listen on %s", address);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (shared)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (bind_to(fd, &at) != 0 || listen(fd, SOMAXCONN) != 0) {
        int sys = errno;
        close(fd);
        if (sys == EADDRINUSE) {
            (void)error_set(err, ERROR_SYSTEM, "%s is in use", address);
            err->sys = sys;
            return false;
        }
        return error_system(err, sys, "listening on %s", address);
    }
    if (!socket_own_address(fd, &at, err)) {
        close(fd);
        return false;
    }
    *ret_fd = fd;
    if (ret_port != NULL) {
        const void *raw = &at.storage;
        const struct sockaddr_in *v4 = raw;
        const struct sockaddr_in6 *v6 = raw;
        *ret_port = ntohs(at.storage.ss_family == AF_INET6 ? v6->sin6_port : v4->sin_port);
    }
    return true;
}

bool socket_reserve(const char *address, int *ret_fd, struct error *err)
{
    struct socket_address at;
    if (!socket_parse(address, &at, err))
        return false;
    int on = 1, fd = open_stream(at.storage.ss_family);
    if (fd < 0)
        return error_system(err, errno, "a socket to keep %s with", address);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&at.storage, at.len) != 0) {
        int sys = errno;
        close(fd);
        return error_system(err, sys, "keeping %s", address);
    }
    *ret_fd = fd;
    return true;
}

bool socket_listen(const char *address, int *ret_fd, uint16_t *ret_port, struct error *err)
{
    return listen_on(address, false, ret_fd, ret_port, err);
}

bool socket_listen_shared(const char *address, int *ret_fd, struct error *err)
{
    return listen_on(address, true, ret_fd, NULL, err);
}

bool socket_own_address(int fd, struct socket_address *ret, struct error *err)
{
    ret->len = sizeof(ret->storage);
    if (getsockname(fd, (struct sockaddr *)&ret->storage, &ret->len) != 0)
        return error_system(err, errno, "the address of a socket");
    return true;
}

bool socket_dial(const struct socket_address *address, int *ret_fd, struct error *err)
{
    int fd = open_stream(address->storage.ss_family);
    if (fd < 0)
        return error_system(err, errno, "a socket to connect with");
    if (connect(fd, (const struct sockaddr *)&address->storage, address->len) != 0 &&
        errno != EINPROGRESS) {
        char text[HOST_MOST + 16];
        int sys = errno;
        close(fd);
        socket_print(address, text, sizeof(text));
        return error_system(err, sys, "connecting to %s", text);
    }
    *ret_fd = fd;
    return true;
}

bool socket_connect(const char *address, int *ret_fd, struct error *err)
{
    struct socket_address at;
    return socket_parse(address, &at, err) && socket_dial(&at, ret_fd, err);
}

void socket_reset(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}

int socket_error(struct loop *l, int fd)
{
    int sys = 0;
    socklen_t len = sizeof(sys);
    loop_counters(l)->other++;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &len) != 0)
        return errno;
    return sys;
}

size_t socket_unsent(struct loop *l, int fd)
{
    int queued = 0;
    loop_counters(l)->other++;
    if (ioctl(fd, SIOCOUTQ, &queued) != 0 || queued < 0)
        return 0;
    return (size_t)queued;
}

uint64_t socket_raise_limit(void)
{
    struct rlimit limit = {0};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    return limit.rlim_cur;
}

ssize_t socket_recv(struct loop *l, int fd, void *to, size_t size)
{
    ssize_t n;
    do {
        loop_counters(l)->recv++;
        n = recv(fd, to, size, 0);
    } while (n < 0 && errno == EINTR);
    return n;
}

ssize_t socket_send(struct loop *l, int fd, const struct iovec *from, size_t count)
{
    ssize_t n;
    do {
        loop_counters(l)->send++;
        if (count == 1) {
            n = send(fd, from[0].iov_base, from[0].iov_len, MSG_NOSIGNAL);
        } else {
            struct msghdr message = {.msg_iovlen = count};
            /* sendmsg never writes through msg_iov, but its type has no const */
            memcpy(&message.msg_iov, &from, sizeof(from));
            n = sendmsg(fd, &message, MSG_NOSIGNAL);
        }
    } while (n < 0 && errno == EINTR);
    return n;
}

int socket_accept(struct loop *l, int fd, struct socket_address *ret_peer)
{
    int on = 1;
    ret_peer->len = sizeof(ret_peer->storage);
    loop_counters(l)->accept++;
    int got = accept4(fd, (struct sockaddr *)&ret_peer->storage, &ret_peer->len,
                      SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (got >= 0) {
        loop_counters(l)->other++;
        (void)setsockopt(got, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    return got;
}
