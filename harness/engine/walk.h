#ifndef ENGINE_WALK_H
#define ENGINE_WALK_H

/* One scenario in one arm, from the start of its agents to their end: a state machine on the
 * conductor's loop. walk.c has the agents, walk_setup.c what they are told first, walk_phase.c the
 * phases, walk_load.c what is sent in them, walk_arm.c the faults in force. It reads no signal and
 * owns no journal: conductor.c does.
 */

#include "engine/actor.h"
#include "engine/await.h"
#include "engine/engine.h"
#include "engine/fleet.h"
#include "faults/fault.h"
#include "world/netem.h"
#include "world/netns.h"

enum walk_state {
    WALK_SETUP,
    WALK_READY,   /* all agents are; walk_calm (of the subject), then walk_begin */
    WALK_CALMING, /* one request on each edge is on its way */
    WALK_ARMING,  /* a phase has begun; its faults are on their way */
    WALK_RUNNING,
    WALK_DISARMING, /* the phase has ended */
    WALK_SETTLING,
    WALK_PAUSED,     /* phase clock and awaits stopped, faults on their way out or out */
    WALK_RESUMING,   /* faults on their way in, then settling; the phase clock still stands */
    WALK_STANDING,   /* other arms of the scenario have their turn (walk_turn.c) */
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
    bool interrupted; /* taken out by a pause: what it drew and did so far stands */
    bool expired;     /* its ttl is over: a pause does not bring it back */
    uint64_t fired;   /* since it was armed, pauses not counted */
    uint64_t spent;   /* of `times`, before the last pause */
    /* Of a world fault (walk_world.c), whose service is SIZE_MAX when it is for "client". */
    struct walk_target *targets;
    size_t target_count;
    uint64_t ttl_ns;
    bool in_proxy;  /* a world fault that the fault proxies play: the lab is not isolated */
    bool by_agent;  /* of netem: each endpoint's agent impairs its own device (walk_impair.c) */
    bool stands_in; /* a dead endpoint's proxy refuses and resets as the pod would */
};
/* Who acts: WORLD_NONE where the fault proxies do. */
static inline enum world_kind walk_use_world(const struct walk_use *u)
{
    return u->in_proxy ? WORLD_NONE : u->fault.type->world;
}
struct walk_service {
    const struct service_plan *plan;
    /* One for all endpoints; one each where a fault of the scenario is for one process, and
     * (proxies too) where the agents dial in. */
    struct actor **stubs, **proxies;
    size_t stub_count, proxy_count;
    bool stubs_apart;
    char *folder;        /* logs of a user's own programs; NULL: stubs of ours */
    uint64_t armed_ns;   /* the latest answer to the set that is in force */
    struct netns *netns; /* NULL: the lab is not isolated */
    struct picks picks;
    bool arm_due;
    uint16_t *moved; /* endpoints that are to have another address; room for all */
    size_t moved_count;
};
/* Whose certificates it has. */
static inline const char *walk_identity(const struct walk_service *s)
{
    return s->plan->identity != NULL ? s->plan->identity : s->plan->name;
}
/* The mesh's proxies of one caller: an agent, so a process, of its own. */
struct walk_mesh {
    const char *caller; /* "client", a service; "": somebody else's mesh, whose counters it reads */
    uint32_t endpoint;  /* of the caller, where a fault is for the proxy of one; 0: of all */
    struct actor *actor;
    size_t *edges; /* of the plan's mesh_edges, in the order of its addresses */
    size_t edge_count;
    /* A leftover sidecar: behind the caller's proxies, one before each endpoint of a service, so
     * all its edges are one, and ${caller} is that service. */
    bool inner;
    char *folder;
    bool untaken; /* it did not take the last certificate that it was given */
};
struct walk_run { /* a phase to be run */
    uint32_t ordinal;
    uint32_t again; /* which repetition; 0: none */
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
    struct recorder *own;      /* the conductor's own records; NULL in tests */
    struct asker *asker;       /* who asks people; NULL: nobody is asked */
    struct undo *undo;         /* NULL: no walk of this run changes the world */
    struct guardian *guardian; /* with ${undo} */
    struct intake *intake;     /* where a fleet dials in; NULL: there is none */
    const char *psk;           /* its key's text */
    struct error not_undone;   /* ERROR_NONE: all is back */
    bool leaving;              /* at once: the guardian undoes, nobody waits for a child */
    void (*on_change)(void *cookie, struct walk *w); /* READY, IDLE, DONE, or broken */
    /* A phase is about to begin, or (${arming}) a fault to be armed. False: it must not be, and the
     * walk is aborted at the end of this turn. */
    bool (*may_go_on)(void *cookie, struct walk *w, bool arming);
    void (*on_request)(void *cookie, struct walk *w, const struct actor *from,
                       const struct request_record *r);
    /* The newest sample of a probe of the scenario; false: none with a value. */
    bool (*newest)(void *cookie, const char *probe, uint64_t *ret_at_ns, double *ret_value);
    void *cookie;
};

struct walk_certs; /* walk_certs.c */
struct walk_calm;  /* walk_calm.c */
struct walk {
    struct walk_context *context;
    const struct walk_plan *plan;
    const struct scenario *scenario;
    enum walk_state state;
    bool subject;
    uint32_t repeats;    /* how often its phases were repeated, some of them */
    struct error broken; /* ERROR_NONE: not */
    bool aborted_late;   /* an await with late = "abort" */
    bool hasty;          /* aborted: do not wait for calls under way */
    struct actor *actors;
    size_t actor_count;
    struct actor **loads; /* more than one: shards of one plan, in a fleet */
    size_t load_count;
    struct fleet *fleet; /* NULL: all are children of ours */
    bool fleet_started;
    struct walk_mesh *meshes; /* none: external, and its counters are nowhere */
    size_t mesh_count;
    struct walk_certs *certs;         /* NULL: the lab speaks plaintext */
    struct walk_calm *calm;           /* NULL: not asked yet. Of ${arena} */
    struct netns *hub, *client_netns; /* NULL: the lab is not isolated */
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
    bool load_started, phase_loaded; /* the load; with this phase's requests */
    bool load_silent;                /* it said so, and was not started since */
    uint32_t silences;               /* how often it was asked to be */
    bool paused;                     /* asked for; the states say how far it is */
    uint64_t paused_ns;              /* since when the phase clock stands */
    uint64_t settle_ns;              /* of the phase that was under way last */
    /* Of an arm among others (turns.h). */
    bool in_turns, has_turn, goes_on; /* goes_on: the turn is not the first of its phase */
    uint32_t block;                   /* of the phase, from 1 */
    uint64_t turn_until_ns;           /* of the phase's own time; UINT64_MAX: to its end */
    uint64_t stood_ns;                /* since when it stands, amid a phase */
    struct hold turn_hold;
    bool faults_held; /* by an await.human with hold_faults = "disarm": none is in force */
};

/* Starts all agents; false when the scenario cannot be walked, or a child cannot be started. The
 * caller frees ${ret} when the loop does not run, in both cases (NULL is fine). */
bool walk_open(struct walk_context *context, const struct walk_plan *plan, struct walk **ret,
               struct error *err) WARN_UNUSED;
void walk_free(struct walk *w);
/* From WALK_READY, and back to it when each edge has answered one request well; or broken: one has
 * not. */
void walk_calm(struct walk *w);
/* From WALK_READY: the first phase. */
void walk_begin(struct walk *w);
/* From WALK_IDLE: runs these phases once more ("NAME (again)", then "NAME (again, 2)", with a fresh
 * seed each time). */
void walk_repeat(struct walk *w, const uint32_t *ordinals, size_t count);
/* From WALK_IDLE: drains the agents. */
void walk_finish(struct walk *w);
/* Disarms all at once, lets the load run for ${recover_ns}, then drains (scenario-language.md 2.6).
 * Again with 0: at once. */
void walk_abort(struct walk *w, const char *why, uint64_t recover_ns);
/* scenario-language.md 2.6, rule 5: all faults are taken out, the phase's clock and awaits stand,
 * load goes on. The phase's row in the journal ends ("pause"), and its rest becomes a row of its
 * own, "NAME (resumed)", when the faults are back and have settled. False: it is ending. */
bool walk_pause(struct walk *w);
void walk_resume(struct walk *w);
/* Somebody said yes to the await.human that is waited for. */
void walk_go_on(struct walk *w);
/* Tells how far the phase under way is ("progress": for the line that a terminal rewrites). */
void walk_progress(struct walk *w, uint64_t now_ns);
/* SIGCHLD: looks after its children. */
void walk_reap(struct walk *w);
/* A HELLO of an agent that dialled in: true when it is one of ours, and ${wire} is taken or refused
 * (${err}). */
bool walk_admit(struct walk *w, const json_t *hello, struct carrier *wire, bool *ret_taken,
                struct error *err);
/* The journal was committed. */
void walk_committed(struct walk *w);
/* Kills all children, for leaving at once. */
void walk_kill(struct walk *w);

/* --- between the walk's own files --- */
/* "abort 503 for requests tagged f1:503 on payments", and ${more}. */
void walk_tell_fault(struct walk *w, const struct walk_use *u, const char *what, const char *more);
void walk_tell(struct walk *w, const char *what, const char *format, ...) PRINTF(3, 4);
void walk_break(struct walk *w, const struct error *why);
void walk_event(struct walk *w, const char *what, json_t *take_json, uint64_t t_ns);
size_t walk_find_service(const struct walk *w, const char *name); /* SIZE_MAX: none */
/* walk_setup.c */
bool walk_setup_check(const struct walk *w, struct error *err) WARN_UNUSED;
/* Where a listener of that name must be (lab.ports of a saved plan); NULL: the kernel chooses. */
const char *walk_port_of(const struct walk *w, const char *name);
void walk_setup_step(struct walk *w);
/* SETUP to an agent that has said HELLO, and ROUTE to a stub that is ready: also to one that was
 * started again. */
bool walk_setup_send(const struct walk *w, struct actor *a, struct error *err) WARN_UNUSED;
bool walk_setup_route(const struct walk *w, struct actor *a, struct error *err) WARN_UNUSED;
struct actor *walk_stub_of(const struct walk_service *s, uint32_t endpoint);
struct actor *walk_proxy_of(const struct walk_service *s, uint32_t endpoint);
/* Who presents the endpoint's certificates; NULL: it is plain. */
struct actor *walk_certified(const struct walk_service *s, uint32_t endpoint);
const char *walk_proxy_address(const struct walk_service *s, uint32_t endpoint);
bool walk_is_proxy(const struct walk_service *s, const struct actor *a);
/* The endpoints of proxy ${i} of ${s}: ${*ret_count} from the one that is returned. */
uint32_t walk_proxy_first(const struct walk_service *s, size_t i, uint32_t *ret_count);
bool walk_is_http2(const char *protocol); /* grpc too */
/* walk_calm.c: in WALK_CALMING a request has ended. */
void walk_calm_on_request(struct walk *w, const struct actor *from, const struct request_record *r);
void walk_calm_on_back(struct walk *w, const struct actor *load); /* it was away */
/* walk_fleet.c: agents that dial in. */
bool walk_fleet_check(const struct walk *w, struct error *err) WARN_UNUSED;
/* The builtin mesh's proxy is of the fleet, too: a load agent starts it beside itself. */
bool walk_fleet_plays_mesh(const struct walk *w);
/* Those who have not come yet are waited for no more. */
void walk_fleet_give_up(struct walk *w);
bool walk_fleet_start(struct walk *w, struct error *err) WARN_UNUSED;
void walk_fleet_on_away(struct walk *w, struct actor *a);
void walk_fleet_on_back(struct walk *w, struct actor *a);
void walk_fleet_on_lost(struct walk *w, struct actor *a, const struct error *why);
/* Phases in which an endpoint was missing are no evidence. */
void walk_fleet_phase_ended(struct walk *w);
void walk_fleet_reap(struct walk *w);
/* Before its endpoints are told to end: nobody is sent to them any more. */
bool walk_fleet_left(struct walk *w);
/* What the fleet said may let a drain go on. */
void walk_fleet_changed(struct walk *w);
void walk_fleet_end(struct walk *w);
/* How long from START until the loads begin, so that all have heard it (0: at once), and what is
 * journalled of it. */
uint64_t walk_fleet_barrier(struct walk *w);
/* walk_mesh.c */
void walk_mesh_collect(struct walk *w);
bool walk_mesh_folders(struct walk *w, struct error *err) WARN_UNUSED;
void walk_mesh_free(struct walk *w);
struct walk_mesh *walk_mesh_find(const struct walk *w, const char *caller);  /* NULL: none */
struct walk_mesh *walk_mesh_of(const struct walk *w, const struct actor *a); /* NULL: not one */
/* The caller's proxies, or (${endpoint} not 0) the one of that endpoint, one after the other from
 * ${*at} on, which is 0 at first; NULL: no more. */
struct walk_mesh *walk_mesh_next(const struct walk *w, const char *caller, uint32_t endpoint,
                                 size_t *at);
/* "proxy of checkout", "proxy of checkout/2". */
void walk_mesh_print(const struct walk_mesh *m, char *to, size_t size);
/* What is judged by the sum over a caller's proxies cannot be where each counts for itself. */
bool walk_mesh_check(const struct walk *w, struct error *err) WARN_UNUSED;
/* Where the edge's requests go, from that endpoint of the caller (0: any); NULL: no such edge, or
 * it is not up. */
const char *walk_mesh_address(const struct walk *w, const char *from, uint32_t endpoint,
                              const char *to);
/* The lab says where the counters of its external mesh are. */
bool walk_mesh_scrapes(const struct walk *w);
json_t *walk_mesh_setup(const struct walk *w, const struct walk_mesh *m);
/* Tells every mesh with a control plane which endpoints the service has now. */
bool walk_mesh_route(struct walk *w, size_t service, struct error *err) WARN_UNUSED;
/* walk_place.c: the lab's network namespaces, and places as packets see them. */
#define WALK_ADDRESS_BYTES 16
#define WALK_LISTEN_BYTES 24
#define WALK_DEVICE "eth0" /* of each namespace but the hub */
bool walk_place_open(struct walk *w, struct error *err) WARN_UNUSED;
void walk_place_free(struct walk *w);
/* Of the namespace of an agent; -1: ours. */
int walk_place_fd(const struct walk *w, const char *role, const char *service);
/* "10.2.1.3:0": of an endpoint, or (0) of what the service calls by; "127.0.0.1:0" without
 * isolation. */
const char *walk_place_listen(const struct walk *w, const char *service, uint32_t endpoint,
                              char to[WALK_LISTEN_BYTES]);
/* Of an endpoint, from 1; 0: what the service (SIZE_MAX: the client) calls from. */
void walk_place_address(size_t service, uint32_t endpoint, char to[WALK_ADDRESS_BYTES]);
/* What one namespace sends to a place: NETEM_TO on ${device} is towards the place. */
struct walk_flow {
    size_t home; /* the service's, or SIZE_MAX: the client's */
    struct netns *netns;
    const char *device;
    struct actor *through; /* an agent in it; NULL before it is started */
    struct netem_scope scope;
};
struct walk_flows {
    struct walk_flow *at;
    size_t count;
};
/* ${endpoints}: those of the place that were drawn, none: all. ERROR_USAGE when the place is none
 * that packets can be told by; then there is nothing to release. */
bool walk_places(const struct walk *w, const struct place *on, const uint16_t *endpoints,
                 size_t endpoint_count, struct walk_flows *ret, struct error *err) WARN_UNUSED;
void walk_flows_release(struct walk_flows *f);
/* walk_arm.c */
bool walk_arm_collect(struct walk *w, struct error *err) WARN_UNUSED;
/* Arms and disarms what the phase and the time ask for; ${none}: disarms everything. */
void walk_arm_update(struct walk *w, bool none);
/* The set in force at a service, once more. */
void walk_arm_send(struct walk *w, size_t service);
/* All proxies have what they were last told, and what was killed or stopped is back. */
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
/* While it is paused nothing is due; afterwards what was to come comes so much later. */
void walk_certs_pause(struct walk *w);
bool walk_certs_resume(struct walk *w, uint64_t stood_ns, struct error *err) WARN_UNUSED;
/* walk_pause.c: an agent has answered, in WALK_PAUSED or WALK_RESUMING. */
void walk_pause_on_armed(struct walk *w);
/* walk_turn.c. From WALK_STANDING: goes on with its phase, or with the next one, for so much of the
 * phase's own time (UINT64_MAX: to its end). */
void walk_turn(struct walk *w, uint64_t length_ns);
/* It has nothing to go on with before its next turn. */
void walk_turn_wait(struct walk *w);
void walk_turn_over(struct hold *h, uint64_t now_ns);
void walk_turn_event(struct walk *w, const char *what, uint64_t now_ns);
void walk_turn_phase_ended(struct walk *w, uint64_t now_ns);
/* walk_load.c. Whether all loads are silent, as they must be before a phase begins; false: they
 * were told to be, and walk_phase_next is called when they are. */
bool walk_load_silent(struct walk *w);
/* A load has said that it is silent. */
void walk_load_on_silent(struct walk *w);
/* The phase's faults are in force: now its load. */
void walk_load_start(struct walk *w);
/* walk_phase.c */
void walk_phase_next(struct walk *w);
void walk_phase_on_armed(struct walk *w);
/* False, and an agent that does not answer is a fault of the run: not all are as they were told. */
bool walk_phase_settled(struct walk *w);
/* The phase that was paused goes on, as if no time had passed. */
void walk_phase_continue(struct walk *w);
void walk_phase_end(struct walk *w, const char *why);
void walk_phase_on_record(struct walk *w, struct actor *a, uint8_t kind, struct bytes body);
void walk_phase_on_done(struct walk *w, struct actor *a, const json_t *done);
void walk_phase_stop_holds(struct walk *w);

#endif
