#ifndef PLAN_GUARD_H
#define PLAN_GUARD_H

/* guard.* and probe.* of a scenario (scenario-language.md section 2), as their author wrote them:
 * when a run must stop, how much it may touch, when it may run at all, and who must agree before it
 * does. */

#include "plan/place.h"

#include "base/error.h"

/* probe.*: a value that guards, awaits and expectations watch. */
enum probe_kind { PROBE_CLIENT, PROBE_GRPC_HEALTH, PROBE_HTTP, PROBE_PROMQL, PROBE_TCP };
struct probe_plan {
    enum probe_kind kind;
    const char *name; /* in `probes`; NULL: stands in a guard.stop */
    struct source source;
    struct place on;           /* client: an edge */
    const char *value;         /* client: errors, p50 ...; http: JSON pointer, or NULL */
    const char *url, *address; /* http, promql; tcp, grpc_health */
    const char *body, *ca;     /* http */
    const char *query, *token; /* promql; token: the name of an environment variable */
    const char *service;       /* grpc_health */
    uint16_t status;           /* http: a good answer's */
    uint64_t every_ns, timeout_ns;
};

enum guard_kind { GUARD_LIMITS, GUARD_STOP, GUARD_WINDOW, GUARD_APPROVAL };
struct guard_plan {
    enum guard_kind kind;
    struct source source;
    /* limits; 0 and NULL: not given */
    const char *endpoints; /* as `mode`: all, one, a count, a share */
    uint32_t keep;
    uint64_t share_ppm, delay_ns, ttl_ns, requests_per_h;
    const char **services, **namespaces;
    size_t service_count, namespace_count;
    /* stop */
    const char *probe; /* a name in `probes`; NULL: ${own} */
    struct probe_plan own;
    const char *above, *below; /* with the unit of what is probed */
    uint64_t over_ns;
    bool ignore_missing;
    const char *note;
    /* window */
    const char **allow, **deny, *zone;
    size_t allow_count, deny_count;
    /* approval */
    const char *ask, *role; /* role NULL: anyone */
    uint32_t people;        /* how many must agree */
    uint64_t within_ns;
};

#endif
