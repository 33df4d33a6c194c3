#ifndef VERIFY_JUDGE_H
#define VERIFY_JUDGE_H

/* judge(journal) -> verdicts: the whole judgement of a run, from the journal alone. */

#include "verify/baseline.h"
#include "verify/claim.h"

/* Somebody answers for a FAIL until a day (verify/exception.h). */
struct accepted {
    uint32_t until; /* the last day, as 20261231 */
    bool stands;    /* false: that day is over, and it gates again */
    const char *ticket, *owner, *reason;
};
struct judged {
    const struct claim_type *claim;
    uint32_t scenario, ordinal; /* ordinal UINT32_MAX: judged over the whole scenario */
    const char *scenario_name, *phase_name, *arm;
    const char *on;                  /* "checkout -> payments" */
    const char *note;                /* the suite's own words on it; NULL: none */
    struct source asked_by;          /* the suite's line */
    bool gates;                      /* counts for the exit code (controls do not) */
    const struct accepted *accepted; /* NULL: nobody answers for it */
    bool again_helps; /* undecided for want of instances: a repeat of its phase may decide it */
    struct verdict verdict;
};
/* A fault step of a phase with what it did: for the reports' "fired" lines. */
struct judged_fault {
    uint32_t scenario, ordinal;
    uint16_t fault;
    uint32_t again;        /* as its judged_phase */
    uint32_t part;         /* as its judged_phase */
    const char *text, *on; /* "abort 503", "payments/any" */
    const char *name;      /* its author's; NULL: none */
    /* To be read: the endpoints that were drawn, and how often. "payments/2 (drawn for
     * payments/any), 50%, first 1" */
    const char *where;
    uint64_t fired, guarded, eligible;
};
struct judged_phase {
    uint32_t scenario, ordinal;
    uint32_t again; /* which repetition (the confirmation stage); 0: the walk itself */
    uint32_t part;  /* of a phase that was paused, from 0; */
    uint32_t parts;
    const char *name, *why;
    uint64_t t0_ns, t1_ns, requests, tries, tainted_ppm;
    uint64_t warmup;    /* of the requests: no claim reads them */
    uint64_t active_ns; /* of an arm that takes turns with others: in how many ${blocks} */
    uint32_t blocks;    /* 0: it stands alone */
};
struct judged_control {
    const char *name;  /* "right", or the defect */
    const char *claim; /* that must catch it; NULL for right */
    enum verdict_kind kind;
    bool as_it_must;
    const char *text;
};
struct judgement {
    struct judged *verdicts;
    size_t verdict_count;
    struct judged_phase *phases;
    size_t phase_count;
    struct judged_fault *faults;
    size_t fault_count;
    struct judged_control *controls;
    size_t control_count;
    enum verdict_kind outcome; /* FAIL > INCONCLUSIVE > PASS over those that gate */
    size_t pass, fail, inconclusive, not_applicable;
    size_t accepted; /* FAILs that gate no more */
    uint64_t stall_count, longest_stall_ns, lost_records;
    struct arena arena;
};
struct judge_options {
    const char *claim;    /* id, word or family; NULL: all */
    const char *scenario; /* glob; NULL: all */
    bool strict;          /* n_min 66 a cause */
    bool partial;         /* during the run: a missing end row is not an objection */
    /* Of one side of each test. 0: the plan's budget, split (spec/verifier.md 5); anything else is
     * for the proof that the judge keeps its level (5.6). */
    double level;
    struct baselines baselines; /* journals of other runs that tails are judged against */
    /* The journal's plan, where a caller that judges a journal again and again has it already;
     * NULL: it is read from there. */
    const struct plan *plan;
};
bool judge_run(const struct journal *j, const struct judge_options *options, struct judgement **ret,
               struct error *err) WARN_UNUSED;
/* The same of a journal whose rows may not all be in memory (journal_open_sliced): it reads those
 * of one walk after the other, and leaves what it read last. ERROR_INPUT too where they cannot be
 * read. */
bool judge_sliced(struct journal *j, const struct judge_options *options, struct judgement **ret,
                  struct error *err) WARN_UNUSED;
void judgement_free(struct judgement *g);
/* The phases (ordinals of ${scenario}) that ${arm}, the subject or a control, is to walk once more,
 * when that was done ${done} times: those of a FAIL of class P or T, to confirm it (5.5), and those
 * that stalls or chance left undecided in a generated plan (ADR 0009). None after LOOKS_MOST looks.
 * Returns the count. */
size_t judge_repeats(const struct judgement *g, uint32_t scenario, const char *arm, uint32_t done,
                     uint32_t *ret_ordinals, size_t most);

#endif
