#include "world/guardian.h"

#include "base/clock.h"
#include "world/undo.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIPE_FD 3
#define WORD_ENDED 'e'
#define WORD_READY 'r'

struct guardian {
    pid_t pid;
    int pipe_fd;
};

#define LOOK_MS 5 /* for the guardian's end */

enum heard { HEARD_END, HEARD_DEATH, HEARD_NOTHING };

/* Waits until ${until_ns} at most. */
static enum heard listen_until(uint64_t until_ns)
{
    for (;;) {
        uint64_t now_ns = clock_now_ns();
        uint64_t left_ms = until_ns == UINT64_MAX ? 0 : (until_ns - now_ns) / NS_PER_MS + 1;
        if (now_ns >= until_ns)
            return HEARD_NOTHING;
        struct pollfd pipe_end = {.fd = PIPE_FD, .events = POLLIN};
        int n = poll(&pipe_end, 1,
                     until_ns == UINT64_MAX ? -1 : (int)(left_ms < 60000 ? left_ms : 60000));
        if (n <= 0)
            continue;
        char word;
        ssize_t got = read(PIPE_FD, &word, 1);
        if (got == 1)
            return HEARD_END;
        if (got == 0 || (got < 0 && errno != EINTR))
            return HEARD_DEATH;
    }
}

static void say(const char *ledger, const struct error *err)
{
    fprintf(stderr, "meshproof: guardian: %s: not everything is back (meshproof recover %s)\n",
            err->text, ledger);
}

/* ${died}: nobody else writes the ledger any more, so that it goes when all is back. */
static bool undo_all(const char *ledger, bool died)
{
    struct undo *u;
    struct undo_owner owner;
    struct error err = {0};
    if (!undo_take(ledger, &u, &owner, &err)) {
        say(ledger, &err); /* ENOENT too: the run removes it after guardian_end only */
        return false;
    }
    bool told = !died || undo_died(u, &err);
    bool back = undo_revert_all(u, &err) && told && !owner.damaged;
    if (!back) {
        error_set(&err, ERROR_INPUT, "the ledger is damaged");
        say(ledger, &err);
    }
    if (died)
        undo_close(u);
    return back;
}

NORETURN static void watch_over(const char *ledger, uint64_t ttl_ns)
{
    uint64_t until_ns = ttl_ns == 0 ? UINT64_MAX : clock_now_ns() + ttl_ns;
    enum heard heard = listen_until(until_ns);
    if (heard == HEARD_NOTHING) {
        undo_all(ledger, false);
        heard = listen_until(UINT64_MAX);
    }
    bool back = heard != HEARD_DEATH || undo_all(ledger, true);
    _exit(back ? 0 : 1);
}

/* In the child: nothing of the conductor's stays open, for an agent that does not see the end of
 * its socket would not disarm. */
NORETURN static void become(const char *ledger, uint64_t ttl_ns, int pipe_fd)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP, SIGUSR1};
    sigset_t none;
    setsid();
    prctl(PR_SET_NAME, "mp-guardian");
    for (size_t i = 0; i < COUNT_OF(ignored); i++)
        signal(ignored[i], SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int null_fd = open("/dev/null", O_RDWR);
    if (pipe_fd != PIPE_FD && dup2(pipe_fd, PIPE_FD) != PIPE_FD)
        _exit(1);
    if (null_fd >= 0) {
        dup2(null_fd, STDIN_FILENO);
        dup2(null_fd, STDOUT_FILENO);
    }
    syscall(SYS_close_range, PIPE_FD + 1, ~0U, 0U);
    if (write(PIPE_FD, &(char){WORD_READY}, 1) != 1)
        _exit(1);
    watch_over(ledger, ttl_ns);
}

/* Nothing is promised before it is out of reach of the signals that end us. */
static bool is_ready(int fd)
{
    char word;
    ssize_t n;
    do
        n = read(fd, &word, 1);
    while (n < 0 && errno == EINTR);
    return n == 1 && word == WORD_READY;
}

bool guardian_start(const char *ledger, uint64_t ttl_ns, struct guardian **ret, struct error *err)
{
    int ends[2];
    *ret = NULL;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return error_system(err, errno, "making the guardian's pipe");
    fflush(NULL); /* what is in our buffers is ours to write */
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[1]);
        become(ledger, ttl_ns, ends[0]);
    }
    int sys = errno;
    close(ends[0]);
    if (pid < 0) {
        close(ends[1]);
        return error_system(err, sys, "starting the guardian");
    }
    if (!is_ready(ends[1])) {
        close(ends[1]);
        waitpid(pid, NULL, 0);
        return error_set(err, ERROR_SYSTEM, "the guardian ended before it watched over anything");
    }
    *ret = check_alloc_zero(1, sizeof(**ret));
    **ret = (struct guardian){.pid = pid, .pipe_fd = ends[1]};
    return true;
}

void guardian_end(struct guardian *g)
{
    char word = WORD_ENDED;
    int status;
    if (g == NULL)
        return;
    ssize_t n;
    do
        n = send(g->pipe_fd, &word, 1, MSG_NOSIGNAL); /* EPIPE: it was killed */
    while (n < 0 && errno == EINTR);
    while (waitpid(g->pid, &status, 0) < 0 && errno == EINTR) {
    }
    close(g->pipe_fd);
    free(g);
}

bool guardian_leave(struct guardian *g, uint64_t within_ns)
{
    int status = -1;
    uint64_t until_ns = clock_now_ns() + within_ns;
    pid_t ended = 0;
    if (g == NULL)
        return true;
    close(g->pipe_fd);
    while ((ended = waitpid(g->pid, &status, WNOHANG)) == 0 && clock_now_ns() < until_ns)
        poll(NULL, 0, LOOK_MS);
    bool back = ended == g->pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    free(g);
    return back;
}

int64_t guardian_pid(const struct guardian *g)
{
    return g->pid;
}
