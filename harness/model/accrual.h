#ifndef MODEL_ACCRUAL_H
#define MODEL_ACCRUAL_H

/* Linkerd's consecutive failure accrual of one endpoint (policy-semantics.md D5,
 * linkerd-measured.md 2): the f-th failure in a row shuts the gate at once, for d_j; then probation
 * lets exactly one request through. Any answer that arrives in probation decides it, also one to a
 * request sent before the trip. Virtual time. */

#include "base/rng.h"
#include "policy/policy.h"

struct accrual_config {
    bool present;
    uint64_t max_failures, min_ns, max_ns, jitter_ppm;
    uint64_t probes; /* that probation lets through at once: 1; more is a defect */
};
enum accrual_state { ACCRUAL_OPEN, ACCRUAL_SHUT, ACCRUAL_PROBATION };
struct accrual {
    struct accrual_config config;
    enum accrual_state state;
    uint64_t failures, trips; /* trips: in this series, j */
    uint64_t until_ns;        /* SHUT */
    uint64_t probes;          /* sent in this probation */
    struct rng rng;
};

struct accrual_config accrual_config_of(const struct edge_policy *edge);
void accrual_init(struct accrual *a, const struct accrual_config *config, struct rng rng);
/* SHUT becomes PROBATION when its time is over. */
void accrual_advance(struct accrual *a, uint64_t now_ns);
bool accrual_may_send(const struct accrual *a);
void accrual_sent(struct accrual *a);
void accrual_add(struct accrual *a, bool failed, uint64_t now_ns);
/* The try ended without a result (the client left): a probe gives its place back. */
void accrual_forget(struct accrual *a);
/* UINT64_MAX: nothing is due. */
uint64_t accrual_next_ns(const struct accrual *a);
/* The j-th penalty (from 0) with ${jitter} of [0, 1): whole seconds take whole jitter only
 * (measured). */
uint64_t accrual_penalty_ns(const struct accrual_config *c, uint64_t j, double jitter);

#endif
