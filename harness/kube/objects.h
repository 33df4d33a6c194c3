#ifndef KUBE_OBJECTS_H
#define KUBE_OBJECTS_H

/* The objects of one run, from plain values (spec/kubernetes.md 1.2 to 1.4): what is POSTed, what
 * `plan` sends with dryRun=All, and what --as-manifests prints are these. No I/O. Every function
 * gives a new reference. Names are mp-RUN[-SERVICE[-N]]; everything has the label meshproof.io/run.
 *
 * Owners: Job -> anchor -> all the rest. The anchor controls the pods (trap 1), the Job does not
 * control the anchor (trap 2), and blockOwnerDeletion is false everywhere. */

#include "base/text.h"

#include <jansson.h>

#define OBJECTS_AGENT_PORT 7400
#define OBJECTS_HEALTH_PORT 7402
#define OBJECTS_LISTEN_PORT 8080
#define OBJECTS_NAME_MOST 63 /* a DNS label: names of Services and of pods' hosts */
#define OBJECTS_ENDPOINTS_MOST 100
/* Agents of a scenario that are pods each by itself, made singly; more are Indexed Jobs. */
#define OBJECTS_BARE_MOST 20
#define OBJECTS_RUN_LABEL "meshproof.io/run"
#define OBJECTS_RESULT_LABEL "meshproof.io/result" /* "true": of a result ConfigMap */
#define OBJECTS_ROLE_LABEL "meshproof.io/role"
#define OBJECTS_SERVICE_LABEL "meshproof.io/service"
#define OBJECTS_ALLOW_LABEL "meshproof.io/allow"
#define OBJECTS_ARMED_GATE "meshproof.io/armed"
#define OBJECTS_HALT_ANNOTATION "meshproof.io/halt"
#define OBJECTS_GUARDIAN "guardian" /* mp-RUN-guardian */
/* The collector ends the guardian's own pod too, once it has deleted the anchor: it has so long to
 * see the rest go, and to say so. */
#define OBJECTS_GUARDIAN_GRACE_S 20

enum objects_mesh { OBJECTS_NO_MESH, OBJECTS_ISTIO, OBJECTS_AMBIENT, OBJECTS_LINKERD };
enum objects_mode { OBJECTS_CANARY, OBJECTS_INTERPOSE };
extern const char *const objects_mode_words[]; /* "canary", "interpose", NULL */

struct objects_run {
    const char *run; /* 8 hex digits */
    const char *namespace;
    const char *image;
    const char *conductor; /* "10.77.0.2:7400", where agents dial */
    enum objects_mesh mesh;
    enum objects_mode mode;
    bool swap;  /* interpose: the target's Service is edited to have our endpoints alone; else they
                 * join it */
    bool ports; /* the endpoints of a service are ports of one pod (ports.h); canary alone */
    bool netem; /* endpoints may impair the network namespace of their own pod: uid 0 with
                   NET_ADMIN, which the namespace's Pod Security must allow (ADR 0033) */
    bool indexed; /* agents are Indexed Jobs, one of a service, one of the load (section 7) */
    const char *anchor_uid;         /* NULL: not made yet (dry run, --as-manifests): no owners */
    const char *job_name, *job_uid; /* NULL: run from outside of the cluster */
    uint32_t deadline_s;            /* activeDeadlineSeconds of the agents' pods */
};

struct objects_service {
    const char *name;                     /* "payments" */
    uint32_t endpoints;                   /* pods */
    uint16_t port;                        /* of the Service: the target's own */
    const char *port_name, *app_protocol; /* "http", "http"; NULL: unset */
    /* Of interpose alone, and of incumbent.h: the labels that join the target's Service (its
     * selector), where its pods listen (0: OBJECTS_LISTEN_PORT), under which name where the Service
     * says a name, and where its callers send to. */
    const json_t *selector;
    uint16_t listen_port;
    const char *listen_name, *cluster_ip;
    uint32_t others;           /* ready endpoints of its own */
    const json_t *annotations; /* of the target's Service that the mesh reads (canary); may be NULL
                                */
    const char *waypoint;      /* istio.io/use-waypoint of the target; NULL: none */
};

/* "mp-7f3a91c2-payments-1": ${service} NULL: the anchor's; ${n} 0: without. Where it would pass
 * OBJECTS_NAME_MOST the service's part is cut and ends in a hash of it. Returns ${to}. */
const char *objects_name(const struct objects_run *r, const char *service, uint32_t n, char *to,
                         size_t size);

json_t *objects_anchor(const struct objects_run *r);
/* ${psk}: of the run, hex; the only secret that is in an object. */
json_t *objects_secret(const struct objects_run *r, const char *psk);
json_t *objects_service(const struct objects_run *r, const struct objects_service *s);
/* The labels by which a Service has the run's endpoints, and nobody else: a canary's own, and with
 * --swap the target's. */
json_t *objects_selector(const struct objects_run *r, const struct objects_service *s);
json_t *objects_guardian_pod(const struct objects_run *r);
/* Where its ${n}th endpoint listens, of the ports of one pod. */
uint16_t objects_endpoint_port(const struct objects_service *s, uint32_t n);
/* ${n} 0: as the template of an Indexed Job has it, whose pods learn their number from it. */
json_t *objects_endpoint_pod(const struct objects_run *r, const struct objects_service *s,
                             uint32_t n);
json_t *objects_load_pod(const struct objects_run *r, uint32_t n);
json_t *objects_endpoint_job(const struct objects_run *r, const struct objects_service *s);
json_t *objects_load_job(const struct objects_run *r, uint32_t count);
/* For a dry run, what is not in objects_in_order and will be made: of Indexed Jobs one pod each,
 * for no dry run of a Job shows what an injector or Pod Security has against its pods; of ports an
 * EndpointSlice. */
json_t *objects_samples(const struct objects_run *r, const struct objects_service *services,
                        size_t service_count, uint32_t loads);
/* The Service behind which interpose finds the real pods. ${selectorless}: its slice is made by
 * hand (objects_direct_slice). */
json_t *objects_direct_service(const struct objects_run *r, const struct objects_service *s,
                               bool selectorless);
/* "mp-7f3a91c2-payments-direct". Returns ${to}. */
const char *objects_direct_name(const struct objects_run *r, const char *service, char *to,
                                size_t size);
struct objects_address {
    const char *ip, *pod; /* pod: the name of its targetRef; NULL: none */
    const char *pod_uid;
    bool ready;
};
/* Refuses loopback addresses, as the API does (trap 8). NULL with ${err}. */
json_t *objects_slice(const struct objects_run *r, const char *service, uint32_t n, uint16_t port,
                      const char *port_name, const struct objects_address *addresses, size_t count,
                      struct error *err);
/* Not owned: it outlives the run. ${data}: name to text; borrowed. */
json_t *objects_result(const struct objects_run *r, const json_t *data);
/* The conductor's Job, named after the run (trap 6). ${args}: of `meshproof`, NULL-terminated; with
 * --deadline at most ${deadline_s} less two graces, for the Job's own takes the pod away with its
 * message (trap 4). */
#define OBJECTS_JOB_GRACE_S 60
json_t *objects_job(const struct objects_run *r, const char *const *args, uint32_t deadline_s,
                    const char *suite_config_map);
/* The strategic merge patch of pods/status that opens (closes) the readiness gate. */
json_t *objects_gate(bool armed, const char *wall_time);
/* For the first of a list of POSTs: what plan prints and canary makes, in the order of creation
 * (1.4), the Lease and the result apart. An array. ${policies}: objects of copy.h, may be NULL. */
json_t *objects_in_order(const struct objects_run *r, const struct objects_service *services,
                         size_t service_count, const json_t *policies, uint32_t loads,
                         const char *psk);
/* The run that an object is of, by its label; NULL: none. */
const char *objects_run_of(const json_t *object);

#endif
