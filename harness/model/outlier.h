#ifndef MODEL_OUTLIER_H
#define MODEL_OUTLIER_H

/* Envoy's outlier detection with consecutive detectors (policy-semantics.md A9,
 * outlier_detection_impl.cc), and the window in which the cluster manager merges host-health
 * changes (measured: testbeds.md 1): what the balancer sees is not always what the detector has
 * flagged. One process, one set of counters a host. Success rate and failure percentage are not
 * here: Istio switches them off. Virtual time: call outlier_advance at outlier_next_ns, or at least
 * before each pick. */

#include "policy/policy.h"

enum outlier_result {
    OUTLIER_SUCCESS, /* 2xx-4xx */
    OUTLIER_GATEWAY, /* 502-504 */
    OUTLIER_SERVER,  /* other 5xx: a failure, but it resets the gateway counter */
    OUTLIER_LOCAL,   /* refused, reset (after a response head too), timeout */
};
struct outlier_config {
    bool present;
    uint64_t consecutive_5xx, consecutive_gateway, consecutive_local; /* 0: does not eject */
    bool split_local;
    uint64_t interval_ns, base_ns, max_ns, merge_ns;
    uint64_t cap_percent, panic_percent;
    bool success_keeps; /* a defect: a success does not reset the counters */
};
struct outlier_host {
    uint64_t errors_5xx, errors_gateway, errors_local;
    uint64_t ejected_ns, returned_ns, backoff;
    bool ejected; /* by the detector; the gauge counts these */
    bool seen;    /* ejected as the balancer sees it */
    bool returned;
};
struct outlier_stats {
    uint64_t active, enforced_total, enforced_5xx, enforced_gateway, enforced_local, detected_5xx,
        detected_gateway, detected_local, overflow;
};
#define OUTLIER_HOSTS_MOST 256
struct outlier {
    struct outlier_config config;
    struct outlier_host host[OUTLIER_HOSTS_MOST];
    size_t hosts;
    uint64_t sweep_ns, changed_ns,
        merge_ns; /* next sweep; last change shown; deferred change due, or 0 */
    bool changed;
    struct outlier_stats stats;
};

struct outlier_config outlier_config_of(const struct edge_policy *edge);
/* ${first_sweep_ns}: absolute; Envoy's sweep has a phase of its own (process start), so callers
 * draw it. */
void outlier_init(struct outlier *o, const struct outlier_config *config, size_t hosts,
                  uint64_t first_sweep_ns);
enum outlier_result outlier_result_of(uint16_t status);
void outlier_add(struct outlier *o, size_t host, enum outlier_result result, uint64_t now_ns);
/* Another host stands in its place, of which nothing is known. */
void outlier_forget(struct outlier *o, size_t host);
/* Runs the sweeps and the deferred changes that are due. */
void outlier_advance(struct outlier *o, uint64_t now_ns);
/* When something is due next; UINT64_MAX: never. */
uint64_t outlier_next_ns(const struct outlier *o);
/* Whether the balancer may pick the host: not seen as ejected, or the cluster is in panic. */
bool outlier_may_pick(const struct outlier *o, size_t host);
bool outlier_in_panic(const struct outlier *o);

#endif
