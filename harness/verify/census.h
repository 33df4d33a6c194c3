#ifndef VERIFY_CENSUS_H
#define VERIFY_CENSUS_H

/* What success and fallback count (spec/scenario-language.md 1.7): of all answers of a window the
 * good ones, against the share that the suite asks. A census infers nothing, but what came while
 * our own loops stood still says nothing of the mesh: its timers fire then as they must
 * (spec/verifier.md 8.2: no FAIL ever on a starved machine; ADR 0034). */

#include "verify/window.h"

struct census {
    uint64_t atleast_ppm;
    uint64_t total, good;
    uint64_t still; /* not good, and our own loops stood still for more than 250 ms at once */
};

/* One request of the window. */
void census_add(struct census *c, const struct window *w, const struct request *r, bool is_good);
bool census_met(const struct census *c);
/* Fewer are good than asked, but without those of `still` there were enough: INCONCLUSIVE, true.
 * ${what}: how the others are called, "that are not good". */
bool census_open(const struct census *c, const char *what, struct arena *arena,
                 struct verdict *ret);

#endif
