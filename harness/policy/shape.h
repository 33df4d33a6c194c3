#ifndef POLICY_SHAPE_H
#define POLICY_SHAPE_H

/* Which fields the objects have that a dialect reads, all the way down. What an API server would
 * drop or refuse in silence to us (a misspelt field, a map where a list is due) is a finding with
 * its line, whether a reader asks for that field or not (design.md section 7). Inside this layer
 * only. */

#include "policy/store.h"

enum shape_form {
    SHAPE_ANY,    /* a scalar, whose type is its reader's to check, or nothing that we look into */
    SHAPE_MAP,    /* a map of ${inner}; of any keys without it */
    SHAPE_LIST,   /* a list, of maps of ${inner} where it is set */
    SHAPE_MAP_OF, /* a map of any keys, each a map of ${inner} */
};

struct shape {
    const struct shape_field *fields;
    size_t count;
};
struct shape_field {
    const char *name;
    enum shape_form form;
    const struct shape *inner;
};

/* For tables: SHAPE(match, {"uri", SHAPE_MAP, &string}, ...). */
#define SHAPE(name, ...) \
    static const struct shape_field name##_fields[] = {__VA_ARGS__}; \
    static const struct shape name = {name##_fields, COUNT_OF(name##_fields)}
#define SHAPE_SCALAR(field) \
    { \
        field, SHAPE_ANY, NULL \
    }

/* The spec of the kind; NULL: not looked into (shape_istio.c, shape_gateway.c, shape_linkerd.c). */
const struct shape *shape_of_istio(const char *kind);
const struct shape *shape_of_gateway(const char *kind);
const struct shape *shape_of_linkerd(const char *kind);

/* Findings for all that ${o}, of a kind with a dialect, has and its kind has not. */
void shape_check(struct policy *p, const struct object *o);

#endif
