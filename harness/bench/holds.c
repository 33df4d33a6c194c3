/* An open-loop client for delays, a program of the bench and of no layer:
 *
 *   holds PORT CONNECTIONS PER_SECOND HOLD_US SECONDS
 *
 * sends GET /1k on the next free of its keep-alive connections at each 1/PER_SECOND s, and says in
 * JSON by how much the first bytes missed HOLD_US (microseconds, either way), and how many came
 * early. wrk cannot: it is a closed loop and its timers are milliseconds. The clock is read before
 * send and after recv; a timerfd at absolute times, no slack. Its own wait for a core is in its
 * figures: it is told too, and is the same for all that it measures. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

struct line {
    int fd;
    uint64_t sent_ns; /* 0: free */
    size_t got;
};
struct client {
    struct line *lines;
    uint32_t *free;
    size_t line_count, free_count;
    uint64_t hold_ns;
    int64_t *off_ns;
    size_t off_count, off_most;
    size_t sent, skipped, early, broken;
};

static const char request[] = "GET /1k HTTP/1.1\r\nHost: bench\r\n\r\n";

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint64_t waited_ns(void)
{
    unsigned long long ran, waited = 0;
    FILE *f = fopen("/proc/self/schedstat", "r");
    if (f == NULL || fscanf(f, "%llu %llu", &ran, &waited) != 2)
        waited = 0;
    if (f != NULL)
        fclose(f);
    return waited;
}

static void die(const char *what)
{
    fprintf(stderr, "holds: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void dial(struct client *c, size_t i, int epoll, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = i + 1};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll_ctl");
    c->lines[i].fd = fd;
    c->free[c->free_count++] = (uint32_t)i;
}

static void ask(struct client *c)
{
    if (c->free_count == 0) {
        c->skipped++;
        return;
    }
    uint32_t i = c->free[--c->free_count];
    struct line *line = &c->lines[i];
    line->got = 0;
    line->sent_ns = now_ns();
    c->sent++;
    if (send(line->fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(request) - 1)
        c->broken++;
}

/* The answer's end is by count: head and 1024 bytes are read until nothing is left. */
static void take(struct client *c, size_t i, int epoll)
{
    static char bytes[65536];
    struct line *line = &c->lines[i];
    ssize_t n = recv(line->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    uint64_t at_ns = now_ns();
    if (n <= 0) {
        if (n < 0 && errno == EAGAIN)
            return;
        c->broken++;
        epoll_ctl(epoll, EPOLL_CTL_DEL, line->fd, NULL);
        return;
    }
    if (line->sent_ns != 0 && line->got == 0 && c->off_count < c->off_most) {
        int64_t late = (int64_t)(at_ns - line->sent_ns) - (int64_t)c->hold_ns;
        c->off_ns[c->off_count++] = late < 0 ? -late : late;
        c->early += late < 0;
    }
    line->got += (size_t)n;
    if (line->sent_ns != 0 && line->got > 1024) {
        line->sent_ns = 0;
        c->free[c->free_count++] = (uint32_t)i;
    }
}

static void run(struct client *c, int epoll, int timer, uint64_t step_ns, uint64_t span_ns)
{
    struct epoll_event events[256];
    uint64_t due_ns = now_ns() + 10000000, end_ns = due_ns + span_ns;
    uint64_t last_ns = end_ns + c->hold_ns + 2 * NS_PER_S;
    for (;;) {
        uint64_t next_ns = due_ns < end_ns ? due_ns : last_ns, ticks;
        struct itimerspec at = {.it_value = {.tv_sec = (time_t)(next_ns / NS_PER_S),
                                             .tv_nsec = (long)(next_ns % NS_PER_S)}};
        timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
        int n = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.u64 == 0)
                (void)!read(timer, &ticks, sizeof(ticks));
            else
                take(c, events[i].data.u64 - 1, epoll);
        }
        uint64_t t = now_ns();
        while (due_ns <= t && due_ns < end_ns) {
            ask(c);
            due_ns += step_ns;
        }
        if (due_ns >= end_ns && (t >= last_ns || c->free_count + c->broken >= c->line_count))
            return;
    }
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double rank_us(const struct client *c, double share)
{
    return c->off_count == 0
               ? 0
               : (double)c->off_ns[(size_t)(share * (double)(c->off_count - 1))] / 1e3;
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: holds PORT CONNECTIONS PER_SECOND HOLD_US SECONDS\n");
        return 64;
    }
    struct rlimit files;
    double per_second = strtod(argv[3], NULL), seconds = strtod(argv[5], NULL);
    struct client c = {.line_count = strtoul(argv[2], NULL, 10),
                       .hold_ns = strtoul(argv[4], NULL, 10) * 1000,
                       .off_most = (size_t)(per_second * seconds) + 1000};
    c.lines = calloc(c.line_count, sizeof(*c.lines));
    c.free = calloc(c.line_count, sizeof(*c.free));
    c.off_ns = calloc(c.off_most, sizeof(*c.off_ns));
    if (c.lines == NULL || c.free == NULL || c.off_ns == NULL)
        die("calloc");
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    prctl(PR_SET_TIMERSLACK, 1);
    int epoll = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0};
    if (epoll < 0 || timer < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event) != 0)
        die("timerfd");
    for (size_t i = 0; i < c.line_count; i++)
        dial(&c, i, epoll, (uint16_t)strtoul(argv[1], NULL, 10));
    uint64_t waited = waited_ns(), from = now_ns();
    run(&c, epoll, timer, (uint64_t)(1e9 / per_second), (uint64_t)(seconds * 1e9));
    uint64_t wall = now_ns() - from;
    qsort(c.off_ns, c.off_count, sizeof(*c.off_ns), by_size);
    printf("{\"sent\": %zu, \"answered\": %zu, \"skipped\": %zu, \"broken\": %zu, \"early\": %zu, "
           "\"p10\": %.1f, \"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"most\": %.1f, "
           "\"run_delay\": %.4f}\n",
           c.sent, c.off_count, c.skipped, c.broken, c.early, rank_us(&c, 0.1), rank_us(&c, 0.5),
           rank_us(&c, 0.9), rank_us(&c, 0.99), rank_us(&c, 1),
           (double)(waited_ns() - waited) / (double)wall);
    return 0;
}
