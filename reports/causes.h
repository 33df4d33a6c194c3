#ifndef REPORTS_CAUSES_H
#define REPORTS_CAUSES_H

/* The kinds of causes that cause.c knows: each counts over the windows of a FAIL, and says what it
 * found. Pure functions of windows and counts. */

#include "verify/window.h"

/* So few witnesses, or others to hold them against, tell nothing. */
#define CAUSE_LEAST 3

struct cause_kind {
    const char *claim;  /* its id */
    size_t counts_size; /* of ${counts}, zero at first */
    void (*count)(const struct window *w, void *counts);
    /* One or two sentences without the last full stop; false: nothing is shared, or it is too few,
     * and nothing is added. */
    bool (*add)(const struct edge_policy *policy, const void *counts, struct text *to);
};

extern const struct cause_kind cause_tries;         /* retry.max: cause_tries.c */
extern const struct cause_kind cause_left_alone;    /* retry.must: cause_retried.c */
extern const struct cause_kind cause_retried;       /* retry.only */
extern const struct cause_kind cause_cut_try;       /* timeout.try: cause_cut.c */
extern const struct cause_kind cause_cut_retry;     /* timeout.try.restart */
extern const struct cause_kind cause_ended_request; /* timeout.request */

#endif
