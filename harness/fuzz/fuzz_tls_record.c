/* layer: net */

/* Any bytes of a client and of a backend through a raw proxy that looks at TLS handshakes, with a
 * fault at one of their messages or none: no crash, nothing left over, every call recorded once,
 * and without a fault the backend gets exactly the client's bytes. Input: the fault (1 byte), how
 * much of the rest is the client's (1 byte, of 256), then the client's bytes and the backend's. The
 * parser alone sees the client's bytes too, as each kind of thing that it reads. */

#include "fuzz/fuzz_bench.h"
#include "net/tls_record.h"

#define TURNS 6
#define NO_FAULT 128 /* a fault byte from here on */

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

static void arm(struct proxy *p, uint8_t kind)
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
    answer = answers[kind % COUNT_OF(answers)];
    message = (enum tls_message)(kind / COUNT_OF(answers) % TLS_MESSAGES);
    fuzz_arm(p, kind >= NO_FAULT ? NULL : &filter, NULL);
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
    static struct proxy *proxy;
    if (size < 2 || size > 64 * 1024)
        return 0;
    if (bench.loop == NULL) {
        fuzz_set_up(TURNS);
        proxy = fuzz_open_proxy(PROXY_TCP);
    }
    size_t rest = size - 2, len = rest * data[1] / 255;
    struct bytes said = {data + 2, len};
    bench.answer = (struct bytes){data + 2 + len, rest - len};
    parse_alone(said);
    arm(proxy, data[0]);
    int client = fuzz_dial(proxy);
    (void)!send(client, said.at, len / 2, MSG_NOSIGNAL);
    fuzz_run();
    (void)!send(client, said.at + len / 2, len - len / 2, MSG_NOSIGNAL);
    fuzz_run();
    if (len < 4 || memcmp(said.at, "MP1 ", 4) != 0) /* that line is taken out */
        check_untouched(said);
    fuzz_arm(proxy, NULL, NULL);
    fuzz_run();
    fuzz_leave(&client, false);
    fuzz_run();
    fuzz_end_peers(true);
    fuzz_run();
    while (proxy_counts(proxy).calls_active > 0) /* an RST waits for what was promised */
        fuzz_run();
    fuzz_finish(proxy);
    return 0;
}
