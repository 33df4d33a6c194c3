#ifndef KUBE_CHECK_INSIDE_H
#define KUBE_CHECK_INSIDE_H

/* What the checks share. Inside of check_*.c and preflight*.c only. Everything that is read may be
 * missing or of another type: a cluster's bytes. */

#include "kube/body.h"
#include "kube/preflight.h"
#include "kube/selector.h"

#define CHECK(id, weight, reads, what) \
    void check_##id(const struct preflight_view *v, struct preflight_findings *f);
#include "kube/checks.def"
#undef CHECK

const json_t *at(const json_t *map, const char *a, const char *b); /* map.a.b; b NULL: map.a */
const char *name_of(const json_t *object);
const char *label_of(const json_t *object, const char *key);
const char *annotation_of(const json_t *object, const char *key);
const json_t *labels_of(const json_t *object);
/* The items of a kind; an empty array's place for NULL: use with json_array_size/get. */
const json_t *items_of(const struct preflight_view *v, enum gvr_id id);
/* The target's Service in the lists; NULL: none. */
const json_t *target_of(const struct preflight_view *v);
/* Whether a pod that the target's Service selects has these labels' selector. */
bool takes_target_pod(const struct preflight_view *v, const json_t *selector);
/* An endpoint pod of ours, as built. NULL: none. */
const json_t *our_endpoint(const struct preflight_view *v);

#endif
