#ifndef VERIFY_PENALTY_H
#define VERIFY_PENALTY_H

/* How long Linkerd's failure accrual kept endpoints shut (spec/verifier.md 3.3 accrual,
 * linkerd-measured.md 2): from the failure that certainly filled the count, and then from each
 * probe that certainly failed, to the next try on that endpoint. A series goes on only while
 * nothing else can have decided a probation: any answer that arrives in one does, also of a request
 * that was sent before. */

#include "verify/window.h"

struct penalty_rule {
    uint64_t failures;
    uint64_t least_ns, most_ns; /* the first penalty, and what none exceeds */
    uint64_t jitter_ppm;
};
struct penalties {
    struct extent first, later; /* in ns; later: after a probe that failed */
    uint64_t soon;              /* too short, first ones and later ones */
    uint64_t soon_later;        /* of these */
    struct extent short_later;  /* what those should have been, at least */
    uint64_t late;              /* longer than any may be, though a request waited */
    uint64_t unclear; /* after a run that may have been longer: an earlier failure may have shut it,
                         or a gate that shuts one late */
};

struct penalty_rule penalty_rule_of(const struct edge_policy *edge);
/* The least and the most that the ${j}-th in a row (from 0) may be. */
uint64_t penalty_least_ns(const struct penalty_rule *rule, uint32_t j);
uint64_t penalty_longest_ns(const struct penalty_rule *rule, uint32_t j);
/* Of all series that begin in the window; the first that is too short is ${v}'s witness. */
void penalties_find(const struct window *w, const struct penalty_rule *rule, struct penalties *ret,
                    struct verdict *v);

#endif
