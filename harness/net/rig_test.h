#ifndef NET_RIG_TEST_H
#define NET_RIG_TEST_H

/* What the relay's tests share: a proxy, a backend and clients as plain sockets in one thread and
 * one loop, and the records that came of it. Nothing sleeps: await_* run the loop until it is so
 * (10 s: fail). */

#include "base/clock.h"
#include "net/chain.h"
#include "net/proxy.h"
#include "net/socket.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define RIG_PEERS 160
#ifndef RIG_RECORDS
#define RIG_RECORDS 4096
#endif

#define GET "GET /a?b=1 HTTP/1.1\r\nHost: pay\r\n\r\n"
#define OK5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

struct rig;
struct peer {
    struct watch watch; /* first */
    struct rig *rig;
    struct buffer in;
    bool open, fin, rst;
    bool muted; /* not read: for back-pressure */
    uint64_t fin_ns, first_ns;
};
struct rig {
    struct loop *loop;
    struct recorder *recorder;
    struct proxy *proxy;
    struct watch backend; /* listener */
    char backend_address[32], proxy_address[32];
    struct peer peers[RIG_PEERS];
    size_t peer_count, accepted;
    struct peer *server[RIG_PEERS]; /* backend connections, in order */
    struct attempt_record attempt[RIG_RECORDS];
    size_t attempt_count;
    struct connection_record connection[RIG_RECORDS];
    size_t connection_count;
    struct handshake_record handshake[64];
    size_t handshake_count;
    struct fault_record fault[16];
    size_t fault_count;
    struct world_record world[16];
    size_t world_count;
    struct refusal_record refusal[512]; /* the first ones */
    size_t refusal_count;
    char *name[256]; /* by number, from 1 */
    bool (*until)(struct rig *rig, void *cookie);
    void *until_cookie;
    void (*on_server)(struct peer *p); /* automatic backend */
    bool closing;                      /* who comes now is sent away */
};

static inline void rig_check(struct rig *rig)
{
    if (rig->until != NULL && rig->until(rig, rig->until_cookie))
        loop_stop(rig->loop);
}

static inline void rig_on_peer(struct watch *w, unsigned what)
{
    struct peer *p = (struct peer *)(void *)w;
    uint8_t bytes[65536];
    (void)what;
    ssize_t n = recv(w->fd, bytes, sizeof(bytes), 0);
    struct error err = {0};
    if (n > 0) {
        if (p->in.len == 0)
            p->first_ns = clock_now_ns();
        assert_true(buffer_add(&p->in, bytes, (size_t)n, &err));
        if (p->rig->on_server != NULL)
            p->rig->on_server(p);
    } else if (n == 0 || errno != EAGAIN) {
        p->fin = n == 0;
        p->rst = n < 0;
        p->fin_ns = clock_now_ns();
        loop_watch_remove(w);
    }
    rig_check(p->rig);
}

static inline struct peer *rig_add(struct rig *rig, int fd)
{
    struct error err = {0};
    assert_true(rig->peer_count < RIG_PEERS);
    struct peer *p = &rig->peers[rig->peer_count++];
    *p = (struct peer){.rig = rig, .open = true};
    buffer_init(&p->in, (size_t)64 * 1024 * 1024);
    assert_true(loop_watch_add_level(rig->loop, &p->watch, fd, rig_on_peer, &err));
    return p;
}

static inline void rig_on_accept(struct watch *w, unsigned what)
{
    struct rig *rig = (struct rig *)(void *)((char *)w - offsetof(struct rig, backend));
    struct socket_address peer;
    (void)what;
    int fd = socket_accept(rig->loop, w->fd, &peer);
    if (fd < 0)
        return;
    if (rig->closing) {
        close(fd);
        return;
    }
    rig->server[rig->accepted++] = rig_add(rig, fd);
    rig_check(rig);
}

static inline void rig_on_name(struct rig *rig, struct bytes body)
{
    uint32_t id = 0;
    assert_true(body.len > sizeof(id));
    memcpy(&id, body.at, sizeof(id));
    if (id >= COUNT_OF(rig->name))
        return;
    rig->name[id] = check_alloc_zero(1, body.len - sizeof(id) + 1);
    memcpy(rig->name[id], body.at + sizeof(id), body.len - sizeof(id));
}
static inline bool rig_on_frame(void *cookie, const struct frame *frame, struct bytes body,
                                struct error *err)
{
    struct rig *rig = cookie;
    (void)err;
    if (frame->kind == RECORD_ATTEMPT)
        memcpy(&rig->attempt[rig->attempt_count++], body.at, sizeof(struct attempt_record));
    else if (frame->kind == RECORD_CONNECTION)
        memcpy(&rig->connection[rig->connection_count++], body.at,
               sizeof(struct connection_record));
    else if (frame->kind == RECORD_HANDSHAKE)
        memcpy(&rig->handshake[rig->handshake_count++ % COUNT_OF(rig->handshake)], body.at,
               sizeof(struct handshake_record));
    else if (frame->kind == RECORD_FAULT)
        memcpy(&rig->fault[rig->fault_count++], body.at, sizeof(struct fault_record));
    else if (frame->kind == RECORD_WORLD)
        memcpy(&rig->world[rig->world_count++], body.at, sizeof(struct world_record));
    else if (frame->kind == RECORD_REFUSAL && rig->refusal_count < COUNT_OF(rig->refusal))
        memcpy(&rig->refusal[rig->refusal_count++], body.at, sizeof(struct refusal_record));
    else if (frame->kind == RECORD_NAME)
        rig_on_name(rig, body);
    return rig->attempt_count < RIG_RECORDS && rig->connection_count < RIG_RECORDS;
}

/* Fetches the records so far. */
static inline size_t rig_records(struct rig *rig)
{
    struct buffer bytes;
    struct frame_reader reader;
    struct error err = {0};
    buffer_init(&bytes, (size_t)64 * 1024 * 1024);
    recorder_take(rig->recorder, &bytes);
    frame_reader_init(&reader, rig_on_frame, rig);
    assert_true(frame_reader_feed(&reader, buffer_view(&bytes), &err));
    frame_reader_release(&reader);
    buffer_release(&bytes);
    return rig->attempt_count;
}

static inline void rig_on_timeout(struct hold *h, uint64_t now_ns)
{
    (void)h;
    (void)now_ns;
    fail_msg("waited 10 s in vain");
}

static inline void rig_await(struct rig *rig, bool (*until)(struct rig *rig, void *cookie),
                             void *cookie)
{
    struct error err = {0};
    struct hold timeout = {0};
    if (until(rig, cookie))
        return;
    rig->until = until;
    rig->until_cookie = cookie;
    loop_hold_add(rig->loop, &timeout, clock_now_ns() + 10 * NS_PER_S, rig_on_timeout);
    assert_true(loop_run(rig->loop, &err));
    loop_hold_remove(rig->loop, &timeout);
    rig->until = NULL;
}

/* Conditions that no peer sees are looked at each millisecond. */
struct rig_poll {
    struct hold hold;
    struct rig *rig;
};
static inline void rig_on_poll(struct hold *h, uint64_t now_ns)
{
    struct rig_poll *poll = (struct rig_poll *)(void *)h;
    loop_hold_add(poll->rig->loop, h, now_ns + NS_PER_MS, rig_on_poll);
    rig_check(poll->rig);
}
static inline void rig_await_polling(struct rig *rig, bool (*until)(struct rig *rig, void *cookie),
                                     void *cookie)
{
    struct rig_poll poll = {.rig = rig};
    loop_hold_add(rig->loop, &poll.hold, clock_now_ns() + NS_PER_MS, rig_on_poll);
    rig_await(rig, until, cookie);
    loop_hold_remove(rig->loop, &poll.hold);
}

static inline bool rig_until_accepted(struct rig *rig, void *cookie)
{
    return rig->accepted >= *(size_t *)cookie;
}
static inline bool rig_until_gone(struct rig *rig, void *cookie)
{
    struct peer *p = cookie;
    (void)rig;
    return p->fin || p->rst;
}
struct rig_want {
    struct peer *peer;
    const char *text;
    size_t len;
};
static inline bool rig_until_text(struct rig *rig, void *cookie)
{
    struct rig_want *want = cookie;
    (void)rig;
    if (want->text == NULL)
        return want->peer->in.len >= want->len;
    return want->peer->in.len > 0 &&
           memmem(want->peer->in.at, want->peer->in.len, want->text, want->len) != NULL;
}
static inline bool rig_until_attempts(struct rig *rig, void *cookie)
{
    return rig_records(rig) >= *(size_t *)cookie;
}
static inline bool rig_until_connections(struct rig *rig, void *cookie)
{
    (void)rig_records(rig);
    return rig->connection_count >= *(size_t *)cookie;
}
static inline bool rig_until_time(struct rig *rig, void *cookie)
{
    (void)rig;
    return clock_now_ns() >= *(uint64_t *)cookie;
}

static inline void rig_on_done(void *cookie)
{
    *(bool *)cookie = true;
}
static inline bool rig_until_true(struct rig *rig, void *cookie)
{
    (void)rig;
    return *(bool *)cookie;
}

/* Faults 1 and 2 fired once each. */
static inline bool rig_until_both_fired(struct rig *rig, void *cookie)
{
    (void)cookie;
    return proxy_fired(rig->proxy, 1) == 1 && proxy_fired(rig->proxy, 2) == 1;
}

/* The ${count}-th connection of the proxy to the backend. */
static inline struct peer *await_server(struct rig *rig, size_t count)
{
    rig_await(rig, rig_until_accepted, &count);
    return rig->server[count - 1];
}
static inline void await_text(struct peer *p, const char *text)
{
    struct rig_want want = {p, text, strlen(text)};
    rig_await(p->rig, rig_until_text, &want);
}
static inline void await_bytes(struct peer *p, size_t len)
{
    struct rig_want want = {p, NULL, len};
    rig_await(p->rig, rig_until_text, &want);
}
static inline void await_gone(struct peer *p)
{
    rig_await(p->rig, rig_until_gone, p);
}
static inline struct attempt_record *await_attempt(struct rig *rig, size_t count)
{
    rig_await_polling(rig, rig_until_attempts, &count);
    return &rig->attempt[count - 1];
}
static inline struct connection_record *await_connection(struct rig *rig, size_t count)
{
    rig_await_polling(rig, rig_until_connections, &count);
    return &rig->connection[count - 1];
}
static inline void await_ns(struct rig *rig, uint64_t ns)
{
    uint64_t at_ns = clock_now_ns() + ns;
    rig_await_polling(rig, rig_until_time, &at_ns);
}

static inline struct peer *rig_dial(struct rig *rig)
{
    int fd = -1;
    struct error err = {0};
    assert_true(socket_connect(rig->proxy_address, &fd, &err));
    return rig_add(rig, fd);
}
static inline void say_bytes(struct peer *p, struct bytes b)
{
    while (b.len > 0) {
        ssize_t n = send(p->watch.fd, b.at, b.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            await_ns(p->rig, NS_PER_MS);
            continue;
        }
        assert_true(n > 0);
        b.at += n;
        b.len -= (size_t)n;
    }
}
static inline void say(struct peer *p, const char *text)
{
    say_bytes(p, bytes_of(text));
}
static inline void peer_forget(struct peer *p)
{
    p->in.len = 0;
}
static inline void peer_close(struct peer *p, bool reset)
{
    if (!p->open)
        return;
    p->open = false;
    loop_watch_remove(&p->watch);
    if (reset)
        socket_reset(p->watch.fd);
    else
        close(p->watch.fd);
}
static inline void expect_in(const struct peer *p, const char *text)
{
    if (p->in.len != strlen(text) || memcmp(p->in.at, text, p->in.len) != 0)
        fail_msg("got \"%.*s\" (%zu bytes), wanted \"%s\"", (int)p->in.len, (const char *)p->in.at,
                 p->in.len, text);
}

struct rig_options {
    enum proxy_protocol protocol;
    bool affinity;
    struct tls_context *serves, *dials;
    uint64_t handshake_limit_ns, head_limit_ns;
    uint32_t connections_most;
};
static inline struct rig *rig_open_with(const struct rig_options *options)
{
    struct rig *rig = check_alloc_zero(1, sizeof(*rig));
    struct error err = {0};
    int fd = -1;
    uint16_t port = 0;
    assert_true(loop_new(&rig->loop, &err));
    rig->recorder = recorder_new(-1, 0);
    assert_true(socket_listen("127.0.0.1:0", &fd, &port, &err));
    snprintf(rig->backend_address, sizeof(rig->backend_address), "127.0.0.1:%u", port);
    assert_true(loop_watch_add_level(rig->loop, &rig->backend, fd, rig_on_accept, &err));
    struct proxy_endpoint endpoint = {.number = 1,
                                      .listen = "127.0.0.1:0",
                                      .upstream = rig->backend_address,
                                      .serves = options->serves,
                                      .dials = options->dials};
    struct proxy_config config = {.service = "payments",
                                  .protocol = options->protocol,
                                  .endpoints = &endpoint,
                                  .endpoint_count = 1,
                                  .effect_header = "x-order",
                                  .tags = (const char *const[]){"f1:reset", "all:hold"},
                                  .tag_count = 2,
                                  .affinity_connection = options->affinity,
                                  .handshake_limit_ns = options->handshake_limit_ns,
                                  .head_limit_ns = options->head_limit_ns,
                                  .connections_most = options->connections_most,
                                  .seed = 42};
    if (!proxy_open(rig->loop, rig->recorder, &config, &rig->proxy, &err))
        fail_msg("%s", err.text);
    snprintf(rig->proxy_address, sizeof(rig->proxy_address), "%s", proxy_address(rig->proxy, 1));
    return rig;
}
static inline struct rig *rig_open_as(enum proxy_protocol protocol, bool affinity)
{
    struct rig_options options = {.protocol = protocol, .affinity = affinity};
    return rig_open_with(&options);
}
static inline struct rig *rig_open(void)
{
    return rig_open_as(PROXY_HTTP1, false);
}

/* The reason of the refusal that belongs to ${a}; NULL: none. */
static inline const char *rig_reason(const struct rig *rig, const struct attempt_record *a)
{
    for (size_t i = 0; i < rig->refusal_count; i++) {
        const struct refusal_record *r = &rig->refusal[i];
        bool own = r->stream != 0 ? r->stream == a->stream
                                  : r->sequence == 0 || r->sequence == a->sequence;
        if (r->mesh_conn == a->conn && own)
            return r->reason < COUNT_OF(rig->name) ? rig->name[r->reason] : NULL;
    }
    return NULL;
}
/* That of connection ${conn}; "" when there is none. */
static inline const char *rig_reason_of_conn(const struct rig *rig, uint32_t conn)
{
    for (size_t i = 0; i < rig->refusal_count; i++) {
        if (rig->refusal[i].conn == conn && rig->refusal[i].reason < COUNT_OF(rig->name))
            return rig->name[rig->refusal[i].reason];
    }
    return "";
}
/* Malformed bytes end what they end with a reason (issue 4), whatever they are. */
static inline void rig_expect_reasons(const struct rig *rig)
{
    for (size_t i = 0; i < rig->attempt_count; i++) {
        const struct attempt_record *a = &rig->attempt[i];
        bool bad = a->outcome == OUTCOME_BAD_REQUEST || a->outcome == OUTCOME_BAD_RESPONSE;
        if (bad && rig_reason(rig, a) == NULL)
            fail_msg("attempt %zu, outcome %u: no reason in the journal", i + 1, a->outcome);
    }
}

/* Begun = records + active, and nothing is left. */
static inline void rig_close(struct rig *rig)
{
    struct proxy_counts counts = proxy_counts(rig->proxy);
    assert_int_equal(counts.calls_begun, counts.records + counts.calls_active);
    proxy_free(rig->proxy);
    assert_int_equal(rig_records(rig), counts.calls_begun);
    rig_expect_reasons(rig);
    for (size_t i = 0; i < COUNT_OF(rig->name); i++)
        free(rig->name[i]);
    for (size_t i = 0; i < rig->peer_count; i++) {
        peer_close(&rig->peers[i], false);
        buffer_release(&rig->peers[i].in);
    }
    loop_watch_remove(&rig->backend);
    close(rig->backend.fd);
    recorder_free(rig->recorder);
    loop_free(rig->loop);
    free(rig);
}

#endif
