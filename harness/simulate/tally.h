#ifndef SIMULATE_TALLY_H
#define SIMULATE_TALLY_H

/* What came out of many gates whose truth was known (spec/verifier.md 5.6): plain numbers, so that
 * a process can hand its share to another through a pipe. Rows are by position in claim_types and
 * in the caller's list of defects. */

#include "simulate/gate.h"

#define TALLY_CLAIMS_MOST 128
#define TALLY_DEFECTS_MOST 128
#define TALLY_LEVELS 3
extern const double tally_levels[TALLY_LEVELS];

/* A defect as the simulator is told of it (mesh/defects.def is a layer that it cannot see). */
struct tally_defect_type {
    const char *name, *claim, *coupled; /* coupled: ids that may fail too, comma between, or NULL */
    enum flavour flavour;
    bool full; /* shows only in a plan of full depth */
    /* Whether it can show under this policy; NULL: wherever it changes anything. */
    bool (*shows)(const char *defect, const struct edge_policy *edge);
    void (*change)(void *cookie, struct model_config *m);
    void *cookie;
};

struct tally_claim {
    uint64_t judged, pass, inconclusive, alarms;
    uint64_t alarm_seed; /* the smallest, as each of the seeds below */
    struct {
        uint64_t judged, alarms;
    } level[TALLY_LEVELS]; /* of the first stage alone, each side at tally_levels */
};
struct tally_defect {
    uint64_t gates, caught, inconclusive, missed;
    uint64_t missed_seed;
    uint64_t wrong; /* gates in which a claim failed that has nothing to do with it */
    uint64_t wrong_seed;
    uint32_t wrong_claim; /* position in claim_types */
    uint64_t not_drawn;   /* no policy was drawn on which it could show */
};
struct tally {
    uint64_t gates, gates_alarmed, gates_pass, gates_inconclusive, repeated, level_gates;
    uint64_t records, virtual_ns;
    uint64_t broken; /* gates that could not be run at all */
    uint64_t broken_seed;
    struct tally_claim claims[TALLY_CLAIMS_MOST];
    struct tally_defect defects[TALLY_DEFECTS_MOST];
};

/* A gate of the right mesh, drawn from ${seed}; ${by_hand}: gate_options. */
void tally_right(struct tally *t, uint64_t seed, bool by_hand);
/* The same for the first stage alone at tally_levels[${level}]. */
void tally_level(struct tally *t, uint64_t seed, size_t level);
/* A gate of a mesh with ${type}'s defect, of a policy on which it can show. */
void tally_defect(struct tally *t, size_t index, const struct tally_defect_type *type,
                  uint64_t seed);
void tally_add(struct tally *to, const struct tally *from);
/* The gate that tally_right draws from ${seed}: to look at an alarm again. */
struct gate_options tally_options(uint64_t seed);
/* The same for tally_defect; false: no policy of that seed shows it. ${edge} is what it points to.
 */
bool tally_defect_options(const struct tally_defect_type *type, uint64_t seed,
                          struct edge_policy *edge, struct gate_options *ret);
/* More alarms than ${n} judgements with ${sides} sides at ${level} each give but once in a
 * thousand.
 */
bool tally_exceeds(uint64_t alarms, uint64_t n, unsigned sides, double level);

#endif
