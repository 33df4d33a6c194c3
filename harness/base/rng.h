#ifndef BASE_RNG_H
#define BASE_RNG_H

/* Counter-based random numbers (design.md 1.5): a draw is a pure function of the key and of the
 * number of the draw, so decisions depend on (seed, fault, request, attempt) and never on the order
 * in which requests arrive. Not for secrets. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t key, draw;
};

/* A strong 64-bit mixer (the finaliser of MurmurHash3 with Stafford's constants, variant 13). It,
 * and what draws of it below a limit, stand in the header: limits are mostly constants, and a
 * division by a constant is none. */
static inline uint64_t rng_mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    return x;
}
struct rng rng_of(uint64_t seed);
/* A stream of its own for each (stream, a, b, c): e.g. (fault, id_hi, id_lo, attempt). */
struct rng rng_for(uint64_t seed, uint64_t stream, uint64_t a, uint64_t b, uint64_t c);
static inline uint64_t rng_next(struct rng *r)
{
    r->draw++;
    return rng_mix(r->key + r->draw * UINT64_C(0x9e3779b97f4a7c15));
}
/* Uniform in [0, n), without bias; 0 when n is 0. */
static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
    if (n == 0)
        return 0;
    /* Below the largest multiple of n; up to MAX - n it is not asked, which nearly always saves the
     * other division. */
    uint64_t x;
    do {
        x = rng_next(r);
    } while (x > UINT64_MAX - n && x >= UINT64_MAX - UINT64_MAX % n);
    return x % n;
}
/* Uniform in [0, 1). */
double rng_unit(struct rng *r);
/* True with ${ppm} in a million. */
static inline bool rng_chance_ppm(struct rng *r, uint64_t ppm)
{
    return rng_below(r, 1000000) < ppm;
}
/* A standard normal (Box-Muller; two draws). */
double rng_normal(struct rng *r);
/* Fisher-Yates over ${count} items of ${bytes} each. */
void rng_shuffle(struct rng *r, void *items, size_t count, size_t bytes);

#endif
