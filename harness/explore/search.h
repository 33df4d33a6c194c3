#ifndef EXPLORE_SEARCH_H
#define EXPLORE_SEARCH_H

/* The search: draw a schedule, have it walked and judged, and go on until a claim FAILs; then see
 * that it FAILs again in every replay, and shrink it. It touches nothing itself: who walks and
 * judges is an oracle, and time is the oracle's too. */

#include "explore/draw.h"
#include "explore/shrink.h"

enum trial_stage {
    TRIAL_DRAWN,
    TRIAL_REPLAY, /* the same schedule again, with another seed: ${replay} from 1 */
    TRIAL_SMALLER,
    TRIAL_LAST, /* what was shrunk, once more */
};
struct trial {
    enum trial_stage stage;
    const struct schedule *schedule;
    size_t space;      /* index of the search's spaces */
    uint64_t number;   /* of the drawn schedule, from 1 */
    uint64_t seed;     /* of its run: another one for each trial, the same for the same search */
    uint32_t replay;   /* from 1 */
    bool beside_right; /* a right mesh, known to follow the policy, under the same faults beside it
                        */
    const char *claim, *word, *on; /* that must FAIL again; NULL while drawn */
};
enum trial_end {
    TRIAL_PASS,         /* nothing FAILed, something was decided */
    TRIAL_INCONCLUSIVE, /* nothing FAILed, nothing was decided */
    TRIAL_FAIL,         /* ${claim} FAILed */
    TRIAL_BROKEN,       /* it could not be walked or judged: the surroundings */
    TRIAL_STOPPED,      /* somebody or something asked us to stop */
};
struct trial_result {
    enum trial_end end;
    /* FAIL: the claim's id, its expectation's word, and its place; "" where it has none. */
    char claim[48], word[32], on[200];
    /* The right mesh beside it FAILed too: what was seen is not the mesh's fault, and where the
     * claim follows from the policy, it is the judge's (${doubted}). */
    bool right_fails, doubted;
};
/* Of which runs the oracle keeps what it has of them. */
enum search_evidence {
    EVIDENCE_NEWEST, /* the run that FAILed last */
    EVIDENCE_CLOSER, /* of the drawn schedule that is looked at more closely */
    EVIDENCE_DRAWN,  /* of the result's drawn schedule */
    EVIDENCE_SMALLEST,
    EVIDENCES,
};
struct search_oracle {
    void (*judge)(void *cookie, const struct trial *t, struct trial_result *ret);
    /* What is kept as ${from} is kept as ${to} from now on, whose own is dropped. */
    void (*keep)(void *cookie, enum search_evidence from, enum search_evidence to);
    uint64_t (*now_ns)(void *cookie);
    void *cookie;
};
struct search_options {
    uint64_t seed;
    uint64_t budget_ns; /* for drawing; a trial that would not end within it is not begun */
    uint64_t shrink_ns; /* for replays and shrinking, afterwards */
    uint32_t replays;   /* k: at least 1 */
};
enum search_end {
    SEARCH_NOTHING, /* the budget is over */
    SEARCH_FOUND,
    SEARCH_ONCE,    /* a claim FAILed once, and not in every replay; the budget is over */
    SEARCH_STOPPED, /* before anything was found */
    SEARCH_BROKEN,  /* BROKEN_MOST trials in a row could not be walked */
};
#define SEARCH_BROKEN_MOST 3
struct search_result {
    enum search_end end;
    uint64_t trials, decided; /* drawn; of them not INCONCLUSIVE */
    uint64_t doubted;         /* failures that a right mesh showed too */
    /* FOUND, and ONCE: what FAILed, as drawn and as small as it got. */
    struct trial_result failed;
    struct schedule drawn, smallest;
    size_t space;
    uint64_t number;  /* of the drawn trial */
    uint64_t tried;   /* schedules while shrinking */
    bool minimal;     /* nothing smaller fails; false: time was up, or we were stopped */
    bool stopped;     /* somebody stopped us while we shrank */
    bool last_failed; /* the last look, beside a right mesh, showed it again */
};
/* ${spaces} take turns. False only where no schedule can be drawn at all. */
bool search_run(const struct space *spaces, size_t space_count,
                const struct search_options *options, const struct search_oracle *oracle,
                struct search_result *ret, struct error *err) WARN_UNUSED;

#endif
