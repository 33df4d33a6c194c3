/* layer: net */

/* Any bytes behind a client's preface, and any bytes of a backend, through a proxy on HTTP/2 with a
 * fault armed: no crash, nothing left over, every call recorded once. Input: which fault (1 byte),
 * how much of the rest is the client's (1 byte, of 256), then the client's bytes and the backend's.
 * The client is a socket pair, the backend real TCP; each input gets a few turns of the loop, then
 * the backend leaves or does not, the fault is disarmed, and the client leaves. */

#include "fuzz/fuzz_fault.h"
#include "net/h2_call.h"

#define TURNS 6
/* A fault byte from here on: the backend goes before the client does. */
#define BACKEND_LEAVES 120

static const struct answer answers[] = {
    {.act = ACT_PASS, .take = TAKE_ALL},
    {.act = ACT_HOLD, .until_ns = HOLD_FOREVER},
    {.act = ACT_RESPOND, .reply = &fuzz_reply},
    {.act = ACT_RESPOND, .reply = &fuzz_grpc},
    {.act = ACT_REPLACE, .reply = &fuzz_reply, .bytes = {(const uint8_t *)"xyz", 3}},
    {.act = ACT_RESET, .scope = SCOPE_STREAM, .code = NGHTTP2_CANCEL},
    {.act = ACT_RESET, .scope = SCOPE_CONNECTION},
    {.act = ACT_CLOSE, .scope = SCOPE_STREAM},
    {.act = ACT_CLOSE, .scope = SCOPE_CONNECTION},
    {.act = ACT_CLOSE, .scope = SCOPE_UNPROCESSED},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char start[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    static struct proxy *proxy;
    if (size < 2 || size > 64 * 1024)
        return 0;
    if (bench.loop == NULL) {
        fuzz_set_up(TURNS);
        bench.greeting = (struct bytes){(const uint8_t *)"\0\0\0\4\0\0\0\0\0", 9};
        proxy = fuzz_open_proxy(PROXY_HTTP);
    }
    size_t rest = size - 2, said = rest * data[1] / 255;
    bench.answer = (struct bytes){data + 2 + said, rest - said};
    (void)fuzz_arm_kind(proxy, data[0], answers, COUNT_OF(answers));
    int client = fuzz_dial(proxy);
    (void)!send(client, start, sizeof(start), MSG_NOSIGNAL);
    (void)!send(client, data + 2, said, MSG_NOSIGNAL);
    fuzz_run();
    if (data[0] >= BACKEND_LEAVES) {
        fuzz_end_peers(data[0] % 2 == 0);
        fuzz_run();
    }
    fuzz_arm(proxy, NULL, NULL);
    fuzz_run();
    fuzz_leave(&client, false);
    fuzz_run();
    fuzz_end_peers(true);
    fuzz_finish(proxy);
    return 0;
}
