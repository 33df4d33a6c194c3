#ifndef ENGINE_AGENT_H
#define ENGINE_AGENT_H

/* The agent's side of the protocol, the same for all roles: HELLO, SETUP, the journal's stream, the
 * clock, the end. agent_ROLE.c is the glue between the messages and that role's layer. One agent a
 * process: a child of its conductor on an inherited socket, or one that dials it (agent_dial.c). */

#include "engine/engine.h"
#include "engine/protocol.h"
#include "engine/carrier.h"
#include "journal/recorder.h"
#include "net/loop.h"

struct agent;
struct hook_engine;
struct agent_role {
    const char *name;
    /* Starts what ${setup} (which stays alive) asks for; calls agent_ready now or later. */
    bool (*setup)(struct agent *a, const json_t *setup, struct error *err);
    /* A control message of the role's own (ARM, START, STOP, ROUTE); NULL: it knows none. */
    bool (*control)(struct agent *a, uint8_t kind, const json_t *body, struct error *err);
    /* The conductor is gone: no more faults, no more load, at once (engine.md rule 25). May be
     * NULL. */
    void (*orphan)(struct agent *a);
    /* Ends by ${deadline_ns}, then calls agent_drained. Also when setup never came or failed. */
    void (*drain)(struct agent *a, uint64_t deadline_ns);
    void (*release)(struct agent *a); /* the loop does not run any more */
};
extern const struct agent_role agent_proxy, agent_load, agent_stub, agent_mesh;

struct agent_dial;
struct agent {
    const struct agent_role *role;
    const struct agent_options *options;
    struct loop *loop;
    struct recorder *recorder;
    void *own; /* the role's */
    json_t *setup;
    uint32_t run, proc;
    uint64_t seed, linger_ns;
    uint64_t draw_base;   /* of an arm: selector.base (net/chain.h) */
    const char *service;  /* "" for none; lives in ${setup} */
    struct carrier *wire; /* NULL: there is no connection */
    struct watch watch;
    struct frame_reader reader;
    struct hold tick_hold, linger_hold;
    struct loop_task again;
    /* gone: the conductor is, for good. away: its connection is, and another is tried. */
    bool gone, away, draining, drained;
    uint64_t heard_ns;       /* the conductor's last word */
    struct agent_dial *dial; /* NULL: a child of the conductor */
    int exit_code;
};
void agent_ready(struct agent *a, json_t *take_addresses);
/* Tells the conductor, then drains and exits with 1. */
void agent_fail(struct agent *a, const struct error *why);
void agent_drained(struct agent *a);
/* From now on it is in service: its health port answers (none where it was not asked for). */
void agent_in_service(struct agent *a);
/* Sends a control message; a peer that is gone is noticed elsewhere. */
void agent_send(struct agent *a, uint8_t kind, json_t *take_json);
/* The text of a list's element or of a field that must be there; NULL with ${err}. */
const char *agent_need_text(const json_t *value, const char *what, struct error *err);

/* --- between agent.c and agent_dial.c --- */
bool agent_dial_open(struct agent *a, struct error *err) WARN_UNUSED;
/* Before the loop goes, and after it. */
void agent_dial_stop(struct agent *a);
void agent_dial_free(struct agent *a);
/* The connection has ended. True: another is tried, and records are kept for it. */
bool agent_dial_again(struct agent *a);
/* Its stub, if it has one, has ended: nothing else is waited for. */
bool agent_dial_is_alone(struct agent *a);
void agent_dial_terminate(struct agent *a);
/* fault.kill, .pause and .restart of its endpoint: what its backend is to be (ARM). "dead": it is
 * killed, and has ended when this returns; "paused": it stands still; "ending": its end is no
 * failure; "": it goes on, or is started again, and dials in by itself. As it is: nothing. */
bool agent_dial_backend(struct agent *a, const char *wanted, struct error *err) WARN_UNUSED;
bool agent_take_wire(struct agent *a, struct carrier *take_wire, struct error *err) WARN_UNUSED;
void agent_finish(struct agent *a);
void agent_lose_conductor(struct agent *a);
/* The conductor is not coming back: relays on for the linger, then ends. */
void agent_orphaned(struct agent *a);

#endif
