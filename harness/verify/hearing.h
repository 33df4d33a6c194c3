#ifndef VERIFY_HEARING_H
#define VERIFY_HEARING_H

/* One judgement while it is made: the journal's plan and policies, the tracks built so far, and the
 * verdicts. */

#include "journal/arm.h"
#include "verify/judge.h"
#include "verify/metrics.h"
#include "verify/window.h"

#define SUBJECT ARM_SUBJECT
#define RIGHT "right"

struct arm_edge {
    const char *arm;
    uint32_t scenario;
    struct edge_policy edge;
};
/* A track that was built, for (scenario, arm, service). */
struct known_track {
    uint32_t scenario;
    struct track *track;
};
/* A verdict's case, before it is in the list. */
struct hearing {
    const struct journal *journal;
    struct journal *sliced; /* the same, where its rows are read walk by walk; else NULL */
    const struct judge_options *options;
    const struct plan *plan;
    struct plan *own_plan; /* read from the journal; NULL: the plan is the caller's */
    struct arm_edge *edges;
    size_t edge_count;
    struct known_track *tracks;
    size_t track_count, track_room;
    const char **subjects; /* of each scenario: SUBJECT, or the arm that it is */
    struct judgement *g;
    size_t verdict_room;
    size_t faults_most;           /* that the lists have room for */
    struct edge_policy *edges_of; /* of the arm that was asked for last; NULL: none yet */
    size_t edges_of_count;
    uint32_t edges_of_scenario;
    const char *edges_of_arm;
    double alpha; /* for one side */
    struct metrics_memo metrics;
};

bool hearing_init(struct hearing *h, const struct journal *j, const struct judge_options *options,
                  struct judgement *g, struct error *err) WARN_UNUSED;
void hearing_release(struct hearing *h);

/* Whose processes and phases are those of the scenario, but for its controls: SUBJECT, or
 * "arm:linkerd" where it is one arm of several. */
const char *hearing_subject(const struct hearing *h, uint32_t scenario);
/* hearing_arms.c: whether the step is asked of the scenario (of an arm without a mesh only what no
 * policy promises; what arms have in common, of the first of them), and counts for the exit code.
 */
bool hearing_asks(const struct hearing *h, uint32_t scenario, const struct step *s);
/* On the day of the run somebody answered for the scenario: it is reported, and does not gate. */
bool hearing_in_quarantine(const struct journal *j, const struct scenario *s);
bool hearing_gates(const struct hearing *h, uint32_t scenario, const char *arm,
                   const struct step *s);
/* A place's service, NULL where it names none. */
const char *hearing_service(const struct step *s);
/* The policy of the edge that ${s} speaks of; NULL: the journal has none. */
const struct edge_policy *hearing_edge(const struct hearing *h, uint32_t scenario, const char *arm,
                                       const struct step *s);
/* All policies of an arm; they live as long as the judgement. */
const struct edge_policy *hearing_edges(struct hearing *h, uint32_t scenario, const char *arm,
                                        size_t *ret_count);
const struct track *hearing_track(struct hearing *h, uint32_t scenario, const char *arm,
                                  const char *service, const struct edge_policy *edge);
/* The run of a planned phase by an arm; ${again}: which repetition, 0 the walk itself. NULL: it did
 * not run. */
const struct journal_phase *hearing_phase(const struct hearing *h, uint32_t scenario,
                                          const char *arm, const struct phase *phase,
                                          uint32_t again);
/* hearing_part.c: a run that was paused is in parts, each a row of the journal: what lies between
 * is no evidence (scenario-language.md 2.6). Part 0 is hearing_phase. NULL: there is none. */
const struct journal_phase *hearing_part(const struct hearing *h, uint32_t scenario,
                                         const char *arm, const struct phase *phase, uint32_t again,
                                         size_t part);
/* When the row's own clock, which stands while other arms have their turn, was at ${own_ns}. */
uint64_t hearing_wall_ns(const struct hearing *h, const struct journal_phase *row, uint64_t own_ns);
/* How long that clock went; 0: the row never ended. */
uint64_t hearing_own_ns(const struct hearing *h, const struct journal_phase *row);
/* The row ended before its time (a pause, an abort, an agent that was lost, a run under way): what
 * came after is not looked at, and ${v} is not what it would have been. A witness stands. */
bool hearing_cut_short(const struct journal_phase *row, const struct claim_type *type,
                       const struct verdict *v);
/* Whether a phase of the scenario was paused in this arm. */
bool hearing_paused(const struct hearing *h, uint32_t scenario, const char *arm);
/* Two parts' verdicts on one claim; ${parts}: how many there are. */
void hearing_merge_parts(const struct claim_type *type, struct verdict *so_far,
                         const struct verdict *next, size_t parts, struct arena *arena);
/* From the first phase of the arm's walk to its last. */
struct span hearing_span(const struct hearing *h, uint32_t scenario, const char *arm);
/* All that its tracks may hold: with the calm before, and what was under way at the end. */
struct span hearing_reach(const struct hearing *h, uint32_t scenario, const char *arm);
/* hearing_walk.c: from here on one walk is looked at, an arm's way through a scenario: no other's
 * rows need be in memory, but those of what its claims compare it with. Rows and tracks of before
 * are gone. */
bool hearing_visit(struct hearing *h, uint32_t scenario, const char *arm,
                   struct error *err) WARN_UNUSED;
/* The walk is done: its tracks are gone. */
void hearing_leave(struct hearing *h);
/* Arms of the scenario in order of appearance, the subject first. */
size_t hearing_arms(const struct hearing *h, uint32_t scenario, const char **ret, size_t most);
/* Whether the options want this claim. */
bool hearing_wants(const struct hearing *h, const struct claim_type *type);
/* Whether an expectation's word, and its `only`, mean this claim. */
bool expectation_means(const struct step *s, const struct claim_type *type);
struct judged *hearing_add(struct hearing *h);

/* hearing_rules.c: what turns a verdict around after it was found. */
void hearing_couple(struct hearing *h);
void hearing_controls(struct hearing *h);
/* hearing_lists.c: phases and faults of the report: room for those of all scenarios, then those of
 * each, in order, while its subject's walk is visited. */
void hearing_list_room(struct hearing *h);
void hearing_list(struct hearing *h, uint32_t scenario);
/* Where nothing was to be judged because no fault of the phase fired, the verdict says so. After
 * all of hearing_list. */
void hearing_explain(struct hearing *h);

#endif
