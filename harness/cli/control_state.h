#ifndef CLI_CONTROL_STATE_H
#define CLI_CONTROL_STATE_H

/* What the control socket tells of its run: where it is, what is in force, how far the undoing is.
 * Fed by the rows of the journal; the subject's, for controls do the same beside it. No clock. */

#include "journal/tap.h"

#define CONTROL_FAULTS_MOST 32
#define CONTROL_PHASES_MOST 64

struct control_fault {
    uint32_t fault;
    char text[128], on[96], name[64]; /* "abort 503", "payments/2", ""; */
    char word[24];
};
struct control_state {
    const char *word; /* "starting", "running", "paused", "undoing", "judging", "done" */
    char phase[128];  /* under way, "": none */
    uint64_t phase_t0_ns;
    uint32_t phases[CONTROL_PHASES_MOST]; /* the subject's, by their number in the journal */
    char *begun[CONTROL_PHASES_MOST];     /* their names */
    size_t phase_count;
    struct control_fault faults[CONTROL_FAULTS_MOST];
    size_t fault_count;
    char why[256]; /* of an abort */
    uint64_t abort_ns, off_ns;
    unsigned off, promised, undone, not_back; /* faults that the abort took out; changes */
    bool changed;                             /* since somebody set it back */
};

void control_state_init(struct control_state *s);
void control_state_release(struct control_state *s);
void control_state_row(struct control_state *s, const struct record_source *from,
                       enum record_kind kind, const void *record);
/* {"state", "phase", "phases": [begun so far], "faults": [{"text", "on", "name", "word"}], "why",
 *  "faults_off", "off_ms", "changes", "undone", "not_back"}. */
json_t *control_state_json(const struct control_state *s);

#endif
