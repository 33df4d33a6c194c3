#ifndef ENGINE_ACTOR_INSIDE_H
#define ENGINE_ACTOR_INSIDE_H

/* Between actor.c and actor_dial.c. */

#include "engine/actor.h"

#define ACTOR_ROUNDS 5 /* exchanges of the clock before one that dials in is ready */

bool actor_on_frame(void *cookie, const struct frame *frame, struct bytes body, struct error *err);
void actor_broken(struct actor *a, const struct error *why);
void actor_stop_clocks(struct actor *a);
void actor_start_clock(struct actor *a);
void actor_put_lost(struct actor *a, struct lost_record lost);
/* actor_dial.c: where the others reach what an agent says it listens on: "0.0.0.0:8080" of a pod is
 * at the address from which it dials. The heap string is the caller's. */
char *actor_reached_at(const struct actor *a, const char *listens);
/* Its link has ended; it is gone for good, and ${how} says so ("left by itself";
 * NULL: nobody knows). */
void actor_go_away(struct actor *a);
void actor_lose(struct actor *a, const char *how);

#endif
