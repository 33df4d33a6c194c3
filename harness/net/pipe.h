#ifndef NET_PIPE_H
#define NET_PIPE_H

/* One direction of a body on its way through the DATA takers of a chain. Each slot is asked once
 * for each byte (engine.md rule 18): what a slot let through waits before the next one when that
 * one holds. */

#include "net/chain_run.h"

struct pipe_stage {
    struct buffer pending; /* let through by the slots before, not yet taken here */
    size_t from;           /* of it, already taken */
    uint64_t offset;       /* of the next byte, as this slot counts */
    bool last;             /* the end of the body is behind what is pending */
};
struct pipe {
    struct chain_run *run;
    enum side side;
    struct pipe_stage *stages; /* by slot, in the call's arena */
    bool halted;
    struct halt halt; /* why */
    bool then;        /* an ending answer waits until its prefix is out */
    struct halt then_halt;
    void (*sink)(void *cookie, struct bytes payload);
    void *cookie;
};
#define PIPE_MOST_BYTES ((size_t)16 * 1024 * 1024)

void pipe_init(struct pipe *p, struct chain_run *run, enum side side,
               void (*sink)(void *cookie, struct bytes payload), void *cookie);
void pipe_release(struct pipe *p);
/* False: a slot halted it (see halt). What comes while it is held waits, and what
 * comes after an ending answer is dropped. ${last}: the body ends with it. */
bool pipe_feed(struct pipe *p, struct bytes payload, bool last, uint64_t now_ns);
/* After a HOLD: asks again. */
bool pipe_resume(struct pipe *p, uint64_t now_ns);

#endif
