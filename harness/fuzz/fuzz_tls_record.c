/* layer: net */

/* Any bytes of a client and of a backend through a raw proxy that looks at TLS handshakes, with a
 * fault at one of their messages or none: no crash, nothing left over, every call recorded once,
 * and without a fault the backend gets exactly the client's bytes. Input: the fault (1 byte), how
 * much of the rest is the client's (1 byte, of 256), then the client's bytes and the backend's. The
 * parser alone sees the client's bytes too, as each kind of thing that it reads. */

#include "net/relay.h"
#include "net/tls_record.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNS 6
#define PEERS_MOST 4
#define NO_FAULT 128 /* a fault byte from here on */

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
static struct answer answer;
static enum tls_message message;

static struct answer on_handshake(struct filter_context *at, const struct handshake_view *seen)
{
    (void)at;
    INVARIANT(seen->message < TLS_MESSAGES && !seen->terminated);
    return seen->message == message ? answer : ANSWER_PASS;
}
static uint32_t moments(const void *params)
{
    (void)params;
    return MOMENT_BIT(MOMENT_HANDSHAKE, SIDE_REQUEST);
}
static const struct stream_filter filter = {.on_handshake = on_handshake, .moments = moments};

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
                                  .protocol = PROXY_TCP,
                                  .endpoints = &endpoint,
                                  .endpoint_count = 1,
                                  .seed = 1};
    INVARIANT(proxy_open(bench.loop, NULL, &config, &bench.proxy, &err));
}

static void arm(uint8_t kind)
{
    static const struct answer answers[] = {
        {.act = ACT_PASS},
        {.act = ACT_HOLD, .until_ns = HOLD_FOREVER},
        {.act = ACT_HOLD, .until_ns = 1},
        {.act = ACT_CLOSE},
        {.act = ACT_CLOSE, .code = 49},
        {.act = ACT_RESET},
        {.act = ACT_REPLACE, .code = 1},
    };
    uint64_t at_ns = 0;
    answer = answers[kind % COUNT_OF(answers)];
    message = (enum tls_message)(kind / COUNT_OF(answers) % TLS_MESSAGES);
    struct filter_slot slot = {.filter = &filter,
                               .fault = 1,
                               .when = {.share_ppm = 1000000, .expires_ns = UINT64_MAX, .seed = 1}};
    struct filter_chain *chain = kind >= NO_FAULT ? NULL : chain_new(&slot, 1, 1, NULL);
    (void)proxy_arm(bench.proxy, 1, chain, &at_ns);
}

static void parse_alone(struct bytes in)
{
    struct tls_record record;
    struct tls_hello hello;
    struct bytes body;
    uint8_t type = 0;
    size_t len = 0;
    (void)tls_hello_parse(in, true, &hello);
    (void)tls_hello_parse(in, false, &hello);
    while (tls_record_parse(in, &record) == TLS_RECORD_WHOLE) {
        INVARIANT(record.len <= in.len && record.body.len < record.len);
        struct bytes rest = record.body;
        while (tls_message_parse(rest, &type, &body, &len)) {
            INVARIANT(len <= rest.len);
            if (tls_hello_parse(body, true, &hello) && hello.sni.at != NULL)
                INVARIANT(hello.sni.at >= body.at &&
                          hello.sni.at + hello.sni.len <= body.at + body.len);
            rest = (struct bytes){rest.at + len, rest.len - len};
        }
        in = (struct bytes){in.at + record.len, in.len - record.len};
    }
}

/* What the backend has got is what the client said, as far as it came. */
static void check_untouched(struct bytes said)
{
    uint8_t got[4096];
    size_t at = 0;
    ssize_t n;
    while (bench.peer_count > 0 && (n = recv(bench.peers[0], got, sizeof(got), MSG_DONTWAIT)) > 0) {
        INVARIANT(at + (size_t)n <= said.len && memcmp(got, said.at + at, (size_t)n) == 0);
        at += (size_t)n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    int ends[2];
    uint64_t at_ns = 0;
    if (size < 2 || size > 64 * 1024)
        return 0;
    if (bench.loop == NULL)
        set_up();
    struct endpoint *e = &bench.proxy->endpoints[0];
    size_t rest = size - 2, client = rest * data[1] / 255;
    struct bytes said = {data + 2, client};
    bench.answer = (struct bytes){data + 2 + client, rest - client};
    parse_alone(said);
    arm(data[0]);
    INVARIANT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    struct conn *c = conn_open(e, ends[0], CONN_CLIENT, relay_on_client, &err);
    INVARIANT(c != NULL);
    accept_begin(c);
    (void)!send(ends[1], said.at, client / 2, MSG_NOSIGNAL);
    run();
    (void)!send(ends[1], said.at + client / 2, client - client / 2, MSG_NOSIGNAL);
    run();
    if (client < 4 || memcmp(said.at, "MP1 ", 4) != 0) /* that line is taken out */
        check_untouched(said);
    (void)proxy_arm(bench.proxy, 1, NULL, &at_ns);
    run();
    close(ends[1]);
    run();
    for (size_t i = 0; i < bench.peer_count; i++)
        socket_reset(bench.peers[i]);
    bench.peer_count = 0;
    run();
    while (e->calls != NULL) /* an RST waits for what was promised */
        run();
    while (e->conns != NULL) { /* those that linger */
        conn_close(e->conns, CONN_BY_US, true);
        loop_settle(bench.loop);
    }
    struct proxy_counts counts = proxy_counts(bench.proxy);
    INVARIANT(counts.calls_active == 0 && counts.calls_begun == counts.records);
    return 0;
}
