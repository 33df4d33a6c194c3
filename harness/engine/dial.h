#ifndef ENGINE_DIAL_H
#define ENGINE_DIAL_H

/* An agent's way to its conductor: connects, shakes hands by the run's key, says HELLO, and reads
 * the answer. It tries again until a deadline, for the conductor may not listen yet, or the network
 * may be away; a refusal in words is final. One connection at a time; it knows nothing of what goes
 * over it afterwards. */

#include "engine/channel.h"
#include "net/loop.h"

#define DIAL_AGAIN_NS (100 * NS_PER_MS)
#define DIAL_WITHIN_NS (15 * NS_PER_S) /* from connect to the answer, of one attempt */

struct dial;
struct dial_events {
    /* How much of the conductor's stream was taken so far. */
    uint64_t (*took)(void *cookie);
    /* ${wire} is the taker's; our stream goes on at ${at}; ${stub}: start the stub of your own. */
    void (*on_open)(void *cookie, struct carrier *take_wire, uint64_t at, bool stub);
    /* Refused, or nobody answered until the deadline. */
    void (*on_failed)(void *cookie, const struct error *why);
};

/* ${conductor}: "10.77.0.2:7400", numbers only; ${role}, ${id}: of the HELLO. Both are borrowed. */
bool dial_new(struct loop *loop, const char *conductor, const struct psk *psk, const char *role,
              const char *id, const struct dial_events *events, void *cookie, struct dial **ret,
              struct error *err) WARN_UNUSED;
/* Begins now; calls back in a later turn. */
void dial_start(struct dial *d, uint64_t until_ns);
void dial_stop(struct dial *d);
/* After dial_stop, and after the wires that it gave; NULL is fine. */
void dial_free(struct dial *d);

#endif
