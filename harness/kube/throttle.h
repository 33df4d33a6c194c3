#ifndef KUBE_THROTTLE_H
#define KUBE_THROTTLE_H

/* How often we may ask the API server, and how long we wait before we ask again
 * (spec/kubernetes.md section 4, "Retries"). Pure: the caller has the clock. */

#include "base/rng.h"

#define THROTTLE_PER_S 10
#define THROTTLE_BURST 20
#define THROTTLE_LEAST_NS (UINT64_C(200) * 1000000)
#define THROTTLE_MOST_NS (UINT64_C(5) * 1000000000)
/* What Retry-After may ask for; more is a server that wants to be left alone. */
#define THROTTLE_AFTER_MOST_NS (UINT64_C(60) * 1000000000)
/* One budget a run, so that an outage cannot become a storm: so many second tries, and one more for
 * each THROTTLE_EARN calls that were answered. */
#define THROTTLE_RETRIES 30
#define THROTTLE_EARN 10

struct throttle {
    uint64_t full_ns; /* when the bucket is full again, if nothing is taken */
    unsigned retries, earned;
    struct rng rng;
};

void throttle_init(struct throttle *t, uint64_t seed);
/* When the next call may go: ${now_ns}, or later. Takes nothing. */
uint64_t throttle_next_ns(const struct throttle *t, uint64_t now_ns);
void throttle_take(struct throttle *t, uint64_t now_ns);
/* A call was answered, by whatever is no overload. */
void throttle_answered(struct throttle *t);
/* One second try out of the budget; false: it is spent. */
bool throttle_retry(struct throttle *t);
/* Full jitter: uniform in 0.2 s .. min(0.2 s x 2^tries, 5 s); ${after_ns}, if not 0, wins. */
uint64_t throttle_wait_ns(struct throttle *t, unsigned tries, uint64_t after_ns);

#endif
