#ifndef KUBE_PORTS_H
#define KUBE_PORTS_H

/* --endpoints ports (spec/kubernetes.md 1.4): a service's endpoints are the ports of one pod, and
 * its Service, which has no selector, finds them by EndpointSlices that are made here by hand: one
 * a port, of the pod's one address, as a chore that is over when all are made. They go with the
 * scenario's pods (sweep.h), and with the anchor. */

#include "kube/chore.h"
#include "kube/objects.h"

#define PORTS_POLL_NS (UINT64_C(1) * 1000000000) /* until the pods have addresses */

struct ports {
    struct chore chore; /* first */
    bool over;          /* read only, with ${err} */
    struct error err;   /* ERROR_NONE: all are made */
    /* Inside. */
    const struct objects_run *run;
    const struct objects_service *services;
    size_t service_count, at; /* at: the service whose slices are made */
    uint32_t endpoint;        /* of it, from 1 */
    uint32_t made;            /* names are not used twice in a run */
    uint64_t wake_ns;
    char selector[160];
    json_t *pods, *body;
};
/* ${run} (with anchor_uid), ${services}: borrowed. */
void ports_init(struct ports *p, const struct objects_run *run,
                const struct objects_service *services, size_t service_count);
/* For the next scenario, whose pods have other addresses. */
void ports_again(struct ports *p, const struct objects_service *services, size_t service_count);
void ports_release(struct ports *p);

#endif
