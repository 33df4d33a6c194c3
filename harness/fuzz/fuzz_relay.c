/* layer: net */

/* Bytes of a client and of a backend, in turns, through a proxy on HTTP/1.1 (or raw TCP) with a
 * fault armed: no crash, every call that began is recorded once or active, and nothing is left once
 * both ends are gone. Input: which fault (1 byte), then steps: a byte that says whose (bit 7: the
 * backend's) and how many bytes follow (up to 123), or what happens: 124 FIN, 125 RST, 126 the
 * fault is disarmed, 127 connections drain. The client is a socket pair, the backend real TCP. */

#include "base/clock.h"
#include "fuzz/fuzz_fault.h"

#define TURNS 3
#define END_NS (2 * NS_PER_S)
#define SIZE_MOST (16 * 1024)
enum { STEP_FIN = 124, STEP_RST, STEP_DISARM, STEP_DRAIN };

static struct proxy *http, *raw, *proxy; /* proxy: which of the two it is now */
static int client;

static const struct reply grpc = {.status = 200, .grpc_status = 15, .in_trailers = true};
static const struct reply raw_reply = {.status = 200, .raw = {(const uint8_t *)"HTTP/9 x\n", 9}};
static const struct field edited = {{(const uint8_t *)"x-a", 3}, {(const uint8_t *)"b", 1}};
static const struct reply edit = {.status = 418, .fields = {&edited, 1}};
static const struct answer answers[] = {
    {.act = ACT_PASS, .take = TAKE_ALL},
    {.act = ACT_HOLD, .until_ns = HOLD_FOREVER},
    {.act = ACT_RESPOND, .reply = &fuzz_reply},
    {.act = ACT_RESPOND, .reply = &grpc},
    {.act = ACT_RESPOND, .reply = &raw_reply},
    {.act = ACT_REPLACE, .reply = &edit, .bytes = {(const uint8_t *)"xyz", 3}},
    {.act = ACT_RESET},
    {.act = ACT_CLOSE},
};

/* So that nothing waits for us to read. */
static void read_all(int fd)
{
    static uint8_t nowhere[4096];
    while (fd >= 0 && recv(fd, nowhere, sizeof(nowhere), MSG_DONTWAIT) > 0)
        continue;
}

static void run(void)
{
    fuzz_run();
    struct proxy_counts counts = proxy_counts(proxy);
    INVARIANT(counts.calls_begun == counts.records + counts.calls_active);
    read_all(client);
    for (size_t i = 0; i < bench.peer_count; i++)
        read_all(bench.peers[i]);
}

/* One step of the input; returns the bytes that it took behind its own. */
static size_t step(uint8_t what, struct bytes rest)
{
    int none = -1, *fd = &client;
    if (what >= 128)
        fd = bench.peer_count > 0 ? &bench.peers[bench.peer_count - 1] : &none;
    what &= 127;
    if (what == STEP_FIN && *fd >= 0)
        (void)shutdown(*fd, SHUT_WR);
    else if (what == STEP_RST)
        fuzz_leave(fd, true);
    else if (what == STEP_DISARM)
        fuzz_arm(proxy, NULL, NULL);
    else if (what == STEP_DRAIN)
        proxy_existing(proxy, 1, EXISTING_DRAIN);
    if (what >= STEP_FIN)
        return 0;
    size_t len = what < rest.len ? what : rest.len;
    if (*fd >= 0)
        (void)!send(*fd, rest.at, len, MSG_NOSIGNAL);
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > SIZE_MOST)
        return 0;
    if (bench.loop == NULL) {
        fuzz_set_up(TURNS);
        http = fuzz_open_proxy(PROXY_HTTP1);
        raw = fuzz_open_proxy(PROXY_TCP);
    }
    proxy = data[0] >= 128 ? raw : http;
    if (!fuzz_arm_kind(proxy, data[0] & 127, answers, COUNT_OF(answers)))
        fuzz_arm(proxy, NULL, NULL);
    client = fuzz_dial(proxy);
    run();
    for (size_t at = 1; at < size;) {
        uint8_t what = data[at++];
        at += step(what, (struct bytes){data + at, size - at});
        run();
    }
    fuzz_arm(proxy, NULL, NULL);
    run();
    fuzz_leave(&client, false);
    run();
    fuzz_end_peers(true);
    uint64_t until_ns = clock_now_ns() + END_NS;
    do {
        run(); /* a cut looks each millisecond whether its bytes have left */
    } while (proxy_counts(proxy).calls_active > 0 && clock_now_ns() < until_ns);
    INVARIANT(proxy_counts(proxy).calls_active == 0); /* nothing hangs */
    fuzz_finish(proxy);
    return 0;
}
