#include "cli/teller.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/fds.h"
#include "cli/post.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EACH_WITHIN_NS (5 * NS_PER_S)
#define FAILED_IN_A_ROW 3 /* whoever is away is not asked for ever */

/* What the child sends back at its end. */
struct tally {
    uint32_t failed;
    char first[256];
};

static bool read_line(FILE *from, char *to, size_t size)
{
    if (fgets(to, (int)size, from) == NULL)
        return false;
    size_t len = strlen(to);
    if (len > 0 && to[len - 1] == '\n')
        to[len - 1] = '\0';
    return true;
}

/* Whom the child tells, and how. */
struct address {
    const struct notify_plan *to;
    struct post_target target;          /* of a URL */
    const struct event_target *cluster; /* else */
    struct event_post *events;
};

static bool tell_one(struct address *a, const char *body, struct error *err)
{
    const struct notify_plan *to = a->to;
    if (to->kind == NOTIFY_KUBERNETES_EVENT)
        return (a->events != NULL || event_post_open(a->cluster, &a->events, err)) &&
               event_post_send(a->events, body, err);
    const char *token = to->token != NULL ? getenv(to->token) : NULL;
    size_t path = strlen(a->target.path);
    const char *suffix = to->kind != NOTIFY_GRAFANA                    ? ""
                         : path > 0 && a->target.path[path - 1] == '/' ? "api/annotations"
                                                                       : "/api/annotations";
    return post_json(&a->target, suffix, token, body, EACH_WITHIN_NS, err);
}

static void tell_all(struct address *a, FILE *from, struct tally *tally)
{
    char body[TELLER_MOST + 2];
    unsigned row = 0;
    while (read_line(from, body, sizeof(body))) {
        struct error err = {0};
        if (row < FAILED_IN_A_ROW && tell_one(a, body, &err)) {
            row = 0;
            continue;
        }
        row += row < FAILED_IN_A_ROW;
        if (tally->failed++ == 0)
            snprintf(tally->first, sizeof(tally->first), "%s", err.text);
    }
}

/* The run's own end is by the pipe: a signal to the whole group is not for us. */
static void child(struct address *a, int in, int out)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGUSR1, SIGTSTP};
    struct tally tally = {0};
    for (size_t i = 0; i < COUNT_OF(ignored); i++)
        signal(ignored[i], SIG_IGN);
    fds_close_others(in, out); /* the run's sockets and files are not ours to keep open */
    FILE *from = fdopen(in, "r");
    if (from != NULL)
        tell_all(a, from, &tally);
    if (write(out, &tally, sizeof(tally)) != sizeof(tally))
        _exit(1);
    _exit(0);
}

static bool find_target(struct address *a, struct error *err)
{
    const struct notify_plan *to = a->to;
    if (to->kind == NOTIFY_KUBERNETES_EVENT)
        return a->cluster != NULL || error_set(err, ERROR_INPUT, "is for --on kubernetes");
    const char *url = to->kind == NOTIFY_SLACK ? getenv(to->url_from) : to->url;
    if (to->token != NULL && getenv(to->token) == NULL)
        return error_set(err, ERROR_INPUT, "%.60s is not set", to->token);
    if (url == NULL || url[0] == '\0')
        return error_set(err, ERROR_INPUT, "%.60s is not set", to->url_from);
    if (post_parse(url, &a->target, err))
        return true;
    error_prefix(err, "%.60s: ", to->kind == NOTIFY_SLACK ? to->url_from : "url");
    return false;
}

bool teller_open(struct teller *t, const struct notify_plan *to, const struct event_target *cluster,
                 struct error *err)
{
    struct address address = {.to = to, .cluster = cluster};
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    *t = (struct teller){.to = to, .in = -1, .out = -1};
    if (!find_target(&address, err))
        return false;
    bool ok = pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 &&
              fcntl(in[1], F_SETFL, O_NONBLOCK) == 0;
    t->pid = ok ? fork() : -1;
    if (t->pid == 0) {
        child(&address, in[0], out[1]);
    }
    if (t->pid < 0)
        error_system(err, errno, "a process to tell it");
    for (size_t i = 0; i < 2; i++) {
        int keep = i == 0 ? in[1] : out[0], drop = i == 0 ? in[0] : out[1];
        if (drop >= 0)
            close(drop);
        if (t->pid < 0 && keep >= 0)
            close(keep);
    }
    if (t->pid < 0)
        return false;
    t->in = in[1];
    t->out = out[0];
    return true;
}

void teller_send(struct teller *t, const char *body)
{
    char line[TELLER_MOST + 1];
    size_t len = strlen(body);
    if (t->in < 0)
        return;
    /* At most PIPE_BUF: all of it or nothing. */
    bool fits = len < TELLER_MOST;
    if (fits) {
        memcpy(line, body, len);
        line[len] = '\n';
    }
    if (fits && write(t->in, line, len + 1) == (ssize_t)len + 1)
        t->sent++;
    else
        t->missed++;
}

static bool read_tally(const struct teller *t, uint64_t until_ns, struct tally *ret)
{
    uint64_t now_ns = clock_now_ns();
    struct pollfd ready = {.fd = t->out, .events = POLLIN};
    int left_ms = now_ns < until_ns ? (int)((until_ns - now_ns) / NS_PER_MS) + 1 : 0;
    int n;
    do
        n = poll(&ready, 1, left_ms);
    while (n < 0 && errno == EINTR && clock_now_ns() < until_ns);
    return n == 1 && read(t->out, ret, sizeof(*ret)) == sizeof(*ret);
}

void teller_finish(struct teller *t)
{
    if (t->in >= 0)
        close(t->in);
    t->in = -1;
}

bool teller_close(struct teller *t, uint64_t until_ns, struct error *err)
{
    struct tally tally = {0};
    bool told = read_tally(t, until_ns, &tally);
    if (!told)
        kill(t->pid, SIGKILL);
    close(t->out);
    while (waitpid(t->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    tally.first[sizeof(tally.first) - 1] = '\0';
    if (!told)
        return error_set(err, ERROR_PEER, "it takes too long: not all of %u messages were sent",
                         t->sent);
    if (tally.failed > 0)
        return error_set(err, ERROR_PEER, "%u of %u messages were not taken: %s", tally.failed,
                         t->sent, tally.first);
    return t->missed == 0 ||
           error_set(err, ERROR_LIMIT, "%u messages were left out: it is too slow", t->missed);
}
