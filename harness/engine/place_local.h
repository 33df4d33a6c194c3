#ifndef ENGINE_PLACE_LOCAL_H
#define ENGINE_PLACE_LOCAL_H

/* Where agents run when they run here: children of this process, each with one end of a socket
 * pair. They outlive our death by their linger and no longer: the end of the socket tells them.
 * What Kubernetes supplies instead has the same two functions. */

#include "base/error.h"

#include <sys/types.h>

struct child {
    pid_t pid;
    int fd; /* our end of the pair; the caller's */
};
/* Starts `${program} agent ${role} --fd 3`, in a process group of its own, so that the terminal's
 * ^C is ours alone; in the network namespace ${netns_fd}, where it is not -1. */
bool place_local_start(const char *program, const char *role, int netns_fd, struct child *ret,
                       struct error *err) WARN_UNUSED;
/* True when the child has ended (it is then reaped); ${how}: "exit 1", "killed by signal 9
 * (Killed)". */
bool place_local_ended(pid_t pid, char *how, size_t size);

#endif
