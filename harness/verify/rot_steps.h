#ifndef VERIFY_ROT_STEPS_H
#define VERIFY_ROT_STEPS_H

/* The steps of certificates of a phase as spans of the run, for the claims of rotations. */

#include "verify/handshake.h"

#define ROT_STEPS_MOST 256

struct rot_step {
    const char *text; /* "trust add root-b" */
    struct source source;
    uint64_t begin_ns, settled_ns, end_ns; /* settled: every place has it, and says so */
    uint64_t ttl_ns;                       /* of the leaves that it issues; 0: it issues none */
    bool changed;                          /* it changed something */
};
/* In order of time; steps of one instant are one. Returns how many. */
size_t rot_steps(const struct shakes *s, const struct window *w, struct arena *arena,
                 struct rot_step *ret, size_t most);

#endif
