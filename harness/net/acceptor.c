#include "net/acceptor.h"

#include "base/clock.h"

#include <errno.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 64
#define REST_NS (100 * NS_PER_MS)

static void on_listener(struct watch *w, unsigned what);

static void on_again(struct hold *h, uint64_t now_ns);

static void rest(struct acceptor *a)
{
    if (hold_is_idle(&a->again))
        loop_hold_add(a->loop, &a->again, loop_now_ns(a->loop) + REST_NS, on_again);
}

static void resume(struct acceptor *a)
{
    if (a->fd < 0 || a->watch.event != NULL || a->open >= a->most || !hold_is_idle(&a->again))
        return;
    if (!loop_watch_add_level(a->loop, &a->watch, a->fd, on_listener, NULL))
        rest(a);
}

static void on_again(struct hold *h, uint64_t now_ns)
{
    (void)now_ns;
    resume((struct acceptor *)(void *)((char *)h - offsetof(struct acceptor, again)));
}

static void on_listener(struct watch *w, unsigned what)
{
    struct acceptor *a = (struct acceptor *)(void *)w;
    struct socket_address peer;
    (void)what;
    for (int i = 0; i < ACCEPTS_A_TURN && a->fd >= 0; i++) {
        if (a->open >= a->most) {
            loop_watch_remove(w); /* the kernel's queue holds them until one of ours ends */
            return;
        }
        int fd = socket_accept(a->loop, a->fd, &peer);
        if (fd >= 0) {
            a->open++;
            a->on_accept(a->cookie, fd, &peer);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            loop_watch_remove(w);
            rest(a);
            return;
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

bool acceptor_open(struct acceptor *a, struct loop *loop, const char *listen, size_t most,
                   void (*on_accept)(void *cookie, int fd, const struct socket_address *peer),
                   void *cookie, struct error *err)
{
    struct socket_address bound;
    *a = (struct acceptor){
        .loop = loop, .fd = -1, .most = most, .on_accept = on_accept, .cookie = cookie};
    if (!socket_listen(listen, &a->fd, NULL, err))
        return false;
    if (!socket_own_address(a->fd, &bound, err) ||
        !loop_watch_add_level(loop, &a->watch, a->fd, on_listener, err)) {
        close(a->fd);
        a->fd = -1;
        return false;
    }
    socket_print(&bound, a->address, sizeof(a->address));
    return true;
}

void acceptor_close(struct acceptor *a)
{
    if (a->fd < 0)
        return;
    loop_watch_remove(&a->watch);
    loop_hold_remove(a->loop, &a->again);
    close(a->fd);
    a->fd = -1;
}

void acceptor_left(struct acceptor *a)
{
    a->open--;
    resume(a);
}
