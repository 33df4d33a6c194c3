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

/* A strong 64-bit mixer (the finaliser of MurmurHash3 with Stafford's constants, variant 13). */
uint64_t rng_mix(uint64_t x);
struct rng rng_of(uint64_t seed);
/* A stream of its own for each (stream, a, b, c): e.g. (fault, id_hi, id_lo, attempt). */
struct rng rng_for(uint64_t seed, uint64_t stream, uint64_t a, uint64_t b, uint64_t c);
uint64_t rng_next(struct rng *r);
/* Uniform in [0, n), without bias; 0 when n is 0. */
uint64_t rng_below(struct rng *r, uint64_t n);
/* Uniform in [0, 1). */
double rng_unit(struct rng *r);
/* True with ${ppm} in a million. */
bool rng_chance_ppm(struct rng *r, uint64_t ppm);
/* A standard normal (Box-Muller; two draws). */
double rng_normal(struct rng *r);
/* Fisher-Yates over ${count} items of ${bytes} each. */
void rng_shuffle(struct rng *r, void *items, size_t count, size_t bytes);

#endif
