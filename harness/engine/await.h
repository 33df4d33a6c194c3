#ifndef ENGINE_AWAIT_H
#define ENGINE_AWAIT_H

/* The events that a phase may wait for (scenario-language.md 1.7), seen in the stream of records as
 * they arrive. Each answer is a pure function of what was fed and of the time that is passed in: no
 * clock, no socket. An await ends a phase; it judges nothing, so its rules of silence are quicker
 * than the verifier's (verifier.md 2.3). */

#include "journal/record.h"
#include "plan/plan.h"

#define PICKS_WINDOW_MOST 65536
#define PICKS_ENDPOINTS_MOST 1000 /* of a service: the lab's own maximum */

/* What is known of one endpoint's attempts. */
struct pick_endpoint {
    uint64_t last_ns;     /* head of the newest attempt; 0: none yet */
    uint64_t elsewhere;   /* attempts at other endpoints with a later head */
    uint64_t mean_gap_ns; /* of its own attempts, silences left out */
    uint64_t lag_ns;      /* how late its records come (a held call is told at its end); fades */
    uint32_t in_window;
    uint64_t attempts;
    bool last_good;
};
/* The attempts at one service, by endpoint: the last ${size} of them, in order of arrival. */
struct picks {
    uint16_t endpoint_count;
    uint16_t *ring; /* endpoint numbers */
    size_t size, next, count;
    struct pick_endpoint endpoints[PICKS_ENDPOINTS_MOST];
};
void picks_init(struct picks *p, uint32_t endpoint_count);
void picks_release(struct picks *p);
/* ${now_ns}: when the record came. Endpoints beyond the count are left alone. */
void picks_add(struct picks *p, const struct attempt_record *attempt, uint64_t now_ns);
/* Nothing comes to endpoint ${number} while others are served: for >= 0.5 s beyond what a held call
 * explains, with the picks elsewhere that verifier.md 2.3 asks for, or, at a low rate, 12 of them
 * and 4 of its mean gaps. */
bool picks_silent(const struct picks *p, uint32_t number, uint64_t now_ns);

enum await_kind {
    AWAIT_EJECTED,
    AWAIT_READMITTED,
    AWAIT_STEADY,
    AWAIT_FIRED,
    AWAIT_REQUESTS,
    AWAIT_CERT,
    AWAIT_PROBE
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
bool await_met(const struct await *a, const struct picks *picks, uint64_t now_ns);

/* An answer that counts as good without being told otherwise: complete, 2xx or 3xx, grpc OK. */
bool request_is_good(const struct request_record *request);

#endif
