#ifndef ENGINE_WALK_H
#define ENGINE_WALK_H

/* One scenario in one arm, from the start of its agents to their end: a state machine on the
 * conductor's loop. walk.c has the agents, walk_setup.c what they are told first, walk_phase.c the
 * phases, walk_arm.c the faults in force. It reads no signal and owns no journal: conductor.c does.
 */

#include "engine/actor.h"
#include "engine/await.h"
#include "engine/engine.h"
#include "faults/fault.h"

enum walk_state {
    WALK_SETUP,
    WALK_READY,  /* all agents are; walk_begin */
    WALK_ARMING, /* a phase has begun; its faults are on their way */
    WALK_RUNNING,
    WALK_DISARMING, /* the phase has ended */
    WALK_SETTLING,
    WALK_IDLE,       /* no more phases; walk_repeat or walk_finish */
    WALK_RECOVERING, /* aborted; the load runs on for a while without faults */
    WALK_DRAINING,
    WALK_DONE,
};

/* A fault step of the scenario, flattened: when it is wanted, and what came of it. */
#define USE_WHOLE_SCENARIO UINT32_MAX
struct walk_use {
    const struct step *step;
    struct fault_use fault;
    uint32_t owner;          /* ordinal of its phase, or USE_WHOLE_SCENARIO */
    uint32_t until;          /* to_end_of: the ordinal; else UINT32_MAX */
    uint64_t from_ns, to_ns; /* since its phase began */
    size_t service;
    uint16_t *endpoints; /* drawn when it is armed; room for all */
    uint16_t endpoint_count;
    bool on, carried, told_armed, told_first;
    uint64_t fired; /* since it was armed */
};
struct walk_service {
    const struct service_plan *plan;
    struct actor *stub, *proxy;
    struct picks picks;
    bool arm_due;
};
struct walk_run { /* a phase to be run */
    uint32_t ordinal;
    bool again;
    uint64_t seed;
};

struct walk;
/* What all walks of a run share. */
struct walk_context {
    struct loop *loop;
    struct store *store;
    const struct engine_options *options;
    struct starter starter;
    uint32_t next_proc, next_phase;
    uint64_t start_ns;
    void (*on_change)(void *cookie, struct walk *w); /* READY, IDLE, DONE, or broken */
    void *cookie;
};

struct walk_certs; /* walk_certs.c */
struct walk {
    struct walk_context *context;
    const struct walk_plan *plan;
    const struct scenario *scenario;
    enum walk_state state;
    bool subject;
    bool asked_repeats;  /* by the conductor */
    struct error broken; /* ERROR_NONE: not */
    bool aborted_late;   /* an await with late = "abort" */
    bool hasty;          /* aborted: do not wait for calls under way */
    char *folder;
    struct actor *actors;
    size_t actor_count;
    struct actor *load, *mesh; /* mesh NULL: external, and its counters are nowhere */
    struct walk_certs *certs;  /* NULL: the lab speaks plaintext */
    struct walk_service *services;
    size_t service_count;
    struct walk_use *uses;
    size_t use_count;
    struct arena arena;
    int stage; /* of set-up and of drain */
    struct walk_run *runs;
    size_t run_count, run_next;
    /* The phase under way. */
    const struct phase *phase;
    uint32_t phase_id, ordinal;
    uint64_t phase_t0_ns;
    struct await *awaits;
    size_t await_count, await_next;
    struct hold end_hold, edge_hold, tick_hold, stage_hold;
    bool load_started;
};

/* Starts all agents; false when the scenario cannot be walked, or a child cannot be started. The
 * caller frees ${ret} when the loop does not run, in both cases (NULL is fine). */
bool walk_open(struct walk_context *context, const struct walk_plan *plan, struct walk **ret,
               struct error *err) WARN_UNUSED;
void walk_free(struct walk *w);
/* From WALK_READY: the first phase. */
void walk_begin(struct walk *w);
/* From WALK_IDLE: runs these phases once more ("NAME (again)", fresh seed). */
void walk_repeat(struct walk *w, const uint32_t *ordinals, size_t count);
/* From WALK_IDLE: drains the agents. */
void walk_finish(struct walk *w);
/* Disarms all at once, lets the load run for ${recover_ns}, then drains (scenario-language.md 2.6).
 * Again with 0: at once. */
void walk_abort(struct walk *w, const char *why, uint64_t recover_ns);
/* Tells how far the phase under way is ("progress": for the line that a terminal rewrites). */
void walk_progress(struct walk *w, uint64_t now_ns);
/* SIGCHLD: looks after its children. */
void walk_reap(struct walk *w);
/* Sends SIGTERM to all children, for leaving at once. */
void walk_signal(struct walk *w);

/* --- between the walk's own files --- */
void walk_tell(struct walk *w, const char *what, const char *format, ...) PRINTF(3, 4);
void walk_break(struct walk *w, const struct error *why);
void walk_event(struct walk *w, const char *what, json_t *take_json, uint64_t t_ns);
size_t walk_find_service(const struct walk *w, const char *name); /* SIZE_MAX: none */
/* walk_setup.c */
bool walk_setup_check(const struct walk *w, struct error *err) WARN_UNUSED;
void walk_setup_step(struct walk *w);
/* The lab says where the counters of its external mesh are. */
bool walk_setup_scrapes(const struct walk *w);
/* walk_arm.c */
bool walk_arm_collect(struct walk *w, struct error *err) WARN_UNUSED;
/* Arms and disarms what the phase and the time ask for; ${none}: disarms everything. */
void walk_arm_update(struct walk *w, bool none);
/* All proxies have what they were last told. */
bool walk_arm_settled(const struct walk *w);
void walk_arm_on_armed(struct walk *w, struct actor *a, const json_t *armed);
/* The next instant (absolute) at which a step of the phase begins or ends; UINT64_MAX: none. */
uint64_t walk_arm_next_edge_ns(const struct walk *w, uint64_t now_ns);
void walk_arm_phase_ended(struct walk *w, uint32_t ordinal);
/* walk_certs.c: the lab's authority, who presents and trusts what, and the steps that change it.
 * All do nothing in a plaintext lab. */
bool walk_certs_open(struct walk *w, struct error *err) WARN_UNUSED;
void walk_certs_free(struct walk *w);
void walk_certs_stop(struct walk *w);
/* What the endpoint of SETUP, and the mesh (service SIZE_MAX), present and trust at first; NULL:
 * plaintext. */
json_t *walk_certs_setup(const struct walk *w, size_t service, uint32_t endpoint);
/* The name that the mesh must find in the leaves of ${service}; NULL: plaintext. */
const char *walk_certs_san(const struct walk *w, size_t service);
/* The phase under way has begun: its steps are planned, and those that are due done. */
bool walk_certs_begin(struct walk *w, struct error *err) WARN_UNUSED;
void walk_certs_phase_ended(struct walk *w);
void walk_certs_on_set(struct walk *w, struct actor *a, const json_t *set);
/* Every place of ${on} (a service, an endpoint, "client": the mesh) presents a leaf of ${root} or
 * trusts it, and has said so. */
bool walk_certs_has(const struct walk *w, const struct place *on, const char *root);
/* All agents have what they were last given. */
bool walk_certs_settled(const struct walk *w);
/* walk_phase.c */
void walk_phase_next(struct walk *w);
void walk_phase_on_armed(struct walk *w);
void walk_phase_end(struct walk *w, const char *why);
void walk_phase_on_record(struct walk *w, struct actor *a, uint8_t kind, struct bytes body);
void walk_phase_on_done(struct walk *w, const json_t *done);
void walk_phase_stop_holds(struct walk *w);

#endif
