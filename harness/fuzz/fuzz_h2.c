/* layer: net */

/* Any bytes behind a client's preface, and any bytes of a backend, through a proxy on HTTP/2 with a
 * fault armed: no crash, nothing left over, every call recorded once. Input: which fault (1 byte),
 * how much of the rest is the client's (1 byte, of 256), then the client's bytes and the backend's.
 * The client is a socket pair, the backend real TCP; each input gets a few turns of the loop, then
 * the backend leaves or does not, the fault is disarmed, and the client leaves. */

#include "net/h2_call.h"
#include "net/relay.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNS 6
#define PEERS_MOST 8
#define BACKEND_LEAVES 120 /* a fault byte from here on: the backend goes before the client does \
                            */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bench {
    struct loop *loop;
    struct proxy *proxy;
    struct watch backend;
    int peers[PEERS_MOST];
    size_t peer_count;
    struct bytes answer; /* of the backend's, to whoever comes */
    struct loop_task turn;
    unsigned turns;
};
static struct bench bench;

/* What the armed fault answers, at every moment that it is asked. */
static struct answer answer;
static const struct reply reply = {.status = 503, .body = {(const uint8_t *)"no", 2}};
static const struct reply grpc = {.grpc_status = 15, .in_trailers = true};

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

static void on_turn(struct loop_task *t)
{
    if (++bench.turns < TURNS)
        loop_again(bench.loop, t);
    else
        loop_stop(bench.loop);
}

static void run(void)
{
    struct error err = {0};
    bench.turns = 0;
    bench.turn.run = on_turn;
    loop_again(bench.loop, &bench.turn);
    INVARIANT(loop_run(bench.loop, &err));
}

static void on_accept(struct watch *w, unsigned what)
{
    struct socket_address peer;
    int fd = socket_accept(bench.loop, w->fd, &peer);
    (void)what;
    if (fd < 0)
        return;
    if (bench.peer_count == PEERS_MOST) {
        close(fd);
        return;
    }
    bench.peers[bench.peer_count++] = fd;
    (void)!send(fd, "\0\0\0\4\0\0\0\0\0", 9, MSG_NOSIGNAL);
    (void)!send(fd, bench.answer.at, bench.answer.len, MSG_NOSIGNAL);
}

static void set_up(void)
{
    struct error err = {0};
    int fd = -1;
    uint16_t port = 0;
    static char to[32];
    INVARIANT(loop_new(&bench.loop, &err) && socket_listen("127.0.0.1:0", &fd, &port, &err));
    INVARIANT(loop_watch_add_level(bench.loop, &bench.backend, fd, on_accept, &err));
    snprintf(to, sizeof(to), "127.0.0.1:%u", port);
    struct proxy_endpoint endpoint = {.number = 1, .listen = "127.0.0.1:0", .upstream = to};
    struct proxy_config config = {.service = "fuzz",
                                  .protocol = PROXY_HTTP,
                                  .endpoints = &endpoint,
                                  .endpoint_count = 1,
                                  .seed = 1};
    INVARIANT(proxy_open(bench.loop, NULL, &config, &bench.proxy, &err));
}

static void arm(uint8_t kind)
{
    static const struct answer answers[] = {
        {.act = ACT_PASS, .take = TAKE_ALL},
        {.act = ACT_HOLD, .until_ns = HOLD_FOREVER},
        {.act = ACT_RESPOND, .reply = &reply},
        {.act = ACT_RESPOND, .reply = &grpc},
        {.act = ACT_REPLACE, .reply = &reply, .bytes = {(const uint8_t *)"xyz", 3}},
        {.act = ACT_RESET, .scope = SCOPE_STREAM, .code = NGHTTP2_CANCEL},
        {.act = ACT_RESET, .scope = SCOPE_CONNECTION},
        {.act = ACT_CLOSE, .scope = SCOPE_STREAM},
        {.act = ACT_CLOSE, .scope = SCOPE_CONNECTION},
        {.act = ACT_CLOSE, .scope = SCOPE_UNPROCESSED},
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
    (void)proxy_arm(bench.proxy, 1, chain_new(&slot, 1, 1, NULL), &at_ns);
}

static void end_peers(bool reset)
{
    for (size_t i = 0; i < bench.peer_count; i++) {
        if (reset)
            socket_reset(bench.peers[i]);
        else
            close(bench.peers[i]);
    }
    bench.peer_count = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char start[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    struct error err = {0};
    int ends[2];
    uint64_t at_ns = 0;
    if (size < 2 || size > 64 * 1024)
        return 0;
    if (bench.loop == NULL)
        set_up();
    struct endpoint *e = &bench.proxy->endpoints[0];
    size_t rest = size - 2, client = rest * data[1] / 255;
    bench.answer = (struct bytes){data + 2 + client, rest - client};
    arm(data[0]);
    INVARIANT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    struct conn *c = conn_open(e, ends[0], CONN_CLIENT, relay_on_client, &err);
    INVARIANT(c != NULL);
    accept_begin(c);
    (void)!send(ends[1], start, sizeof(start), MSG_NOSIGNAL);
    (void)!send(ends[1], data + 2, client, MSG_NOSIGNAL);
    run();
    if (data[0] >= BACKEND_LEAVES) {
        end_peers(data[0] % 2 == 0);
        run();
    }
    (void)proxy_arm(bench.proxy, 1, NULL, &at_ns);
    run();
    close(ends[1]);
    run();
    end_peers(true);
    while (e->conns != NULL) { /* those that linger */
        conn_close(e->conns, CONN_BY_US, true);
        loop_settle(bench.loop);
    }
    struct proxy_counts counts = proxy_counts(bench.proxy);
    INVARIANT(counts.calls_active == 0 && counts.calls_begun == counts.records);
    return 0;
}
