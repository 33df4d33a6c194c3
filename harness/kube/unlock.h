#ifndef KUBE_UNLOCK_H
#define KUBE_UNLOCK_H

/* Deletes the Leases that a dead run still holds, as a chore: without it the next run would be
 * refused for ever. One that another has taken over meanwhile stays. */

#include "kube/lease.h"

struct unlock {
    struct chore chore; /* first */
    bool over;          /* read only */
    size_t count;       /* of those that went */
    struct error err;   /* of the first that could not be asked for, or deleted; ERROR_NONE: none */
    /* Inside. */
    const char *namespace, *run, *services;
    char lease[LEASE_NAME_BYTES], uid[64], version[40];
    size_t at;
    bool found;
};
/* ${services}: as BUILD_SERVICES_KEY has them. All is borrowed. */
void unlock_init(struct unlock *u, const char *namespace, const char *run, const char *services);

#endif
