#ifndef VERIFY_STAND_H
#define VERIFY_STAND_H

/* Between the judge's own files: judge.c asks each claim of each place, looks.c what the
 * repetitions of its phase say. */

#include "verify/hearing.h"

/* Where an expectation stands, while its claims are judged. */
struct stand {
    struct hearing *h;
    uint32_t scenario, ordinal; /* UINT32_MAX: the whole scenario */
    const struct phase *phase;
    const char *arm;
    struct span within; /* of the phase's own time: `during` */
};

/* The span of a part of a run of the phase that ${st} is about (${again}: as in hearing_phase);
 * false: there is none. The phase's own time stood still between its parts. */
bool stand_span(const struct stand *st, uint32_t again, size_t part, struct span *ret);
/* The window of one run of the phase (${again}: as in hearing_phase), or of a part of it; false: it
 * did not run. */
bool stand_window(const struct stand *st, const struct step *asked, const struct edge_policy *edge,
                  uint32_t again, size_t part, struct window *ret);
/* What the journal itself says of its window: lost records, hooks that failed. */
void stand_mind_journal(const struct stand *st, const struct claim_type *type,
                        const struct window *w, struct verdict *v);
/* looks.c: ${v} is what the walk said. What it left open the repetitions may decide, what it
 * refused they must confirm (spec/verifier.md 5.5, ADR 0009). Returns whether one more may help. */
bool stand_look_again(const struct stand *st, const struct claim_type *type,
                      const struct step *asked, const struct edge_policy *edge, struct verdict *v);

#endif
