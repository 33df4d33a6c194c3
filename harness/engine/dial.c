#include "engine/dial.h"

#include "base/clock.h"
#include "engine/protocol.h"
#include "journal/frame.h"
#include "net/socket.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <unistd.h>

#define ANSWER_MOST_BYTES 4096

enum dial_state { DIAL_IDLE, DIAL_CONNECTING, DIAL_SHAKING, DIAL_ANSWER };

struct dial {
    struct loop *loop;
    struct socket_address conductor;
    struct channel_context *context;
    const char *role, *id;
    struct dial_events events;
    void *cookie;
    uint64_t instance, token, until_ns;
    enum dial_state state;
    struct carrier *wire;
    struct watch watch;
    struct hold next_hold, late_hold;
    struct frame_reader reader;
    struct error why; /* of the last attempt */
    bool answered;
};

static void try_now(struct dial *d);

static void drop(struct dial *d)
{
    loop_hold_remove(d->loop, &d->late_hold);
    loop_watch_remove(&d->watch);
    if (d->wire != NULL)
        d->wire->close(d->wire);
    d->wire = NULL;
    d->state = DIAL_IDLE;
}

static void fail(struct dial *d)
{
    struct error why = d->why;
    drop(d);
    d->events.on_failed(d->cookie, &why);
}

static void on_next(struct hold *h, uint64_t now_ns)
{
    (void)now_ns;
    try_now((struct dial *)((char *)h - offsetof(struct dial, next_hold)));
}

/* Another attempt in a while, or none. */
static void again(struct dial *d)
{
    uint64_t at_ns = loop_now_ns(d->loop) + DIAL_AGAIN_NS;
    drop(d);
    if (at_ns >= d->until_ns)
        fail(d);
    else
        loop_hold_add(d->loop, &d->next_hold, at_ns, on_next);
}

static void take_answer(struct dial *d, const json_t *answer)
{
    struct carrier *wire = d->wire;
    uint64_t at = control_number(answer, "at");
    bool stub = control_flag(answer, "stub");
    if (!hello_answer_check(answer, d->token, &d->why)) {
        fail(d);
        return;
    }
    d->token = control_number(answer, "token");
    d->wire = NULL; /* the taker's */
    loop_watch_remove(&d->watch);
    drop(d);
    d->events.on_open(d->cookie, wire, at, stub);
}

static bool on_frame(void *cookie, const struct frame *frame, struct bytes body, struct error *err)
{
    struct dial *d = cookie;
    json_t *answer;
    if (d->answered || frame->kind != CONTROL_HELLO)
        return error_set(err, ERROR_PEER, "the conductor answered HELLO with %s",
                         control_name(frame->kind));
    if (!control_parse(frame->kind, body, FROM_CONDUCTOR, &answer, err))
        return false;
    d->answered = true;
    take_answer(d, answer);
    json_decref(answer);
    return true;
}

/* The answer's head and body, and not a byte more: what follows is the taker's to read. */
static void read_answer(struct dial *d)
{
    while (d->state == DIAL_ANSWER) {
        struct frame head = {0};
        uint8_t bytes[ANSWER_MOST_BYTES];
        size_t have = d->reader.in.len, want = sizeof(head) - have;
        if (have >= sizeof(head)) {
            memcpy(&head, d->reader.in.at, sizeof(head));
            want = sizeof(head) + head.len - have;
        }
        if (head.len > sizeof(bytes)) {
            error_set(&d->why, ERROR_PEER, "the conductor's answer to HELLO has %u bytes",
                      head.len);
            fail(d);
            return;
        }
        want = want > sizeof(bytes) ? sizeof(bytes) : want;
        ssize_t n = d->wire->recv(d->wire, bytes, want);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            error_set(&d->why, ERROR_PEER, "the conductor closed before it answered HELLO");
            again(d);
            return;
        }
        if (!frame_reader_feed(&d->reader, (struct bytes){bytes, (size_t)n}, &d->why)) {
            fail(d);
            return;
        }
    }
}

static bool say_hello(struct dial *d)
{
    struct hello_dialled said = {
        .id = d->id, .instance = d->instance, .took = d->events.took(d->cookie), .token = d->token};
    json_t *hello = hello_make(d->role);
    struct buffer bytes;
    hello_add(hello, &said);
    buffer_init(&bytes, ANSWER_MOST_BYTES);
    bool ok = control_add(&bytes, CONTROL_HELLO, hello, &d->why) &&
              d->wire->send(d->wire, bytes.at, bytes.len) == (ssize_t)bytes.len;
    buffer_release(&bytes);
    if (!ok)
        error_set(&d->why, ERROR_PEER, "the conductor closed before HELLO");
    d->state = DIAL_ANSWER;
    return ok;
}

static void go_on(struct dial *d)
{
    if (d->state == DIAL_CONNECTING) {
        int sys = socket_error(d->loop, d->wire->fd);
        if (sys != 0) {
            error_system(&d->why, sys, "the conductor cannot be reached");
            again(d);
            return;
        }
        d->state = DIAL_SHAKING;
    }
    if (d->state == DIAL_SHAKING) {
        enum channel_step step = channel_step(d->wire, &d->why);
        if (step == CHANNEL_GOES_ON)
            return;
        if (step == CHANNEL_FAILED && d->why.kind == ERROR_PEER) {
            fail(d);
            return;
        }
        if (step == CHANNEL_FAILED || !say_hello(d)) {
            again(d);
            return;
        }
    }
    if (d->state == DIAL_ANSWER)
        read_answer(d);
}

static void on_event(struct watch *w, unsigned what)
{
    struct dial *d = (struct dial *)((char *)w - offsetof(struct dial, watch));
    if (d->state == DIAL_CONNECTING && (what & WATCH_WRITE) == 0 && (what & WATCH_CLOSED) == 0)
        return;
    go_on(d);
}

static void on_late(struct hold *h, uint64_t now_ns)
{
    struct dial *d = (struct dial *)((char *)h - offsetof(struct dial, late_hold));
    (void)now_ns;
    error_set(&d->why, ERROR_PEER, "the conductor did not answer in time");
    again(d);
}

static void try_now(struct dial *d)
{
    int fd;
    d->why = (struct error){0};
    d->answered = false;
    frame_reader_restart(&d->reader);
    if (!socket_dial(&d->conductor, &fd, &d->why)) {
        again(d);
        return;
    }
    d->state = DIAL_CONNECTING;
    d->wire = channel_new(d->context, fd);
    uint64_t late_ns = loop_now_ns(d->loop) + DIAL_WITHIN_NS;
    loop_hold_add(d->loop, &d->late_hold, late_ns < d->until_ns ? late_ns : d->until_ns, on_late);
    if (!loop_watch_add(d->loop, &d->watch, fd, on_event, &d->why))
        again(d);
}

bool dial_new(struct loop *loop, const char *conductor, const struct psk *psk, const char *role,
              const char *id, const struct dial_events *events, void *cookie, struct dial **ret,
              struct error *err)
{
    struct socket_address address;
    uint64_t instance = 0;
    if (!socket_parse(conductor, &address, err))
        return false;
    if (RAND_bytes((unsigned char *)&instance, sizeof(instance)) != 1)
        return error_set(err, ERROR_SYSTEM, "no random bytes for this agent's number");
    struct dial *d = check_alloc_zero(1, sizeof(*d));
    d->loop = loop;
    d->conductor = address;
    d->context = channel_context_new(CHANNEL_AGENT, psk);
    d->role = role;
    d->id = id;
    d->events = *events;
    d->cookie = cookie;
    d->instance = instance >> 2 | 1; /* a number that JSON carries, and never 0 */
    frame_reader_init(&d->reader, on_frame, d);
    *ret = d;
    return true;
}

void dial_start(struct dial *d, uint64_t until_ns)
{
    INVARIANT(d->state == DIAL_IDLE);
    d->until_ns = until_ns;
    loop_hold_remove(d->loop, &d->next_hold);
    loop_hold_add(d->loop, &d->next_hold, loop_now_ns(d->loop), on_next);
}

void dial_stop(struct dial *d)
{
    loop_hold_remove(d->loop, &d->next_hold);
    drop(d);
}

void dial_free(struct dial *d)
{
    if (d == NULL)
        return;
    frame_reader_release(&d->reader);
    channel_context_free(d->context);
    free(d);
}
