#ifndef ENGINE_CONDUCTOR_H
#define ENGINE_CONDUCTOR_H

/* Between the conductor's own files: conductor.c runs scenarios, conductor_steer.c is told from
 * outside to stop, to pause, and to go on. */

#include "engine/asker.h"
#include "engine/guard.h"
#include "engine/host.h"
#include "engine/turns.h"
#include "engine/walk.h"
#include "journal/recorder.h"

/* Why the run is being ended early; the first cause stays. */
enum stopping { STOPPING_NOT, STOPPING_ABORT, STOPPING_BROKEN };

struct conductor {
    const struct engine_options *options;
    struct loop *loop;
    struct store *store;
    struct recorder *own; /* our own records: host, stall, clock */
    struct frame_reader own_reader;
    struct walk_context context;
    struct walk **walks; /* of the scenario under way */
    size_t walk_count;
    struct turns *turns; /* its walks are arms of one scenario; else NULL */
    bool begun;
    uint64_t away_ns; /* until when our loop was left by our own will */
    enum stopping stopping;
    int signals;
    bool on_terminal; /* we were started on one: its hanging up is a wish to stop */
    struct error why;
    struct asker *asker;
    struct guard_watch *guards; /* of the scenario under way */
    struct error refused;       /* a phase or a fault that must not be: read at the turn's end */
    bool nothing_done;          /* ... because no guard held before the first fault */
    struct host host;
    struct steer *steer;
    struct carrier *guardian; /* a cluster's: it hears our end; NULL: it has not dialled */
    struct intake *intake;    /* NULL: no agent dials in */
    struct psk psk;
    char psk_text[PSK_TEXT_BYTES];
    bool paused;
    uint64_t paused_ns;
    struct hold pause_hold; /* the longest pause */
    struct hold commit_hold, host_hold, deadline_hold;
    uint64_t deadline_ns; /* of the scenario under way; UINT64_MAX: none */
    struct loop_task step;
};

/* Undoes everything; the load runs on for ${for_ns}. */
void conductor_stop(struct conductor *c, enum stopping how, const struct error *why,
                    uint64_t for_ns);
/* How long the load runs on after an abort. */
uint64_t conductor_recover_ns(const struct conductor *c);

/* Our own records to the store, and the store to the disk. */
void conductor_write_own(struct conductor *c);
bool conductor_commit(struct conductor *c);

/* A row of the journal that is of no phase. ${cookie}: the conductor. */
void conductor_event(void *cookie, const char *what, json_t *take_json);

/* conductor_repeat.c: the phases of a walk are over; of all arms: what one of them is to walk again
 * the others do too, for it is compared with them. */
void conductor_walk_idle(struct conductor *c, struct walk *w);
void conductor_arms_idle(struct conductor *c);

/* conductor_intake.c: agents that dial in, where the run has a fleet. */
bool conductor_intake_open(struct conductor *c, struct error *err) WARN_UNUSED;
void conductor_intake_committed(struct conductor *c); /* the journal was */
void conductor_intake_close(struct conductor *c);     /* before the loop goes */
void conductor_intake_free(struct conductor *c);      /* after the walks */

/* conductor_steer.c */
extern const struct steer_acts conductor_steer_acts; /* cookie: the conductor */
bool conductor_take_signals(struct conductor *c, struct error *err) WARN_UNUSED;

#endif
