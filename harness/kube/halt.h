#ifndef KUBE_HALT_H
#define KUBE_HALT_H

/* `halt --on kubernetes`: marks the anchor of a run, which its conductor sees within
 * LOOKOUT_EVERY_NS (and the guardian's teardown makes good for a dead one), and waits until the
 * anchor is gone. A chore. */

#include "kube/chore.h"
#include "kube/objects.h"

#define HALT_POLL_NS (UINT64_C(1) * 1000000000)
#define HALT_WITHIN_NS (UINT64_C(90) * 1000000000)

struct halt {
    struct chore chore; /* first */
    bool over, found;   /* read only: the run was there */
    bool gone;          /* ... and has undone all */
    struct error err;   /* the cluster did not let us ask */
    /* Inside. */
    const char *namespace;
    char name[OBJECTS_NAME_MOST + 1];
    json_t *patch;
    uint64_t until_ns, wake_ns;
    int doing;
};
/* ${reason} is seen in the run's journal. */
void halt_init(struct halt *h, const char *namespace, const char *run, const char *reason);
void halt_release(struct halt *h);

#endif
