#ifndef ENGINE_AGENT_ARMED_H
#define ENGINE_AGENT_ARMED_H

/* The faults that a proxy agent has in force, and the set of them that an ARM asks for: between
 * agent_proxy.c, which puts sets in force, and agent_armed.c, which reads them. */

#include "engine/agent_certs.h"
#include "faults/hook.h"

/* A fault from when it is armed on. Its budget outlives it: calls under an older chain still count.
 */
struct armed {
    struct armed *next_retired;
    struct fault_use use;
    struct arena arena;
    struct fire_budget budget;
    uint64_t expires_ns;
    uint16_t *endpoints;
    size_t endpoint_count;
    bool is_new;
    uint64_t fired; /* when it ended */
    uint64_t seed;  /* of a netem that gives none */
};
struct armed_set {
    struct armed **at;
    size_t count;
};
struct proxy_agent {
    struct agent *agent;
    struct proxy *proxy;
    uint16_t first; /* number of the first of its endpoints; the others follow */
    size_t endpoint_count;
    bool *refused; /* by endpoint - first */
    struct armed_set set;
    struct armed *retired;
    uint16_t generation;
    struct hold expiry_hold;
    uint64_t begun_ns;
    struct fire_limits limits; /* guard.limits, of SETUP */
    uint64_t ttl_most_ns;      /* UINT64_MAX: none */
    /* agent_impair.h: whose netem our device has (NULL: none), and what went last. */
    const struct armed *impaired;
    char device[16]; /* IFNAMSIZ */
    json_t *cleared;
};

bool armed_is_at(const struct armed *f, uint16_t endpoint);
struct armed *armed_find(const struct armed_set *set, uint16_t id); /* NULL: none */
void armed_free(struct armed *f);
/* The endpoints of this agent are numbered p->first to this. */
size_t armed_last_of(const struct proxy_agent *p);
bool armed_is_ours(const struct proxy_agent *p, json_int_t number);
/* ${list}: of ARM. What it shares with the present set is the same objects. False: what was read so
 * far is in ${ret}, for armed_drop. */
bool armed_read(struct proxy_agent *p, const json_t *list, struct armed_set *ret,
                struct error *err) WARN_UNUSED;
/* Throws away a set that was read in part: what it shares with the present one stays. */
void armed_drop(const struct proxy_agent *p, struct armed_set *set);

#endif
