#ifndef CLI_CLUSTER_REACH_H
#define CLI_CLUSTER_REACH_H

/* A cluster as commands reach it that look after runs there (halt, recover, status, doctor). They
 * block: nothing else goes on in these commands. */

#include "cli/arguments.h"
#include "kube/api.h"
#include "kube/objects.h"

#define REACH_RUNS_MOST 100

struct cluster_reach {
    struct api *api;
    char namespace[OBJECTS_NAME_MOST + 1];
    char server[300], account[120]; /* "https://10.96.0.1:443"; the kubeconfig's user */
};
/* Makes no connection yet. api_close is the caller's. */
bool cluster_reach_open(const struct arguments *args, struct cluster_reach *ret,
                        struct error *err) WARN_UNUSED;
/* Its name is mp-RUN, with RUN of its label. */
bool cluster_reach_is_anchor(const json_t *config_map, const char *run);
/* The runs that have an anchor there. ${to}: room for REACH_RUNS_MOST. */
bool cluster_reach_runs(struct cluster_reach *r, char (*to)[9], size_t *ret_count,
                        struct error *err) WARN_UNUSED;

#endif
