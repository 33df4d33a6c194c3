#ifndef ENGINE_GUARD_H
#define ENGINE_GUARD_H

/* The probes of a scenario, and its guard.stop: each sample is journalled; before the first fault
 * every guard must have held for its `over`, afterwards leaving its range for so long, or having no
 * data, trips it (scenario-language.md section 2, rules 1 and 2). It stops nothing itself. */

#include "engine/actor.h"
#include "engine/probe.h"
#include "journal/recorder.h"

struct guard_watch;
struct guard_events {
    void (*on_ready)(void *cookie); /* guard_watch_ready may have become true */
    /* Once at most. ${why} has the guard's line; ${refused}: no fault was armed yet, and none must
     * be. */
    void (*on_trip)(void *cookie, const struct guard_plan *guard, const struct error *why,
                    bool refused);
    void *cookie;
};
/* Opens every probe; false when one cannot be asked at all. NULL is a watch of nothing. */
bool guard_watch_new(struct loop *loop, struct recorder *recorder, const struct scenario *scenario,
                     const struct guard_events *events, struct guard_watch **ret,
                     struct error *err) WARN_UNUSED;
void guard_watch_free(struct guard_watch *g);
/* Samples from now on. */
void guard_watch_start(struct guard_watch *g);
/* All guards that need no load have held for their `over`. */
bool guard_watch_ready(const struct guard_watch *g);
/* The first fault is due: all guards have held, those of our own load too. True: from now on they
 * may trip. */
bool guard_watch_may_arm(struct guard_watch *g, uint64_t now_ns, struct error *err) WARN_UNUSED;
/* Nothing trips any more: the run is on its way out. */
void guard_watch_rest(struct guard_watch *g);
void guard_watch_on_request(struct guard_watch *g, const struct actor *from,
                            const struct request_record *r);
/* The newest sample of a probe; false: none with a value. */
bool guard_watch_newest(const struct guard_watch *g, const char *probe,
                        struct sample_seen *ret) WARN_UNUSED;

#endif
