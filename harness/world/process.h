#ifndef WORLD_PROCESS_H
#define WORLD_PROCESS_H

/* A process of this machine, named so that it is never taken for another: a pid alone may be given
 * away again, a pid with its start time and the boot's id may not. */

#include "base/error.h"

#include <jansson.h>
#include <sys/types.h>

struct process {
    pid_t pid;
    uint64_t start_ticks; /* field 22 of /proc/PID/stat */
};

/* False: there is no such process. */
bool process_read(pid_t pid, struct process *ret, struct error *err) WARN_UNUSED;
/* It is there, is the same one, and has not ended (a zombie has). */
bool process_lives(const struct process *p);
/* The letter of /proc/PID/stat ('R', 'S', 'T': stopped, 't': traced, ...); 0: it is gone. */
char process_state(const struct process *p);
/* By a descriptor of the process: one that has ended, or another of that pid, is an error and gets
 * no signal. */
bool process_signal(const struct process *p, int signo, struct error *err) WARN_UNUSED;
/* SIGSTOP, and SIGCONT, read back: it is (is no longer) stopped, within 2 s. */
bool process_stop(const struct process *p, struct error *err) WARN_UNUSED;
bool process_go_on(const struct process *p, struct error *err) WARN_UNUSED;
/* Waits for its end; whoever is its parent reaps it. */
bool process_wait_end(const struct process *p, uint64_t within_ns, struct error *err) WARN_UNUSED;
/* Its children, of all its threads. The list is the caller's to free. */
bool process_children(const struct process *p, struct process **ret, size_t *ret_count,
                      struct error *err) WARN_UNUSED;

/* As the notes of the ledger have it: {"pid", "start", "boot"}. */
json_t *process_note(const struct process *p);
/* ${ret_gone}: another boot, no such pid, or another process of that pid. False: it is no such
 * note. */
bool process_from_note(const json_t *note, struct process *ret, bool *ret_gone,
                       struct error *err) WARN_UNUSED;
/* Of this boot; room for 40 bytes. */
#define PROCESS_BOOT_BYTES 40
void process_boot_id(char to[PROCESS_BOOT_BYTES]);

#endif
