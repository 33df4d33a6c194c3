#ifndef PLAN_LIMITS_H
#define PLAN_LIMITS_H

/* The blast radius that a scenario may have: what guard.limits says, and what holds where it says
 * nothing (scenario-language.md section 2). The planner checks steps against it, proxies hold
 * themselves to it at each firing, agents end a fault at its ttl. */

#include "plan/plan.h"

struct limits {
    struct source source;  /* of the guard that gave one; no file: all are defaults */
    const char *endpoints; /* as `mode`; of a service at once */
    uint32_t keep;         /* endpoints left alone */
    uint64_t share_ppm;    /* of the requests */
    uint64_t delay_ns, ttl_ns, requests_per_h;
};
/* Of several guards the tightest value of each. A scenario made of a policy alone that has no
 * guard.limits gets the delay and the ttl that its rows need: its author wrote none of them. */
void limits_of(const struct scenario *s, struct limits *ret);
/* How many of ${count} endpoints may be touched at once; `keep` counts too. */
uint32_t limits_endpoints(const struct limits *l, uint32_t count);
/* How long a fault step is in force at most, since it is armed: its ttl, or guard.limits'. */
uint64_t limits_ttl_ns(const struct scenario *s, const struct step *step);
/* How many of ${count} endpoints `mode` means (${mode} NULL: all). */
uint32_t limits_mode_count(const char *mode, uint32_t count);
/* The longest hold that a fault step makes of one request, by its own keys; 0: none. ${ret_keys}:
 * what says so, as in `add "40s"`; may be NULL. */
uint64_t limits_delay_of(const struct step *s, char *ret_keys, size_t size);
/* `  RAISED delay 45s (default 30s)`, a line each; nothing when none is above its default. */
void limits_print_raised(const struct scenario *s, struct text *to);

#endif
