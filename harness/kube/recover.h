#ifndef KUBE_RECOVER_H
#define KUBE_RECOVER_H

/* `recover --on kubernetes`: undoes what one dead run left, as a chore: is its conductor alive (a
 * Lease of its that goes on changing), teardown, and its Leases go. They are found by the anchor,
 * or by their label where that is gone. A run that goes on is left alone. Idempotent. */

#include "kube/teardown.h"
#include "kube/unlock.h"

#define RECOVER_LOOK_NS (UINT64_C(2) * 1000000000)
#define RECOVER_DEAD_NS \
    (UINT64_C(12) * 1000000000) /* a holder renews each 5 s, and gives up at 10 */

struct recover {
    struct chore chore;       /* first */
    bool over, lives;         /* read only */
    bool unseen;              /* no anchor, and the account may not list Leases: one may be left */
    struct error err;         /* the cluster could not be asked */
    struct teardown teardown; /* its result, when over and neither of the others */
    struct unlock unlock;     /* Leases that were its own, and went */
    bool list_only;           /* the owner's: change nothing, wait for nothing */
    /* Inside. */
    const char *namespace, *run;
    char name[OBJECTS_NAME_MOST + 1], selector[64], lease[LEASE_NAME_BYTES], version[32];
    struct text services;
    uint64_t begun_ns, wake_ns;
    int doing;
};
void recover_init(struct recover *r, const char *namespace, const char *run);
void recover_release(struct recover *r);

#endif
