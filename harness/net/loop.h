#ifndef NET_LOOP_H
#define NET_LOOP_H

/* The only owner of libevent's event_base, and of time on the data path. Descriptors are registered
 * once, edge-triggered, for read, write and close; interest never changes. Deadlines are absolute
 * nanoseconds in the loop's own 4-ary heap behind one timerfd, never libevent's timers, which fire
 * early (ADR 0002; engine.md section 5). One thread. */

#include "base/bytes.h"

struct loop;

bool loop_new(struct loop **ret, struct error *err) WARN_UNUSED;
void loop_free(struct loop *l);
/* Runs until loop_stop. */
bool loop_run(struct loop *l, struct error *err) WARN_UNUSED;
void loop_stop(struct loop *l);
/* The clock, read now: for deadlines and stamps alike. */
uint64_t loop_now_ns(struct loop *l);
/* 64 KiB that are anyone's until the callback returns. */
#define LOOP_SCRATCH_BYTES ((size_t)64 * 1024)
uint8_t *loop_scratch(struct loop *l);

/* A descriptor. The owner keeps the struct; it must not go before loop_watch_remove, and its memory
 * not before the end of the turn (loop_defer). */
enum { WATCH_READ = 1, WATCH_WRITE = 2, WATCH_CLOSED = 4 };
struct watch {
    int fd;
    void (*on_event)(struct watch *w, unsigned what); /* WATCH_* bits that have an edge */
    void *event;                                      /* the loop's own */
    struct loop *loop;
};
/* Edge-triggered read + write + closed. ${fd} stays the caller's to close (after remove). */
bool loop_watch_add(struct loop *l, struct watch *w, int fd,
                    void (*on_event)(struct watch *w, unsigned what),
                    struct error *err) WARN_UNUSED;
/* Level-triggered, read only: listeners, timerfds, pipes, agent sockets. */
bool loop_watch_add_level(struct loop *l, struct watch *w, int fd,
                          void (*on_event)(struct watch *w, unsigned what),
                          struct error *err) WARN_UNUSED;
void loop_watch_remove(struct watch *w);

/* A deadline: ${fire} is called at or after ${at_ns}, never before (INVARIANT). Zero-initialised:
 * idle. */
struct hold {
    uint64_t at_ns; /* stays after firing: lateness is now_ns - at_ns */
    void (*fire)(struct hold *h, uint64_t now_ns);
    size_t place; /* the heap's: index + 1, 0 when idle */
};
void loop_hold_add(struct loop *l, struct hold *h, uint64_t at_ns,
                   void (*fire)(struct hold *h, uint64_t now_ns));
void loop_hold_remove(struct loop *l, struct hold *h); /* does nothing to an idle one */
static inline bool hold_is_idle(const struct hold *h)
{
    return h->place == 0;
}

/* A list for work that goes on after this callback (ET fairness) or at the end of the turn (frees).
 */
struct loop_task {
    void (*run)(struct loop_task *t);
    struct loop_task *next;
    bool queued;
};
/* At the end of this turn. */
void loop_defer(struct loop *l, struct loop_task *t);
/* In the next turn, without waiting for an event. */
void loop_again(struct loop *l, struct loop_task *t);
/* Takes a queued task out again; does nothing to another. Linear in the queue: for rare ends. */
void loop_task_cancel(struct loop *l, struct loop_task *t);
/* Runs the end-of-turn tasks now. For owners that go while the loop does not run; never in a
 * callback. */
void loop_settle(struct loop *l);

/* Signals by libevent; ${on_signal} runs in the loop. */
bool loop_signal(struct loop *l, int signo, void (*on_signal)(int signo, void *cookie),
                 void *cookie, struct error *err) WARN_UNUSED;

/* Called with each stall (engine.md section 5: a hold > 200 us late, a turn > 1 ms after its
 * deadline, the 5 ms heart-beat > 3 ms late). Starts the heart-beat. */
struct stall_seen {
    uint64_t due_ns, fired_ns, run_delay_ns, turn_ns;
};
void loop_on_stall(struct loop *l, void (*on_stall)(const struct stall_seen *stall, void *cookie),
                   void *cookie);

/* The kernel pipes that long bodies pass through (splice.h). */
struct splice_cache;
struct splice_cache *loop_splices(struct loop *l);

/* I/O system calls made through the house's helpers, for the syscall test: counted, always on. */
struct loop_counters {
    uint64_t recv, send, accept, connect, epoll_ctl, other;
};
struct loop_counters *loop_counters(struct loop *l);

/* Helpers: non-blocking, CLOEXEC, TCP_NODELAY. ${address} "127.0.0.1:18080" or "[::1]:0". */
bool socket_listen(const char *address, int *ret_fd, uint16_t *ret_port,
                   struct error *err) WARN_UNUSED;
/* Starts a connect; true also while it is in progress. */
bool socket_connect(const char *address, int *ret_fd, struct error *err) WARN_UNUSED;
/* close() as RST. */
void socket_reset(int fd);

#endif
