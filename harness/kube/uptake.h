#ifndef KUBE_UPTAKE_H
#define KUBE_UPTAKE_H

/* Whether the mesh took the canary's copies of the policy (copy.h): their status is read back, as a
 * chore, while the pods come up. A mesh that refuses a copy would be judged by what it does not
 * know. Where a mesh writes no status nothing is known, and that is said; it is no error.
 *
 * What is read: the Gateway API's conditions Accepted and ResolvedRefs (GEP-1364) of a route's
 * parents, a policy's ancestors, or the object itself (Linkerd's HTTPLocalRateLimitPolicy); Istio's
 * validationMessages and its condition Reconciled, which istiod writes only where its status is
 * switched on (PILOT_ENABLE_STATUS). Linkerd's Server and ServiceProfile have no status. */

#include "kube/chore.h"

#include "base/text.h"

#define UPTAKE_WITHIN_NS (UINT64_C(10) * 1000000000) /* where the kind has a status */
#define UPTAKE_POLL_NS (UINT64_C(500) * 1000000)
#define UPTAKE_TEXT_MOST_BYTES ((size_t)16 * 1024)

enum uptake_state {
    UPTAKE_UNKNOWN, /* no status, or one of an older generation */
    UPTAKE_TAKEN,
    UPTAKE_REFUSED,
};
/* Of one object as the API has it; ${why}: who refused it, and with which words; "" else. Pure:
 * bytes of a cluster. */
enum uptake_state uptake_read(const json_t *object, char *why, size_t size);

struct uptake {
    struct chore chore;  /* first */
    bool over;           /* read only, as are all down to ${unknown} */
    struct error err;    /* a copy that the mesh refused */
    size_t taken;        /* so many copies */
    struct text unknown; /* "VirtualService mp-7f3a91c2-payments, ..." */
    size_t unknown_count;
    /* Inside. */
    const char *namespace;
    const json_t *policies;
    size_t at;
    uint64_t until_ns, wake_ns;
};
/* ${policies}: copies, an array; borrowed, as is ${namespace}. */
void uptake_init(struct uptake *u, const char *namespace, const json_t *policies);
void uptake_release(struct uptake *u);

#endif
