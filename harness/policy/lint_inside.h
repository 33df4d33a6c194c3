#ifndef POLICY_LINT_INSIDE_H
#define POLICY_LINT_INSIDE_H

/* What the lint_*.c files share. A rule looks at the YAML tree for what is written and at the store
 * for what is in force, and speaks only where both are sure: a false finding is worse than none. */

#include "policy/lint.h"
#include "policy/store.h"

/* One run of the rules: indexes over the store, so that ten thousand objects cost no squares. */
struct lint {
    struct policy *policy;
    size_t *first_route;     /* by object: its first route, or SIZE_MAX */
    struct map routes;       /* service -> first route of that name + 1 */
    size_t *next_route;      /* by route: the next of the same service, or SIZE_MAX */
    struct map destinations; /* service -> first destination of that name + 1 */
    size_t *next_destination;
    struct map services; /* service -> its Service object + 1 */
};

/* Whether the target reads the object: the kind, its version and since when. */
bool lint_reads(const struct policy *p, const struct object *o);
bool lint_is(const struct object *o, const char *kind);
/* The first route, destination or Service of the name, SIZE_MAX: none; and the next ones. */
size_t lint_route_of(const struct lint *l, const char *service);
size_t lint_destination_of(const struct lint *l, const char *service);
size_t lint_service_of(const struct lint *l, const char *service);
/* The http entry or rule that the route was made of, NULL: not to be told. */
const struct yaml_node *lint_written(const struct route *route);
/* Whether the route is another entry of its object than the one before it in the store (an entry
 * becomes one route for each host and match). */
bool lint_is_new(const struct policy *p, size_t route);
/* The part ("outlierDetection") of the trafficPolicy that the row was made of, in ${ret_traffic}
 * the map that has it: the rule's, its subset's or its port's; NULL: none. */
const struct yaml_node *lint_part(const struct destination *d, const char *part,
                                  const struct yaml_node **ret_traffic);
/* The mark of the value at ${key} when it is a scalar, else of the key; ${map}'s own without it. */
struct source lint_source(const struct yaml_node *map, const char *key);
/* The whole number at ${key}; false: there is none. Wrong types are the readers' findings. */
bool lint_number(const struct yaml_node *map, const char *key, uint64_t *ret);
/* A Go or Gateway API duration at ${key}. */
bool lint_duration(const struct yaml_node *map, const char *key, uint64_t *ret_ns);
/* Text at ${key} is ${value}. */
bool lint_says(const struct yaml_node *map, const char *key, const char *value);
/* The pod of a Pod or of a workload's template: metadata and spec; NULL where there is none. */
const struct yaml_node *lint_pod(const struct object *o, const char *part);

void lint_ambient(struct lint *l);
void lint_ejection(struct lint *l);
void lint_gateway(struct lint *l);
void lint_linkerd(struct lint *l);
void lint_linkerd_profile(struct lint *l);
void lint_mtls(struct lint *l);
void lint_pool(struct lint *l);
void lint_retry(struct lint *l);
void lint_retry_layers(struct lint *l);
void lint_subset(struct lint *l);
void lint_twice(struct lint *l);
void lint_virtual_service(struct lint *l);

#endif
