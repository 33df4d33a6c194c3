/* layer: net */

/* Bytes of a client and of a backend, in turns, through a proxy on HTTP/1.1 (or raw TCP) with a
 * fault armed: no crash, every call that began is recorded once or active, and nothing is left once
 * both ends are gone. Input: which fault (1 byte), then steps: a byte that says whose (bit 7: the
 * backend's) and how many bytes follow (up to 123), or what happens: 124 FIN, 125 RST, 126 the
 * fault is disarmed, 127 connections drain. The client is a socket pair, the backend real TCP. */

#include "base/clock.h"
#include "net/relay.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNS 3
#define END_NS (2 * NS_PER_S)
#define PEERS_MOST 16
#define SIZE_MOST (16 * 1024)
enum { STEP_FIN = 124, STEP_RST, STEP_DISARM, STEP_DRAIN };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bench {
    struct loop *loop;
    struct proxy *http, *raw, *proxy; /* proxy: which of the two it is now */
    struct watch backend;
    int client, peers[PEERS_MOST];
    size_t peer_count;
    struct loop_task turn;
    unsigned turns;
};
static struct bench bench;

/* What the armed fault answers, at the moment that it is asked. */
static struct answer answer;
static const struct reply reply = {.status = 503, .body = {(const uint8_t *)"no", 2}};
static const struct reply grpc = {.status = 200, .grpc_status = 15, .in_trailers = true};
static const struct reply raw_reply = {.status = 200, .raw = {(const uint8_t *)"HTTP/9 x\n", 9}};
static const struct field edited = {{(const uint8_t *)"x-a", 3}, {(const uint8_t *)"b", 1}};
static const struct reply edit = {.status = 418, .fields = {&edited, 1}};

static struct answer on_head(struct filter_context *at, const struct head_view *seen)
{
    (void)at;
    (void)seen;
    return answer;
}
static struct answer on_data(struct filter_context *at, const struct data_view *seen)
{
    struct answer now = answer;
    (void)at;
    if (seen->offset == 0 && seen->chunk.len > 1) /* the first byte passes */
        return (struct answer){.act = ACT_PASS, .take = 1};
    if (now.act == ACT_REPLACE)
        now.take = TAKE_ALL;
    return now;
}
static struct answer on_end(struct filter_context *at, const struct end_view *seen)
{
    (void)at;
    (void)seen;
    return answer;
}
/* One moment each, by the fault's byte. */
static uint32_t moments(const void *params)
{
    return *(const uint32_t *)params;
}
static const struct stream_filter filter = {
    .on_head = on_head, .on_data = on_data, .on_end = on_end, .moments = moments};

static void check_counts(void)
{
    struct proxy_counts counts = proxy_counts(bench.proxy);
    INVARIANT(counts.calls_begun == counts.records + counts.calls_active);
}

static void on_turn(struct loop_task *t)
{
    if (++bench.turns < TURNS)
        loop_again(bench.loop, t);
    else
        loop_stop(bench.loop);
}

/* So that nothing waits for us to read. */
static void read_all(int fd)
{
    static uint8_t nowhere[4096];
    while (fd >= 0 && recv(fd, nowhere, sizeof(nowhere), MSG_DONTWAIT) > 0)
        continue;
}

static void run(void)
{
    struct error err = {0};
    bench.turns = 0;
    bench.turn.run = on_turn;
    loop_again(bench.loop, &bench.turn);
    INVARIANT(loop_run(bench.loop, &err));
    check_counts();
    read_all(bench.client);
    for (size_t i = 0; i < bench.peer_count; i++)
        read_all(bench.peers[i]);
}

static void on_accept(struct watch *w, unsigned what)
{
    struct socket_address peer;
    int fd = socket_accept(bench.loop, w->fd, &peer);
    (void)what;
    if (fd < 0)
        return;
    if (bench.peer_count == PEERS_MOST)
        close(fd);
    else
        bench.peers[bench.peer_count++] = fd;
}

static struct proxy *open_proxy(enum proxy_protocol protocol, const char *to)
{
    struct error err = {0};
    struct proxy *p = NULL;
    struct proxy_endpoint endpoint = {.number = 1, .listen = "127.0.0.1:0", .upstream = to};
    struct proxy_config config = {.service = "fuzz",
                                  .protocol = protocol,
                                  .endpoints = &endpoint,
                                  .endpoint_count = 1,
                                  .seed = 1};
    INVARIANT(proxy_open(bench.loop, NULL, &config, &p, &err));
    return p;
}

static void set_up(void)
{
    struct error err = {0};
    int fd = -1;
    uint16_t port = 0;
    char to[32];
    INVARIANT(loop_new(&bench.loop, &err) && socket_listen("127.0.0.1:0", &fd, &port, &err));
    INVARIANT(loop_watch_add_level(bench.loop, &bench.backend, fd, on_accept, &err));
    snprintf(to, sizeof(to), "127.0.0.1:%u", port);
    bench.http = open_proxy(PROXY_HTTP1, to);
    bench.raw = open_proxy(PROXY_TCP, to);
}

static void arm(uint8_t kind)
{
    static const struct answer answers[] = {
        {.act = ACT_PASS, .take = TAKE_ALL},
        {.act = ACT_HOLD, .until_ns = HOLD_FOREVER},
        {.act = ACT_RESPOND, .reply = &reply},
        {.act = ACT_RESPOND, .reply = &grpc},
        {.act = ACT_RESPOND, .reply = &raw_reply},
        {.act = ACT_REPLACE, .reply = &edit, .bytes = {(const uint8_t *)"xyz", 3}},
        {.act = ACT_RESET},
        {.act = ACT_CLOSE},
    };
    static const uint32_t when[] = {
        MOMENT_BIT(MOMENT_HEAD, SIDE_REQUEST),  MOMENT_BIT(MOMENT_DATA, SIDE_REQUEST),
        MOMENT_BIT(MOMENT_END, SIDE_REQUEST),   MOMENT_BIT(MOMENT_HEAD, SIDE_RESPONSE),
        MOMENT_BIT(MOMENT_DATA, SIDE_RESPONSE), MOMENT_BIT(MOMENT_END, SIDE_RESPONSE),
    };
    uint64_t at_ns = 0;
    answer = answers[kind % COUNT_OF(answers)];
    struct filter_slot slot = {.filter = &filter,
                               .params = &when[kind / COUNT_OF(answers) % COUNT_OF(when)],
                               .fault = 1,
                               .when = {.share_ppm = 1000000, .expires_ns = UINT64_MAX, .seed = 1}};
    (void)proxy_arm(bench.proxy, 1,
                    kind < COUNT_OF(answers) * COUNT_OF(when) ? chain_new(&slot, 1, 1, NULL) : NULL,
                    &at_ns);
}

static void disarm(void)
{
    uint64_t at_ns = 0;
    (void)proxy_arm(bench.proxy, 1, NULL, &at_ns);
}

static void leave(int *fd, bool reset)
{
    if (*fd < 0)
        return;
    if (reset)
        socket_reset(*fd);
    else
        close(*fd);
    *fd = -1;
}

/* One step of the input; returns the bytes that it took behind its own. */
static size_t step(uint8_t what, struct bytes rest)
{
    int none = -1, *fd = &bench.client;
    if (what >= 128)
        fd = bench.peer_count > 0 ? &bench.peers[bench.peer_count - 1] : &none;
    what &= 127;
    if (what == STEP_FIN && *fd >= 0)
        (void)shutdown(*fd, SHUT_WR);
    else if (what == STEP_RST)
        leave(fd, true);
    else if (what == STEP_DISARM)
        disarm();
    else if (what == STEP_DRAIN)
        proxy_existing(bench.proxy, 1, EXISTING_DRAIN);
    if (what >= STEP_FIN)
        return 0;
    size_t len = what < rest.len ? what : rest.len;
    if (*fd >= 0)
        (void)!send(*fd, rest.at, len, MSG_NOSIGNAL);
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    int ends[2];
    if (size < 2 || size > SIZE_MOST)
        return 0;
    if (bench.loop == NULL)
        set_up();
    bench.proxy = data[0] >= 128 ? bench.raw : bench.http;
    struct endpoint *e = &bench.proxy->endpoints[0];
    arm(data[0] & 127);
    INVARIANT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    struct conn *c = conn_open(e, ends[0], CONN_CLIENT, relay_on_client, &err);
    INVARIANT(c != NULL);
    bench.client = ends[1];
    accept_begin(c);
    run();
    for (size_t at = 1; at < size;) {
        uint8_t what = data[at++];
        at += step(what, (struct bytes){data + at, size - at});
        run();
    }
    disarm();
    run();
    leave(&bench.client, false);
    run();
    for (size_t i = 0; i < bench.peer_count; i++)
        leave(&bench.peers[i], true);
    bench.peer_count = 0;
    uint64_t until_ns = clock_now_ns() + END_NS;
    do {
        run(); /* a cut looks each millisecond whether its bytes have left */
    } while (proxy_counts(bench.proxy).calls_active > 0 && clock_now_ns() < until_ns);
    INVARIANT(proxy_counts(bench.proxy).calls_active == 0); /* nothing hangs */
    while (e->conns != NULL) {                              /* those that linger */
        conn_close(e->conns, CONN_BY_US, true);
        loop_settle(bench.loop);
    }
    check_counts();
    INVARIANT(proxy_counts(bench.proxy).connections == 0);
    return 0;
}
