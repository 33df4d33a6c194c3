#ifndef MESH_EDGE_H
#define MESH_EDGE_H

/* One edge of the builtin mesh: a front that callers send to, the models' state, the connections to
 * the endpoints, and the counters. What happens to one request is forward.c; to one connection of
 * raw TCP, tunnel.c. */

#include "mesh/lane.h"
#include "mesh/mesh.h"
#include "model/model.h"
#include "net/acceptor.h"
#include "net/http_server.h"

/* Envoy's names (cluster.NAME.*). */
struct edge_counters {
    uint64_t rq_total, rq_retry, rq_retry_success, rq_retry_limit_exceeded, rq_timeout,
        rq_per_try_timeout, rq_pending_overflow, rq_2xx, rq_3xx, rq_4xx, rq_5xx, cx_connect_fail,
        cx_none_healthy, retry_5xx, abandoned, cx_total, cx_connect_timeout, cx_overflow;
};
struct forward;
struct tunnel;
struct edge {
    struct loop *loop;
    struct http_server *front; /* NULL: raw TCP, by ${gate} */
    struct acceptor gate;
    struct tunnel *tunnels;
    uint64_t tunnels_open; /* those that have a host */
    uint64_t connect_ns;   /* so long may a connect of theirs take */
    struct model_config model;
    char *hop;            /* mesh_edge.hop; NULL: none */
    uint64_t retries;     /* as programmed */
    bool controlled, cut; /* it has a control plane; which is out of reach */
    struct outlier outlier;
    struct accrual *accrual; /* one a host */
    struct rate *rate;       /* one a host: its own proxy's, as far as this caller fills it */
    struct budget budget;
    struct balance balance;
    struct breaker breaker;
    struct lanes lanes;
    char **endpoints; /* "": there is none */
    size_t hosts;
    uint64_t seed, number, requests;
    struct forward *forwards;
    struct forward *queue;   /* Linkerd: no endpoint was ready */
    struct forward *pending; /* Envoy: waits for a connection */
    uint64_t pending_count;
    uint64_t ready_ns; /* Linkerd: when an endpoint was last ready */
    bool failfast;
    struct hold wake;
    struct edge_counters counters;
};

bool edge_open(struct loop *loop, const struct mesh_edge *config, const struct model_config *model,
               uint64_t seed, uint64_t number, struct edge **ret, struct error *err) WARN_UNUSED;
void edge_free(struct edge *e);
const char *edge_address(const struct edge *e);
/* Another address of a host, or "": no host. */
void edge_set_endpoint(struct edge *e, size_t host, const char *address);
/* The control plane is out of reach; what it said before goes on. */
void edge_set_cut(struct edge *e, bool cut);
/* A host for a try; BALANCE_NONE: none may be picked. */
size_t edge_pick(struct edge *e, const struct balance_tried *tried, uint64_t now_ns);
/* The outcome of a try for ejection or accrual. */
void edge_result(struct edge *e, size_t host, const struct try_result *result, uint64_t now_ns);
/* Linkerd: waits until an endpoint is ready. Envoy: waits for a connection to its host; false: the
 * queue is full. */
void edge_queue(struct edge *e, struct forward *f);
bool edge_wait(struct edge *e, struct forward *f) WARN_UNUSED;
void edge_unqueue(struct edge *e, struct forward *f);
/* Looks at the queues in the next turn. */
void edge_wake(struct edge *e);
void edge_scrape(struct edge *e,
                 void (*on_value)(void *cookie, size_t edge, const char *name, const char *labels,
                                  double value),
                 void *cookie);

#endif
