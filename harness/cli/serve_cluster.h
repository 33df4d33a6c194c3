#ifndef CLI_SERVE_CLUSTER_H
#define CLI_SERVE_CLUSTER_H

/* Verdicts of runs that `serve` did not start, in its pod of a cluster (spec/kubernetes.md 6: an
 * analysis of Rollouts has a Job that runs the gate, and asks us for the word). Each run on the
 * cluster leaves a result ConfigMap in its namespace; they are listed when somebody asks, and
 * nothing is kept. */

#include "kube/api.h"
#include "net/loop.h"

struct serve_cluster {
    struct api *api; /* NULL: this is no pod of a cluster */
    char namespace[64];
};
/* A pod is known by MESHPROOF_POD, which harness/deploy sets; the namespace is that of the runs
 * (MESHPROOF_NAMESPACE, else the account's). Nothing is asked yet. */
bool serve_cluster_open(struct serve_cluster *c, struct loop *loop, struct error *err) WARN_UNUSED;
void serve_cluster_close(struct serve_cluster *c);
/* Lists the results; one that is not waited for is taken back by api_cancel. */
struct api_call *serve_cluster_ask(struct serve_cluster *c,
                                   void (*on_answer)(void *cookie, const struct api_answer *answer),
                                   void *cookie);
/* The newest of them, as serve_job_told tells a run: {"run", "state": "done", "verdict", "exit",
 * "made", ...}. NULL: there is none. The caller's. */
json_t *serve_cluster_newest(const json_t *list);

#endif
