#include "net/tries.h"

#include "base/rng.h"

#include <stdlib.h>

struct entry {
    uint64_t hi, lo;
    uint16_t seen;
};

/* ${index} is open-addressed, twice as large as ${entries}: entry number + 1, 0 is free. */
struct tries {
    struct entry *entries;
    uint32_t *index;
    uint32_t most, count, oldest;
};

struct tries *tries_new(uint32_t most)
{
    INVARIANT(most > 0 && (most & (most - 1)) == 0 && most < UINT32_C(1) << 30);
    struct tries *t = check_alloc_zero(1, sizeof(*t));
    t->most = most;
    t->entries = check_alloc_zero(most, sizeof(*t->entries));
    t->index = check_alloc_zero((size_t)most * 2, sizeof(*t->index));
    return t;
}

void tries_free(struct tries *t)
{
    if (t == NULL)
        return;
    free(t->entries);
    free(t->index);
    free(t);
}

static uint32_t home(const struct tries *t, uint64_t hi, uint64_t lo)
{
    return (uint32_t)rng_mix(hi ^ rng_mix(lo)) & (t->most * 2 - 1);
}

/* The place of the request in the index, or the free place where it would go. */
static uint32_t probe(const struct tries *t, uint64_t hi, uint64_t lo)
{
    uint32_t mask = t->most * 2 - 1;
    uint32_t i = home(t, hi, lo);
    while (t->index[i] != 0) {
        const struct entry *e = &t->entries[t->index[i] - 1];
        if (e->hi == hi && e->lo == lo)
            break;
        i = (i + 1) & mask;
    }
    return i;
}

/* Backward shift, so that probes never meet a grave. */
static void forget(struct tries *t, const struct entry *e)
{
    uint32_t mask = t->most * 2 - 1;
    uint32_t hole = probe(t, e->hi, e->lo), i = hole;
    for (;;) {
        i = (i + 1) & mask;
        if (t->index[i] == 0)
            break;
        const struct entry *other = &t->entries[t->index[i] - 1];
        uint32_t at = home(t, other->hi, other->lo);
        if (((i - at) & mask) >= ((i - hole) & mask)) {
            t->index[hole] = t->index[i];
            hole = i;
        }
    }
    t->index[hole] = 0;
}

uint16_t tries_next(struct tries *t, uint64_t id_hi, uint64_t id_lo)
{
    uint32_t i = probe(t, id_hi, id_lo);
    if (t->index[i] != 0) {
        struct entry *e = &t->entries[t->index[i] - 1];
        if (e->seen < UINT16_MAX)
            e->seen++;
        return e->seen;
    }
    uint32_t at = t->count;
    if (t->count == t->most) {
        at = t->oldest;
        t->oldest = (t->oldest + 1) & (t->most - 1);
        forget(t, &t->entries[at]);
        i = probe(t, id_hi, id_lo);
    } else {
        t->count++;
    }
    t->entries[at] = (struct entry){id_hi, id_lo, 1};
    t->index[i] = at + 1;
    return 1;
}
