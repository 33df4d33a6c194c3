#ifndef KUBE_CARETAKER_H
#define KUBE_CARETAKER_H

/* What the guardian pod does (spec/kubernetes.md section 2, "conductor SIGKILLed"; not the lab's
 * guardian process, world/guardian.h), as a chore: it watches the Leases of the run, and when none
 * of their conductor's signs comes any more, it reverts, deletes the anchor, and writes the result
 * "conductor lost". No clock of another machine is read: it counts its own monotonic time since it
 * last saw a Lease change. */

#include "kube/result.h"
#include "kube/teardown.h"

#define CARETAKER_POLL_NS (UINT64_C(2) * 1000000000)
#define CARETAKER_SILENT_NS (UINT64_C(15) * 1000000000)  /* the Lease's duration */
#define CARETAKER_AWAY_NS (UINT64_C(7) * 1000000000)     /* ... once the channel has ended */
#define CARETAKER_ENDING_NS (UINT64_C(120) * 1000000000) /* ... once the conductor said goodbye */

struct caretaker {
    struct chore chore; /* first */
    bool over, acting;  /* read only */
    bool gone;          /* the anchor is not there any more: the run ended well */
    struct error err;   /* over, and the API does not let us watch */
    char why[160];      /* it acts */
    struct teardown teardown;
    struct result result;
    /* The owner's; poke its runner afterwards. */
    bool channel_ended; /* without a goodbye */
    bool said_goodbye;  /* the run has ended, and its conductor judges and takes down */
    /* Inside. */
    const struct objects_run *run;
    char anchor[OBJECTS_NAME_MOST + 1], lease[80], holder[16], version[32];
    uint64_t seen_ns, looked_ns, wake_ns; /* a change of the Lease; any answer; the next look */
    bool begun, held, have_result;
    int doing;
};
/* Which Lease it watches is in the anchor. ${run} is borrowed. */
void caretaker_init(struct caretaker *c, const struct objects_run *run);
void caretaker_release(struct caretaker *c);

#endif
