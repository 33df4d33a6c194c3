#ifndef ENGINE_WALK_TARGET_H
#define ENGINE_WALK_TARGET_H

/* One process or device that a world fault of a walk acts on; between walk_world.c and
 * walk_netem.c. */

#include "engine/walk.h"
#include "world/process.h"
#include "world/undo.h"

enum target_state {
    TARGET_IDLE,
    TARGET_STOPPED,  /* SIGSTOP */
    TARGET_ENDING,   /* restart: within its grace */
    TARGET_DOWN,     /* dead, by our will */
    TARGET_STARTING, /* until READY */
    TARGET_IMPAIRED, /* netem */
};
struct walk_target {
    struct hold hold; /* first: the next thing by the clock */
    struct walk *walk;
    struct walk_use *use;
    struct actor *actor;
    struct process process; /* of a pause: the one that was stopped */
    uint64_t entry;
    enum target_state state;
    bool own_silence; /* of a pause: the agent itself is stopped */
    size_t home;      /* of a netem: the service that sends, SIZE_MAX: the client */
    char place[96];
};

enum world_step { STEP_PROMISED, STEP_DONE, STEP_UNDONE };
/* The record `world`; ${since_ns}: before the act. */
void walk_target_journal(struct walk_target *t, enum world_step step, const char *before,
                         const char *after, bool ok, uint64_t since_ns);
void walk_target_not_undone(struct walk *w, const struct error *why);

/* walk_netem.c */
/* Both may be in force at once. */
bool walk_uses_overlap(const struct walk_use *a, const struct walk_use *b);
bool walk_netem_collect(struct walk *w, const struct step *step, struct walk_use *u,
                        struct error *err) WARN_UNUSED;
bool walk_netem_arm(struct walk *w, struct walk_use *u, struct error *err) WARN_UNUSED;
void walk_netem_disarm(struct walk_target *t);

#endif
