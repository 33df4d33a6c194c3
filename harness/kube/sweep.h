#ifndef KUBE_SWEEP_H
#define KUBE_SWEEP_H

/* Deletes the agents of a run, their hand-made EndpointSlices and Indexed Jobs first, and waits
 * until they are gone, as a chore: between two scenarios, whose agents have the same names. All
 * else of the run stays. */

#include "kube/chore.h"
#include "kube/objects.h"

#define SWEEP_BUDGET_NS (UINT64_C(20) * 1000000000)
#define SWEEP_POLL_NS (UINT64_C(500) * 1000000)

struct sweep {
    struct chore chore; /* first */
    bool over, clean;   /* read only */
    struct error err;   /* of not clean */
    /* Inside. */
    const struct objects_run *run;
    size_t kind;
    char selector[160];
    json_t *items;
    size_t at;
    uint64_t until_ns, wake_ns;
};
void sweep_init(struct sweep *s, const struct objects_run *run);
void sweep_release(struct sweep *s);

#endif
