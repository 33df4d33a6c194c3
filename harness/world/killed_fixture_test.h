#ifndef WORLD_KILLED_FIXTURE_TEST_H
#define WORLD_KILLED_FIXTURE_TEST_H

/* A process that stands for the conductor, changes the world without end, and is killed; its
 * guardian becomes a child of the test's (PR_SET_CHILD_SUBREAPER). */

#include "world/guardian.h"
#include "world/undo.h"

#include "base/clock.h"
#include "base/rng.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define KILLS 50

struct killed {
    char folder[64], path[96]; /* path: the ledger */
};

static inline bool killed_open(struct killed *k)
{
    snprintf(k->folder, sizeof(k->folder), "/tmp/meshproof-killed-XXXXXX");
    if (mkdtemp(k->folder) == NULL || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        return false;
    snprintf(k->path, sizeof(k->path), "%s/r.ledger", k->folder);
    return true;
}

static inline int killed_close(const struct killed *k)
{
    unlink(k->path);
    return rmdir(k->folder);
}

/* In the conductor, from its first change on. */
static inline void killed_tell(int ready_fd, const struct guardian *g)
{
    int64_t pid = guardian_pid(g);
    if (write(ready_fd, &pid, sizeof(pid)) != sizeof(pid))
        _exit(1);
}

/* ${conduct} gets ${cookie} and the descriptor for killed_tell, and does not return. */
static inline pid_t killed_start(void (*conduct)(void *cookie, int ready_fd), void *cookie,
                                 pid_t *ret_guardian)
{
    int ready[2];
    int64_t guardian;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        conduct(cookie, ready[1]);
        _exit(1);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &guardian, sizeof(guardian)), sizeof(guardian));
    close(ready[0]);
    *ret_guardian = (pid_t)guardian;
    return pid;
}

static inline void killed_end(pid_t conductor)
{
    int status;
    kill(conductor, SIGKILL);
    assert_int_equal(waitpid(conductor, &status, 0), conductor);
    assert_true(WIFSIGNALED(status));
}

static inline void killed_end_guardian(pid_t guardian)
{
    int status;
    assert_int_equal(waitpid(guardian, &status, 0), guardian); /* ours since its parent died */
    assert_int_equal(status, 0);
}

/* Counts in ${cookie}, an int. */
static inline void killed_on_line(void *cookie, const struct undo_line *line)
{
    int *lines = cookie;
    assert_string_equal(line->word, "undone");
    ++*lines;
}

#endif
