#include "engine/link.h"

#include "engine/protocol.h"

#include <errno.h>
#include <fcntl.h>

/* Bytes that one link may take of a turn (engine.md rule 4). */
#define READ_A_TURN_BYTES ((size_t)256 * 1024)

static void drop_wire(struct link *l)
{
    if (l->wire == NULL)
        return;
    loop_task_cancel(l->loop, &l->again);
    loop_watch_remove(&l->watch);
    l->wire->close(l->wire);
    l->wire = NULL;
}

static void lose(struct link *l, const struct error *why)
{
    if (l->gone)
        return;
    l->gone = true;
    if (l->keeps)
        drop_wire(l);
    else
        loop_watch_remove(&l->watch);
    l->on_gone(l->cookie, why);
}

static void flush_out(struct link *l)
{
    while (l->out.len > l->sent && !l->gone && l->wire != NULL) {
        ssize_t n = l->wire->send(l->wire, l->out.at + l->sent, l->out.len - l->sent);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return; /* EAGAIN: the write edge comes; else the read side sees the end */
        l->sent += (size_t)n;
        if (!l->keeps)
            link_acknowledged(l, l->out_from + l->sent);
    }
}

static void read_in(struct link *l, size_t most_bytes)
{
    struct error why = {0};
    for (size_t taken = 0; !l->gone && l->wire != NULL;) {
        uint8_t *scratch = loop_scratch(l->loop);
        if (taken >= most_bytes) {
            loop_again(l->loop, &l->again);
            return;
        }
        ssize_t n = l->wire->recv(l->wire, scratch, LOOP_SCRATCH_BYTES);
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
        if (!ok && l->wire != NULL)
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
    struct link *l = (struct link *)((char *)t - offsetof(struct link, again));
    flush_out(l);
    read_in(l, READ_A_TURN_BYTES);
}

static bool on_frame(void *cookie, const struct frame *frame, struct bytes body, struct error *err)
{
    struct link *l = cookie;
    if (l->wire == NULL) /* closed by the frame before */
        return error_set(err, ERROR_PEER, "the link is closed");
    return l->on_frame(l->cookie, frame, body, err);
}

static bool watch_wire(struct link *l, struct carrier *take_wire, struct error *err)
{
    l->wire = take_wire;
    int flags = fcntl(take_wire->fd, F_GETFL);
    if (flags >= 0 && fcntl(take_wire->fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
        loop_watch_add(l->loop, &l->watch, take_wire->fd, on_event, err))
        return true;
    link_close(l);
    return error_set(err, ERROR_SYSTEM, "the agent's socket cannot be watched");
}

bool link_open(struct link *l, struct loop *loop, struct carrier *take_wire,
               bool (*frame_callback)(void *cookie, const struct frame *frame, struct bytes body,
                                      struct error *err),
               void (*on_gone)(void *cookie, const struct error *why), void *cookie,
               struct error *err)
{
    *l = (struct link){.loop = loop,
                       .again = {.run = on_again},
                       .on_frame = frame_callback,
                       .on_gone = on_gone,
                       .cookie = cookie};
    frame_reader_init(&l->reader, on_frame, l);
    buffer_init(&l->out, LINK_OUT_MOST_BYTES);
    l->keeps = l->gone = take_wire == NULL;
    if (take_wire == NULL || watch_wire(l, take_wire, err))
        return true;
    link_release(l);
    return false;
}

bool link_resume(struct link *l, struct carrier *take_wire, uint64_t theirs, struct error *err)
{
    INVARIANT(l->keeps);
    drop_wire(l); /* the agent knows of its end, and we did not yet */
    if (theirs < l->out_from || theirs > l->out_from + l->out.len) {
        take_wire->close(take_wire);
        return error_set(err, ERROR_PEER,
                         "has %llu bytes of what it was told; %llu to %llu are kept",
                         (unsigned long long)theirs, (unsigned long long)l->out_from,
                         (unsigned long long)(l->out_from + l->out.len));
    }
    l->sent = (size_t)(theirs - l->out_from);
    link_acknowledged(l, theirs);
    frame_reader_restart(&l->reader);
    l->gone = false;
    if (!watch_wire(l, take_wire, err))
        return false;
    loop_again(l->loop, &l->again); /* TLS may hold what epoll knows nothing of */
    return true;
}

void link_acknowledged(struct link *l, uint64_t position)
{
    if (position <= l->out_from || position > l->out_from + l->sent)
        return;
    size_t n = (size_t)(position - l->out_from);
    buffer_consume(&l->out, n);
    l->sent -= n;
    l->out_from = position;
}

uint64_t link_taken(const struct link *l)
{
    return l->reader.taken;
}

void link_close(struct link *l)
{
    l->gone = true;
    l->keeps = false;
    drop_wire(l);
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
    if (!l->keeps && (l->gone || l->wire == NULL)) { /* nobody hears it */
        json_decref(take_json);
        return true;
    }
    if (!control_add(&l->out, kind, take_json, err))
        return false;
    flush_out(l);
    return true;
}
