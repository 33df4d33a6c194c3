#include "engine/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes that one link may take of a turn (engine.md rule 4). */
#define READ_A_TURN_BYTES ((size_t)256 * 1024)

static void lose(struct link *l, const struct error *why)
{
    if (l->gone)
        return;
    l->gone = true;
    loop_watch_remove(&l->watch);
    l->on_gone(l->cookie, why);
}

static void flush_out(struct link *l)
{
    while (l->out.len > 0 && !l->gone && l->fd >= 0) {
        ssize_t n = send(l->fd, l->out.at, l->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return; /* EAGAIN: the write edge comes; else the read side sees the end */
        buffer_consume(&l->out, (size_t)n);
    }
}

static void read_in(struct link *l, size_t most_bytes)
{
    struct error why = {0};
    for (size_t taken = 0; !l->gone && l->fd >= 0;) {
        uint8_t *scratch = loop_scratch(l->loop);
        if (taken >= most_bytes) {
            loop_again(l->loop, &l->again);
            return;
        }
        ssize_t n = recv(l->fd, scratch, LOOP_SCRATCH_BYTES, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n <= 0) {
            lose(l, &why);
            return;
        }
        taken += (size_t)n;
        bool ok = frame_reader_feed(&l->reader, (struct bytes){scratch, (size_t)n}, &why);
        if (!ok && l->fd >= 0)
            lose(l, &why);
    }
}

static void on_event(struct watch *w, unsigned what)
{
    struct link *l = (struct link *)((char *)w - offsetof(struct link, watch));
    if ((what & WATCH_WRITE) != 0)
        flush_out(l);
    if ((what & (WATCH_READ | WATCH_CLOSED)) != 0)
        read_in(l, READ_A_TURN_BYTES);
}

static void on_again(struct loop_task *t)
{
    read_in((struct link *)((char *)t - offsetof(struct link, again)), READ_A_TURN_BYTES);
}

static bool on_frame(void *cookie, const struct frame *frame, struct bytes body, struct error *err)
{
    struct link *l = cookie;
    if (l->fd < 0) /* closed by the frame before */
        return error_set(err, ERROR_PEER, "the link is closed");
    return l->on_frame(l->cookie, frame, body, err);
}

bool link_open(struct link *l, struct loop *loop, int take_fd,
               bool (*frame_callback)(void *cookie, const struct frame *frame, struct bytes body,
                                      struct error *err),
               void (*on_gone)(void *cookie, const struct error *why), void *cookie,
               struct error *err)
{
    *l = (struct link){.loop = loop,
                       .fd = take_fd,
                       .again = {.run = on_again},
                       .on_frame = frame_callback,
                       .on_gone = on_gone,
                       .cookie = cookie};
    frame_reader_init(&l->reader, on_frame, l);
    buffer_init(&l->out, LINK_OUT_MOST_BYTES);
    int flags = fcntl(take_fd, F_GETFL);
    if (flags >= 0 && fcntl(take_fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
        loop_watch_add(loop, &l->watch, take_fd, on_event, err))
        return true;
    link_close(l);
    link_release(l);
    return error_set(err, ERROR_SYSTEM, "the agent's socket cannot be watched");
}

void link_close(struct link *l)
{
    if (l->fd < 0)
        return;
    l->gone = true;
    loop_task_cancel(l->loop, &l->again);
    loop_watch_remove(&l->watch);
    close(l->fd);
    l->fd = -1;
}

void link_release(struct link *l)
{
    frame_reader_release(&l->reader);
    buffer_release(&l->out);
}

void link_drain(struct link *l)
{
    read_in(l, SIZE_MAX);
}

bool link_send(struct link *l, uint8_t kind, json_t *take_json, struct error *err)
{
    char *text = json_dumps(take_json, JSON_COMPACT);
    json_decref(take_json);
    INVARIANT(text != NULL);
    bool ok = l->gone || l->fd < 0 || frame_add_control(&l->out, kind, bytes_of(text), err);
    free(text);
    if (ok)
        flush_out(l);
    return ok;
}
