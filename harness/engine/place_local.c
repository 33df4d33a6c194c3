#include "engine/place_local.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_FD 3
#define CHILD_NOT_ENTERED 126

/* In the child, between fork and exec: only what is safe there. Never returns. */
NORETURN static void become(const char *program, const char *role, int netns_fd, int fd)
{
    char name[] = "meshproof", agent[] = "agent", option[] = "--fd", number[] = "3";
    char role_copy[32];
    size_t len = strlen(role) < sizeof(role_copy) ? strlen(role) : sizeof(role_copy) - 1;
    memcpy(role_copy, role, len);
    role_copy[len] = '\0';
    char *argv[] = {name, agent, role_copy, option, number, NULL};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    signal(SIGPIPE, SIG_IGN);
    /* All else of ours is CLOEXEC: an agent that held a brother's socket would keep it from seeing
     * our end. */
    if (netns_fd >= 0 && setns(netns_fd, CLONE_NEWNET) != 0)
        _exit(CHILD_NOT_ENTERED);
    if (fd == CHILD_FD ? fcntl(fd, F_SETFD, 0) == 0 : dup2(fd, CHILD_FD) == CHILD_FD)
        execv(program, argv);
    _exit(127);
}

bool place_local_start(const char *program, const char *role, int netns_fd, struct child *ret,
                       struct error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return error_system(err, errno, "making the socket of agent %s", role);
    pid_t pid = fork();
    if (pid == 0)
        become(program, role, netns_fd, pair[1]);
    int sys = errno;
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return error_system(err, sys, "starting agent %s", role);
    }
    *ret = (struct child){.pid = pid, .fd = pair[0]};
    return true;
}

bool place_local_ended(pid_t pid, char *how, size_t size)
{
    int status;
    pid_t got;
    do
        got = waitpid(pid, &status, WNOHANG);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        return false;
    if (got < 0)
        snprintf(how, size, "gone");
    else if (WIFSIGNALED(status))
        snprintf(how, size, "killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == CHILD_NOT_ENTERED)
        snprintf(how, size, "exit %d (it could not enter its network namespace)",
                 CHILD_NOT_ENTERED);
    else if (WEXITSTATUS(status) == 127)
        snprintf(how, size, "exit 127 (it could not be started)");
    else
        snprintf(how, size, "exit %d", WEXITSTATUS(status));
    return true;
}
