#include "base/arena.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdlib.h>

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    alignas(max_align_t) uint8_t data[];
};

#define BLOCK_BYTES ((size_t)16 * 1024)

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
        size_t size = rounded > BLOCK_BYTES ? rounded : BLOCK_BYTES;
        b = check_alloc_zero(1, sizeof(*b) + size);
        b->size = size;
        b->next = a->blocks;
        a->blocks = b;
    }
    void *at = b->data + b->used;
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
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    INVARIANT(n >= 0);
    char *to = arena_take(a, (size_t)n + 1);
    va_start(args, format);
    vsnprintf(to, (size_t)n + 1, format, args);
    va_end(args);
    return to;
}
