#include "simulate/noise.h"

#include <math.h>

/* A 5 ms heap entry in each loop writes a stall that is late by more than 3 ms (5.4). */
#define BEAT_NS (5 * NS_PER_MS)
#define STALL_LEAST_NS (3 * NS_PER_MS)
#define BURST_NS (2 * NS_PER_MS) /* what waited is read in one go, in any order */

const char *const noise_names[NOISE_KINDS] = {"none", "quiet", "shared", "starved"};

/* Stops of one loop: how often, and how long (a log-normal with its median, cut at the most). */
static const struct {
    double every_ms, median_ms, sigma, most_ms;
} levels[NOISE_KINDS] = {
    [NOISE_NONE] = {0, 0, 0, 0},
    [NOISE_QUIET] = {8000, 3, 0.7, 40},
    [NOISE_SHARED] = {700, 6, 0.9, 250},
    [NOISE_STARVED] = {220, 22, 1.0, 900},
};

/* Exponential with that mean. */
static uint64_t draw_wait(struct rng *rng, double mean_ns)
{
    return (uint64_t)(-log1p(-rng_unit(rng)) * mean_ns);
}

static void draw_next(struct noise *n, enum noise_who who)
{
    struct noise_stops *s = &n->stops[who];
    double length = levels[n->kind].median_ms * exp(levels[n->kind].sigma * rng_normal(&n->rng));
    if (length > levels[n->kind].most_ms)
        length = levels[n->kind].most_ms;
    s->from_ns = s->to_ns + draw_wait(&n->rng, levels[n->kind].every_ms * (double)NS_PER_MS);
    s->to_ns = s->from_ns + (uint64_t)(length * (double)NS_PER_MS) + 1;
}

/* The watchdog's entry was due somewhere in the beat that the stop fell into. */
static void tell(struct noise *n, enum noise_who who, const struct noise_stops *s)
{
    uint64_t due_ns = s->from_ns + rng_below(&n->rng, BEAT_NS);
    if (n->on_stall != NULL && who != NOISE_MESH && s->to_ns > due_ns + STALL_LEAST_NS)
        n->on_stall(n->cookie, who, due_ns, s->to_ns - due_ns);
}

void noise_init(struct noise *n, enum noise_kind kind, struct rng rng, uint64_t from_ns)
{
    *n = (struct noise){.kind = kind, .rng = rng};
    for (int i = 0; i < NOISE_WHO; i++)
        n->stops[i] = (struct noise_stops){UINT64_MAX, UINT64_MAX};
    for (int i = 0; i < NOISE_WHO && kind != NOISE_NONE; i++) {
        n->stops[i].to_ns = from_ns;
        draw_next(n, (enum noise_who)i);
    }
}

static struct noise_stops *advance(struct noise *n, enum noise_who who, uint64_t t_ns)
{
    struct noise_stops *s = &n->stops[who];
    while (t_ns >= s->to_ns) {
        if (who != NOISE_ALL) {
            tell(n, who, s);
        } else {
            tell(n, NOISE_LOAD, s);
            tell(n, NOISE_PROXY, s);
        }
        draw_next(n, who);
    }
    return s;
}

uint64_t noise_stopped_ns(struct noise *n, enum noise_who who, uint64_t t_ns)
{
    const struct noise_stops *own = advance(n, who, t_ns), *all = advance(n, NOISE_ALL, t_ns);
    uint64_t to_ns = t_ns;
    if (own->from_ns <= t_ns)
        to_ns = own->to_ns;
    if (all->from_ns <= t_ns && all->to_ns > to_ns)
        to_ns = all->to_ns;
    return to_ns == t_ns ? t_ns : to_ns + rng_below(&n->rng, BURST_NS);
}

/* Loopback through a proxy: 0.3 ms at the median for the whole way, 1.3 ms at the 99th percentile
 * (8.3): four legs and the work of two processes. */
uint64_t noise_leg_ns(struct noise *n)
{
    uint64_t ns = 40 * NS_PER_US + rng_below(&n->rng, 40 * NS_PER_US);
    if (n->kind != NOISE_NONE && rng_chance_ppm(&n->rng, 10000))
        ns += draw_wait(&n->rng, 600.0 * (double)NS_PER_US);
    return ns;
}

uint64_t noise_timer_ns(struct noise *n, uint64_t t_ns, uint64_t now_ns)
{
    uint64_t early_ns = rng_chance_ppm(&n->rng, 30000) ? 4500 * NS_PER_US : NS_PER_MS;
    uint64_t at_ns = t_ns + rng_below(&n->rng, NS_PER_MS);
    if (n->kind != NOISE_NONE)
        at_ns -= rng_below(&n->rng, early_ns);
    return at_ns > now_ns ? at_ns : now_ns;
}
