#ifndef NET_SPLICE_H
#define NET_SPLICE_H

/* Body bytes from one socket to another through a pipe of the kernel's, never in our memory
 * (engine.md section 2, "Splice"). It knows descriptors, not connections or HTTP: whoever calls it
 * has sent all that was read before, sees to it that nobody wants to see the bytes, and keeps the
 * bits "readable" and "writable" by what it is told here. TCP only: TLS bytes are no plaintext.
 * splice(2) has no MSG_NOSIGNAL: the process must ignore SIGPIPE (cli/main.c and engine/agent.c
 * do). */

#include "net/loop.h"

/* Below that the two calls more cost what the copy does. */
#define SPLICE_LEAST_BYTES ((uint64_t)32 * 1024)
#define SPLICE_PIPE_BYTES (256 * 1024)
/* Pipes in use at once, for each is two descriptors (engine.md rule 15), and kept for the next. */
#define SPLICE_PIPES_MOST 256
#define SPLICE_KEPT_MOST 32

struct splice_pipe {
    int read_fd, write_fd;
};
/* The pipes of one loop. Zeroed: a cache without any. */
struct splice_cache {
    struct splice_pipe kept[SPLICE_KEPT_MOST];
    unsigned kept_count, used;
};
/* All transfers have ended. */
void splice_cache_release(struct splice_cache *cache);

struct splice {
    struct splice_cache *cache;
    struct splice_pipe pipe;
    uint64_t left; /* not read from the source yet */
    size_t piped;  /* read, and not written yet */
};

/* A transfer of ${left} bytes. False: too few of them, too many transfers, or no pipe to be had
 * (descriptors, /proc/sys/fs/pipe-user-pages-soft): copy; nothing is to be said about it. */
bool splice_begin(struct splice *s, struct splice_cache *cache, uint64_t left) WARN_UNUSED;
/* Gives the pipe back. What is in it is lost, so it is closed then. */
void splice_end(struct splice *s);

enum splice_state {
    SPLICE_DONE,       /* all is written */
    SPLICE_MORE,       /* as much as one turn may (rule 4): call again in the next */
    SPLICE_FROM_EMPTY, /* source: EAGAIN; all that was read is written. It is not readable */
    SPLICE_TO_FULL,    /* destination: EAGAIN. It is not writable; the source may have more */
    SPLICE_FROM_ENDED, /* source: FIN before the last byte */
    SPLICE_FROM_BROKEN,
    SPLICE_TO_BROKEN,
    SPLICE_REFUSED /* a descriptor cannot; nothing was moved: copy */
};
/* Moves what it can now. ${ret_read} and ${ret_written} (set always): bytes this time. After one of
 * the last four only splice_end is to be called. */
enum splice_state splice_move(struct splice *s, struct loop *l, int from, int to,
                              uint64_t *ret_read, uint64_t *ret_written);

#endif
