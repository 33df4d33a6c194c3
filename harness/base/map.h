#ifndef BASE_MAP_H
#define BASE_MAP_H

/* A hash map from 128-bit keys to 64-bit values (ids to counters, hashes to indexes), open
 * addressed, with a maximum number of entries given at birth. Not ordered. */

#include "base/error.h"

struct map_key {
    uint64_t hi, lo;
};

struct map_slot {
    struct map_key key;
    uint64_t value;
    bool used;
};

struct map {
    struct map_slot *slots;
    size_t count, capacity, max_count;
};

void map_init(struct map *m, size_t max_count);
void map_release(struct map *m);
void map_clear(struct map *m);
/* Room for so many entries without growing on the way; the maximum stays what it is. */
void map_reserve(struct map *m, size_t count);
/* NULL when it is not there. The pointer is good until the next map_at. */
uint64_t *map_find(const struct map *m, struct map_key key);
/* The entry, made with value 0 when it was not there (${ret_new}, may be NULL, says so); NULL at
 * the maximum. */
uint64_t *map_at(struct map *m, struct map_key key, bool *ret_new);
void map_remove(struct map *m, struct map_key key);
/* A 64-bit hash of bytes, the same on every machine and for ever (names, keys, digests). */
uint64_t map_hash(const void *at, size_t len);
/* Text as a key: two independent 64-bit hashes. */
struct map_key map_key_of(const void *at, size_t len);

#endif
