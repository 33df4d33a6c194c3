#ifndef KUBE_CARETAKER_H
#define KUBE_CARETAKER_H

/* What the guardian pod does (spec/kubernetes.md section 2, "conductor SIGKILLed"; not the lab's
 * guardian process, world/guardian.h), as a chore: it watches the Leases of the run, and when none
 * of their conductor's signs comes any more, it reverts, deletes the anchor and the Leases, and
 * writes the result "conductor lost". No clock of another machine is read: it counts its own
 * monotonic time since it last saw a Lease change. */

#include "kube/result.h"
#include "kube/teardown.h"
#include "kube/unlock.h"

#define CARETAKER_POLL_NS (UINT64_C(2) * 1000000000)
#define CARETAKER_SILENT_NS ((uint64_t)LEASE_DURATION_S * 1000000000)
/* Once its channel has ended without a word: one renewal is due by then, and a call has its time.
 */
#define CARETAKER_HEARD_NS (LEASE_RENEW_NS + UINT64_C(3) * 1000000000)

#define CARETAKER_LEAVING_NS (UINT64_C(180) * 1000000000) /* once it has said goodbye */

struct caretaker {
    struct chore chore; /* first */
    bool over, acting;  /* read only */
    bool gone;          /* the anchor is not there any more: the run ended well */
    struct error err;   /* over, and the API does not let us watch */
    char why[160];      /* it acts */
    struct teardown teardown;
    struct unlock unlock;
    struct result result;
    /* Inside. */
    const struct objects_run *run;
    char anchor[OBJECTS_NAME_MOST + 1], pod[OBJECTS_NAME_MOST + 1], lease[LEASE_NAME_BYTES];
    char version[32], *services;
    uint64_t seen_ns, looked_ns, wake_ns; /* a change of the Lease; any answer; the next look */
    bool begun, held, heard, leaving, have_result;
    int doing;
};
/* Which Lease it watches is in the anchor. ${run} is borrowed. */
void caretaker_init(struct caretaker *c, const struct objects_run *run);
/* The conductor's channel has ended without a word: it is dead, or cannot be reached from here. The
 * Lease says which, and need not stand still for as long. */
void caretaker_hear_end(struct caretaker *c);
/* It has said that it ends by itself: it judges now, which may take longer than a Lease holds, and
 * takes its run down afterwards. Its agents have ended. */
void caretaker_hear_goodbye(struct caretaker *c);
void caretaker_release(struct caretaker *c);

#endif
