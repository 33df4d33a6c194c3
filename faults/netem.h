#ifndef FAULTS_NETEM_H
#define FAULTS_NETEM_H

/* What the rows of fault.netem and fault.partition ask of the kernel (world/netem.h). */

#include "faults/fault.h"
#include "world/netem.h"

struct fault_netem {
    struct netem netem;
    bool device; /* scope = "device": all packets, not those of the peer alone */
    enum netem_direction direction;
};
/* From a fault_netem's or fault_partition's parameters. ${run_seed} NULL: a seed only where the
 * rows have one. Errors name no word: "gemodel has ...". */
bool fault_netem_read(const void *params, const uint64_t *run_seed, struct fault_netem *ret,
                      struct error *err) WARN_UNUSED;
struct fault_netem fault_partition_read(const void *params);

extern const struct fault_type fault_netem, fault_partition;

#endif
