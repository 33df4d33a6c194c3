#ifndef FUZZ_FUZZ_BENCH_H
#define FUZZ_FUZZ_BENCH_H

/* What the targets that put bytes through a whole proxy have in common: a loop, a backend on real
 * TCP, clients on socket pairs, and what must hold when both ends are gone. */

#include "net/relay.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define FUZZ_PEERS_MOST 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_bench {
    struct loop *loop; /* NULL: not set up yet */
    struct watch backend;
    char backend_address[32];
    int peers[FUZZ_PEERS_MOST]; /* the backend's connections; -1: left */
    size_t peer_count;
    struct bytes greeting, answer; /* the backend says both at once, to whoever comes */
    struct loop_task turn;
    unsigned turns, turn_count;
};
static struct fuzz_bench bench;

static inline void fuzz_on_turn(struct loop_task *t)
{
    if (++bench.turn_count < bench.turns)
        loop_again(bench.loop, t);
    else
        loop_stop(bench.loop);
}

static inline void fuzz_run(void)
{
    bench.turn_count = 0;
    bench.turn.run = fuzz_on_turn;
    loop_again(bench.loop, &bench.turn);
    INVARIANT(loop_run(bench.loop, NULL));
}

static inline void fuzz_on_accept(struct watch *w, unsigned what)
{
    struct socket_address peer;
    int fd = socket_accept(bench.loop, w->fd, &peer);
    (void)what;
    if (fd < 0)
        return;
    if (bench.peer_count == FUZZ_PEERS_MOST) {
        close(fd);
        return;
    }
    bench.peers[bench.peer_count++] = fd;
    (void)!send(fd, bench.greeting.at, bench.greeting.len, MSG_NOSIGNAL);
    (void)!send(fd, bench.answer.at, bench.answer.len, MSG_NOSIGNAL);
}

/* ${turns}: of the loop, at each fuzz_run. */
static inline void fuzz_set_up(unsigned turns)
{
    int fd = -1;
    uint16_t port = 0;
    bench.turns = turns;
    INVARIANT(loop_new(&bench.loop, NULL) && socket_listen("127.0.0.1:0", &fd, &port, NULL));
    INVARIANT(loop_watch_add_level(bench.loop, &bench.backend, fd, fuzz_on_accept, NULL));
    snprintf(bench.backend_address, sizeof(bench.backend_address), "127.0.0.1:%u", port);
}

static inline struct proxy *fuzz_open_proxy(enum proxy_protocol protocol)
{
    struct proxy *p = NULL;
    struct error err = {0};
    struct proxy_endpoint endpoint = {
        .number = 1, .listen = "127.0.0.1:0", .upstream = bench.backend_address};
    struct proxy_config config = {.service = "fuzz",
                                  .protocol = protocol,
                                  .endpoints = &endpoint,
                                  .endpoint_count = 1,
                                  .seed = 1};
    INVARIANT(proxy_open(bench.loop, NULL, &config, &p, &err));
    return p;
}

/* NULL: no fault. */
static inline void fuzz_arm(struct proxy *p, const struct stream_filter *filter, const void *params)
{
    struct filter_slot slot = {.filter = filter,
                               .params = params,
                               .fault = 1,
                               .when = {.share_ppm = 1000000, .expires_ns = UINT64_MAX, .seed = 1}};
    (void)proxy_arm(p, 1, filter == NULL ? NULL : chain_new(&slot, 1, 1, NULL), NULL);
}

/* The client's end of a connection that the proxy has just accepted. */
static inline int fuzz_dial(struct proxy *p)
{
    int ends[2];
    struct error err = {0};
    INVARIANT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    struct conn *c = conn_open(&p->endpoints[0], ends[0], CONN_CLIENT, relay_on_client, &err);
    INVARIANT(c != NULL);
    accept_begin(c);
    return ends[1];
}

static inline void fuzz_leave(int *fd, bool reset)
{
    if (*fd < 0)
        return;
    if (reset)
        socket_reset(*fd);
    else
        close(*fd);
    *fd = -1;
}

static inline void fuzz_end_peers(bool reset)
{
    for (size_t i = 0; i < bench.peer_count; i++)
        fuzz_leave(&bench.peers[i], reset);
    bench.peer_count = 0;
}

/* Both ends are gone: every call was recorded once, and nothing is left. */
static inline void fuzz_finish(struct proxy *p)
{
    struct endpoint *e = &p->endpoints[0];
    while (e->conns != NULL) { /* those that linger */
        conn_close(e->conns, CONN_BY_US, true);
        loop_settle(bench.loop);
    }
    struct proxy_counts counts = proxy_counts(p);
    INVARIANT(counts.calls_active == 0 && counts.calls_begun == counts.records);
    INVARIANT(counts.connections == 0);
}

#endif
