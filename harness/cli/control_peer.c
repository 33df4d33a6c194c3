#include "cli/control_peer.h"

#include "base/clock.h"
#include "cli/control.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_NS (10 * NS_PER_S) /* for a whole line */

struct control_peer {
    struct watch watch;
    struct loop *loop; /* NULL: it has gone */
    const struct control_peer_events *events;
    void *cookie;
    int fd;
    bool watches, dead;
    unsigned requests;
    char in[CONTROL_LINE_MOST];
    size_t in_len;
    struct buffer out;
    struct hold patience;
    struct loop_task gone;
};

static void on_gone(struct loop_task *t)
{
    control_peer_free((struct control_peer *)((char *)t - offsetof(struct control_peer, gone)));
}

static void drop(struct control_peer *p)
{
    if (p->dead)
        return;
    p->dead = true;
    loop_hold_remove(p->loop, &p->patience);
    loop_watch_remove(&p->watch);
    p->events->on_gone(p->cookie, p);
    p->gone.run = on_gone;
    loop_defer(p->loop, &p->gone);
}

static void flush(struct control_peer *p)
{
    while (!p->dead && p->out.len > 0) {
        ssize_t n = send(p->fd, p->out.at, p->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            drop(p);
        if (n <= 0)
            return;
        buffer_consume(&p->out, (size_t)n);
    }
}

static bool add_line(struct buffer *to, const json_t *line)
{
    struct error full = {0};
    char *text = json_dumps(line, JSON_COMPACT);
    bool ok =
        text != NULL && buffer_add(to, text, strlen(text), &full) && buffer_add(to, "\n", 1, &full);
    free(text);
    return ok;
}

void control_peer_send(struct control_peer *p, const json_t *line)
{
    if (p->dead)
        return;
    if (!add_line(&p->out, line)) /* it does not read */
        drop(p);
    flush(p);
}

static void refuse(struct control_peer *p, const char *why)
{
    struct error err = {0};
    error_set(&err, ERROR_INPUT, "%s", why);
    json_t *answer = steer_refuse(&err);
    control_peer_send(p, answer);
    json_decref(answer);
}

static void on_impatient(struct hold *h, uint64_t now_ns)
{
    struct control_peer *p =
        (struct control_peer *)((char *)h - offsetof(struct control_peer, patience));
    (void)now_ns;
    drop(p);
}

static void be_patient(struct control_peer *p)
{
    loop_hold_remove(p->loop, &p->patience);
    if (!p->dead && !p->watches)
        loop_hold_add(p->loop, &p->patience, loop_now_ns(p->loop) + PATIENCE_NS, on_impatient);
}

static void take_line(struct control_peer *p, const char *at, size_t len)
{
    json_t *ask = json_loadb(at, len, JSON_REJECT_DUPLICATES, NULL);
    if (++p->requests > CONTROL_REQUESTS_MOST) {
        refuse(p, "too many requests on one connection");
        drop(p);
    } else if (ask == NULL) {
        refuse(p, "a request is one line of JSON");
        drop(p);
    } else {
        json_t *answer = p->events->on_request(p->cookie, p, ask);
        control_peer_send(p, answer);
        json_decref(answer);
        be_patient(p);
    }
    json_decref(ask);
}

static void take_lines(struct control_peer *p)
{
    char *end;
    while (!p->dead && (end = memchr(p->in, '\n', p->in_len)) != NULL) {
        size_t len = (size_t)(end - p->in) + 1;
        take_line(p, p->in, len - 1);
        p->in_len -= len;
        memmove(p->in, p->in + len, p->in_len);
    }
    if (!p->dead && p->in_len == sizeof(p->in)) {
        refuse(p, "a request has at most 4096 bytes");
        drop(p);
    }
}

static void on_watch(struct watch *w, unsigned what)
{
    struct control_peer *p =
        (struct control_peer *)((char *)w - offsetof(struct control_peer, watch));
    if ((what & WATCH_WRITE) != 0)
        flush(p);
    while (!p->dead) {
        ssize_t n = recv(p->fd, p->in + p->in_len, sizeof(p->in) - p->in_len, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            drop(p);
            return;
        }
        p->in_len += (size_t)n;
        take_lines(p);
    }
}

struct control_peer *control_peer_new(struct loop *loop, int fd,
                                      const struct control_peer_events *events, void *cookie,
                                      struct error *err)
{
    struct control_peer *p = check_alloc_zero(1, sizeof(*p));
    *p = (struct control_peer){.loop = loop, .events = events, .cookie = cookie, .fd = fd};
    buffer_init(&p->out, CONTROL_ANSWER_MOST);
    if (!loop_watch_add(loop, &p->watch, fd, on_watch, err)) {
        control_peer_free(p);
        return NULL;
    }
    be_patient(p);
    return p;
}

void control_peer_watch(struct control_peer *p)
{
    p->watches = true;
}

bool control_peer_watches(const struct control_peer *p)
{
    return p->watches;
}

int control_peer_fd(const struct control_peer *p)
{
    return p->fd;
}

void control_peer_leave_loop(struct control_peer *p)
{
    if (p->dead)
        return;
    flush(p);
    if (!p->watches || p->out.len > 0) { /* half a line, and nobody to send the rest */
        drop(p);
        return;
    }
    loop_hold_remove(p->loop, &p->patience);
    loop_watch_remove(&p->watch);
    p->loop = NULL;
}

void control_peer_free(struct control_peer *p)
{
    close(p->fd);
    buffer_release(&p->out);
    free(p);
}

void control_peer_tell(int fd, const json_t *line)
{
    struct buffer out;
    buffer_init(&out, CONTROL_ANSWER_MOST);
    if (add_line(&out, line) &&
        send(fd, out.at, out.len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)out.len)
        shutdown(fd, SHUT_RDWR); /* half a line is no answer */
    buffer_release(&out);
}
