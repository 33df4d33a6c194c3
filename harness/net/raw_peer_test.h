#ifndef NET_RAW_PEER_TEST_H
#define NET_RAW_PEER_TEST_H

/* For tests of HTTP ends: the other end as bytes, on the same loop. Not linked into the program. */

#include "base/clock.h"
#include "net/loop.h"
#include "net/socket.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct raw_peer {
    struct watch watch; /* first */
    struct loop *loop;
    char got[1 << 21];
    size_t len;
    bool eof, reset, open;
    const char *until; /* stop the loop when the bytes end so; NULL: at the end of the connection */
};

struct raw_fuse {
    struct hold hold; /* first */
    bool blown;
    struct loop *loop;
};

static inline void raw_fuse_blow(struct hold *h, uint64_t now_ns)
{
    struct raw_fuse *f = (struct raw_fuse *)(void *)h;
    (void)now_ns;
    f->blown = true;
    loop_stop(f->loop);
}

/* Runs the loop until it is stopped; fails the test after 10 s. */
static inline void raw_run(struct loop *l)
{
    struct raw_fuse fuse = {.loop = l};
    struct error err = {0};
    loop_hold_add(l, &fuse.hold, clock_now_ns() + 10 * NS_PER_S, raw_fuse_blow);
    assert_true(loop_run(l, &err));
    loop_hold_remove(l, &fuse.hold);
    assert_false(fuse.blown);
}

static inline void raw_run_for(struct loop *l, uint64_t ns)
{
    struct raw_fuse fuse = {.loop = l};
    struct error err = {0};
    loop_hold_add(l, &fuse.hold, clock_now_ns() + ns, raw_fuse_blow);
    assert_true(loop_run(l, &err));
    loop_hold_remove(l, &fuse.hold);
}

static inline void raw_peer_on_event(struct watch *w, unsigned what)
{
    struct raw_peer *p = (struct raw_peer *)(void *)w;
    (void)what;
    for (;;) {
        ssize_t n = recv(w->fd, p->got + p->len, sizeof(p->got) - 1 - p->len, 0);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            p->eof = n == 0;
            p->reset = n < 0;
            loop_stop(p->loop);
            return;
        }
        p->len += (size_t)n;
        p->got[p->len] = '\0';
    }
    size_t want = p->until != NULL ? strlen(p->until) : 0;
    if (want > 0 && p->len >= want && memcmp(p->got + p->len - want, p->until, want) == 0)
        loop_stop(p->loop);
}

static inline void raw_peer_take(struct raw_peer *p, struct loop *l, int fd)
{
    struct error err = {0};
    memset(p, 0, sizeof(*p));
    p->loop = l;
    p->open = true;
    assert_true(loop_watch_add(l, &p->watch, fd, raw_peer_on_event, &err));
}

static inline void raw_peer_open(struct raw_peer *p, struct loop *l, const char *address)
{
    struct error err = {0};
    int fd;
    assert_true(socket_connect(address, &fd, &err));
    raw_peer_take(p, l, fd);
}

static inline void raw_peer_close(struct raw_peer *p, bool by_reset)
{
    if (!p->open)
        return;
    p->open = false;
    loop_watch_remove(&p->watch);
    if (by_reset)
        socket_reset(p->watch.fd);
    else
        close(p->watch.fd);
}

/* The socket buffers of loopback take what tests send at once; a connect under way is waited for.
 */
static inline void raw_peer_send_bytes(struct raw_peer *p, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t n = send(p->watch.fd, at, len, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == ENOTCONN))
            raw_run_for(p->loop, NS_PER_MS);
        else
            assert_true(n > 0);
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
}

static inline void raw_peer_send(struct raw_peer *p, const char *text)
{
    raw_peer_send_bytes(p, text, strlen(text));
}

/* Runs until the bytes end with ${until} (NULL: until the end). */
static inline const char *raw_peer_wait(struct raw_peer *p, const char *until)
{
    p->until = until;
    size_t want = until != NULL ? strlen(until) : 0;
    bool there = want > 0 && p->len >= want && memcmp(p->got + p->len - want, until, want) == 0;
    if (!there && !p->eof && !p->reset)
        raw_run(p->loop);
    return p->got;
}

/* A listener that hands its first connection to a raw peer. */
struct raw_listener {
    struct watch watch; /* first */
    struct loop *loop;
    struct raw_peer *peer;
    unsigned accepted;
    char address[32];
};

static inline void raw_listener_on_event(struct watch *w, unsigned what)
{
    struct raw_listener *r = (struct raw_listener *)(void *)w;
    struct socket_address from;
    (void)what;
    int fd = socket_accept(r->loop, w->fd, &from);
    assert_true(fd >= 0);
    r->accepted++;
    raw_peer_take(r->peer, r->loop, fd);
    loop_stop(r->loop);
}

static inline void raw_listener_open(struct raw_listener *r, struct loop *l, struct raw_peer *peer)
{
    struct error err = {0};
    uint16_t port;
    int fd;
    memset(r, 0, sizeof(*r));
    r->loop = l;
    r->peer = peer;
    assert_true(socket_listen("127.0.0.1:0", &fd, &port, &err));
    snprintf(r->address, sizeof(r->address), "127.0.0.1:%u", port);
    assert_true(loop_watch_add_level(l, &r->watch, fd, raw_listener_on_event, &err));
}

static inline void raw_listener_close(struct raw_listener *r)
{
    loop_watch_remove(&r->watch);
    close(r->watch.fd);
}

#endif
