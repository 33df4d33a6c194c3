#ifndef VERIFY_METRICS_H
#define VERIFY_METRICS_H

/* The mesh's own counters against the wire (spec/verifier.md 3.7 metrics.*): what it counted
 * between two scrapes at which nothing was under way, and the same seen from both ends. One file a
 * claim (metrics_*.c) compares the two. */

#include "verify/window.h"

/* What all proxies of an edge counted between two quiet scrapes of each. */
struct meter {
    uint64_t from_ns, to_ns; /* nothing was under way at both */
    size_t proxies;
    bool known[MEANINGS];
    uint64_t value[MEANINGS];
};
/* The narrowest pair of quiet scrapes around ${w}'s requests, else the widest within; a counter
 * that fell starts it anew. False: there is none, and ${v} says why. */
bool meter_read(const struct window *w, struct meter *ret, struct verdict *v, struct arena *arena);

/* The least and the most that a right mesh may have counted: they differ by what cannot be seen
 * from outside (1.4). */
struct metrics_bounds {
    uint64_t least, most;
};
struct wire {
    uint64_t requests;
    struct metrics_bounds tries, retries, cut;
    struct metrics_bounds cut_try, cut_whole;      /* parts of ${cut}: only .least is a bound */
    struct metrics_bounds status[METRICS_CLASSES]; /* of the answers to the caller */
    struct metrics_bounds tried[METRICS_CLASSES];  /* of the endpoints' answers */
    struct metrics_bounds none;                    /* tries that ended without a status */
    bool hidden;                                   /* tries may have been made that nobody saw */
    uint64_t untold; /* refused by a limit: which try of theirs it was, no number tells */
    uint64_t hosts;  /* of the mesh, by the addresses of its side */
    uint64_t pages;  /* that the plan wanted to have read, where it names any */
    uint64_t tainted_ppm;
    uint32_t first_retried; /* a request, for a witness; TRACK_NONE */
};
void wire_read(const struct window *w, const struct meter *m, struct wire *ret);

/* Both, for a claim. Claims come one after the other and most are asked of the same window: what
 * was read last is kept in ${w}'s memo, where it has one. */
bool metrics_read(const struct window *w, struct meter *ret_meter, struct wire *ret_wire,
                  struct verdict *v, struct arena *arena);
/* All zero: nothing was read. */
struct metrics_memo {
    const struct track *track;
    const struct edge_policy *policy;
    uint32_t edge;
    struct span span;
    struct meter meter;
    struct wire wire;
};

/* Compares; true when ${v} was decided (FAIL, or INCONCLUSIVE). ${what}: "retries". */
bool metrics_differ(const struct window *w, const struct meter *m, const struct wire *wire,
                    const char *what, uint64_t mesh, const struct metrics_bounds *bounds,
                    struct verdict *v, struct arena *arena);
/* INCONCLUSIVE: the proxies have no such counter. */
void metrics_unknown(struct verdict *v, struct arena *arena, const char *counter);
/* "166", "166 to 172". */
const char *metrics_bounds_print(const struct metrics_bounds *b, struct arena *arena);

#endif
