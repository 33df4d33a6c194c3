#ifndef ENGINE_AGENT_IMPAIR_H
#define ENGINE_AGENT_IMPAIR_H

/* fault.netem and fault.partition of an endpoint that dials in: its agent impairs the device of its
 * own network namespace (a pod's), and only what is of its endpoints' listening ports, so that its
 * connection to the conductor never suffers. What the fault calls `to` (towards the endpoint) comes
 * in at that device. At most one is in force; it is set, read back and taken away with the sets of
 * ARM, so also at its ttl and when the conductor is lost. */

#include "engine/agent_armed.h"

/* Before READY: each of SETUP's list ({word, keys, seed}) is set on the device, read back and taken
 * away again, while nobody sends yet. False, and nothing is changed: no CAP_NET_ADMIN, no such
 * module, no device of our own. ${list} NULL is fine. */
bool agent_impair_try(struct proxy_agent *p, const json_t *list, struct error *err) WARN_UNUSED;
/* The device as that set wants it; what was there before goes first. */
bool agent_impair_set(struct proxy_agent *p, const struct armed_set *to,
                      struct error *err) WARN_UNUSED;
/* Takes away what is there; nothing where nothing is. */
bool agent_impair_clear(struct proxy_agent *p, struct error *err) WARN_UNUSED;
/* It acts on the device, not in the proxy. */
bool agent_impair_is(const struct armed *f);
/* What was taken away since it was last asked, for ARMED: {cleared: none|gone|foreign, stats};
 * NULL: nothing. The caller's. */
json_t *agent_impair_said(struct proxy_agent *p);

#endif
