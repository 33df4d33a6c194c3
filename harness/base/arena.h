#ifndef BASE_ARENA_H
#define BASE_ARENA_H

/* Memory by lifetime: everything taken from an arena goes with it. Callers bound their input first
 * (a policy file is at most 4 MiB, ...), so passing ${max_bytes} is our own bug, not an input
 * error. */

#include "base/bytes.h"

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t used_bytes, max_bytes;
};

void arena_init(struct arena *a, size_t max_bytes);
void arena_release(struct arena *a);
/* Zeroed, aligned for any type, never NULL. */
void *arena_take(struct arena *a, size_t bytes);
char *arena_strdup(struct arena *a, const char *text);
char *arena_strndup(struct arena *a, const char *text, size_t len);
char *arena_printf(struct arena *a, const char *format, ...) PRINTF(2, 3);
/* A zeroed array. */
#define ARENA_ARRAY(arena, type, count) ((type *)arena_take((arena), sizeof(type) * (count)))

#endif
