#ifndef KUBE_CHORE_H
#define KUBE_CHORE_H

/* A chore is what wants several calls, one after the other, with waits between: taking a Lease,
 * reverting an edit, a preflight. It does no I/O and reads no clock: it is asked what it wants
 * next, and is told the answer. So one machine serves the blocking form, the loop and a test in
 * virtual time. */

#include "kube/api.h"

enum chore_want {
    CHORE_CALL, /* ${request} */
    CHORE_WAIT, /* until ${wake_ns} */
    CHORE_OVER,
};
struct chore_step {
    enum chore_want want;
    struct api_request request; /* text and body are borrowed until the answer */
    uint64_t wake_ns;
};

struct chore {
    /* Asked at first, after each answer and at each wake. */
    void (*next)(struct chore *c, uint64_t now_ns, struct chore_step *ret);
    void (*answer)(struct chore *c, uint64_t now_ns, const struct api_answer *answer);
};

/* To its end, by a blocking client; or until ${enough}, which is asked before each step, and each
 * second of a wait. */
void chore_do(struct chore *c, struct api *a);
void chore_do_until(struct chore *c, struct api *a, bool (*enough)(void *cookie), void *cookie);

/* On the client's loop: a runner a chore, the caller's storage, zero-initialised. */
struct chore_run {
    struct hold hold;
    struct chore *chore;
    struct api *api;
    struct loop *loop;
    struct api_call *call;
    void (*on_over)(void *cookie, struct chore *c); /* may be NULL; once */
    void *cookie;
};
void chore_start(struct chore_run *r, struct chore *c, struct api *a, struct loop *l,
                 void (*on_over)(void *cookie, struct chore *c), void *cookie);
/* Ends it where it stands, without a callback. */
void chore_stop(struct chore_run *r);

#endif
