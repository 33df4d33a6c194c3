#ifndef VERIFY_CLAIM_H
#define VERIFY_CLAIM_H

/* A claim is a pure function of the policy and of a window of the journal: no clock, no socket, no
 * random number (spec/verifier.md). One file a claim, one line in claims.def. */

#include "journal/journal.h"
#include "journal/look.h"
#include "plan/plan.h"
#include "policy/policy.h"

enum claim_class { CLAIM_DETERMINISTIC, CLAIM_TIMING, CLAIM_PROBABILISTIC };
enum verdict_kind { VERDICT_PASS, VERDICT_INCONCLUSIVE, VERDICT_FAIL, VERDICT_NOT_APPLICABLE };
/* Why nothing could be decided: named in every report (scenario-language.md 8.11). */
enum why {
    WHY_NONE,
    WHY_NEVER_FIRED,
    WHY_TOO_FEW,
    WHY_STALLED,
    WHY_CAPABILITY,
    WHY_INSTRUMENT,
    WHY_LOST,
    WHY_NOT_ENDED,
    WHY_NOT_REPEATED,
    WHY_EXPIRED, /* the time of an await or of a question */
    WHY_FAULT_EXPIRED,
};

/* A verdict with its evidence. Text lives in the judgement's arena. */
struct verdict {
    enum verdict_kind kind;
    enum why why;
    uint64_t seen, eligible, wrong, needed; /* needed: n_min; counts are of ${unit} */
    const char *unit;                       /* "requests", "tries cut", "episodes" */
    uint64_t witness_hi, witness_lo;        /* id of the first offending request; 0, 0: none */
    uint64_t witness_ns;                    /* when, on the run's clock */
    struct source policy_line;
    const char *policy_origin;
    const char *policy; /* "at most 3 retries on 503" */
    const char *text;   /* PASS: the line; FAIL: what was seen; INCONCLUSIVE: why */
    const char *certain, *needs;
};

struct window; /* verify/window.h: an arm's attempts and requests with the indexes and primitives of
                  section 2 */
struct claim_type {
    const char *id, *word, *only, *help; /* "retry.max", "retries", "atmost" */
    enum claim_class class;
    /* False: the policy says nothing that this claim could judge (not applicable). */
    bool (*applies)(const struct edge_policy *edge);
    /* ${w} is the window of one expectation; fills ${ret} (texts from ${arena}). Never fails. */
    void (*judge)(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret);
    const char *also_word, *also_only; /* a second word that means it, or NULL */
    /* Where the policy says nothing: what the target's default says instead, when that leaves
     * nothing that could be broken; NULL: the claim is not applicable then. For an expectation that
     * an author wrote, it is a PASS. */
    const char *(*by_default)(const struct edge_policy *edge, struct arena *arena);
    /* A PASS asks for one count of instances and nothing else: those of a phase and of its
     * repetition may be added. */
    bool adds;
};
const struct claim_type *const *claim_types(size_t *ret_count);
const struct claim_type *claim_type_find(const char *id);

#endif
