#ifndef ENGINE_WALK_WORLD_H
#define ENGINE_WALK_WORLD_H

/* World faults of a walk, and the ledger and guardian of a run that has any. */

#include "engine/walk.h"

/* Makes the ledger and starts the guardian when a walk changes the world; nothing otherwise. Before
 * any agent. */
bool walk_world_open(struct walk_context *c, const struct walk_plan *walks, size_t count,
                     struct error *err) WARN_UNUSED;
/* Undoes what is left, newest first; what is not back is c->not_undone. */
void walk_world_shut(struct walk_context *c);

/* The step's place and parameters, checked against the lab. */
bool walk_world_collect(struct walk *w, const struct step *step, struct walk_use *u,
                        struct error *err) WARN_UNUSED;
/* It is for the proxy of a caller, who need not be a service of the lab. */
bool walk_world_is_proxy(const struct fault_use *use);
/* The keys of the `refuse` that the fault proxies hold while the endpoint behind them is dead, as a
 * dead pod would; NULL: none. */
json_t *walk_world_stand_in(const struct walk_use *u);
/* walk_backend.c. Of a fleet: the backend of an endpoint is signalled by the agent that started it,
 * its proxy's. ARM says what it is to be, of the endpoints that ${count} from ${first} on are:
 * "paused", "ending" (its end is no news), "dead"; NULL: it runs. ARMED says that it is. */
const char *walk_backend_wanted(const struct walk *w, size_t service, uint32_t first,
                                uint32_t count);
/* Nobody can start again what it started: the fault ends with it. */
void walk_backend_on_lost(struct walk *w, const struct actor *proxy);
/* A proxy of a fleet has its last ARM in force, and so what that asked for. */
void walk_backend_on_armed(struct walk *w, const struct actor *proxy);
/* walk_impair.c. What the agents of a service's endpoints try before they are ready, for SETUP;
 * NULL: nothing. */
json_t *walk_impair_setup(const struct walk *w, size_t service);
void walk_impair_on_armed(struct walk *w, const struct actor *proxy, const json_t *armed);
/* What it impaired goes with it. */
void walk_impair_on_lost(struct walk *w, const struct actor *proxy);
void walk_world_arm(struct walk *w, struct walk_use *u);
void walk_world_disarm(struct walk *w, struct walk_use *u);
/* Nothing of it is in force, nor on its way back. */
bool walk_world_idle(const struct walk_use *u);
/* Whatever is not wanted any more is back. */
bool walk_world_settled(const struct walk *w);
/* Of an agent that was started again, or that ends by a restart: true, and it is looked after. */
bool walk_world_on_hello(struct walk *w, struct actor *a);
bool walk_world_on_ready(struct walk *w, struct actor *a);
bool walk_world_on_ended(struct walk *w, struct actor *a);
/* Endpoints of that proxy have another address: whoever programs a mesh has to know. */
void walk_world_on_moved(struct walk *w, const struct actor *proxy);
/* The endpoint is being replaced: a control plane has taken it out. */
bool walk_world_is_away(const struct walk *w, size_t service, uint32_t endpoint);
/* walk_cut.c: ARMED of a mesh's agent. */
void walk_cut_on_armed(struct walk *w, struct actor *a, const json_t *armed);
/* The meshes of this walk are programmed over a control plane that can be cut. */
bool walk_cut_is_asked(const struct walk *w);
/* Before the agents of the walk are ended. */
void walk_world_close(struct walk *w);

#endif
