#ifndef ENGINE_AWAIT_H
#define ENGINE_AWAIT_H

/* The events that a phase may wait for (scenario-language.md 1.7), seen in the stream of records as
 * they arrive. Each answer is a pure function of what was fed and of the time that is passed in: no
 * clock, no socket. An await ends a phase; it judges nothing, so its rules of silence are quicker
 * than the verifier's (verifier.md 2.3). */

#include "journal/picks.h"
#include "plan/plan.h"

enum await_kind {
    AWAIT_EJECTED,
    AWAIT_READMITTED,
    AWAIT_STEADY,
    AWAIT_FIRED,
    AWAIT_REQUESTS,
    AWAIT_CERT,
    AWAIT_PROBE,
    AWAIT_HUMAN
};
enum await_late { AWAIT_LATE_FAIL, AWAIT_LATE_GO_ON, AWAIT_LATE_ABORT };

struct await {
    enum await_kind kind;
    enum await_late late;
    const struct step *step;
    uint64_t within_ns, hold_ns, count;
    const char *fault; /* AWAIT_FIRED: its name */
    const char *root;  /* AWAIT_CERT */
    const char *probe; /* AWAIT_PROBE */
    bool holds_faults; /* AWAIT_HUMAN: none is in force while it waits */
    /* From await_begin on. */
    uint64_t begin_ns, seen, last_bad_ns;
    uint64_t in_since_ns; /* AWAIT_PROBE: in its range since this sample; 0: it is not */
    uint64_t before[PICKS_ENDPOINTS_MOST + 1]; /* attempts at each endpoint when it began */
    bool silent_before;
};
/* Reads a step of kind STEP_AWAIT; the error carries its line. */
bool await_parse(const struct step *step, struct await *ret, struct error *err) WARN_UNUSED;
/* ${picks} of the place's service (NULL where the kind needs none). */
void await_begin(struct await *a, const struct picks *picks, uint64_t now_ns);
/* The run was paused for ${stood_ns}, until now: its time stood still, and what was on its way to
 * be met must begin again. */
void await_stood(struct await *a, const struct picks *picks, uint64_t stood_ns, uint64_t now_ns);
/* What it waits for, as a report names it: its place, its fault or its probe. */
const char *await_on(const struct await *a);
/* The newest sample was asked at ${at_ns}; those from before the await are no answer. */
void await_on_probe(struct await *a, uint64_t at_ns, bool wanted);
/* A request of the awaited edge has ended. */
void await_on_request(struct await *a, const struct request_record *request);
/* Whether the awaited place serves or trusts the root now. */
void await_on_cert(struct await *a, bool has);
/* The awaited fault has fired. */
void await_on_fired(struct await *a);
/* Somebody says go on. */
void await_on_human(struct await *a);
bool await_met(const struct await *a, const struct picks *picks, uint64_t now_ns);

#endif
