#ifndef ENGINE_WALK_TARGET_H
#define ENGINE_WALK_TARGET_H

/* One process or device that a world fault of a walk acts on; between walk_world.c and its doers,
 * walk_process.c, walk_netem.c, walk_impair.c and walk_cut.c. */

#include "engine/walk.h"
#include "faults/netem.h"
#include "world/process.h"
#include "world/undo.h"

enum target_state {
    TARGET_IDLE,
    TARGET_STOPPED,   /* SIGSTOP */
    TARGET_GOING_ON,  /* of one that dials in: until its proxy's agent says that it does */
    TARGET_ENDING,    /* restart: within its grace */
    TARGET_DOWN,      /* dead, by our will */
    TARGET_STARTING,  /* until READY */
    TARGET_IMPAIRED,  /* netem */
    TARGET_IMPAIRING, /* of one that dials in: asked of its agent, which has not said so yet; */
    TARGET_CLEARING,  /* and the same on the way back */
    TARGET_CUTTING,   /* its control plane is about to be cut, */
    TARGET_CUT,       /* is, */
    TARGET_MENDING,   /* is about to be back */
};
struct walk_target {
    struct hold hold; /* first: the next thing by the clock */
    struct walk *walk;
    struct walk_use *use;
    struct actor *actor;
    struct process process; /* of a pause: the one that was stopped */
    uint64_t entry;
    uint64_t since_ns; /* of a cut: since when its state is on its way */
    enum target_state state;
    bool asked;       /* of what another does: it has not said yet that it is done */
    bool own_silence; /* of a pause: the agent itself is stopped */
    bool relayed;     /* of a kill: ${actor} is the endpoint's proxy, which plays it dead */
    size_t home;      /* of a netem: the service that sends, SIZE_MAX: the client */
    char place[96];
};

enum world_step { STEP_PROMISED, STEP_DONE, STEP_UNDONE };
/* The record `world`; ${since_ns}: before the act. */
void walk_target_journal(struct walk_target *t, enum world_step step, const char *before,
                         const char *after, bool ok, uint64_t since_ns);
void walk_target_not_undone(struct walk *w, const struct error *why);

/* In the ledger, then in the journal. */
bool walk_target_promise(struct walk_target *t, const struct undo_type *type, json_t *take_note,
                         const char *before, const char *after, struct error *err) WARN_UNUSED;
/* Of what goes with the lab. */
bool walk_target_promise_lab(struct walk_target *t, const char *before, const char *after,
                             struct error *err) WARN_UNUSED;
/* It is undone, and idle. */
void walk_target_end(struct walk_target *t, const char *before, const char *after,
                     uint64_t since_ns);
/* Calls its doer at that time. */
void walk_target_wait(struct walk_target *t, uint64_t at_ns);
/* Of that agent, which is its own process, in that state; NULL: none. */
struct walk_target *walk_target_find(const struct walk *w, const struct actor *a,
                                     enum target_state state);
/* Both may be in force at once. */
bool walk_uses_overlap(const struct walk_use *a, const struct walk_use *b);

/* walk_process.c */
bool walk_process_collect(struct walk *w, const struct step *step, struct walk_use *u,
                          struct error *err) WARN_UNUSED;
bool walk_process_is_proxy(const struct fault_use *use);
bool walk_process_arm(struct walk *w, struct walk_use *u, struct error *err) WARN_UNUSED;
void walk_process_due(struct walk_target *t, uint64_t now_ns);
void walk_process_disarm(struct walk_target *t);
/* Which endpoint's process it is, of a kill, pause or restart of an endpoint. */
uint16_t walk_target_endpoint(const struct walk_target *t);
/* walk_backend.c: of an endpoint that dials in. What is to become of its backend goes out with the
 * next ARM, and is done when ARMED says so. */
bool walk_backend_is(const struct walk_target *t);
bool walk_backend_stop(struct walk_target *t, struct error *err) WARN_UNUSED;
void walk_backend_go_on(struct walk_target *t);
void walk_backend_kill(struct walk_target *t);
void walk_backend_end(struct walk_target *t);
void walk_backend_start(struct walk_target *t);
/* walk_netem.c */
bool walk_netem_collect(struct walk *w, const struct step *step, struct walk_use *u,
                        struct error *err) WARN_UNUSED;
bool walk_netem_arm(struct walk *w, struct walk_use *u, struct error *err) WARN_UNUSED;
void walk_netem_disarm(struct walk_target *t);
/* Of what it draws, where the fault gives none. */
uint64_t walk_netem_seed(const struct walk *w, const struct walk_use *u);
bool walk_netem_asked(const struct walk *w, const struct walk_use *u, struct fault_netem *ret,
                      struct error *err) WARN_UNUSED;
/* walk_impair.c: the same by the agents of endpoints that dial in. What they are to do goes out
 * with the next ARM. */
bool walk_impair_collect(struct walk *w, const struct step *step, struct walk_use *u,
                         struct error *err) WARN_UNUSED;
bool walk_impair_arm(struct walk *w, struct walk_use *u, struct error *err) WARN_UNUSED;
void walk_impair_disarm(struct walk_target *t);
/* One of the ${count} endpoints from ${first} on is to be impaired by it. */
bool walk_impair_is_wanted(const struct walk_use *u, uint32_t first, uint32_t count);
/* walk_cut.c */
bool walk_cut_collect(struct walk *w, const struct step *step, struct walk_use *u,
                      struct error *err) WARN_UNUSED;
bool walk_cut_arm(struct walk *w, struct walk_use *u, struct error *err) WARN_UNUSED;
void walk_cut_disarm(struct walk_target *t);

#endif
