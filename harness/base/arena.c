#include "base/arena.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdlib.h>

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    alignas(max_align_t) uint8_t data[];
};

/* The first block is what most calls need, and of a size that malloc hands out at once; each later
 * one is twice as large. */
#define FIRST_BLOCK_BYTES ((size_t)1024 - sizeof(struct arena_block) - 32)
/* Longer text is printed twice: to be counted, and where it goes. */
#define PRINTED_ONCE_BYTES 256
#define BLOCK_MOST_BYTES ((size_t)16 * 1024)

void arena_init(struct arena *a, size_t max_bytes)
{
    *a = (struct arena){.max_bytes = max_bytes};
}

void arena_release(struct arena *a)
{
    for (struct arena_block *b = a->blocks, *next; b != NULL; b = next) {
        next = b->next;
        free(b);
    }
    *a = (struct arena){.max_bytes = a->max_bytes};
}

void *arena_take(struct arena *a, size_t bytes)
{
    size_t rounded = (bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct arena_block *b = a->blocks;
    INVARIANT(rounded >= bytes && a->used_bytes + rounded <= a->max_bytes);
    if (b == NULL || b->size - b->used < rounded) {
        size_t size = b == NULL                         ? FIRST_BLOCK_BYTES
                      : b->size >= BLOCK_MOST_BYTES / 2 ? BLOCK_MOST_BYTES
                                                        : 2 * b->size;
        size = rounded > size ? rounded : size;
        b = check_alloc(sizeof(*b) + size);
        *b = (struct arena_block){.size = size, .next = a->blocks};
        a->blocks = b;
    }
    void *at = b->data + b->used;
    memset(at, 0, rounded); /* what is taken only: most blocks are never used up */
    b->used += rounded;
    a->used_bytes += rounded;
    return at;
}

char *arena_strndup(struct arena *a, const char *text, size_t len)
{
    char *to = arena_take(a, len + 1);
    if (len > 0)
        memcpy(to, text, len);
    to[len] = '\0';
    return to;
}

char *arena_strdup(struct arena *a, const char *text)
{
    return arena_strndup(a, text, strlen(text));
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    char line[PRINTED_ONCE_BYTES];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    INVARIANT(n >= 0);
    if ((size_t)n < sizeof(line))
        return arena_strndup(a, line, (size_t)n);
    char *to = arena_take(a, (size_t)n + 1);
    va_start(args, format);
    vsnprintf(to, (size_t)n + 1, format, args);
    va_end(args);
    return to;
}
