#include "mesh/child.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TERM_MS 2000
#define LOG_TAIL_BYTES 4096

/* In the child, after fork: only async-signal-safe calls. */
static _Noreturn void become(const struct child_program *program, pid_t parent, int log_fd,
                             int null_fd)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127); /* we died before the line above */
    dup2(null_fd, STDIN_FILENO);
    dup2(log_fd, STDOUT_FILENO);
    dup2(log_fd, STDERR_FILENO);
    union {
        const char *const *from;
        char *const *to;
    } arguments = {.from = program->argv}; /* execvp does not change it */
    static const char failed[] = "cannot be executed\n", no_folder[] = "its folder is not there\n";
    if (program->folder != NULL && chdir(program->folder) != 0) {
        (void)!write(STDERR_FILENO, no_folder, sizeof(no_folder) - 1);
        _exit(127);
    }
    execvp(program->argv[0], arguments.to);
    (void)!write(STDERR_FILENO, failed, sizeof(failed) - 1);
    _exit(127);
}

/* The last line of the log that is not empty. */
static void last_line(const char *path, char *to, size_t size)
{
    char tail[LOG_TAIL_BYTES + 1] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    to[0] = '\0';
    if (fd < 0)
        return;
    off_t len = lseek(fd, 0, SEEK_END);
    ssize_t n = pread(fd, tail, LOG_TAIL_BYTES, len > LOG_TAIL_BYTES ? len - LOG_TAIL_BYTES : 0);
    close(fd);
    while (n > 0 && (tail[n - 1] == '\n' || tail[n - 1] == ' '))
        n--;
    if (n <= 0)
        return;
    tail[n] = '\0';
    const char *line = strrchr(tail, '\n');
    snprintf(to, size, "%s", line == NULL ? tail : line + 1);
}

static void reap(struct child *c, int *ret_status)
{
    while (waitpid(c->pid, ret_status, 0) < 0 && errno == EINTR) {
    }
    loop_watch_remove(&c->watch);
    close(c->pipe_fd);
    c->pid = 0;
}

static void on_pipe(struct watch *w, unsigned what)
{
    struct child *c = (struct child *)(void *)w;
    struct error why = {0};
    char line[160];
    int status = 0;
    (void)what;
    reap(c, &status);
    last_line(c->log, line, sizeof(line));
    if (WIFSIGNALED(status))
        error_set(&why, ERROR_PEER, "it was killed by signal %d: %s", WTERMSIG(status), line);
    else
        error_set(&why, ERROR_PEER, "it ended with exit code %d: %s", WEXITSTATUS(status), line);
    free(c->log);
    c->log = NULL;
    c->on_exit(c->cookie, &why);
}

static bool open_all(struct child *c, int pipe_fd[2], int *ret_log, int *ret_null,
                     struct error *err)
{
    *ret_log = open(c->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (*ret_log < 0)
        return error_system(err, errno, "opening %s", c->log);
    *ret_null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (*ret_null < 0) {
        close(*ret_log);
        return error_system(err, errno, "opening /dev/null");
    }
    if (pipe2(pipe_fd, O_CLOEXEC) < 0) {
        close(*ret_log);
        close(*ret_null);
        return error_system(err, errno, "making a pipe");
    }
    return true;
}

bool child_start(struct child *c, struct loop *loop, const struct child_program *program,
                 void (*on_exit)(void *cookie, const struct error *why), void *cookie,
                 struct error *err)
{
    int pipe_fd[2], log_fd = -1, null_fd = -1;
    *c = (struct child){.on_exit = on_exit, .cookie = cookie, .log = check_strdup(program->log)};
    if (!open_all(c, pipe_fd, &log_fd, &null_fd, err)) {
        free(c->log);
        return false;
    }
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        /* The write end is the one thing that the program inherits beyond its streams. */
        fcntl(pipe_fd[1], F_SETFD, 0);
        become(program, parent, log_fd, null_fd);
    }
    int sys = errno;
    close(pipe_fd[1]);
    close(log_fd);
    close(null_fd);
    c->pid = pid;
    c->pipe_fd = pipe_fd[0];
    if (pid > 0 && loop_watch_add_level(loop, &c->watch, pipe_fd[0], on_pipe, err))
        return true;
    if (pid < 0)
        error_system(err, sys, "starting %s", program->argv[0]);
    else
        kill(pid, SIGKILL);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    close(pipe_fd[0]);
    free(c->log);
    *c = (struct child){0};
    return false;
}

void child_end(struct child *c)
{
    int status;
    if (c->pid == 0)
        return;
    kill(c->pid, SIGTERM);
    struct pollfd ended = {.fd = c->pipe_fd, .events = POLLIN};
    int n;
    do {
        n = poll(&ended, 1, TERM_MS);
    } while (n < 0 && errno == EINTR);
    if (n == 0)
        kill(c->pid, SIGKILL);
    reap(c, &status);
    free(c->log);
    c->log = NULL;
}
