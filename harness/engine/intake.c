#include "engine/intake.h"

#include "base/clock.h"
#include "engine/protocol.h"
#include "journal/frame.h"
#include "net/acceptor.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* Ways to be turned away, each told once. */
enum turned { TURNED_TLS, TURNED_SLOW, TURNED_CROWD, TURNED_NONSENSE, TURNED_HELLO, TURNED_KINDS };

struct guest {
    struct intake *intake;
    struct guest *next, *before; /* oldest first */
    struct carrier *wire;
    struct watch watch;
    struct hold late_hold;
    struct loop_task gone; /* frees it, at the end of its turn */
    struct frame_reader reader;
    char peer[64];
    bool open, over;
    bool handed_on; /* its wire is somebody else's */
};
struct intake {
    struct loop *loop;
    struct acceptor acceptor;
    struct channel_context *context;
    struct intake_events events;
    void *cookie;
    uint64_t token, within_ns, refused;
    struct guest *oldest, *newest;
    size_t count;
    bool told[TURNED_KINDS];
};

static void on_gone(struct loop_task *t)
{
    struct guest *g = (struct guest *)((char *)t - offsetof(struct guest, gone));
    frame_reader_release(&g->reader);
    free(g);
}

static void end(struct guest *g)
{
    struct intake *i = g->intake;
    if (g->over)
        return;
    g->over = true;
    *(g->before == NULL ? &i->oldest : &g->before->next) = g->next;
    *(g->next == NULL ? &i->newest : &g->next->before) = g->before;
    i->count--;
    acceptor_left(&i->acceptor);
    loop_hold_remove(i->loop, &g->late_hold);
    loop_watch_remove(&g->watch);
    if (!g->handed_on)
        g->wire->close(g->wire);
    loop_defer(i->loop, &g->gone);
}

static void refuse(struct guest *g, enum turned how, const char *why)
{
    struct intake *i = g->intake;
    char line[400];
    i->refused++;
    if (!i->told[how]) {
        i->told[how] = true;
        snprintf(line, sizeof(line), "a connection from %s was refused: %s", g->peer, why);
        record_clean_text(line, strlen(line));
        i->events.on_refused(i->cookie, line);
    }
    end(g);
}

static bool send_answer(struct carrier *wire, json_t *take_body, struct error *err)
{
    struct buffer bytes;
    buffer_init(&bytes, INTAKE_HELLO_MOST_BYTES);
    bool ok = control_add(&bytes, CONTROL_HELLO, take_body, err);
    /* The first bytes of a connection that is open: they fit, or it is broken. */
    ok = ok && (wire->send(wire, bytes.at, bytes.len) == (ssize_t)bytes.len ||
                error_set(err, ERROR_PEER, "the agent is gone before it was answered"));
    buffer_release(&bytes);
    return ok;
}

bool intake_answer(const struct intake *i, struct carrier *wire, uint64_t at, bool stub,
                   struct error *err)
{
    return send_answer(
        wire,
        json_pack("{sI sI sb}", "at", (json_int_t)at, "token", (json_int_t)i->token, "stub", stub),
        err);
}

static bool take_hello(struct guest *g, const json_t *hello, struct error *err)
{
    struct intake *i = g->intake;
    loop_watch_remove(&g->watch); /* the next edge is its taker's */
    g->handed_on = hello_check_dialled(hello, i->token, err) &&
                   i->events.on_hello(i->cookie, hello, g->wire, err);
    return g->handed_on;
}

static bool on_frame(void *cookie, const struct frame *frame, struct bytes body, struct error *err)
{
    struct guest *g = cookie;
    json_t *hello;
    if (g->over)
        return error_set(err, ERROR_PEER, "more than a HELLO");
    if (frame->kind != CONTROL_HELLO || body.len > INTAKE_HELLO_MOST_BYTES)
        return error_set(err, ERROR_PEER, "no HELLO, but %zu bytes of kind %u", body.len,
                         frame->kind);
    if (!control_parse(frame->kind, body, FROM_AGENT, &hello, err))
        return false;
    struct error why = {0};
    struct error unsent = {0};
    if (take_hello(g, hello, &why)) {
        end(g);
    } else {
        if (!send_answer(
                g->wire,
                json_pack("{sI ss}", "token", (json_int_t)g->intake->token, "refused", why.text),
                &unsent))
            error_prefix(&why, "(%s) ", unsent.text);
        refuse(g, TURNED_HELLO, why.text);
    }
    json_decref(hello);
    return true;
}

static void read_hello(struct guest *g)
{
    uint8_t bytes[INTAKE_HELLO_MOST_BYTES];
    struct error err = {0};
    while (!g->over) {
        ssize_t n = g->wire->recv(g->wire, bytes, sizeof(bytes));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            refuse(g, TURNED_NONSENSE, "it closed before its HELLO");
            return;
        }
        if (!frame_reader_feed(&g->reader, (struct bytes){bytes, (size_t)n}, &err) && !g->over) {
            refuse(g, TURNED_NONSENSE, err.text);
            return;
        }
        if (!g->over && g->reader.in.len > INTAKE_HELLO_MOST_BYTES) {
            refuse(g, TURNED_NONSENSE, "its HELLO is longer than any");
            return;
        }
    }
}

static void on_event(struct watch *w, unsigned what)
{
    struct guest *g = (struct guest *)((char *)w - offsetof(struct guest, watch));
    struct error err = {0};
    (void)what;
    if (g->over)
        return;
    if (!g->open) {
        enum channel_step step = channel_step(g->wire, &err);
        if (step == CHANNEL_FAILED)
            refuse(g, TURNED_TLS, err.text);
        g->open = step == CHANNEL_OPEN;
    }
    if (g->open && !g->over)
        read_hello(g);
}

static void on_late(struct hold *h, uint64_t now_ns)
{
    struct guest *g = (struct guest *)((char *)h - offsetof(struct guest, late_hold));
    (void)now_ns;
    on_event(&g->watch, 0); /* after a stall of our own: what has come meanwhile counts */
    if (g->over)
        return;
    refuse(g, TURNED_SLOW,
           g->open ? "it said no HELLO in time" : "its TLS handshake took too long");
}

static void on_accept(void *cookie, int fd, const struct socket_address *peer)
{
    struct intake *i = cookie;
    struct error err = {0};
    if (i->count >= INTAKE_PENDING_MOST)
        refuse(i->oldest, TURNED_CROWD, "too many others were shaking hands");
    struct guest *g = check_alloc_zero(1, sizeof(*g));
    g->intake = i;
    g->gone.run = on_gone;
    g->wire = channel_new(i->context, fd);
    socket_print(peer, g->peer, sizeof(g->peer));
    frame_reader_init(&g->reader, on_frame, g);
    g->before = i->newest;
    *(i->newest == NULL ? &i->oldest : &i->newest->next) = g;
    i->newest = g;
    i->count++;
    loop_hold_add(i->loop, &g->late_hold, loop_now_ns(i->loop) + i->within_ns, on_late);
    if (!loop_watch_add(i->loop, &g->watch, fd, on_event, &err))
        refuse(g, TURNED_NONSENSE, err.text);
}

bool intake_open(struct loop *loop, const struct intake_config *config, struct intake **ret,
                 struct error *err)
{
    struct intake *i = check_alloc_zero(1, sizeof(*i));
    i->loop = loop;
    i->token = config->token;
    i->within_ns = config->within_ns == 0 ? INTAKE_WITHIN_NS : config->within_ns;
    i->events = config->events;
    i->cookie = config->cookie;
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
    i->context = channel_context_new(CHANNEL_CONDUCTOR, config->psk);
    /* More than may shake hands: the oldest of those makes room, and none waits in the kernel. */
    if (acceptor_open(&i->acceptor, loop, config->listen, (size_t)2 * INTAKE_PENDING_MOST,
                      on_accept, i, err)) {
        *ret = i;
        return true;
    }
    error_prefix(err, "listening for agents: ");
    channel_context_free(i->context);
    free(i);
    return false;
}

const char *intake_address(const struct intake *i)
{
    return i->acceptor.address;
}

uint64_t intake_refused(const struct intake *i)
{
    return i->refused;
}

void intake_close(struct intake *i)
{
    if (i == NULL)
        return;
    while (i->oldest != NULL)
        end(i->oldest);
    acceptor_close(&i->acceptor);
    loop_settle(i->loop);
}

void intake_free(struct intake *i)
{
    if (i == NULL)
        return;
    channel_context_free(i->context);
    free(i);
}
