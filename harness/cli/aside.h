#ifndef CLI_ASIDE_H
#define CLI_ASIDE_H

/* A process of our own that judges, while a run goes on, what there is so far: a judgement of a
 * long journal takes longer than the conductor's loop may be away. It works when nobody else wants
 * the machine (SCHED_IDLE), and ends with us. */

#include "live/live.h"
#include "net/loop.h"

struct aside;
struct aside_cost {
    uint64_t asked_ns, cpu_ns; /* when it was asked, and how long it worked */
};
/* Forks: before there is a loop, an agent or a socket that must not be held open by it. NULL: it
 * cannot, and the run goes on without verdicts so far. */
struct aside *aside_start(const char *journal);
/* Kills it; NULL is fine. */
void aside_end(struct aside *a);
/* Until aside_unwatch. ${on_judged}: what it found, as it was when it was asked. */
bool aside_watch(struct aside *a, struct loop *loop,
                 void (*on_judged)(void *cookie, const struct live_judged *rows, size_t count,
                                   const struct aside_cost *cost),
                 void *cookie, struct error *err) WARN_UNUSED;
void aside_unwatch(struct aside *a); /* NULL is fine */
/* Asks for a judgement of what is committed. False: the last is not there yet. */
bool aside_ask(struct aside *a, uint64_t now_ns);

#endif
