#ifndef VERIFY_TRACK_FIXTURE_TEST_H
#define VERIFY_TRACK_FIXTURE_TEST_H

/* For the tests of what a track is made of: a journal of one load and one proxy, written record by
 * record. Times are in ms from 1000 s. */

#include "base/clock.h"
#include "verify/track.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define T(ms) (1000 * NS_PER_S + (uint64_t)(ms)*NS_PER_MS)

static inline struct journal *begin(void)
{
    struct journal *j = journal_new();
    journal_add_proc(j, 1, "load", "subject", "client");
    journal_add_proc(j, 2, "proxy", "subject", "payments");
    return j;
}

/* A request of the one client, sent at ${start_ns} and answered ${took_ns} later as its last try
 * was. */
static inline void add_request(struct journal *j, uint64_t id, uint64_t start_ns, uint64_t took_ns,
                               const struct attempt_record *last)
{
    struct request_record r = {.due = start_ns,
                               .id_hi = 7,
                               .id_lo = id,
                               .status = last->status,
                               .grpc_status = last->grpc_status,
                               .head = took_ns,
                               .done = took_ns,
                               .edge = journal_add_name(j, "client -> payments")};
    journal_add(j, 1, RECORD_REQUEST, &r);
}

/* Try ${place} of request ${id}, on endpoint 1 from ${head_ns} on; ${out_ns} after that it was
 * answered with 200. */
static inline struct attempt_record try_of(uint64_t id, uint16_t place, uint64_t head_ns,
                                           uint64_t out_ns)
{
    return (struct attempt_record){.at = head_ns,
                                   .id_hi = 7,
                                   .id_lo = id,
                                   .endpoint = 1,
                                   .status = 200,
                                   .outcome = OUTCOME_ANSWERED,
                                   .k = place,
                                   .n_mesh = place,
                                   .out = out_ns,
                                   .head_out = out_ns,
                                   .done = out_ns,
                                   .how_tied = TIED_OWN_ID};
}

#endif
