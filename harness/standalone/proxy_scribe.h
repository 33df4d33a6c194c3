#ifndef STANDALONE_PROXY_SCRIBE_H
#define STANDALONE_PROXY_SCRIBE_H

/* Who writes the journal of `meshproof proxy`: a process of its own, for a commit to disk takes
 * milliseconds and a relay has none. It reads the recorders' sockets until all have ended. Not the
 * conductor: there is no plan, so the plan's row is an empty one. */

#include "base/error.h"

#include <jansson.h>

struct proxy_scribe;

struct proxy_scribe_config {
    const char *path, *run, *seed_text, *version;
    uint64_t seed;
    const char *const *argv;
    size_t argc;
    unsigned workers;
};

/* Forks, so before any loop. The journal is there when it returns. */
bool proxy_scribe_start(const struct proxy_scribe_config *config, struct proxy_scribe **ret,
                        struct error *err) WARN_UNUSED;
/* The socket of worker ${index}'s recorder, non-blocking; the scribe keeps it. */
int proxy_scribe_fd(const struct proxy_scribe *s, unsigned index);
/* In a worker: lets go all sockets but its own. UINT_MAX: all. */
void proxy_scribe_keep(struct proxy_scribe *s, unsigned index);
/* Lets go the sockets, waits for the last row, and frees it. False: the journal is not whole. */
bool proxy_scribe_finish(struct proxy_scribe *s, struct error *err);

/* Control frames of a recorder: an event of the story, {"event": word, "t": ns, "json": {..}}; and
 * its last word, the counts by kind of record. */
#define PROXY_SCRIBE_EVENT 12
#define PROXY_SCRIBE_BYE 13

#endif
