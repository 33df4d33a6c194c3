#ifndef KUBE_RESULT_H
#define KUBE_RESULT_H

/* The result ConfigMap `mp-RUN-result` (spec/kubernetes.md 0 (3), 1.4): no owner, so it outlives
 * the run and its Job; the last RESULT_KEPT_MOST of a namespace stay. A chore. */

#include "kube/chore.h"
#include "kube/objects.h"

#define RESULT_KEPT_MOST 20
/* An API that is away is waited for so long. */
#define RESULT_WITHIN_NS (UINT64_C(20) * 1000000000)

struct result {
    struct chore chore; /* first */
    bool over, written; /* read only, with ${err}: why it is not written */
    struct error err;
    size_t pruned;
    /* Inside. */
    const struct objects_run *run;
    bool keep_theirs;
    json_t *object, *patch, *old;
    char name[OBJECTS_NAME_MOST + 9];
    size_t at;
    uint64_t until_ns, wake_ns;
    int doing;
};
/* ${take_data}: name to text ("verdict": "PASS"). ${keep_theirs}: what is there already stays (the
 * guardian's: the conductor had the last word). ${run} is borrowed. */
void result_init(struct result *r, const struct objects_run *run, json_t *take_data,
                 bool keep_theirs);
void result_release(struct result *r);

#endif
