#ifndef POLICY_READER_H
#define POLICY_READER_H

/* What all dialects read with: fields by name, typed, where a wrong value is a finding with its
 * line. */

#include "policy/store.h"

#define READER(NAME, name, what) void name##_read(struct policy *p, const struct object *o);
#include "policy/readers.def"
#undef READER

/* Linkerd's annotations of a Service (kubernetes.c) and of a route (gateway_api.c); false when a
 * bad value makes Linkerd drop the route. */
void linkerd_read_service(struct policy *p, const struct object *o);
bool linkerd_read_route(struct policy *p, const struct object *o, struct route *route);
/* XBackendTrafficPolicy (gateway_budget.c). */
void gateway_read_budget(struct policy *p, const struct object *o);
/* Findings for Linkerd's annotations on a kind or under a target that does not read them. */
void linkerd_check_annotations(struct policy *p, const struct object *o);

/* The place of a message in its object: "VirtualService payments http[0].retries". */
struct place {
    struct policy *policy;
    const char *origin;
    const struct yaml_node *map;  /* NULL: nothing is there */
    bool inner;                   /* ${origin} already names a field */
    const struct spoken **spoken; /* where what is not in force is kept; NULL: nowhere */
};

/* Keeps a value that is written and not in force; ${name} as in edge.c. */
void place_speak(struct place at, const char *name, const struct value *value, const char *why);

/* "VirtualService payments" and its spec. */
struct place place_of(struct policy *p, const struct object *o);
/* "VirtualService payments http[0].timeout". */
const char *place_field(struct place at, const char *key);

/* The map at ${key}; a value that is no map is a finding, and as absent. */
struct place place_at(struct place from, const char *key);
struct place place_item(struct place from, const char *key, size_t index);
/* Each returns whether the field is there and good; ${ret} is left alone otherwise. */
bool place_count(struct place at, const char *key, uint64_t most, struct value *ret);
bool place_go_duration(struct place at, const char *key, struct value *ret);
bool place_gep_duration(struct place at, const char *key, struct value *ret);
bool place_bool(struct place at, const char *key, bool *ret, struct source *ret_source);
bool place_text(struct place at, const char *key, const char **ret, struct source *ret_source);
/* The mark of the field's value, of its key, or of the map itself. */
struct source place_source(struct place at, const char *key);
/* A finding of policy.not_judged for each of the fields that is there. */
void place_not_judged(struct place at, const char *const *words, size_t count);

#endif
