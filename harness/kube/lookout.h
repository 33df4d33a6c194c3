#ifndef KUBE_LOOKOUT_H
#define KUBE_LOOKOUT_H

/* Looks after a run in the cluster while it goes on (spec/kubernetes.md section 2), as a chore: the
 * anchor (is it there, does somebody ask for a halt), the run's pods, and until all have mustered
 * the EndpointSlices. It opens the readiness gate of an endpoint pod whose containers are ready.
 * Polling is the backstop: what matters soon comes over the agents' own channels. */

#include "kube/chore.h"
#include "kube/objects.h"

#define LOOKOUT_EAGER_NS (UINT64_C(1) * 1000000000) /* until all have mustered */
#define LOOKOUT_EVERY_NS (UINT64_C(5) * 1000000000)
#define LOOKOUT_PODS_MOST 256 /* of a run */

struct lookout_pod {
    char name[OBJECTS_NAME_MOST + 1], service[OBJECTS_NAME_MOST + 1], role[16];
    uint32_t number;   /* of an Indexed Job's: "payments/3" is 3; 0: its name has it */
    bool contained;    /* its containers are ready */
    bool open;         /* its gate */
    bool ready;        /* as the API says: containers and gates */
    bool over;         /* Succeeded, Failed, or being deleted */
    char trouble[200]; /* why it does not come up, or how it ended; "" */
};
/* A pod as the API has it. Pure: bytes of a cluster. */
void lookout_read_pod(const json_t *pod, struct lookout_pod *ret);

struct lookout {
    struct chore chore; /* first */
    bool over;          /* read only, down to ${err} */
    struct lookout_pod pods[LOOKOUT_PODS_MOST];
    size_t pod_count;
    bool gone;        /* the anchor was deleted by somebody else */
    bool mustered;    /* all pods were ready once, and all endpoints in their Service's slices */
    char halt[160];   /* who or what asks for a halt; "": nobody */
    struct error err; /* of an API that refuses to be asked; over then */
    /* The owner's. */
    void (*on_look)(void *cookie); /* after each look; may be NULL */
    void *cookie;
    /* Inside. */
    const struct objects_run *run;
    const struct objects_service *services;
    size_t service_count, pods_wanted;
    uint64_t (*wall_ns)(void);
    uint64_t wake_ns;
    int doing;
    size_t at, ready_services;
    json_t *body;
    char selector[160];
};
/* ${pods}: how many there must be; ${run}, ${services}: borrowed, with anchor_uid known.
 * ${wall_ns} NULL: the wall clock, for the gate's time. */
void lookout_init(struct lookout *l, const struct objects_run *run,
                  const struct objects_service *services, size_t service_count, size_t pods,
                  uint64_t (*wall_ns)(void));
void lookout_release(struct lookout *l);
/* The pod of ${name}; NULL: not seen. */
const struct lookout_pod *lookout_find(const struct lookout *l, const char *name);
/* Of an Indexed Job, whose pods have names of chance; ${service} "": of the load. */
const struct lookout_pod *lookout_find_indexed(const struct lookout *l, const char *service,
                                               uint32_t number);
/* What keeps the pods from mustering, the first one's in one line: for the sentence when they are
 * late. */
void lookout_print_wait(const struct lookout *l, char *to, size_t size);

#endif
