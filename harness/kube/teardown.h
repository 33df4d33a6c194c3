#ifndef KUBE_TEARDOWN_H
#define KUBE_TEARDOWN_H

/* Takes away all that a run added to a cluster, and undoes what it edited (spec/kubernetes.md
 * section 2 "revert", "canary"), as a chore that the conductor at its end, the guardian pod and
 * `recover` share: GET the anchor, revert its journal newest first, DELETE it (Background, by uid),
 * then list by label until nothing is left that it owned. What the garbage collector has not taken
 * after TEARDOWN_COLLECT_NS is deleted one by one. It is idempotent: a run that left nothing is
 * over at once. */

#include "kube/objects.h"
#include "kube/revert.h"

#define TEARDOWN_BUDGET_NS (UINT64_C(30) * 1000000000)
#define TEARDOWN_COLLECT_NS (UINT64_C(4) * 1000000000)
#define TEARDOWN_POLL_NS (UINT64_C(500) * 1000000)
#define TEARDOWN_LEFT_MOST_BYTES ((size_t)4096)

struct teardown {
    struct chore chore;                /* first */
    bool over;                         /* read only, down to ${left} */
    bool found;                        /* the anchor was there */
    size_t reverted, diverged, failed; /* of its journal */
    size_t left_count;
    struct text left; /* "Pod mp-7f3a91c2-payments-1 (being deleted), ...": what is not back */
    /* The owner's, before it begins. */
    bool list_only;      /* say what is there, change nothing */
    const char *own_pod; /* the pod that we are in, which goes when we end: not waited for */
    /* Inside. */
    const char *namespace, *run;
    char name[OBJECTS_NAME_MOST + 1], uid[64], selector[64];
    struct revert_journal *journal;
    struct revert_all revert;
    bool reverting;
    uint64_t budget_ns, until_ns, wake_ns, deleted_ns;
    int doing;
    enum gvr_id kind;
    size_t items_at, seen, still;
    uint64_t skipped; /* bits of kinds that the cluster has not, or does not let us list */
    json_t *items;
    struct error api; /* the last that the API said no to */
};
/* ${namespace}, ${run} are borrowed. ${budget_ns}: from the first call on. */
void teardown_init(struct teardown *t, const char *namespace, const char *run, uint64_t budget_ns);
void teardown_release(struct teardown *t);
/* All is back. Only when over. */
bool teardown_clean(const struct teardown *t);
/* One sentence on how it ended; more lines where something diverged. */
void teardown_print(const struct teardown *t, struct text *to);

#endif
