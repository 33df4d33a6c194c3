#ifndef VERIFY_GENERATE_H
#define VERIFY_GENERATE_H

/* The plan that a policy asks for (spec/verifier.md section 4, scenario-language.md 1.8): phases W,
 * A, A2, B1, Q, B2, B2b, B3, Z for one governed edge. Pure. */

#include "verify/claim.h"

struct generate_options {
    enum depth depth;
    bool strict;
    uint64_t seed;
    uint64_t budget_ns, patience_ns;
    const char *method;
    const char *const *claims, *const *except; /* ids, words or families */
    size_t claim_count, except_count;
    struct source source; /* of the scenario.from_policy call: every made step is "asked by" it */
};
/* Fills ${s}'s phases, loads and expectations (in ${p}'s arena). ${edge} must know its endpoints.
 * ${s} says too which claims of the policy they do not ask, and why (struct unasked).
 * ERROR_USAGE with the list of claims by cost when it needs more than the budget. */
bool generate_phases(struct plan *p, struct scenario *s, const struct edge_policy *edge,
                     const struct generate_options *options, struct error *err) WARN_UNUSED;
/* Planned length of the scenario's phases. */
uint64_t generate_length_ns(const struct scenario *s);
/* One a claim, all but await.*: what it needs (n), seconds: for `plan` and `explain`. */
struct claim_need {
    const struct claim_type *claim;
    uint64_t n, seconds;
    const char *text; /* why it is not asked, or NULL */
};
struct claim_need *generate_needs(const struct edge_policy *edge,
                                  const struct generate_options *options, struct arena *arena,
                                  size_t *ret_count);

/* A control's policy: the same claims on a builtin mesh, with intervals cut so that it is done
 * beside the subject (section 6). */
void generate_control_policy(const struct edge_policy *edge, struct edge_policy *ret);

#endif
