#include "base/rng.h"

#include "base/check.h"

#include <math.h>
#include <string.h>

struct rng rng_of(uint64_t seed)
{
    return (struct rng){.key = rng_mix(seed + UINT64_C(0x9e3779b97f4a7c15))};
}

struct rng rng_for(uint64_t seed, uint64_t stream, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t key = rng_mix(seed + UINT64_C(0x9e3779b97f4a7c15));
    key = rng_mix(key ^ (stream + UINT64_C(0x9e3779b97f4a7c15)));
    key = rng_mix(key ^ (a + UINT64_C(0xd1b54a32d192ed03)));
    key = rng_mix(key ^ (b + UINT64_C(0x8cb92ba72f3d8dd7)));
    key = rng_mix(key ^ (c + UINT64_C(0xabc98388fb8fac03)));
    return (struct rng){.key = key};
}

double rng_unit(struct rng *r)
{
    return (double)(rng_next(r) >> 11) * 0x1.0p-53;
}

double rng_normal(struct rng *r)
{
    double u = 1.0 - rng_unit(r);
    double v = rng_unit(r);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

void rng_shuffle(struct rng *r, void *items, size_t count, size_t bytes)
{
    uint8_t *p = items, swap[256];
    INVARIANT(bytes <= sizeof(swap));
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)rng_below(r, i);
        memcpy(swap, p + (i - 1) * bytes, bytes);
        memcpy(p + (i - 1) * bytes, p + j * bytes, bytes);
        memcpy(p + j * bytes, swap, bytes);
    }
}
