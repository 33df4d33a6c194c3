#include "base/map.h"

#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

void map_init(struct map *m, size_t max_count)
{
    *m = (struct map){.max_count = max_count};
}

void map_release(struct map *m)
{
    free(m->slots);
    *m = (struct map){.max_count = m->max_count};
}

void map_clear(struct map *m)
{
    if (m->capacity > 0)
        memset(m->slots, 0, m->capacity * sizeof(*m->slots));
    m->count = 0;
}

static size_t home(const struct map *m, struct map_key key)
{
    return (size_t)rng_mix(key.hi ^ rng_mix(key.lo)) & (m->capacity - 1);
}

static struct map_slot *probe(const struct map *m, struct map_key key)
{
    size_t i = home(m, key);
    while (m->slots[i].used && (m->slots[i].key.hi != key.hi || m->slots[i].key.lo != key.lo))
        i = (i + 1) & (m->capacity - 1);
    return &m->slots[i];
}

uint64_t *map_find(const struct map *m, struct map_key key)
{
    if (m->count == 0)
        return NULL;
    struct map_slot *s = probe(m, key);
    return s->used ? &s->value : NULL;
}

static void grow(struct map *m, size_t capacity)
{
    struct map_slot *old = m->slots;
    size_t old_capacity = m->capacity;
    m->capacity = capacity;
    m->slots = check_alloc_zero(m->capacity, sizeof(*m->slots));
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].used)
            *probe(m, old[i].key) = old[i];
    }
    free(old);
}

void map_reserve(struct map *m, size_t count)
{
    size_t capacity = m->capacity == 0 ? 64 : m->capacity;
    INVARIANT(count <= SIZE_MAX / 8);
    while (count * 4 > capacity * 3)
        capacity *= 2;
    if (capacity > m->capacity)
        grow(m, capacity);
}

uint64_t *map_at(struct map *m, struct map_key key, bool *ret_new)
{
    struct map_slot *s = m->capacity == 0 ? NULL : probe(m, key);
    bool found = s != NULL && s->used;
    if (ret_new != NULL)
        *ret_new = !found;
    if (found)
        return &s->value;
    if (m->count >= m->max_count)
        return NULL;
    if ((m->count + 1) * 4 > m->capacity * 3) {
        map_reserve(m, m->count + 1);
        s = probe(m, key);
    }
    *s = (struct map_slot){.key = key, .used = true};
    m->count++;
    return &s->value;
}

/* Backward-shift deletion, so that probes never meet a grave. */
void map_remove(struct map *m, struct map_key key)
{
    if (m->count == 0)
        return;
    struct map_slot *s = probe(m, key);
    if (!s->used)
        return;
    size_t hole = (size_t)(s - m->slots), i = hole;
    for (;;) {
        i = (i + 1) & (m->capacity - 1);
        if (!m->slots[i].used)
            break;
        size_t h = home(m, m->slots[i].key);
        if (((i - h) & (m->capacity - 1)) >= ((i - hole) & (m->capacity - 1))) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct map_slot){0};
    m->count--;
}

uint64_t map_hash(const void *at, size_t len)
{
    const uint8_t *p = at;
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * UINT64_C(1099511628211);
    return rng_mix(h);
}

struct map_key map_key_of(const void *at, size_t len)
{
    uint64_t lo = map_hash(at, len);
    const uint8_t *p = at;
    uint64_t h = UINT64_C(0x9ae16a3b2f90404f) ^ len;
    for (size_t i = 0; i < len; i++)
        h = rng_mix(h ^ p[i]);
    return (struct map_key){.hi = h, .lo = lo};
}
