#ifndef CLI_STEERED_H
#define CLI_STEERED_H

/* Which runs a steering command means: RUN, --all, or the only one that goes on. */

#include "cli/arguments.h"
#include "cli/control_client.h"

struct steered {
    struct live_note *notes;
    size_t count; /* 0: none goes on (with RUN: none of that name) */
};
/* False: more than one goes on and none was named, or the folder cannot be read. */
bool steered_pick(const struct arguments *args, struct steered *ret, struct error *err) WARN_UNUSED;
void steered_release(struct steered *s);
/* The sentence for a RUN that does not go on, or for nothing to steer; exit 4. */
int steered_none(const struct arguments *args);
/* From now on the run tells each change of its state; for steered_follow. */
bool steered_watch(struct control_client *c, struct error *err) WARN_UNUSED;
/* Follows a watched run to its end. ${line} is called with each state, the last one too; true:
 * enough. Returns how it ended; ${ret_exit}: the run's own exit code, when the last state told it.
 */
enum steered_end {
    STEERED_ENOUGH,
    STEERED_DONE,
    STEERED_LATE, /* the deadline */
    STEERED_DIED, /* no last word: the run died */
};
enum steered_end steered_follow(struct control_client *c, uint64_t until_ns,
                                bool (*line)(void *cookie, const json_t *state), void *cookie,
                                int *ret_exit);

#endif
