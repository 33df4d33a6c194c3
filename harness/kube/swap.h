#ifndef KUBE_SWAP_H
#define KUBE_SWAP_H

/* --swap (spec/scenario-language.md section 3): the selectors of the target's Services are changed
 * to select our endpoints alone, and back, as a chore each way. Each edit is in the anchor's undo
 * ledger before it is done (revert.h), so `recover` and the guardian undo it too; the way back is a
 * compare-and-set that is read back. */

#include "kube/objects.h"
#include "kube/revert.h"

#define SWAP_SEEN_WITHIN_NS (UINT64_C(10) * 1000000000) /* an edit shows in the EndpointSlices */
#define SWAP_POLL_NS (UINT64_C(250) * 1000000)

struct swap {
    struct chore chore; /* first */
    bool over;          /* read only, down to ${err}: of the way that was begun last */
    bool done;          /* all edits are made, or all are back; the EndpointSlices show it */
    struct error err;   /* of not done */
    /* Inside. */
    const struct objects_run *run;
    const struct objects_service *services;
    size_t service_count, at;
    struct revert_journal *journal;
    struct revert_edit edit;
    struct revert_all all;
    bool editing, reverting, back;
    int doing;
    uint64_t until_ns, wake_ns;
    char selector[160];
};
/* ${anchor}: as the server answered it. The others are borrowed. False: its ledger cannot be read.
 */
bool swap_init(struct swap *s, const struct objects_run *run,
               const struct objects_service *services, size_t service_count, const json_t *anchor,
               struct error *err) WARN_UNUSED;
/* For the next scenario, whose services these are; after the way back of the one before. */
void swap_again(struct swap *s, const struct objects_service *services, size_t service_count);
/* The way back, of what was edited so far. */
void swap_back(struct swap *s);
void swap_release(struct swap *s);

#endif
