#ifndef STANDALONE_PROXY_FLEET_H
#define STANDALONE_PROXY_FLEET_H

/* `--workers N`: so many processes, each with its own loop, on the same addresses (SO_REUSEPORT).
 * The parent relays nothing: it declares (its set has no net proxies) and waits for its workers'
 * answers, so that a change is in force everywhere when it is said to be. */

#include "standalone/proxy_host.h"
#include "standalone/proxy_scribe.h"

#define PROXY_FLEET_WORKERS_MOST 64

struct proxy_fleet;

/* Forks, so before any loop. ${scribe}: the recorders' sockets; NULL: no records. */
bool proxy_fleet_start(const struct proxy_host_config *config, struct proxy_scribe *scribe,
                       struct proxy_fleet **ret, struct error *err) WARN_UNUSED;
/* For the parent's set; lives as long as the fleet. */
const struct proxy_set_remote *proxy_fleet_remote(struct proxy_fleet *f);
/* ${on_end} is called when a worker ends: with a reason when nobody asked it to, with NULL after a
 * drain when the last one has ended. */
bool proxy_fleet_watch(struct proxy_fleet *f, struct loop *loop,
                       void (*on_end)(void *cookie, const struct error *why), void *cookie,
                       struct error *err) WARN_UNUSED;
void proxy_fleet_drain(struct proxy_fleet *f, uint64_t within_ns);
/* Stops what is left, and waits. False: a worker ended badly. */
bool proxy_fleet_free(struct proxy_fleet *f, struct error *err);

#endif
