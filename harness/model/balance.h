#ifndef MODEL_BALANCE_H
#define MODEL_BALANCE_H

/* Which host a try goes to. Envoy's LEAST_REQUEST (two choices; Istio's default), ROUND_ROBIN and
 * RANDOM, with the previous_hosts predicate: a host tried before is drawn again, five times at
 * most, then whatever was drawn is taken (A5). Linkerd: power of two choices by peak EWMA latency
 * times load (D6). */

#include "base/rng.h"
#include "policy/policy.h"

enum balance_kind { BALANCE_LEAST_REQUEST, BALANCE_ROUND_ROBIN, BALANCE_RANDOM, BALANCE_PEAK_EWMA };
struct balance_config {
    enum balance_kind kind;
    bool other_host;
    bool same_host; /* a defect: a retry goes where the try before went */
};
struct balance_host {
    uint64_t active; /* tries under way */
    double ewma_ns;
    uint64_t ewma_at_ns;
};
#define BALANCE_HOSTS_MOST 256
#define BALANCE_NONE SIZE_MAX
struct balance {
    struct balance_config config;
    struct balance_host host[BALANCE_HOSTS_MOST];
    size_t hosts, turn;
    struct rng rng;
};
/* The hosts that the tries of one request went to. */
struct balance_tried {
    uint64_t hosts[BALANCE_HOSTS_MOST / 64]; /* a bit each: every request has one of these */
    size_t last;                             /* BALANCE_NONE at first */
};
#define BALANCE_TRIED_NONE ((struct balance_tried){.last = BALANCE_NONE})

struct balance_config balance_config_of(const struct edge_policy *edge);
void balance_init(struct balance *b, const struct balance_config *config, size_t hosts,
                  struct rng rng);
/* ${may}[host]: usable now. BALANCE_NONE: no host. ${tried} is not changed. */
size_t balance_pick(struct balance *b, const bool *may, const struct balance_tried *tried,
                    uint64_t now_ns);
/* A try begins: counts it, and marks the host in ${tried}. */
void balance_begin(struct balance *b, size_t host, struct balance_tried *tried);
/* It ended after ${took_ns}. */
void balance_end(struct balance *b, size_t host, uint64_t took_ns, uint64_t now_ns);

#endif
