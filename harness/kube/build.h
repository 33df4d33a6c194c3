#ifndef KUBE_BUILD_H
#define KUBE_BUILD_H

/* Makes the objects of a run in their order (spec/kubernetes.md 1.4, 2 "canary"), as a chore: the
 * anchor first, whose uid all others carry, then one POST each. What is made already (Services and
 * policies of a former scenario of the run) is left as it is. It stops at the first that is not
 * made; what there is goes with the anchor (teardown.h). */

#include "kube/chore.h"
#include "kube/objects.h"

#define BUILD_OBJECTS_MOST 1000

struct build_plan {
    struct objects_run run; /* text borrowed; anchor_uid is the build's to fill */
    const struct objects_service *services;
    size_t service_count;
    const json_t *policies; /* of copy.h; may be NULL */
    uint32_t loads;
    const char *psk; /* the Secret's text */
    bool guardian;   /* a guardian pod: mandatory outside of a Job, and with edits */
    /* A Service of the run is there: "10.96.3.7:80". The canary's, or in interpose that behind
     * which the real pods are. May be NULL. */
    void (*on_service)(void *cookie, const char *service, const char *address);
    void *cookie;
};

struct build {
    struct chore chore; /* first */
    bool over;          /* read only, as are all down to ${made} */
    struct error err;   /* ERROR_NONE: all is made */
    json_t *anchor;     /* as the server has it; NULL: not made yet */
    char anchor_uid[64];
    size_t made;
    /* Inside. */
    const struct build_plan *plan;
    json_t *objects, *present; /* present: "KIND/NAME" of what is made, over all scenarios,
                                * and its role */
    size_t at;
};
/* ${plan} is borrowed until the chore is over; for the next scenario build_again. */
void build_init(struct build *b, const struct build_plan *plan);
/* The pods of another scenario, and what else of it is not there yet. */
void build_again(struct build *b, const struct build_plan *plan);
void build_release(struct build *b);
/* The endpoints and the load are gone (sweep.h): others may have their names. The guardian stays.
 */
void build_forget_agents(struct build *b);
/* No further object; for an end before it is over. */
void build_stop(struct build *b);

/* "shop,payments": the services of the run as its anchor has them, so that `recover` and the
 * guardian find the Leases. A key of the anchor's data. */
#define BUILD_SERVICES_KEY "services"

#endif
