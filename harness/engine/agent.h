#ifndef ENGINE_AGENT_H
#define ENGINE_AGENT_H

/* The agent's side of the protocol, the same for all roles: HELLO, SETUP, the journal's stream, the
 * clock, the end. agent_ROLE.c is the glue between the messages and that role's layer. One agent a
 * process. */

#include "engine/protocol.h"
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

struct agent {
    const struct agent_role *role;
    struct loop *loop;
    struct recorder *recorder;
    void *own; /* the role's */
    json_t *setup;
    uint32_t run, proc;
    uint64_t seed, linger_ns;
    const char *service; /* "" for none; lives in ${setup} */
    int fd;
    struct watch watch;
    struct frame_reader reader;
    struct hold tick_hold, linger_hold;
    struct loop_task again;
    bool gone, draining, drained;
    int exit_code;
    const struct hook_engine *hooks; /* NULL: hooks cannot run here */
};
void agent_ready(struct agent *a, json_t *take_addresses);
/* Tells the conductor, then drains and exits with 1. */
void agent_fail(struct agent *a, const struct error *why);
void agent_drained(struct agent *a);
/* Sends a control message; a peer that is gone is noticed elsewhere. */
void agent_send(struct agent *a, uint8_t kind, json_t *take_json);
/* The text of a list's element or of a field that must be there; NULL with ${err}. */
const char *agent_need_text(const json_t *value, const char *what, struct error *err);

#endif
