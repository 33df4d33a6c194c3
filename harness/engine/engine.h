#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

/* The conductor: walks a plan. It starts the agents (children of the same program on unix sockets),
 * arms and disarms, starts and stops load, waits for events, ends phases, writes the journal, and
 * undoes everything on every way out. It judges nothing: what it must ask of the judge while it
 * runs is a function that cli hands it. */

#include "engine/steer.h"
#include "journal/tap.h"
#include "plan/plan.h"
#include "policy/policy.h"

struct loop;

/* One scenario to be walked in one arm. The subject, and each control, is a walk of its own; they
 * run side by side on one loop, with agents of their own. */
struct walk_plan {
    const char *arm;   /* "subject", "arm:linkerd" (journal/arm.h), or a control's name */
    const char *group; /* those of one name are arms of one scenario: they take turns; NULL: none */
    uint32_t scenario; /* index in the plan */
    uint32_t draws_as; /* whose draws it makes: of a group the first's; else ${scenario} */
    const struct scenario *scenario_plan;
    const struct edge_policy
        *mesh_edges; /* what the mesh is programmed with: --mesh-policy, or the declared */
    size_t mesh_edge_count;
    enum driver driver;
    const json_t *istio; /* driver istio: what Istio programs, by service; else NULL */
    const char *const *defects;
    size_t defect_count;
    bool uncalm; /* no calm request: the mesh is wrong on purpose (--mesh-policy) */
};

/* Something worth a line: for the progress output; text lives during the call. */
struct engine_event {
    uint64_t since_start_ns;
    const char *arm, *what; /* "phase.start", "fault.first", "await", "abort", ... */
    const char *text;       /* one line for people */
};

struct fleet; /* fleet.h */
struct roles; /* question.h */
struct engine_options {
    const char *journal; /* path, made here; its folder must exist */
    const char *program; /* for the children: /proc/self/exe */
    const char *run;     /* eight hex digits */
    const char *ledger;  /* path, made (with its folder) when a walk changes the world */
    const char *const *argv;
    size_t argc;
    uint64_t seed;
    const char *seed_text, *version;
    const char *policy_json; /* the journal's policy row */
    const char *only_phase;  /* NULL: all */
    const char *envoy;
    uint64_t deadline_ns; /* 0: none; abort afterwards */
    uint64_t linger_ns;   /* of the agents when we die */
    uint32_t inflight_most;
    bool pace_sleep;
    /* Where the subject's endpoints and load come from; NULL: they are children of ours. Controls
     * always are. */
    struct fleet *fleet;
    uint32_t load_agents; /* of a fleet: shards of the plan's requests; 0: 1 */
    /* When to give up without being asked (scenario-language.md 2.2); 0: as that says. Tests of
     * this layer alone set them. */
    uint64_t silence_ns;       /* of an agent: 15 s, three exchanges of the clock */
    uint64_t stall_most_ns;    /* of our own loop: 2 s */
    uint64_t calm_ns;          /* an edge that answers no calm request well: 10 s */
    uint64_t pause_most_ns;    /* the longest pause: 30 min */
    uint64_t recover_ns;       /* the load after an abort: 10 s */
    uint64_t block_ns;         /* of an arm's turn: 10 s */
    uint64_t disk_least_bytes; /* free where the journal is: 256 MiB */
    /* People (question.h): what they may answer, and where they are asked. */
    const struct roles *roles; /* NULL: anyone may answer */
    const char *user;  /* whoever sits at the terminal, and says --yes; NULL: nobody known */
    bool approve;      /* --yes: approvals are given */
    bool has_terminal; /* answers are lines of ${terminal_fd} */
    int terminal_fd;
    void (*on_event)(void *cookie, const struct engine_event *event);
    /* For who looks on and steers; each may be NULL. on_begin: once, when there is a loop and
     * before the first agent is started; what it opens must close on exec. on_end: once after
     * on_begin, on every way out, when all is undone and the journal has its end, and before the
     * loop is freed (it does not run any more: loop_settle). */
    void (*on_begin)(void *cookie, struct steer *steer, struct loop *loop);
    void (*on_end)(void *cookie);
    /* Each row as it goes into the journal, ours and the agents', as tap.h says. From before
     * on_begin (the conductor's own process) until before on_end. Not to steer from. */
    tap_on_row *on_record;
    /* Asked of each walk when its phases are done, and when their repetitions are (${done} of
     * them): ordinals to repeat with a fresh seed (the confirmation stage). ${arm} as in its
     * walk_plan. The journal is committed when it is called. NULL: never. */
    size_t (*repeats)(void *cookie, const char *journal, uint32_t scenario, const char *arm,
                      uint32_t done, uint32_t *ret_ordinals, size_t most);
    void *cookie;
};
enum engine_outcome {
    ENGINE_COMPLETE,
    ENGINE_ABORTED,    /* SIGINT, SIGTERM, deadline: exit 3 */
    ENGINE_NOT_UNDONE, /* something in the world is not back: exit 5, see the error */
    ENGINE_LEFT,       /* SIGINT thrice: left at once, the guardian has undone all: exit 3 */
    ENGINE_BROKEN,     /* an agent or the mesh died, a port was taken, ...: exit 4, see the error */
};
/* Runs the walks of one scenario after another (walks of equal scenario index run side by side,
 * those of one group in turn). False when nothing could be started, or it was left at once, without
 * an end of the journal;
 * ${ret_outcome} tells the rest, and ${err} why it was not complete. */
bool engine_run(const struct plan *plan, const struct walk_plan *walks, size_t walk_count,
                const struct engine_options *options, enum engine_outcome *ret_outcome,
                struct error *err) WARN_UNUSED;

/* Each endpoint of ${caller} has a mesh proxy of its own in that scenario, for a fault is for one
 * of them. */
bool engine_proxies_apart(const struct scenario *s, const char *caller);

/* The body of `meshproof agent ROLE`: proxy, load, stub, mesh. It has a socket of its conductor's,
 * or dials (kubernetes.md 1.4). Returns the exit code. */
struct hook_engine;
struct agent_options {
    const char *role;
    int fd;                /* inherited; -1: it dials */
    const char *id;        /* "payments/1": of one that dials */
    const char *conductor; /* "10.77.0.2:7400" */
    const char *psk_file;  /* psk.h */
    const char *listen;    /* of a proxy's endpoint: "0.0.0.0:8080"; NULL: as SETUP says */
    const char *health;    /* "0.0.0.0:7402"; NULL: there is no health port */
    bool stays;            /* in service, as a plain relay, when its conductor is lost: there is no
                            * other endpoint to take its place */
    const struct hook_engine *hooks; /* fault.hook's runtime, which lies above us; NULL: refused */
};
int agent_main(const struct agent_options *options);

#endif
