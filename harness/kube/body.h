#ifndef KUBE_BODY_H
#define KUBE_BODY_H

/* What a body of the API says. All of it may be missing, or of another type: a cluster's bytes. */

#include <jansson.h>

/* "" where there is no text. Borrowed. */
const char *body_text(const json_t *map, const char *key);
/* An object's metadata; NULL: none. */
const json_t *body_meta(const json_t *object);
/* A text of its metadata: "name", "uid". */
const char *body_meta_text(const json_t *object, const char *key);

#endif
