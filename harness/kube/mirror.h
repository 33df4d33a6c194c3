#ifndef KUBE_MIRROR_H
#define KUBE_MIRROR_H

/* The relay leg of interpose (spec/kubernetes.md section 2): what comes to our endpoints goes on to
 * the real pods by the Service mp-RUN-SERVICE-direct, whose EndpointSlices are made here by hand:
 * the target's own, less our pods, kept in step with them, as a chore. No selector can say "not",
 * and a relay that chose itself would be a loop.
 *
 * A slice is not changed but made anew, then the old one is deleted: so the role needs create and
 * delete alone. What is there is read each time; so a run that is stopped between two calls, and
 * the next scenario, go on from what they find. */

#include "kube/chore.h"
#include "kube/objects.h"

#define MIRROR_EAGER_NS (UINT64_C(1) * 1000000000) /* until all are in step once */
#define MIRROR_EVERY_NS (UINT64_C(5) * 1000000000)
#define MIRROR_ENDPOINTS_MOST 1000 /* of a slice, as of the API */
#define MIRROR_OF_ANNOTATION "meshproof.io/mirrors"

struct mirror {
    struct chore chore;                 /* first */
    bool over;                          /* read only, down to ${err} */
    bool in_step;                       /* every Service's real pods were behind ours once */
    char scarce[OBJECTS_NAME_MOST + 1]; /* a Service that has few ready pods of its own; "": none */
    uint32_t ready;                     /* so many */
    struct error err;                   /* of an API that refuses; over then */
    /* The owner's. */
    void (*on_step)(void *cookie); /* after each look at all of them; may be NULL */
    void *cookie;
    /* Inside. */
    const struct objects_run *run;
    const struct objects_service *services;
    size_t service_count, at, item;
    uint64_t wake_ns;
    uint32_t made; /* names are not used twice */
    int doing;
    char selector[160];
    json_t *real, *make, *drop;
};
/* ${run} (with anchor_uid), ${services}: borrowed. */
void mirror_init(struct mirror *m, const struct objects_run *run,
                 const struct objects_service *services, size_t service_count);
/* For the next scenario: looks at all again, and is not in step before that. */
void mirror_again(struct mirror *m, const struct objects_service *services, size_t service_count);
void mirror_release(struct mirror *m);

/* The slice of ours that one of the target's own asks for; NULL: none (no such port, FQDNs, nobody
 * but ourselves), or with ${err} what the API would refuse. Pure: bytes of a cluster. */
json_t *mirror_slice(const struct objects_run *run, const struct objects_service *s, uint32_t n,
                     const json_t *real, struct error *err);

#endif
