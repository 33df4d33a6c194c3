#ifndef REPORTS_SWIMLANE_H
#define REPORTS_SWIMLANE_H

/* What each endpoint of the subject's services did over time, counted by outcome: the rows of the
 * timeline. It draws nothing. */

#include "reports/lane.h"
#include "reports/scene.h"

#define SWIMLANES_MOST 1000

/* How a try did not come to an answer that counts as one; each has its shape (spec/ui.md 4). */
enum swim_kind {
    SWIM_5XX,     /* a status of 500 or more, or a grpc-status that is not OK */
    SWIM_TIMEOUT, /* the mesh left first */
    SWIM_RESET,   /* reset, closed or refused, by a fault or by the backend */
    SWIM_TLS,     /* the handshake was refused: there was no try */
    SWIM_KINDS
};
const char *swim_kind_text(enum swim_kind kind); /* "5xx", "timed out", ... */

struct swimlane {
    const char *service;
    uint16_t endpoint;
    char name[96]; /* "payments/2" */
    struct buckets answered, failed[SWIM_KINDS];
    uint64_t first_ns[SWIM_KINDS]; /* the first of each; 0: none */
    uint16_t status;               /* the one status of all SWIM_5XX; 0: there are several */
    uint64_t *refused_ns;          /* handshakes, in order of time */
    size_t refused_count;
    bool other_clock; /* its clock is not the conductor's: */
    uint64_t skew_ns; /* what is known of it, as a half width */
};
struct swimlanes {
    struct swimlane *at; /* by service, then by endpoint */
    size_t count;
    uint32_t most_answered, most_failed; /* in one bucket of any lane, of all kinds together */
};
/* False: more than SWIMLANES_MOST endpoints. */
bool swimlanes_read(const struct scene *s, uint64_t bucket_ns, struct swimlanes *ret,
                    struct error *err) WARN_UNUSED;
void swimlanes_release(struct swimlanes *l);

#endif
