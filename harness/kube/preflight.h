#ifndef KUBE_PREFLIGHT_H
#define KUBE_PREFLIGHT_H

/* What must hold of a cluster before anything is written (spec/kubernetes.md section 2 "preflight"
 * and section 5): rights (rights.def), what is there (one list a kind), and checks (checks.def),
 * each a pure function of what was read, so that each has a test with a recorded body. */

#include "kube/chore.h"
#include "kube/objects.h"

#define PREFLIGHT_FINDINGS_MOST 200

enum preflight_weight { PREFLIGHT_WARNING, PREFLIGHT_REFUSAL };
struct preflight_finding {
    const char *check; /* id of checks.def: "service_kind"; "right" */
    enum preflight_weight weight;
    char *text;
};

/* All that the checks read; lists are the answers' bodies. NULL: the cluster has no such kind. */
struct preflight_view {
    const struct objects_run *run;
    const struct objects_service *service; /* the target */
    const char *target_namespace;
    bool edits;         /* --allow edit */
    uint32_t share_ppm; /* the cap of one service's traffic that interpose may take; 0: none */
    json_t *namespace;  /* the target's */
    json_t *lists[GVR_COUNT]; /* of the target's namespace */
    json_t *dry_pods;         /* answers of the dry-run POSTs of our pods: an array */
};
void preflight_view_release(struct preflight_view *v);

struct preflight_findings {
    struct preflight_finding items[PREFLIGHT_FINDINGS_MOST];
    size_t count;
};
void preflight_findings_release(struct preflight_findings *f);
void preflight_add(struct preflight_findings *f, const char *check, const char *format, ...)
    PRINTF(3, 4);
bool preflight_refused(const struct preflight_findings *f);

/* All checks of checks.def. Pure. */
void preflight_check(const struct preflight_view *v, struct preflight_findings *to);

/* One right that a mode needs: a row of rights.def. */
struct preflight_right {
    enum gvr_id gvr;
    const char *verb, *subresource;
    unsigned modes;  /* 1 << enum objects_mode */
    unsigned meshes; /* 1 << enum objects_mesh; 0: all */
    bool edits;      /* only with --allow edit */
};
const struct preflight_right *preflight_rights(size_t *ret_count);
/* The body of a SelfSubjectAccessReview, and what it answered. A new reference. */
json_t *preflight_review(const struct preflight_right *right, const char *namespace);
bool preflight_allowed(const json_t *answer, const char **ret_reason);
/* Missing rights as a ready rule list of a Role, one line a group. */
void preflight_print_rules(const struct preflight_right *const *missing, size_t count,
                           struct text *to);

/* The whole of it as a chore: GET /version, rules and access reviews, namespace, lists, and the
 * dry-run POSTs of ${objects} in their order. ${findings} has its result. */
struct preflight {
    struct chore chore; /* first */
    bool over;
    struct error err; /* the cluster could not be asked: exit 4 */
    struct preflight_view view;
    struct preflight_findings findings;
    char server_version[32];
    const json_t *objects; /* borrowed */
    /* Inside. */
    int doing;
    size_t at;
    json_t *body;
    const struct preflight_right *missing[200];
    size_t missing_count;
    struct text path;
};
void preflight_init(struct preflight *p, const struct objects_run *run,
                    const struct objects_service *service, const char *target_namespace, bool edits,
                    uint32_t share_ppm, const json_t *objects);
void preflight_release(struct preflight *p);

#endif
