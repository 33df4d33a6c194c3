#include "cli/aside.h"

#include "base/clock.h"
#include "base/fds.h"
#include "verify/judge.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Asked with one byte, it answers with a head, and so many rows. A judgement that cannot be made
 * has none. */
struct answer_head {
    uint64_t cpu_ns, count;
};
#define ROWS_MOST_BYTES (LIVE_JUDGED_MOST * sizeof(struct live_judged))
#define ANSWER_MOST_BYTES (sizeof(struct answer_head) + ROWS_MOST_BYTES)

struct aside {
    pid_t pid;
    int fd;
    bool busy;
    uint64_t asked_ns;
    struct watch watch;
    struct buffer in;
    void (*on_judged)(void *cookie, const struct live_judged *rows, size_t count,
                      const struct aside_cost *cost);
    void *cookie;
};

static bool write_all(int fd, const void *from, size_t len)
{
    const char *at = from;
    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static size_t judge(const char *path, struct live_judged *rows)
{
    struct journal *journal = NULL;
    struct judgement *judgement = NULL;
    struct judge_options options = {.partial = true};
    struct error err = {0};
    size_t count = 0;
    if (journal_open_sliced(path, JOURNAL_KEEP_BYTES, &journal, &err) &&
        judge_sliced(journal, &options, &judgement, &err))
        count = live_judged_of(judgement, rows, LIVE_JUDGED_MOST);
    judgement_free(judgement);
    journal_free(journal);
    return count;
}

static uint64_t cpu_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* The child, until its parent is gone. */
static void serve(int fd, const char *path)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGUSR1, SIGPIPE};
    struct live_judged *rows = check_alloc_zero(LIVE_JUDGED_MOST, sizeof(*rows));
    struct sched_param none = {0};
    char asked;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t i = 0; i < COUNT_OF(ignored); i++)
        signal(ignored[i], SIG_IGN);
    /* Where nothing is idle it may be long until we have ended, and the run's control socket would
     * still have a listener. */
    fds_close_others(fd, -1);
    sched_setscheduler(0, SCHED_IDLE, &none);
    for (;;) {
        ssize_t n = read(fd, &asked, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n != 1)
            break;
        uint64_t began_ns = cpu_now_ns();
        struct answer_head head = {.count = judge(path, rows)};
        head.cpu_ns = cpu_now_ns() - began_ns;
        if (!write_all(fd, &head, sizeof(head)) || !write_all(fd, rows, head.count * sizeof(*rows)))
            break;
    }
    free(rows);
}

struct aside *aside_start(const char *journal)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return NULL;
    fflush(NULL); /* or the child's copy might come out too */
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        serve(pair[1], journal);
        _exit(0);
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return NULL;
    }
    struct aside *a = check_alloc_zero(1, sizeof(*a));
    a->pid = pid;
    a->fd = pair[0];
    buffer_init(&a->in, ANSWER_MOST_BYTES);
    return a;
}

void aside_end(struct aside *a)
{
    if (a == NULL)
        return;
    aside_unwatch(a);
    close(a->fd);
    kill(a->pid, SIGKILL);
    while (waitpid(a->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    buffer_release(&a->in);
    free(a);
}

static void take_answer(struct aside *a)
{
    struct answer_head head;
    if (a->in.len < sizeof(head))
        return;
    memcpy(&head, a->in.at, sizeof(head));
    INVARIANT(head.count <= LIVE_JUDGED_MOST);
    size_t bytes = head.count * sizeof(struct live_judged);
    if (a->in.len < sizeof(head) + bytes)
        return;
    struct live_judged *rows = check_alloc_zero(head.count + 1, sizeof(*rows)); /* aligned */
    memcpy(rows, a->in.at + sizeof(head), bytes);
    buffer_consume(&a->in, sizeof(head) + bytes);
    a->busy = false;
    if (head.count > 0)
        a->on_judged(a->cookie, rows, head.count,
                     &(struct aside_cost){.asked_ns = a->asked_ns, .cpu_ns = head.cpu_ns});
    free(rows);
}

static void on_event(struct watch *w, unsigned what)
{
    struct aside *a = (struct aside *)((char *)w - offsetof(struct aside, watch));
    uint8_t *scratch = loop_scratch(w->loop);
    ssize_t n = recv(a->fd, scratch, LOOP_SCRATCH_BYTES, MSG_DONTWAIT);
    (void)what;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || !buffer_add(&a->in, scratch, (size_t)n, NULL)) {
        loop_watch_remove(w); /* it is gone: nothing more is judged before the end */
        a->busy = true;
        return;
    }
    take_answer(a);
}

bool aside_watch(struct aside *a, struct loop *loop,
                 void (*on_judged)(void *cookie, const struct live_judged *rows, size_t count,
                                   const struct aside_cost *cost),
                 void *cookie, struct error *err)
{
    a->on_judged = on_judged;
    a->cookie = cookie;
    return loop_watch_add_level(loop, &a->watch, a->fd, on_event, err);
}

void aside_unwatch(struct aside *a)
{
    if (a != NULL && a->watch.event != NULL)
        loop_watch_remove(&a->watch);
}

bool aside_ask(struct aside *a, uint64_t now_ns)
{
    if (a->busy || send(a->fd, "j", 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
        return false;
    a->busy = true;
    a->asked_ns = now_ns;
    return true;
}
