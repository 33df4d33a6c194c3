#ifndef MODEL_RETRY_H
#define MODEL_RETRY_H

/* Whether one more try follows: Envoy's RetryStateImpl (policy-semantics.md A1, A2) and Linkerd's
 * route retries (D2). Written apart from policy's retry_rule_covers on purpose: the judge and the
 * control mesh must not share a mistake. When a retry is sent (back-off) and where (balance) is not
 * here. */

#include "policy/policy.h"

/* How one try ended, as the data plane saw it. */
enum try_end {
    TRY_ANSWERED, /* a response head came; ${status} */
    TRY_REFUSED,  /* the connect failed */
    TRY_RESET,    /* RST before the head */
    TRY_EOF,      /* FIN before the head */
    TRY_CUT,      /* the per-try timeout ran out */
};
#define TRY_NO_GRPC UINT32_MAX
struct try_result {
    enum try_end end;
    uint16_t status;
    uint32_t grpc_status; /* of the response head; TRY_NO_GRPC: none */
    bool ratelimited;     /* x-envoy-ratelimited is present */
    bool written;         /* at least one byte of the request went out */
    bool broke;           /* the response broke after its head */
};

/* The switches are defects of the control mesh; a right one has them all false. */
struct retry_config {
    enum flavour flavour;
    uint32_t on; /* enum retry_on bits */
    struct status_set codes;
    uint64_t retries;
    bool by_budget;         /* no bound for one request: a ServiceProfile's tokens are all (D4) */
    size_t body_most_bytes; /* a bigger request is tried once: 1 MiB, Linkerd 64 KiB, both exact */
    bool after_start, never_reset, unsafe_too;
};
struct retry_state {
    uint64_t left, sent;
    bool written;   /* in any try so far: reset-before-request asks */
    bool abandoned; /* the body was too big to keep */
};
enum retry_decision {
    RETRY_AGAIN,
    RETRY_NOT_COVERED,
    RETRY_LIMIT, /* covered, but all retries are used up: upstream_rq_retry_limit_exceeded */
};

struct retry_config retry_config_of(const struct edge_policy *edge);
void retry_init(struct retry_state *r, const struct retry_config *config, size_t body_bytes);
/* Takes one from the count when it says AGAIN (before any breaker or budget is asked, as Envoy
 * does).
 * ${unsafe}: the method is not idempotent; only the defect unsafe_too looks at it. */
enum retry_decision retry_decide(struct retry_state *r, const struct retry_config *config,
                                 const struct try_result *result, bool unsafe);

#endif
