#ifndef CLI_TELLER_H
#define CLI_TELLER_H

/* A process of its own that sends messages to one address, one after the other, so that nothing of
 * it can hold up or disturb a run: whoever is slow, or away, costs the run one write to a pipe that
 * never waits. It ends when the pipe does, also by our death. */

#include "cli/event_post.h"
#include "plan/notify.h"

#include <stdint.h>
#include <sys/types.h>

struct teller {
    const struct notify_plan *to;
    pid_t pid;
    int in, out;     /* messages to it; what failed, at its end; -1: closed */
    unsigned sent;   /* given to it */
    unsigned missed; /* the pipe was full */
};
/* False when there is nothing to tell: a variable is not set or holds no address (the sentence
 * names the variable), there is no ${cluster} (NULL) for its events, or no process to be had. */
bool teller_open(struct teller *t, const struct notify_plan *to, const struct event_target *cluster,
                 struct error *err) WARN_UNUSED;
/* One message: JSON on one line, of at most TELLER_MOST bytes. Never waits. */
#define TELLER_MOST 4000
void teller_send(struct teller *t, const char *body);
/* No more messages: it ends once it has sent them. */
void teller_finish(struct teller *t);
/* After that: waits until ${until_ns} (clock_now_ns) for what is under way, then kills it. False:
 * not all arrived, and why. */
bool teller_close(struct teller *t, uint64_t until_ns, struct error *err) WARN_UNUSED;

#endif
