#ifndef LOAD_LOAD_H
#define LOAD_LOAD_H

/* The load generator: one declared load (plan.h) on one address. Open: requests are due at times
 * that depend on their number alone, whatever the answers do. Closed: users who wait. One record a
 * request, counted from when it was due. It sends HTTP/1.1, HTTP/2 and gRPC with prior knowledge,
 * or messages on raw TCP, whose answer is their echo; it retries nothing, and follows no redirect.
 */

#include "journal/recorder.h"
#include "net/loop.h"
#include "plan/plan.h"

struct load;

enum load_pace {
    LOAD_SPIN, /* the last 50 us before a due time are spent awake: the wake-up is the whole error
                */
    LOAD_SLEEP /* for hosts with one core */
};

struct load_config {
    const struct load_plan *plan; /* borrowed: outlives the load */
    const char *address;          /* "127.0.0.1:15001": where the mesh takes this edge's traffic; an
                                     address_list.h of the endpoints where there is none */
    const char *edge;             /* "client -> checkout", in records */
    const char *authority;        /* the host field; NULL: the edge's right side */
    const char *from;             /* x-meshproof-from; NULL: the edge's left side */
    uint32_t run;                 /* ids: run, process, sequence */
    uint16_t proc;
    uint64_t
        first_seq; /* the first id's sequence is this plus 1: loads of one process share a range */
    uint64_t seed;
    uint32_t inflight_most; /* 0: 2000 */
    enum load_pace pace;
    /* This is shard ${shard} (from 0) of ${shards} (0: 1) that together send the plan: of an open
     * load the requests k with k mod shards == shard, at the same times and with the same sequences
     * as one load would give them; of a closed one those users, and their part of the tags. Warm
     * connections, and the cap, are each shard's own. */
    uint32_t shard, shards;
};

/* ${recorder} may be NULL. Both outlive the load. ERROR_INPUT with the plan's line for what
 * cannot be (another protocol, a rate that nothing gave), ERROR_LIMIT for too many tagged requests.
 */
bool load_open(struct loop *loop, struct recorder *recorder, const struct load_config *config,
               struct load **ret, struct error *err) WARN_UNUSED;
/* Requests under way are reset and not recorded: stop first. */
void load_free(struct load *l);
/* The schedule's zero. An open load opens its warm connections now. */
void load_start(struct load *l, uint64_t at_ns);
/* Sends nothing more. ${on_done} is called once, in a later turn: when every request under way has
 * ended, or
 * ${drain_ns} from now, when the rest are reset and recorded as the client's time-outs. */
void load_stop(struct load *l, uint64_t drain_ns, void (*on_done)(void *cookie), void *cookie);

/* As load_stop, at once: what is under way ends without a record, for what came of it is not the
 * mesh's doing. */
void load_abandon(struct load *l, void (*on_done)(void *cookie), void *cookie);

struct load_progress {
    uint64_t sent, done, errors; /* errors: not complete, or status >= 500 */
    uint64_t capped;             /* sent late for want of a free connection under the cap */
    uint64_t late;               /* sent more than 1 ms after they were due */
    uint64_t in_flight, tags_left, connections, last_seq;
    uint64_t second_done, second_errors; /* of the last whole second */
};
struct load_progress load_progress(const struct load *l);

#endif
