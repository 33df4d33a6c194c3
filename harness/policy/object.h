#ifndef POLICY_OBJECT_H
#define POLICY_OBJECT_H

/* The head of a Kubernetes object: who it is. What it says is the dialects' business. */

#include "policy/yaml.h"

struct policy;
struct kind;

struct object {
    const char *group, *version, *kind; /* group "" is the core API */
    const char *name, *namespace;       /* "" where unset */
    struct source kind_source, version_source;
    const struct yaml_node *root, *labels, *annotations, *spec; /* NULL where there is none */
    const struct kind *row;                                     /* of kinds.c; NULL: not known */
    bool refused; /* the target has the kind not yet, or not in this version */
};

/* Reads one document into objects of ${p}: one, or those of a `kind: List`. What is no object is a
 * finding. */
void object_read(struct policy *p, const struct yaml_node *document);
/* The label or annotation, or NULL; a value that is no text is NULL too. */
const char *object_label(const struct object *o, const char *name);

#endif
