#ifndef ENGINE_ACTOR_H
#define ENGINE_ACTOR_H

/* An agent as the conductor knows it: a child, or one that dialled in (actor_dial.c), its link, its
 * state, the clock between us, and the count of its records at the end. It passes records to the
 * journal first and to its walk after. What to tell it is the walk's business. */

#include "engine/intake.h"
#include "engine/link.h"
#include "engine/place_local.h"
#include "engine/protocol.h"
#include "journal/store.h"

enum actor_state {
    ACTOR_STARTED, /* waiting for HELLO */
    ACTOR_WAITING, /* HELLO was good; no SETUP yet */
    ACTOR_SETTING_UP,
    ACTOR_READY,
    ACTOR_DRAINING,
    ACTOR_ENDED, /* BYE was heard and it has exited, or it is broken */
};

struct actor;
struct actor_events {
    void (*on_hello)(void *cookie, struct actor *a);
    void (*on_ready)(void *cookie, struct actor *a);
    void (*on_armed)(void *cookie, struct actor *a, const json_t *armed);
    void (*on_done)(void *cookie, struct actor *a, const json_t *done);
    void (*on_cert_set)(void *cookie, struct actor *a, const json_t *set);
    void (*on_record)(void *cookie, struct actor *a, uint8_t kind, struct bytes body);
    /* BYE was heard, its counts were compared, and it has exited well. */
    void (*on_ended)(void *cookie, struct actor *a);
    /* It died, failed, or spoke nonsense; ${why} names role and service. Once, last. */
    void (*on_broken)(void *cookie, struct actor *a, const struct error *why);
    /* Of those that dial in; NULL where there are none. Its channel has ended without BYE: it has
     * disarmed and (load) stopped by itself, and may be back. */
    void (*on_away)(void *cookie, struct actor *a);
    /* It is back, with all that it had recorded; what it was told meanwhile is on its way. */
    void (*on_back)(void *cookie, struct actor *a);
    /* It is not, and will not be. Last. ${why}: "the proxy agent payments/1 was lost: ...". */
    void (*on_lost)(void *cookie, struct actor *a, const struct error *why);
};

/* How children come to be: place_local, or a test's. ${role} and ${service} ("" when it has none)
 * for the record; ${netns_fd}: where it is to live, -1: where we do. */
struct starter {
    bool (*start)(void *cookie, const char *role, const char *service, int netns_fd,
                  struct child *ret, struct error *err);
    void *cookie;
};

struct actor {
    const char *role, *service; /* service "": none. Borrowed from the plan */
    uint32_t proc;
    pid_t pid;
    int netns_fd; /* borrowed; -1: ours */
    enum actor_state state;
    bool bye, reaped;
    /* By our own SIGSTOP: then its silence is no sign, and the stall that it sees no accident. 0:
     * never; ${on_ns} UINT64_MAX: it is stopped now. */
    uint64_t stopped_ns, on_ns;
    uint64_t own_stalls; /* of those, left out of the journal */
    struct link link;
    struct loop *loop;
    struct store *store;
    const struct actor_events *events;
    void *cookie;
    struct hold clock_hold, drain_hold;
    uint64_t clock_lo, clock_hi; /* last measured bounds, int64_t bit for bit */
    bool clock_known;
    uint64_t beat_ns; /* between exchanges of the clock; after three without a word it is broken */
    unsigned unheard; /* exchanges that were begun since its last word */
    char **addresses; /* of READY */
    size_t address_count;
    char **former; /* of the life before actor_start_again: where it must listen again */
    size_t former_count;
    int *kept; /* sockets that keep its ports while it is down (actor_keep_ports) */
    size_t kept_count;
    uint64_t *edges; /* hash of name ${id}, by id (load and stub agents: names of edges) */
    size_t edge_count;
    uint32_t last_seq;
    bool pressed, told_pressed; /* its queue was more than half full */
    uint16_t generation;        /* of the last ARM */
    uint16_t armed;             /* of the last ARMED */
    uint32_t certs, certs_set;  /* CERT sent; CERT_SET heard */
    uint32_t done;              /* the phase of its last DONE */
    uint32_t stopped;           /* the number of the STOP that its last DONE answered; 0: none */
    /* Of one that dials in (actor_dial.c). */
    const char *id;    /* "payments/1", borrowed; NULL: a child of ours */
    uint64_t instance; /* of its HELLO: 0 before */
    bool away, lost,
        addressed; /* addressed: READY was heard, some exchanges of the clock are due */
    struct hold back_hold;
    uint64_t committed;  /* of its stream: what it was told that we have */
    unsigned rounds;     /* exchanges of the clock */
    uint64_t slowest_ns; /* round trip of one */
};

/* Starts the child and its row in the journal. The struct must not move. ${beat_ns} 0: as usual,
 * 5 s. */
bool actor_open(struct actor *a, struct loop *loop, struct store *store,
                const struct starter *starter, const char *role, const char *service, int netns_fd,
                const char *arm, uint32_t proc, uint64_t beat_ns, const struct actor_events *events,
                void *cookie, struct error *err) WARN_UNUSED;
/* One that will dial in as ${id} ("payments/1"), and its HELLO as ${role}. Its row in the journal
 * comes with that. */
bool actor_expect(struct actor *a, struct loop *loop, struct store *store, const char *role,
                  const char *service, const char *id, uint32_t proc, uint64_t beat_ns,
                  const struct actor_events *events, void *cookie, struct error *err) WARN_UNUSED;
/* A HELLO of its name: the first, or (the same process) that of another connection. Takes ${wire}
 * and answers, or says why not. ${stub}: it is to start its own stub. */
bool actor_admit(struct actor *a, const json_t *hello, const struct intake *intake,
                 struct carrier *wire, const char *arm, bool stub, struct error *err) WARN_UNUSED;
/* Tells it how much of its stream is in the journal, if that is more than before. After a commit.
 */
void actor_commit(struct actor *a);
/* It will not come back: whoever made it knows. */
void actor_give_up(struct actor *a);
/* Records that are not there, from ${from_ns} to now: no window that overlaps is evidence. */
void actor_note_lost(struct actor *a, uint64_t from_ns);
/* Ends the child if it still runs (SIGTERM, after 3 s SIGKILL), and frees; when the loop does not
 * run. */
void actor_release(struct actor *a);
bool actor_send(struct actor *a, uint8_t kind, json_t *take_json, struct error *err) WARN_UNUSED;
/* SETUP: ${take_json} is completed with what all roles get. */
bool actor_setup(struct actor *a, json_t *take_json, const char *run, uint64_t seed,
                 uint64_t linger_ns, struct error *err) WARN_UNUSED;
/* DRAIN; an agent that has not said BYE in ${within_ns} and a little is killed, and its records
 * count as lost. */
void actor_drain(struct actor *a, uint64_t within_ns);
/* A fault stopped its process, and let it go on. */
void actor_stopped(struct actor *a, uint64_t now_ns);
void actor_goes_on(struct actor *a, uint64_t now_ns);
/* A fault's: kills it and waits for its end. What it wrote is read first; nobody is told. */
bool actor_kill(struct actor *a, struct error *err) WARN_UNUSED;
/* A fresh child in the place of one that has ended, as ${proc} of the journal; not in the turn of
 * that end. */
bool actor_start_again(struct actor *a, const struct starter *starter, const char *arm,
                       uint32_t proc, struct error *err) WARN_UNUSED;
/* The same of one that dials in, whose process is another's to kill: its end is no news from now
 * on. What it wrote is read as it comes. */
void actor_expect_end(struct actor *a);
/* A fresh process dials in by its name, as ${proc} of the journal. False: the end of the last one's
 * channel was not seen yet, or ${err}. */
bool actor_expect_again(struct actor *a, uint32_t proc, struct error *err) WARN_UNUSED;
/* While it is down, its ports are given to nobody else; as far as they are in our own network
 * namespace, and can be had. */
void actor_keep_ports(struct actor *a);
void actor_drop_ports(struct actor *a);
/* SIGCHLD came: a child that ended without BYE breaks the run. */
void actor_reap(struct actor *a);
/* True when the name ${id} of this agent is the text with that map_hash. */
bool actor_name_is(const struct actor *a, uint32_t id, uint64_t hash);
/* "proxy agent of payments". */
const char *actor_print(const struct actor *a, char *to, size_t size);

#endif
