#ifndef KUBE_DEPART_H
#define KUBE_DEPART_H

/* The endpoints of a run in mode interpose leave the user's Service, as a chore, while they still
 * relay (spec/kubernetes.md section 2): their gates are closed, then the EndpointSlices are read
 * until none of them is ready there. An agent that ended before that would be an endpoint that
 * refuses its callers. */

#include "kube/chore.h"
#include "kube/objects.h"

#define DEPART_BUDGET_NS (UINT64_C(10) * 1000000000)
#define DEPART_POLL_NS (UINT64_C(250) * 1000000)

struct depart {
    struct chore chore; /* first */
    bool over;          /* read only, down to ${err} */
    bool clean;         /* none is an endpoint of its Service any more */
    struct error err;   /* of not clean */
    /* Inside. */
    const struct objects_run *run;
    const struct objects_service *services;
    size_t service_count, at;
    uint64_t (*wall_ns)(void);
    uint64_t until_ns, wake_ns;
    int doing;
    json_t *pods, *body;
    char selector[160];
};
/* Borrowed. ${wall_ns} NULL: the wall clock, for the gate's time. */
void depart_init(struct depart *d, const struct objects_run *run,
                 const struct objects_service *services, size_t service_count,
                 uint64_t (*wall_ns)(void));
void depart_release(struct depart *d);

#endif
