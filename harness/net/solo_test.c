/* The relay alone, for measuring: `test_net_solo --listen ADDRESS --to ADDRESS [--records on|off]
 * [--protocol http1|tcp|http|http2]`
 * relays for real until SIGTERM, its records written to a socket that a forked child drains (as the
 * conductor would), and prints its address on a line: a profiler may start it so.
 * Without arguments it is a test of itself: one request through such a process. */

#include "base/clock.h"
#include "net/loop.h"
#include "net/proxy.h"
#include "net/socket.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct solo {
    struct loop *loop;
    struct recorder *recorder;
    struct hold tick;
};

static void on_tick(struct hold *h, uint64_t now_ns)
{
    struct solo *s = (struct solo *)(void *)((char *)h - offsetof(struct solo, tick));
    (void)recorder_flush(s->recorder);
    loop_hold_add(s->loop, h, now_ns + 50 * NS_PER_MS, on_tick);
}

static void on_signal(int signo, void *cookie)
{
    struct solo *s = cookie;
    (void)signo;
    loop_stop(s->loop);
}

/* Reads records until end of file; exit status 0 when there were any. */
static void drain(int fd)
{
    static uint8_t bytes[256 * 1024];
    size_t total = 0;
    for (ssize_t n; (n = read(fd, bytes, sizeof(bytes))) > 0;)
        total += (size_t)n;
    _exit(total > 0 ? 0 : 1);
}

static int relay(const char *listen_at, const char *to, enum proxy_protocol protocol, bool records)
{
    struct solo s = {0};
    struct error err = {0};
    struct proxy *proxy = NULL;
    int ends[2] = {-1, -1}, status = 0;
    pid_t child = -1;
    if (records) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
            return 1;
        child = fork();
        if (child == 0) {
            int blocking = dup(ends[1]);
            close(ends[0]);
            close(ends[1]);
            struct pollfd wait = {.fd = blocking, .events = POLLIN};
            (void)poll(&wait, 1, -1);
            drain(blocking);
        }
        close(ends[1]);
        s.recorder = recorder_new(ends[0], 0);
    }
    struct proxy_endpoint endpoint = {.number = 1, .listen = listen_at, .upstream = to};
    struct proxy_config config = {.service = "solo",
                                  .protocol = protocol,
                                  .endpoints = &endpoint,
                                  .endpoint_count = 1,
                                  .seed = 1};
    if (!loop_new(&s.loop, &err) || !loop_signal(s.loop, SIGTERM, on_signal, &s, &err) ||
        !proxy_open(s.loop, s.recorder, &config, &proxy, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    if (records)
        loop_hold_add(s.loop, &s.tick, clock_now_ns() + 50 * NS_PER_MS, on_tick);
    printf("%s\n", proxy_address(proxy, 1));
    fflush(stdout);
    if (!loop_run(s.loop, &err))
        return 1;
    loop_hold_remove(s.loop, &s.tick);
    proxy_free(proxy);
    loop_free(s.loop);
    if (records) {
        (void)recorder_flush(s.recorder);
        recorder_free(s.recorder);
        close(ends[0]);
        waitpid(child, &status, 0);
    }
    return status;
}

static void a_process_of_its_own_relays_and_flushes_at_sigterm(void **state)
{
    (void)state;
    struct error err = {0};
    int backend = -1, out[2], fd = -1, status = 0;
    uint16_t port = 0;
    char to[32], address[64] = {0}, bytes[256];
    struct socket_address peer;
    assert_true(socket_listen("127.0.0.1:0", &backend, &port, &err));
    snprintf(to, sizeof(to), "127.0.0.1:%u", port);
    assert_int_equal(pipe(out), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char self[256];
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        self[n > 0 ? n : 0] = '\0';
        dup2(out[1], 1);
        execl(self, self, "--listen", "127.0.0.1:0", "--to", to, (char *)NULL);
        _exit(127);
    }
    ssize_t n = read(out[0], address, sizeof(address) - 1);
    assert_true(n > 1);
    address[n - 1] = '\0';
    assert_true(socket_connect(address, &fd, &err));
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    assert_int_equal(poll(&wait, 1, 10000), 1);
    assert_int_equal(send(fd, "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
    wait = (struct pollfd){.fd = backend, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 10000), 1);
    struct loop *counting = NULL;
    assert_true(loop_new(&counting, &err));
    int server = socket_accept(counting, backend, &peer);
    loop_free(counting);
    wait = (struct pollfd){.fd = server, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 10000), 1);
    assert_int_equal(recv(server, bytes, sizeof(bytes), 0), 18);
    assert_int_equal(send(server, "HTTP/1.1 204 No\r\n\r\n", 19, 0), 19);
    wait = (struct pollfd){.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 10000), 1);
    assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), 19);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0); /* and its child had records to read */
    close(fd);
    close(server);
    close(backend);
    close(out[0]);
    close(out[1]);
}

static enum proxy_protocol protocol_of(const char *word)
{
    static const char *const words[] = {[PROXY_HTTP1] = "http1",
                                        [PROXY_TCP] = "tcp",
                                        [PROXY_HTTP] = "http",
                                        [PROXY_HTTP2] = "http2"};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(words[i], word) == 0)
            return (enum proxy_protocol)i;
    }
    return PROXY_HTTP1;
}

int main(int argc, char **argv)
{
    enum proxy_protocol protocol = PROXY_HTTP1;
    const char *listen_at = NULL, *to = NULL;
    bool records = true;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--listen") == 0)
            listen_at = argv[i + 1];
        else if (strcmp(argv[i], "--to") == 0)
            to = argv[i + 1];
        else if (strcmp(argv[i], "--protocol") == 0)
            protocol = protocol_of(argv[i + 1]);
        else if (strcmp(argv[i], "--records") == 0)
            records = strcmp(argv[i + 1], "off") != 0;
    }
    if (listen_at != NULL && to != NULL)
        return relay(listen_at, to, protocol, records);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_of_its_own_relays_and_flushes_at_sigterm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
