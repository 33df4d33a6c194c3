#ifndef VERIFY_MAKING_H
#define VERIFY_MAKING_H

/* A generated plan while it is made (generate*.c): what the edge has in force, which claims are
 * wanted, and the phases so far. */

#include "verify/eject.h"
#include "verify/generate.h"

#define MAKING_PHASES_MOST 64
#define MAKING_STEPS_MOST 160 /* and two for each endpoint */
#define MAKING_TAGS_MOST 64
#define MAKING_WORKERS 2 /* of a sidecar, as it is installed: each has connections of its own */
#define MAKING_HELD "all:hold" /* the tag of the requests that no try answers */

struct making {
    struct plan *p;
    struct scenario *s;
    const struct edge_policy *edge;
    const struct generate_options *options;
    struct ejector ejector;
    bool ejects;           /* an ejection can happen: streaks must be guarded */
    uint64_t c;            /* failures in a row, of whatever kind, that eject; 0: never */
    uint32_t n;            /* endpoints */
    uint32_t one, other;   /* the drawn ones */
    const char *edge_text; /* "client -> payments" */
    const char *to;
    struct phase *phases;
    size_t phase_count;
    /* Of the phase that is being made. */
    struct step *steps;
    size_t step_count;
    struct load_plan *loads;
    size_t load_count;
    struct tagged *tags;
    size_t tag_count;
    uint32_t heals;
    bool fails; /* the phase makes requests fail with what is retried, or shows that nothing is */
    uint64_t longer; /* this phase, for its load is so much slower than it would be (rate limit) */
};

/* How many steps a phase has room for: no phase has more than two of each endpoint, and few others.
 */
static inline size_t making_steps_most(const struct making *m)
{
    return MAKING_STEPS_MOST + (size_t)2 * m->n;
}

void making_init(struct making *m, struct plan *p, struct scenario *s,
                 const struct edge_policy *edge, const struct generate_options *options);
/* generate_needs.c: seconds of all phases that ask that part of that word; and the scenario's
 * unasked claims, when its phases are made. */
uint64_t making_seconds(const struct scenario *s, const char *word, const char *only);
void making_tell_unasked(struct making *m);
/* Whether a claim is asked for and the policy gives it something to judge. */
bool making_wants(const struct making *m, const char *id);

/* generate_phases.c */
void making_phases(struct making *m);
/* "payments/2" */
const char *making_endpoint(const struct making *m, uint32_t number);
/* One phase: begun, given its load and steps, and ended; ${lasting_ns} 0: by its awaits. */
void making_begin(struct making *m);
void making_open(struct making *m, uint64_t per_s);
void making_closed(struct making *m, uint32_t users, uint64_t think_ns);
void making_end(struct making *m, const char *name, const char *about, uint64_t lasting_ns);
/* A phase that awaits every endpoint's answer. */
void making_heal(struct making *m);
/* generate_accrual.c: the phases of Linkerd's failure accrual. */
void making_accrual(struct making *m);
/* generate_limits.c: the phases of a pool's limits, of a retry budget and of a rate limit. */
void making_limits(struct making *m);
/* Requests an hour, their retries counted, that no rate limit of one endpoint refuses. */
uint64_t making_most_per_h(const struct making *m);
/* generate_claims.c: the tags of the phase "mixed", with their faults; and the expectations of a
 * phase. */
void making_tags(struct making *m);
uint64_t making_tag_total(const struct making *m);
/* One cause: ${fails} first tries (0: all) of ${count} requests get the fault. */
void making_tag(struct making *m, uint32_t fails, const char *cause, uint32_t count,
                const char *word, const char *const *keys, bool is_failure);
uint32_t making_cause_least(const struct making *m);
/* generate_timeouts.c: the tags of held and of slow requests. */
void making_timeouts(struct making *m);
/* How late an answer is that must be kept: three quarters of the per-try timeout, and so much
 * before it that neither its timer nor the way there and back makes it late. */
uint64_t making_slow_ns(uint64_t per_try_ns);
/* How late one is that shows that no timeout is in force. */
uint64_t making_patience_ns(const struct making *m);
/* Whether the whole timeout can end a request before its tries are used up; and whether it often
 * enough does so in the midst of a try, so that it cannot be the per-try timeout. */
bool making_reaches_timeout(const struct edge_policy *edge);
bool making_tells_timeout(const struct edge_policy *edge);
/* generate_room.c: how far apart those tags are where few retries are let through at once, or there
 * are few connections; or one after the other. How long all of them take: to making_end. */
uint64_t making_room(struct making *m);
/* generate_whole.c: tags and expectation of the work that is done before a request fails. */
void making_whole(struct making *m);
/* generate_tls.c: the phases of mTLS and rotations, where the lab speaks it. */
void making_tls(struct making *m);
/* Adds `expect.WORD` with those of ${parts} (a NULL-ended list) that some wanted claim needs. */
void making_expect(struct making *m, const char *word, const char *on, const char *const *parts);

void making_step(struct making *m, struct step step);
const char *making_ms(const struct making *m, uint64_t ns);

#endif
