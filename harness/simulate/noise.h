#ifndef SIMULATE_NOISE_H
#define SIMULATE_NOISE_H

/* What a real machine does to a run: the loops of the load generator, of the fault proxy and of the
 * mesh stand still now and then, alone or all at once; a mesh's timers fire a little early or late
 * (spec/verifier.md 8.3). Virtual time only, and drawn from a seed: the same gate is noisy in the
 * same way for ever. It knows no request. */

#include "base/clock.h"
#include "base/rng.h"

enum noise_kind {
    NOISE_NONE,    /* nothing at all: tests that count exactly */
    NOISE_QUIET,   /* a machine of its own */
    NOISE_SHARED,  /* load average of 5 to 30 */
    NOISE_STARVED, /* load average of 20 to 350: most T claims must say INCONCLUSIVE */
    NOISE_KINDS,
};
extern const char *const noise_names[NOISE_KINDS];

enum noise_who { NOISE_LOAD, NOISE_PROXY, NOISE_MESH, NOISE_ALL, NOISE_WHO };

/* One after the other, drawn as time goes on. */
struct noise_stops {
    uint64_t from_ns, to_ns;
};
struct noise {
    enum noise_kind kind;
    struct rng rng;
    struct noise_stops stops[NOISE_WHO]; /* NOISE_ALL: the whole machine */
    /* Called for each stop of our own loops that its watchdog would have written (5.4). */
    void (*on_stall)(void *cookie, enum noise_who who, uint64_t due_ns, uint64_t late_ns);
    void *cookie;
};

void noise_init(struct noise *n, enum noise_kind kind, struct rng rng, uint64_t from_ns);
/* When what is due at ${t_ns} gets its turn: later when the loop stands still, in any order. */
uint64_t noise_stopped_ns(struct noise *n, enum noise_who who, uint64_t t_ns);
static inline uint64_t noise_turn_ns(struct noise *n, enum noise_who who, uint64_t t_ns)
{
    bool goes = t_ns < n->stops[who].from_ns && t_ns < n->stops[NOISE_ALL].from_ns;
    return goes ? t_ns : noise_stopped_ns(n, who, t_ns); /* nearly every event's */
}
/* One way over loopback, with its tail. */
uint64_t noise_leg_ns(struct noise *n);
/* When a timer of the mesh that is set to ${t_ns} fires: Envoy's up to 4.5 ms early, for it counts
 * from its loop's cached time (measured), never before ${now_ns}. */
uint64_t noise_timer_ns(struct noise *n, uint64_t t_ns, uint64_t now_ns);

#endif
