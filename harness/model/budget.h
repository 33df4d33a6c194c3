#ifndef MODEL_BUDGET_H
#define MODEL_BUDGET_H

/* The tokens of a Linkerd ServiceProfile's retryBudget (policy-semantics.md D4): each answer that
 * is no failure to retry pays in, each retry takes out, and both are forgotten as their slot of a
 * ring of ten is used again. The reserve is there at once. As measured (linkerd-measured.md 4) the
 * ring skips a slot at nearly every step, so that what was taken comes back after half a ttl under
 * steady traffic, and after a whole one at the latest. Virtual time. */

#include "policy/policy.h"

#define BUDGET_SLOTS 10

struct budget_config {
    bool present;
    uint64_t pay, cost, reserve; /* tokens: of an answer, of a retry, always there */
    uint64_t slot_ns;
};
struct budget {
    struct budget_config config;
    int64_t slot[BUDGET_SLOTS];
    int64_t now; /* what goes into the slot that is being filled */
    size_t at;
    uint64_t since_ns;
    uint64_t refused; /* retries, so far */
};

struct budget_config budget_config_of(const struct edge_policy *edge);
void budget_init(struct budget *b, const struct budget_config *config, uint64_t now_ns);
/* An answer that is no failure to retry. */
void budget_pay(struct budget *b, uint64_t now_ns);
/* Takes the tokens of one retry; false: there are not so many, which is counted. Always true where
 * there is no budget. */
bool budget_take(struct budget *b, uint64_t now_ns) WARN_UNUSED;

#endif
