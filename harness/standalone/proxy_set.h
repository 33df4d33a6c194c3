#ifndef STANDALONE_PROXY_SET_H
#define STANDALONE_PROXY_SET_H

/* The named proxies of `meshproof proxy`: made, changed and removed while traffic goes on, each
 * with the faults in force at it. One form for all who change them (command line, configuration
 * file, REST, Toxiproxy API, workers): a JSON object,
 *
 *   {"name": "payments", "listen": "127.0.0.1:0", "to": "127.0.0.1:9000", "protocol": "http",
 *    "enabled": true, "faults": [{"word": "abort", "status": 503, "share": "30%", "ttl": "10s"}]}
 *
 * with "tls" and "to_tls" where it has them (proxy_tls.h).
 *
 * Keys of a fault are those of a suite (scenario-language.md 1.5) without on, mode and to_end_of,
 * with "word", and "id" where it has one. All calls are synchronous: when one returns, it is in
 * force, in every worker. Not a parser of any user's text, and no HTTP.
 */

#include "base/text.h"
#include "journal/recorder.h"
#include "net/loop.h"

#include <jansson.h>

struct proxy_set;

#define PROXY_SET_MOST 1000     /* proxies */
#define PROXY_SET_NAME_MOST 100 /* bytes of a name */

/* Where the proxies really run, when this process only declares them (workers). */
struct proxy_set_remote {
    /* {"replace": [proxies], "missing": "keep" | "remove"} or {"remove": "name"}, in all workers.
     */
    bool (*apply)(void *cookie, const json_t *order, struct error *err);
    /* Sums of all workers: as proxy_set_stats gives them. NULL: a worker is gone. */
    json_t *(*collect)(void *cookie);
    void *cookie;
};

struct hook_engine;
struct proxy_set_config {
    uint64_t seed;
    uint64_t drain_ns;         /* how long the calls of a proxy that goes may go on */
    struct recorder *recorder; /* NULL: no records */
    unsigned workers;          /* above 1: addresses are shared, faults that count are refused */
    const struct proxy_set_remote *remote; /* NULL: this process serves */
    const struct hook_engine *hooks;       /* NULL: fault.hook is refused */
};

struct proxy_set *proxy_set_new(struct loop *loop, const struct proxy_set_config *config);
/* Cuts what is left; not in a callback of the loop. NULL is allowed. */
void proxy_set_free(struct proxy_set *s);

/* Makes the proxy of that name look so, whether it exists or not. What is unchanged stays: same
 * listen, to, protocol and TLS paths keep sockets and connections, an equal fault (same id, or
 * without an id the same keys) keeps its counts and its ttl. ERROR_INPUT, LIMIT: the object is
 * wrong; ERROR_SYSTEM: the address cannot be had. On failure nothing has changed. */
bool proxy_set_put(struct proxy_set *s, const json_t *proxy, struct error *err) WARN_UNUSED;
/* The same for a whole list; ${remove_missing}: those that are not in it go. All or nothing. */
bool proxy_set_replace(struct proxy_set *s, const json_t *list, bool remove_missing,
                       struct error *err) WARN_UNUSED;
bool proxy_set_has(const struct proxy_set *s, const char *name);
/* Drains it. False when there is none of that name, or a worker is gone. */
bool proxy_set_remove(struct proxy_set *s, const char *name, struct error *err) WARN_UNUSED;
/* Disabled: nothing listens, and its connections are cut. Its faults stay. */
bool proxy_set_enable(struct proxy_set *s, const char *name, bool enabled,
                      struct error *err) WARN_UNUSED;

/* Adds one fault at the end of its chain; ${ret_id} (may be NULL) is its number, unique in the set.
 */
bool proxy_set_arm(struct proxy_set *s, const char *name, const json_t *fault, uint16_t *ret_id,
                   struct error *err) WARN_UNUSED;
/* Puts another fault in the place of number ${id}; counts and ttl begin anew. */
bool proxy_set_rearm(struct proxy_set *s, const char *name, uint16_t id, const json_t *fault,
                     struct error *err) WARN_UNUSED;
/* 0: all faults of the proxy. */
bool proxy_set_disarm(struct proxy_set *s, const char *name, uint16_t id,
                      struct error *err) WARN_UNUSED;
/* No fault anywhere, every proxy enabled (as Toxiproxy's reset). */
bool proxy_set_reset(struct proxy_set *s, struct error *err) WARN_UNUSED;

/* As proxy_set_put takes it, "listen" the address that is bound, each fault with "id", "fired" and
 * "text" ("abort 503"). NULL: there is none of that name. The caller's reference. */
json_t *proxy_set_describe(struct proxy_set *s, const char *name);
json_t *proxy_set_list(struct proxy_set *s); /* an array, in order of creation */
/* {"proxies": {"name": {counters}}, "process": {counters}}: proxy_stats.h. The caller's reference;
 * NULL: a worker is gone. */
json_t *proxy_set_stats(struct proxy_set *s);

/* Takes no new work; ${on_done} is called once, when all calls have ended or were cut. */
void proxy_set_drain(struct proxy_set *s, uint64_t within_ns, void (*on_done)(void *cookie),
                     void *cookie);

#endif
