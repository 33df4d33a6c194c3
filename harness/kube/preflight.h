#ifndef KUBE_PREFLIGHT_H
#define KUBE_PREFLIGHT_H

/* What must hold of a cluster before anything is written (spec/kubernetes.md section 2 "preflight"
 * and section 5): rights (rights.def), what is there (one list a kind), and checks (checks.def),
 * each a pure function of what was read, so that each has a test with a recorded body. */

#include "kube/lease.h"
#include "kube/objects.h"

#define PREFLIGHT_FINDINGS_MOST 200
#define PREFLIGHT_READY_LEAST 2 /* real endpoints that stay beside ours */

enum preflight_weight { PREFLIGHT_WARNING, PREFLIGHT_REFUSAL };
struct preflight_finding {
    const char *check; /* id of checks.def, or "right", "dry_run", "namespace" */
    enum preflight_weight weight;
    char *text;
};
struct preflight_findings {
    struct preflight_finding items[PREFLIGHT_FINDINGS_MOST];
    size_t count;
};
void preflight_findings_release(struct preflight_findings *f);
/* The weight is the check's. What was said already is not said again. More than
 * PREFLIGHT_FINDINGS_MOST are dropped: the run is refused then anyway. */
void preflight_add(struct preflight_findings *f, const char *check, const char *format, ...)
    PRINTF(3, 4);
bool preflight_refused(const struct preflight_findings *f);

/* All that the checks read. Lists are the answers' bodies; NULL: the cluster has no such kind, or
 * it was not asked for. */
struct preflight_view {
    const struct objects_run *run;
    const struct objects_service *service; /* the target: of several, one after the other */
    bool edits;                            /* --allow edit */
    uint32_t share_ppm;       /* the part of the Service's endpoints that may be ours; 0: no cap */
    bool controlled;          /* our pods have a controlling owner (trap 1) */
    const json_t *objects;    /* ours, as they are built */
    json_t *namespace;        /* the run's */
    json_t *lease;            /* the target's lock; NULL: free */
    json_t *lists[GVR_COUNT]; /* of the run's namespace */
    json_t *dry_pods;         /* answers of the dry-run POSTs of our pods: an array */
};
void preflight_view_release(struct preflight_view *v);
/* All checks of checks.def. Pure. */
void preflight_check(const struct preflight_view *v, struct preflight_findings *to);

/* One right that a mode needs: a row of rights.def. */
struct preflight_right {
    enum gvr_id gvr;
    const char *verb, *subresource; /* subresource NULL: none */
    unsigned modes;                 /* 1 << enum objects_mode */
    unsigned meshes;                /* 1 << enum objects_mesh */
    enum { RIGHT_ALWAYS, RIGHT_IF_MADE, RIGHT_EDITS, RIGHT_PORTS } when;
};
const struct preflight_right *preflight_rights(size_t *ret_count);
/* Whether this run needs it. */
bool preflight_needs(const struct preflight_right *right, const struct preflight_view *v);
/* The body of a SelfSubjectAccessReview. A new reference. */
json_t *preflight_review(const struct preflight_right *right, const char *namespace);
bool preflight_allowed(const json_t *review_answer);
/* By the answer to a SelfSubjectRulesReview; false: it does not say so, and must be asked for. */
bool preflight_ruled(const struct preflight_right *right, const json_t *rules_answer);
/* Missing rights as rules of a Role, one line a group and resource. */
void preflight_print_rules(const struct preflight_right *const *missing, size_t count,
                           struct text *to);

#define PREFLIGHT_RIGHTS_MOST 100
/* The whole of it as a chore: GET /version, rules and access reviews, namespace, Lease, lists, and
 * the dry-run POSTs of the objects in their order; then the checks. ${findings} is its result.
 * Nothing is written. */
struct preflight {
    struct chore chore; /* first */
    bool over;
    struct error err; /* the cluster could not be asked: exit 4 */
    struct preflight_view view;
    struct preflight_findings findings;
    char server_version[40];
    /* Inside. */
    int doing;
    size_t at;
    const struct objects_service *services;
    size_t service_count;
    char lease[LEASE_NAME_BYTES];
    json_t *leases; /* of the services: an array, null where it is free */
    json_t *body, *rules;
    const struct preflight_right *missing[PREFLIGHT_RIGHTS_MOST];
    size_t missing_count;
};
/* All borrowed until preflight_release. ${objects}: objects_in_order without an anchor's uid. */
void preflight_init(struct preflight *p, const struct objects_run *run,
                    const struct objects_service *services, size_t service_count, bool edits,
                    uint32_t share_ppm, const json_t *objects);
void preflight_release(struct preflight *p);

#endif
