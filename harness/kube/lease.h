#ifndef KUBE_LEASE_H
#define KUBE_LEASE_H

/* The lock on a service of a namespace: a Lease `meshproof-SERVICE` (spec/kubernetes.md 2.1), as a
 * chore. No clock of another machine is ever read: a contender counts its own monotonic time since
 * it last saw the resourceVersion change, and takes over after 2 x the duration; a holder that
 * could not renew for LEASE_LOST_NS says so before others may take over. Each write carries a new
 * microsecond renewTime and holderIdentity, for a PUT with an unchanged body does not move the
 * resourceVersion, and two would win (trap 3). */

#include "kube/chore.h"

#define LEASE_DURATION_S 15
#define LEASE_RENEW_NS (UINT64_C(5) * 1000000000)
#define LEASE_LOST_NS (UINT64_C(10) * 1000000000)
#define LEASE_TAKE_NS (UINT64_C(30) * 1000000000)
#define LEASE_PREFIX "meshproof-" /* of its name; the service's comes after it */
#define LEASE_NAME_BYTES 80

enum lease_state {
    LEASE_ASKING,  /* not yet known who has it */
    LEASE_WAITING, /* another has it; its silence is counted (only with ${wait}) */
    LEASE_HELD,
    LEASE_LOST,     /* not renewed for LEASE_LOST_NS, or another has it: disarm now */
    LEASE_RELEASED, /* deleted by us, or gone */
    LEASE_REFUSED,  /* another run is alive, or the API said no, to its deletion too: ${err} */
};

struct lease_options {
    const char *namespace, *service; /* of the target; borrowed */
    const char *run;                 /* 8 hex digits */
    const char *pod_uid;             /* any unique text outside of a cluster */
    bool wait;  /* another holder's silence is waited for; else its sight refuses */
    bool again; /* a former try of this run has certainly ended (a Job's second pod): it is
                   taken over from at once */
    uint64_t (*wall_ns)(void); /* NULL: the wall clock; it is only printed */
};

struct lease {
    struct chore chore;          /* first */
    enum lease_state state;      /* read only */
    struct error err;            /* of REFUSED and LOST */
    char name[LEASE_NAME_BYTES]; /* "meshproof-payments" */
    char holder[128];            /* ours: RUN/POD-UID */
    /* The holder that was taken over from, "" if none: its run wants `recover` before anything
     * else. */
    char former[128];
    uint64_t transitions; /* the fencing token: agents refuse a lower one */
    char other[128];      /* who has it, of WAITING and REFUSED */
    /* Inside. */
    struct lease_options options;
    uint64_t seen_ns, renewed_ns, sent_ns, wake_ns, wall_last_us;
    char seen_version[40], version[40], uid[64], acquired[40];
    int doing;
    bool leave;
    json_t *body;
};

void lease_init(struct lease *l, const struct lease_options *options);
void lease_release(struct lease *l);
/* From now on the chore deletes it, if it is ours, and ends. Start it again where it was over
 * (LOST). */
void lease_leave(struct lease *l);
/* When a holder must be disarmed, if no renewal is answered before: for the loop's own hold. */
uint64_t lease_lost_at_ns(const struct lease *l);
/* Seen by that hold: HELD becomes LOST. */
void lease_check(struct lease *l, uint64_t now_ns);

/* The Lease of the ${at}th of "payments,shop"; false: there are no more. */
bool lease_name(const char *services, size_t at, char *to, size_t size);
/* Whether a holderIdentity is ${run}'s. */
bool lease_is_of(const char *holder, const char *run);

#endif
