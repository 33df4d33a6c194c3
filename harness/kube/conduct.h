#ifndef KUBE_CONDUCT_H
#define KUBE_CONDUCT_H

/* A run in a cluster, from the first question to the last read-back (spec/kubernetes.md section 2):
 *
 *   conduct_open    preflight, the Leases, and (taken over) what a former run left: a loop of its
 *                   own; nothing else is written
 *   conduct_begin   on the conductor's loop: the Leases are renewed, the cluster is looked after
 *   fleet.start      the objects of a scenario: anchor, Secret, guardian, Services, policies, pods
 *   fleet.ready      all pods have mustered, all gates are open
 *   fleet.end        its pods go
 *   conduct_end     off the loop
 *   conduct_close   the result, revert, DELETE anchor, list until empty, DELETE Leases
 *
 * A signal that comes while no loop runs is kept until one does. */

#include "engine/fleet.h"
#include "engine/steer.h"
#include "kube/build.h"
#include "kube/credentials.h"
#include "kube/lease.h"
#include "kube/preflight.h"

#define CONDUCT_READY_WITHIN_NS (UINT64_C(180) * 1000000000) /* pods to muster */
#define CONDUCT_SERVICES_MOST 64

struct conduct;
struct conduct_options {
    struct credentials_options credentials;
    /* Filled but for anchor_uid and conductor; image NULL: that of ${pod}. Borrowed, as is all
     * here.
     */
    struct objects_run run;
    const struct objects_service *services; /* of all scenarios */
    size_t service_count;
    const json_t *policies; /* of copy.h; may be NULL */
    bool edits, guardian;
    uint32_t share_ppm;
    const char *pod;    /* our own pod's name; NULL: we are in none */
    const char *holder; /* of the Leases: the pod's uid, or any text of its own */
    bool wait;          /* another run's Lease is waited for */
    bool again;         /* a former try of this very run has ended (the second pod of a Job) */
    uint64_t ready_within_ns; /* 0: CONDUCT_READY_WITHIN_NS */
    /* As of build.h. */
    void (*on_service)(void *cookie, const char *service, const char *address);
    /* After preflight's own checks, with what it has read: others of the caller's. May be NULL. */
    void (*on_view)(void *cookie, const struct preflight_view *view, struct preflight_findings *to);
    /* A line for people. */
    void (*say)(void *cookie, const char *line);
    /* Each call of the API, for the journal. */
    void (*on_call)(void *cookie, const struct api_record *record);
    void *cookie;
};

enum conduct_end {
    CONDUCT_GOOD,
    CONDUCT_REFUSED,  /* preflight, a Lease, the API: nothing was written; exit 4 */
    CONDUCT_STOPPED,  /* by a signal, before it began; exit 3 */
    CONDUCT_NOT_BACK, /* exit 5 */
};
/* Of CONDUCT_GOOD only ${ret} is there. */
enum conduct_end conduct_open(const struct conduct_options *options, struct conduct **ret,
                              struct error *err) WARN_UNUSED;
/* The fencing token. */
uint64_t conduct_token(const struct conduct *c);
/* The options' services; in interpose as the cluster has them. */
const struct objects_service *conduct_services(const struct conduct *c, size_t *ret_count);
struct fleet *conduct_fleet(struct conduct *c);
/* From the conductor's on_begin and on_end. */
void conduct_begin(struct conduct *c, struct loop *loop, struct steer *steer);
void conduct_end(struct conduct *c);
/* ${take_result}: data of the result ConfigMap; NULL: none is written (nothing was asserted).
 * CONDUCT_NOT_BACK with the sentence; frees in any case. */
enum conduct_end conduct_close(struct conduct *c, json_t *take_result,
                               struct error *err) WARN_UNUSED;

/* Preflight alone, with the dry-run of all objects: `plan --on kubernetes`. Findings and rights
 * that are missing go to ${say}. */
enum conduct_end conduct_plan(const struct conduct_options *options, struct error *err) WARN_UNUSED;

#endif
