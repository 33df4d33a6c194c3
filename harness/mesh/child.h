#ifndef MESH_CHILD_H
#define MESH_CHILD_H

/* A program that a driver runs: its output goes to a log file, it dies with us, and its end is an
 * event on the loop (the read end of a pipe that only it holds open). Not for our own agents
 * (engine). */

#include "net/loop.h"

#include <sys/types.h>

struct child {
    struct watch watch; /* first */
    pid_t pid;          /* 0: not running */
    int pipe_fd;
    char *log;
    void (*on_exit)(void *cookie, const struct error *why);
    void *cookie;
};

struct child_program {
    const char *const *argv; /* NULL-terminated; argv[0] a path, or a name for PATH */
    const char *log;
    const char *folder; /* it runs there; NULL: here */
};
/* ${on_exit} is called once when it ends by itself, with its last log line; not after child_end. */
bool child_start(struct child *c, struct loop *loop, const struct child_program *program,
                 void (*on_exit)(void *cookie, const struct error *why), void *cookie,
                 struct error *err) WARN_UNUSED;
/* SIGTERM, SIGKILL after 2 s, and waits for it. Does nothing to one that does not run. */
void child_end(struct child *c);

#endif
