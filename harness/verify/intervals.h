#ifndef VERIFY_INTERVALS_H
#define VERIFY_INTERVALS_H

/* Stretches of time, and how many of them certainly share a moment or lie in a span. The claims of
 * limits hold such counts against a bound (spec/verifier.md 3.4): each count is a bound on the safe
 * side, and says which. Knows nothing of requests. */

#include "base/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct interval {
    uint64_t from_ns, to_ns; /* both ends belong to it */
    uint32_t of;             /* the caller's: a request or a try */
};
struct intervals {
    struct interval *at; /* after intervals_index: by begin */
    size_t count, room;
    uint64_t *begins, *ends; /* sorted, each for itself */
};

/* Ignored when it ends before it begins. */
void intervals_add(struct intervals *l, uint64_t from_ns, uint64_t to_ns, uint32_t of);
/* Once, after the last add; before any question. */
void intervals_index(struct intervals *l);
void intervals_release(struct intervals *l);

/* How many have a moment in [a, b]: never fewer than were under way at any one moment of it. */
size_t intervals_touching(const struct intervals *l, uint64_t a_ns, uint64_t b_ns);
/* How many were under way from ${a} to ${b}, whole: never more than truly were. */
size_t intervals_covering(const struct intervals *l, uint64_t a_ns, uint64_t b_ns);
/* How many lie in [a, b], whole: never more than truly do. */
size_t intervals_within(const struct intervals *l, uint64_t a_ns, uint64_t b_ns);

#endif
