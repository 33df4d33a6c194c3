#ifndef ENGINE_FLEET_H
#define ENGINE_FLEET_H

/* Where the subject's agents come from when they dial the conductor: processes of this host
 * (fleet_processes.h), pods (kube), or a test's. The walk says which it wants; the fleet makes them
 * and forgets them; they dial the conductor's listener (intake.h), and their HELLO is how it knows
 * them. So nobody here speaks of a process id or of a pod (spec/kubernetes.md 0 (5), 1.4, 2).
 *
 * An agent that is lost (the end of its channel without BYE, and not back within
 * FLEET_BACK_WITHIN_NS) is not made again within a scenario: it would have another address and
 * another state at the mesh. */

#include "base/clock.h"
#include "base/error.h"

#define FLEET_AGENTS_MOST 100   /* of one scenario: spec/kubernetes.md 7 */
#define FLEET_ENDPOINTS_LEAST 2 /* of a service that lost some: fewer, and the run is broken */
#define FLEET_BACK_WITHIN_NS (2 * NS_PER_S)
#define FLEET_FIRST_WITHIN_NS (60 * NS_PER_S) /* the same before SETUP: nothing is at stake yet */
#define FLEET_ID_BYTES 96

enum fleet_role {
    FLEET_ENDPOINT, /* `agent proxy --id SERVICE/N`, which starts its stub when it is told to */
    FLEET_LOAD,     /* `agent load --id load/N`: one shard of the plan's requests */
};
struct fleet_agent {
    enum fleet_role role;
    char id[FLEET_ID_BYTES]; /* "payments/1", "load/1": what it must say in its HELLO */
    const char *service;     /* of an endpoint, borrowed; "" of a load */
    uint32_t number;         /* from 1 */
    uint32_t endpoints;      /* that it plays: 1, or with ${together} all of its service; 0: none */
};
/* What every one of them is told on its command line. */
struct fleet_call {
    const char *run;       /* eight hex digits */
    const char *conductor; /* "10.77.0.2:7400": where they dial */
    const char *psk;       /* the key's text (psk.h), for a file or a Secret; never logged */
};

struct fleet {
    const char *listen;       /* where the conductor listens for them: "127.0.0.1:0", POD-IP:7400 */
    uint64_t token;           /* the run's fencing token (kubernetes.md 2.1); 0: there is none */
    uint64_t hello_within_ns; /* of start(): an agent that has not said HELLO by then is lost */
    bool plays_mesh; /* the driver builtin's proxy of the client is beside the load agent, which
                        starts it when it is told to; else it is a child of the conductor */
    bool together;   /* all endpoints of a service are one agent, whose ports they are: what counts
                        over   all of them (first, times) has one counter then, as in the lab */
    bool guarded;    /* a guardian of its own dials in, and listens for the conductor's end */
    bool relays;  /* its endpoints pass on to what runs already, and is known by the time of their
                     SETUP (interpose): they have no stubs */
    bool impairs; /* each endpoint's agent has a network namespace of its own, which it may impair
                     (fault.netem, fault.partition) */
    /* Makes all of them, and returns at once. False when one could not be made: end() follows. */
    bool (*start)(struct fleet *f, const struct fleet_agent *agents, size_t count,
                  const struct fleet_call *call, struct error *err);
    /* What became of a lost one, for the sentence that tells of it: "killed by signal 9 (Killed)",
     * "OOMKilled"; "" when that is not known (yet). */
    void (*fate)(struct fleet *f, const char *id, char *to, size_t size);
    /* The scenario is over, however: all that is left of them goes. Once after each start(), when
     * the loop does not run; may wait for them for some seconds. False: one ended as it should
     * not, after all that it had to say. */
    bool (*end)(struct fleet *f, struct error *err);
    /* SIGCHLD came. May be NULL. True when one ended whose loss is certain: ${ret_id} names it, and
     * nobody waits for it to come back. Called until it says false. */
    bool (*reap)(struct fleet *f, char ret_id[FLEET_ID_BYTES]);
    /* All that the agents need besides themselves is there: asked before the first phase, when all
     * of them are ready. NULL: it always is. */
    bool (*ready)(struct fleet *f);
    /* The agents of a scenario are about to be told to end, and do nothing but relay: what sends
     * others to them goes first (the endpoints leave the user's Service). True: nothing does any
     * more, or it is given up; asked again after each on_change. NULL: nobody else comes. */
    bool (*leave)(struct fleet *f);
    /* The conductor's, set before the first start(): told that ready() or leave() may have changed,
     * or that the run cannot go on (${why}, once). */
    void (*on_change)(void *cookie, const struct error *why);
    void *cookie;
};

#endif
