#ifndef CLI_CLUSTER_H
#define CLI_CLUSTER_H

/* A run on Kubernetes, between the command line and kube/conduct.h: what a prepared plan wants of
 * the cluster, and what is told of it. */

#include "cli/event_post.h"
#include "cli/onlooker.h"
#include "cli/outcome.h"
#include "cli/prepare.h"
#include "kube/conduct.h"

extern const char *const cluster_places[], *const cluster_modes[], *const cluster_allows[],
                                                                       *const cluster_endpoints[];

#define CLUSTER_DEADLINE_NS (UINT64_C(1800) * 1000000000) /* of a run that gives none */
#define CLUSTER_CALLS_MOST 2000 /* of the API, kept until there is a journal */

struct cluster {
    const struct prepared *prepared;
    struct conduct_options options;
    struct objects_service services[CONDUCT_SERVICES_MOST];
    json_t *policies, *kept; /* kept: what the services' rows point to */
    struct conduct *conduct;
    size_t load_agents; /* of each scenario */
    char namespace[OBJECTS_NAME_MOST + 1], listen[80], holder[120];
    json_t *calls;
    struct steer *steer; /* on the conductor's loop */
};

/* --on kubernetes. */
bool cluster_asked(const struct arguments *args);
/* What only makes sense there was given without it, or is not built. EXIT_PASS: nothing. */
int cluster_check(const struct arguments *args);
/* The options by which a cluster is reached: --context, --insecure. */
struct credentials_options cluster_credentials(const struct arguments *args);
/* -n, or the credentials' own; ${credentials} NULL: that of harness/deploy. */
bool cluster_namespace(const struct arguments *args, const struct credentials *credentials,
                       char *to, size_t size, struct error *err) WARN_UNUSED;

/* Reads what the plan wants: services, policies as copies. Touches no network; without -n the
 * namespace is the credentials'. */
bool cluster_plan(struct cluster *c, const struct arguments *args, struct prepared *p,
                  uint64_t deadline_ns, struct error *err) WARN_UNUSED;
/* Where its Events go; borrowed. */
struct event_target cluster_events(const struct cluster *c);
void cluster_release(struct cluster *c);
/* Preflight alone (plan): what stands in the way of a run, and the rights that are missing. */
int cluster_ask(struct cluster *c);
/* Preflight, Leases, what a former run left. EXIT_PASS, or the exit code, told. */
int cluster_open(struct cluster *c);
/* For the engine: where its agents come from, and who looks on. */
void cluster_hook(struct cluster *c, struct engine_options *options, struct onlookers *onlookers);
/* The result, and all is taken down. ${told} as far as it goes; ${judged}: there is a verdict. The
 * exit code: ${code}, or EXIT_NOT_UNDONE, told. Nothing where cluster_open failed. */
int cluster_close(struct cluster *c, const struct outcome *told, bool judged, int code);

/* cluster_policy.c: the canary's copies of the policy's objects, and what the Service's own YAML
 * says of its ports and annotations. */
bool cluster_policies(struct cluster *c, struct error *err) WARN_UNUSED;

/* cluster_print.c: run --as-manifests, with --job alone the Job and the suite. */
int cluster_print(struct cluster *c, const struct arguments *args, const char *suite);

#endif
