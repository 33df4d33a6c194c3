#ifndef KUBE_OBJECTS_INSIDE_H
#define KUBE_OBJECTS_INSIDE_H

/* What the builders share. Inside of objects*.c only. Keys are set in the order in which people
 * read them; json_object keeps it. */

#include "kube/objects.h"

/* Sets a text (NULL: nothing), a number, an object. */
void set_text(json_t *map, const char *key, const char *value);
void set_count(json_t *map, const char *key, uint64_t value);
void set_true(json_t *map, const char *key, bool value);
void set_new(json_t *map, const char *key, json_t *take_value);

/* {apiVersion, kind, metadata: {name, namespace, labels: {run}}}. */
json_t *objects_head(const struct objects_run *r, const char *api_version, const char *kind,
                     const char *name);
json_t *objects_labels(json_t *object);
json_t *objects_annotations(json_t *object);
/* The anchor as the owner; nothing while it has no uid. */
void objects_own(const struct objects_run *r, json_t *object);
/* Labels and annotations that keep a pod out of the mesh (1.3), or bring it in. */
void objects_outside(const struct objects_run *r, json_t *pod);
void objects_inside(const struct objects_run *r, json_t *pod);

/* {runAsNonRoot, runAsUser: 65532, ...}: restricted Pod Security. */
json_t *objects_pod_security(bool with_group);
json_t *objects_container_security(void);
/* requests of cpu and memory, a limit of memory. */
json_t *objects_resources(const char *cpu, const char *memory, const char *memory_limit);

/* The projected volume "api": token, ca.crt, namespace, as the kubelet would mount them. */
json_t *objects_api_volume(void);

#endif
