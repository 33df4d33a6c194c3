#ifndef POLICY_STORE_H
#define POLICY_STORE_H

/* What the readers of the dialects fill and resolve.c reads: routes, destinations, services, each
 * with the host that it is for. Only what the target has in force is in here. Inside this layer
 * only. */

#include "policy/lint.h"
#include "policy/object.h"
#include "policy/policy.h"

#include "base/map.h"

#define STORE_MAX_FINDINGS ((size_t)100000)
#define STORE_MAX_ROUTES ((size_t)50000)
#define STORE_MAX_TEXTS ((size_t)100000)
#define STORE_MAX_ARENA ((size_t)2 << 30)

/* Istio's: a DestinationRule there is for all callers, a PeerAuthentication without a selector for
 * the whole mesh. */
#define STORE_ROOT_NAMESPACE "istio-system"

/* "payments", "payments.ns.svc.cluster.local", "api.example.com", "*.ns.svc.cluster.local", "*". */
struct host {
    const char
        *service; /* "payments"; the whole name of a host outside of the cluster; NULL: a pattern */
    const char *namespace; /* NULL: not said */
    const char *pattern;   /* of a wildcard: what follows the star */
};

enum path_kind { PATH_ANY, PATH_EXACT, PATH_PREFIX, PATH_SEGMENTS, PATH_REGEX };

/* What else the policy says of a value: written, and not in force. */
struct spoken {
    const char *name; /* "retry.attempts", as edge.c has it */
    struct value value;
    const char *why;
    const struct spoken *next;
};

struct route {
    struct host host;
    const struct object *object;
    const char *name; /* "payments/http[0]" */
    enum path_kind path_kind;
    const char *path; /* PATH_REGEX: one that it takes */
    const struct path_regex *regex;
    const char *caller;      /* the app label that the caller must have; NULL: any */
    bool any_case;           /* of PATH_EXACT and PATH_PREFIX */
    bool narrowed;           /* holds for requests only that are never sent here */
    const char *destination; /* the service it leads to, when that is one and not the host's */
    const char *subset;      /* of it, when it is one and the same for all; NULL: none is named */
    uint64_t port;           /* so too; 0: the service's own */
    bool has_retry;
    struct retry_rule retry;
    struct value request_timeout;
    const struct spoken *spoken; /* what its entry says and the target does not do */
};

struct destination {
    struct host host;
    const struct object *object;
    const char *subset; /* the row is for what routes send to it; NULL: for all else */
    uint64_t port;      /* 0: all ports that no other row of the object names */
    bool empty;         /* the object has subsets alone: another one's trafficPolicy is taken */
    const char *caller; /* the app label that the caller must have; NULL: any */
    bool consistent_hash;
    struct outlier_rule outlier;
    struct pool_rule pool;
    struct budget_rule budget;
    struct value balance; /* enum lb_policy */
    struct value sends;   /* enum mtls_mode */
    const char *identity; /* the one of tls.subjectAltNames */
    const struct spoken *spoken;
};

/* The retry budget of a Service (XBackendTrafficPolicy). */
struct service_budget {
    struct host host;
    const struct object *object;
    struct budget_rule rule;
};

/* A host of a ServiceEntry. */
struct entry {
    struct host host;
    const struct object *object;
    struct source source;
    const char *protocol; /* of all of its ports, where none is HTTP: "TCP"; NULL: HTTP */
    bool external;        /* outside of the mesh */
};

/* One port of portLevelMtls. */
struct peer_port {
    uint64_t port;
    struct value mode;
};

/* A PeerAuthentication. */
struct peer_rule {
    const struct object *object;
    const struct yaml_node *labels; /* selector.matchLabels; NULL: the whole namespace */
    struct value mode;              /* enum mtls_mode; unset: UNSET, what stands above holds */
    struct peer_port *ports;        /* portLevelMtls */
    size_t port_count;
};

/* A Server of Linkerd, and a rate limit for one. */
struct server_rule {
    const struct object *object;
    const char *origin;
    struct value accepts; /* enum mtls_mode; unset: what the authorizations say */
};
struct server_limit {
    const struct object *object;
    const char *server;
    bool refused; /* by the target: not in force */
    struct rate_rule rule;
    const struct spoken *spoken;
};

/* A ServiceProfile; its routes are those of its object in ${profile_routes}. */
struct profile_rule {
    struct host host;
    const struct object *object;
    struct budget_rule budget;
};

/* An object that the target does not read, and a service that it is for. */
struct passed_over {
    struct host host;
    const struct object *object;
    const char *why;
};

/* What Linkerd reads from a Service. */
struct service_rule {
    struct host host;
    const struct object *object;
    bool has_retry;
    struct retry_rule retry;
    struct value request_timeout;
    struct accrual_rule accrual;
    const struct spoken *spoken;
};

/* An ExtensionRef: for the sentence on the kind that it names. */
struct extension {
    const char *kind, *name;
    const struct object *object;
};

/* Who says something of waypoints; each stands above those before. */
enum waypoint_by { WAYPOINT_GATEWAY, WAYPOINT_NAMESPACE, WAYPOINT_SERVICE };
struct waypoint {
    const char *service, *namespace; /* NULL: all of the namespace; of any */
    enum waypoint_by by;
    bool none;
};

struct policy {
    struct arena *arena; /* a pointer, so that resolve can intern text on a const policy */
    struct map *interned;
    struct policy_options options;
    const char *default_origin;
    size_t nodes_left, bytes;
    struct error limit; /* the first limit that was passed: the read fails with it */

    struct object *objects;
    size_t object_count, object_capacity;
    struct route *routes;
    size_t route_count, route_capacity;
    struct destination *destinations;
    size_t destination_count, destination_capacity;
    struct service_rule *services;
    size_t service_count, service_capacity;
    struct extension *extensions;
    size_t extension_count, extension_capacity;
    struct waypoint *waypoints;
    size_t waypoint_count, waypoint_capacity;
    struct host *profiles; /* of ServiceProfiles */
    size_t profile_count, profile_capacity;
    struct profile_rule *profile_rules;
    size_t profile_rule_count, profile_rule_capacity;
    struct route *profile_routes;
    size_t profile_route_count, profile_route_capacity;
    struct service_budget *service_budgets;
    size_t service_budget_count, service_budget_capacity;
    struct entry *entries;
    size_t entry_count, entry_capacity;
    struct peer_rule *peer_rules;
    size_t peer_rule_count, peer_rule_capacity;
    struct server_rule *server_rules;
    size_t server_rule_count, server_rule_capacity;
    struct server_limit *server_limits;
    size_t server_limit_count, server_limit_capacity;
    struct passed_over *passed_overs;
    size_t passed_over_count, passed_over_capacity;
    struct finding *findings;
    size_t finding_count, finding_capacity;
    struct quote *quotes; /* of the text, for the journal: quote.h */
    size_t quote_count, quote_capacity, quoted_bytes;
    const char **names; /* of the services governed */
    size_t name_count, name_capacity;
};

/* Appends a zeroed row to one of the arrays above: STORE_ADD(p, route). */
#define STORE_ADD(p, noun) \
    ((struct noun *)store_grow((void **)&(p)->noun##s, &(p)->noun##_count, &(p)->noun##_capacity, \
                               sizeof(struct noun)))
void *store_grow(void **rows, size_t *count, size_t *capacity, size_t size);

/* A new route; NULL past STORE_MAX_ROUTES, which fails the read. */
struct route *store_add_route(struct policy *p, struct source source);

/* The same text for ever, once. ${text} may be NULL. */
const char *store_intern(const struct policy *p, const char *text);
/* The same of a text that is made. */
const char *store_printf(const struct policy *p, const char *format, ...) PRINTF(2, 3);
/* Names a service as governed by an object. */
void store_add_name(struct policy *p, const char *service);

/* ${text} as an object of ${namespace} writes it. */
struct host host_parse(const char *text, struct arena *arena);
/* The same of a field of ${o}: a short name is one of the object's own namespace. */
struct host host_of(const char *text, const struct object *o, struct arena *arena);
/* 0: not for this service; else the higher the more exactly. */
uint32_t host_match(const struct host *host, const struct host *service);

struct value value_set(uint64_t number, struct source source, const char *origin);
/* The target's default. */
struct value value_default(const struct policy *p, uint64_t number);

/* The retries that the target makes where nothing says otherwise. */
void retry_rule_default(const struct policy *p, struct retry_rule *ret);

/* Keeps what is written and not in force, for `explain`. */
void store_speak(struct policy *p, const struct spoken **list, const char *name,
                 const struct value *value, const char *why);

bool policy_is_istio(const struct policy *p);
/* The Service of that name among the objects; NULL: none, or several in different namespaces. */
const struct object *store_find_service(const struct policy *p, const struct host *host);
/* Its port; 0: it has several. */
uint64_t store_service_port(const struct object *service);
/* Whether callers of the namespace see the object: exportTo, of which none is all. */
bool store_is_exported(const struct object *o, const char *namespace);
/* For ambient: something shows that the service has a waypoint. True for other targets. */
bool policy_has_waypoint(const struct policy *p, const struct host *service);

#endif
