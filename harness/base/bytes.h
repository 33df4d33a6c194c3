#ifndef BASE_BYTES_H
#define BASE_BYTES_H

/* A borrowed view of bytes, and a buffer that grows up to a maximum given at its birth. */

#include "base/error.h"

#include <string.h>

struct bytes {
    const uint8_t *at;
    size_t len;
};

#define BYTES(literal) ((struct bytes){(const uint8_t *)("" literal), sizeof(literal) - 1})

struct bytes bytes_of(const char *text); /* without the NUL; borrows ${text} */
bool bytes_equal(struct bytes a, struct bytes b);
bool bytes_equal_nocase(struct bytes a, struct bytes b);
bool bytes_starts(struct bytes of, struct bytes prefix);
/* Trims spaces and tabs on both sides. */
struct bytes bytes_trim(struct bytes of);
/* The index of the first ${byte}, or SIZE_MAX. */
size_t bytes_find(struct bytes of, uint8_t byte);
/* Decimal digits only, no sign, no spaces; false on overflow, emptiness or other bytes. */
bool bytes_to_u64(struct bytes of, uint64_t *ret);
/* 1..16 hex digits. */
bool bytes_hex_to_u64(struct bytes of, uint64_t *ret);

struct buffer {
    uint8_t *at;
    size_t len, capacity, max_bytes;
};

void buffer_init(struct buffer *b, size_t max_bytes);
void buffer_release(struct buffer *b);
/* False with ERROR_LIMIT, naming the maximum, when ${max_bytes} would be passed; nothing is added.
 */
bool buffer_add(struct buffer *b, const void *from, size_t len, struct error *err) WARN_UNUSED;
/* Room for ${len} more bytes at the end (not yet counted in len). NULL at the maximum. */
uint8_t *buffer_room(struct buffer *b, size_t len);
/* Drops the first ${len} bytes. */
void buffer_consume(struct buffer *b, size_t len);
struct bytes buffer_view(const struct buffer *b);

#endif
