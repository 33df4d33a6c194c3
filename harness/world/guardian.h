#ifndef WORLD_GUARDIAN_H
#define WORLD_GUARDIAN_H

/* The process that undoes what a run did to the world when the run dies of anything, SIGKILL too: a
 * fork of the conductor from before the first promise, in a session of its own, waiting for the end
 * of a pipe that the conductor alone holds open. It uses no Lua and no OpenSSL. */

#include "base/error.h"

struct guardian;
/* ${ttl_ns}: after so long it undoes whatever stands in ${ledger}, whether the run goes on or not.
 */
bool guardian_start(const char *ledger, uint64_t ttl_ns, struct guardian **ret,
                    struct error *err) WARN_UNUSED;
/* Tells it that the run looked after all itself, and waits for it. NULL is fine. */
void guardian_end(struct guardian *g);
/* We leave without looking after anything: it undoes what stands in the ledger, as after our death.
 * The caller has closed the ledger. True: within ${within_ns} it has said that all is back. Later
 * it goes on by itself, as it does when this is false. NULL: there was nothing to undo. */
bool guardian_leave(struct guardian *g, uint64_t within_ns);
int64_t guardian_pid(const struct guardian *g);

#endif
