#ifndef KUBE_GVR_H
#define KUBE_GVR_H

/* What the API server has and we touch: group, version and resource, one row each in gvrs.def. A
 * path of the API, a rule of a Role and the sentence on a CRD that is missing come from the row. */

#include "base/text.h"

enum gvr_id {
#define GVR(ID, group, version, resource, kind, scope, install, parts) GVR_##ID,
#include "kube/gvrs.def"
#undef GVR
    GVR_COUNT
};

/* Which part a kind has in a run. A mesh's policy is listed in gvrs.def alone: who copies it, reads
 * it and looks whether it is gone goes by these. */
enum gvr_part {
    GVR_MADE = 1, /* a run makes such objects and may list them, so it can tell that all are gone */
    GVR_READ = 2, /* a mesh reads its policy there */
    GVR_COPIED = 4 | GVR_MADE | GVR_READ, /* policy of a service, which canary copies */
};

struct gvr {
    enum gvr_id id;
    const char *group, *version; /* group "" is the core API */
    const char *resource, *kind; /* "pods", "Pod" */
    bool namespaced;
    const char
        *install; /* who brings the kind, for a cluster without it; "" where it is built in */
    unsigned parts;
};

const struct gvr *gvr_get(enum gvr_id id);
bool gvr_has(enum gvr_id id, enum gvr_part part);
/* By "apps" and "deployments"; NULL: not one of ours. */
const struct gvr *gvr_find(const char *group, const char *resource);
/* By an object's apiVersion and kind. Another version of the same group and kind is not found. */
const struct gvr *gvr_of(const char *api_version, const char *kind);
/* The same whatever the version: a user's file may have an older one. */
const struct gvr *gvr_of_kind(const char *api_version, const char *kind);
/* "v1", "apps/v1". Returns ${to}. */
const char *gvr_api_version(const struct gvr *g, char *to, size_t size);
/* "/apis/apps/v1/namespaces/NS/deployments/NAME/SUB". ${name} and ${subresource} may be NULL;
 * ${namespace} NULL: of all namespaces. */
void gvr_path(const struct gvr *g, const char *namespace, const char *name, const char *subresource,
              struct text *to);

#endif
