#ifndef NET_CHAIN_H
#define NET_CHAIN_H

/* The filters in force at one endpoint, in declared order, and the selector that says for which
 * calls (spec/engine.md section 3, scenario-language.md 1.4, 1.5). Immutable once made: arming
 * builds a new chain and swaps the pointer; a call keeps the generation that it began with. */

#include "net/stream.h"

enum { SELECT_PER_REQUEST, SELECT_PER_CONNECTION };

/* `match = {...}`, compiled: all keys must hold, a list means or. Empty lists match everything.
 * Globs as text_glob. Status matches on the response side only. */
/* HTTP2: gRPC calls too. */
enum { MATCH_HTTP1 = 1, MATCH_HTTP2 = 2, MATCH_GRPC = 4, MATCH_TCP = 8 };
struct match_pair {
    const char *name, *glob;
};
struct match {
    const char *const *methods, *const *paths, *const *authorities;
    const char *const *without, *const *tags, *const *froms;
    const char *const *grpcs; /* of "pkg.Service/Method"; gRPC calls alone match */
    const struct match_pair *headers, *queries;
    size_t method_count, path_count, authority_count, without_count;
    size_t tag_count, from_count, header_count, query_count, grpc_count;
    uint8_t protocols;                    /* MATCH_* bits, one must hold; 0: any */
    uint32_t attempt_least, attempt_most; /* 0, 0: any; most UINT32_MAX: open */
    uint16_t status_least, status_most;   /* 0: any */
};

/* `times` counts over all endpoints of the step, so it is shared by the slots of one fault. */
struct fire_budget {
    uint64_t left; /* UINT64_MAX: no limit */
};

/* The blast radius that a proxy holds itself to at each firing (guard.limits), one for all
 * endpoints of a service. What is over it passes untouched and is told as limited. */
struct fire_limits {
    uint64_t delay_most_ns; /* of one hold that has an end, a body's pace apart; 0: no limit */
    uint32_t share_ppm;     /* of the tries (and of the connections) chosen; 1000000: no limit */
    uint64_t seen[2], chosen[2]; /* tries; connections */
};

struct selector {
    struct match match;
    uint32_t share_ppm; /* 1000000: all */
    uint8_t per;
    uint32_t first;  /* only the first N tries of each request; 0: all */
    uint32_t streak; /* withhold a firing that would make the endpoint's run of failures so long; 0:
                        off */
    struct fire_budget *times;
    uint64_t expires_ns; /* TTL, by the loop's clock; UINT64_MAX: none */
    uint64_t seed; /* of the run; share draws rng_for(seed, fault, id_hi, id_lo, 0) or (.., 0, 0,
                      conn) */
    uint64_t base; /* taken from id_hi before: the process of a lab that stands beside others with
                      the same requests. 0: it stands alone */
};

struct filter_slot {
    const struct stream_filter *filter;
    const void *params;
    struct selector when;
    uint64_t fired;
    uint16_t fault;   /* number of the fault in the run, from 1 */
    uint32_t moments; /* set by chain_new: what this slot has takers for */
};

struct filter_chain {
    uint32_t live;  /* moments with a taker: MOMENT_BIT */
    uint32_t calls; /* holders: the endpoint, and calls of this generation */
    uint16_t count, generation;
    bool retired;
    struct fire_limits *limits; /* NULL: none; outlives the chain */
    struct arena arena;         /* everything the slots point to */
    struct filter_slot slots[];
};
#define CHAIN_SLOTS_MOST 64

/* ${take_arena}: holds params and matches; the chain owns it from now on (the caller's is emptied);
 * may be NULL when they outlive the chain. The maker holds the new chain once (proxy_arm takes that
 * hold over). */
struct filter_chain *chain_new(const struct filter_slot *slots, size_t count, uint16_t generation,
                               struct arena *take_arena);
void chain_hold(struct filter_chain *c);
/* Frees it with the last holder. */
void chain_release(struct filter_chain *c);
/* ${c} may be NULL. */
bool chain_has_fault(const struct filter_chain *c, uint16_t fault);

static inline bool chain_wants(const struct filter_chain *c, enum moment moment, enum side side)
{
    return c != NULL && (c->live & MOMENT_BIT(moment, side)) != 0;
}

#endif
