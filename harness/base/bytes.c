#include "base/bytes.h"

#include <stdlib.h>
#include <strings.h>

struct bytes bytes_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, text == NULL ? 0 : strlen(text)};
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool bytes_equal_nocase(struct bytes a, struct bytes b)
{
    return a.len == b.len &&
           (a.len == 0 || strncasecmp((const char *)a.at, (const char *)b.at, a.len) == 0);
}

bool bytes_starts(struct bytes of, struct bytes prefix)
{
    return of.len >= prefix.len && (prefix.len == 0 || memcmp(of.at, prefix.at, prefix.len) == 0);
}

struct bytes bytes_trim(struct bytes of)
{
    while (of.len > 0 && (of.at[0] == ' ' || of.at[0] == '\t')) {
        of.at++;
        of.len--;
    }
    while (of.len > 0 && (of.at[of.len - 1] == ' ' || of.at[of.len - 1] == '\t'))
        of.len--;
    return of;
}

size_t bytes_find(struct bytes of, uint8_t byte)
{
    const uint8_t *hit = of.len == 0 ? NULL : memchr(of.at, byte, of.len);
    return hit == NULL ? SIZE_MAX : (size_t)(hit - of.at);
}

bool bytes_to_u64(struct bytes of, uint64_t *ret)
{
    uint64_t value = 0;
    if (of.len == 0 || of.len > 20)
        return false;
    for (size_t i = 0; i < of.len; i++) {
        uint8_t digit = (uint8_t)(of.at[i] - '0');
        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret = value;
    return true;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool bytes_hex_to_u64(struct bytes of, uint64_t *ret)
{
    uint64_t value = 0;
    if (of.len == 0 || of.len > 16)
        return false;
    for (size_t i = 0; i < of.len; i++) {
        int digit = hex_digit(of.at[i]);
        if (digit < 0)
            return false;
        value = (value << 4) | (uint64_t)digit;
    }
    *ret = value;
    return true;
}

void buffer_init(struct buffer *b, size_t max_bytes)
{
    *b = (struct buffer){.max_bytes = max_bytes};
}

void buffer_release(struct buffer *b)
{
    free(b->at);
    *b = (struct buffer){.max_bytes = b->max_bytes};
}

uint8_t *buffer_room(struct buffer *b, size_t len)
{
    if (len > b->max_bytes || b->len > b->max_bytes - len)
        return NULL;
    size_t need = b->len + len;
    if (need > b->capacity ||
        b->at == NULL) { /* NULL means "full", so no room for 0 bytes is not NULL */
        size_t capacity = b->capacity == 0 ? 256 : b->capacity;
        while (capacity < need)
            capacity *= 2;
        if (capacity > b->max_bytes)
            capacity = b->max_bytes;
        b->at = check_realloc(b->at, capacity);
        b->capacity = capacity;
    }
    return b->at + b->len;
}

bool buffer_add(struct buffer *b, const void *from, size_t len, struct error *err)
{
    uint8_t *to = buffer_room(b, len);
    if (to == NULL)
        return error_set(err, ERROR_LIMIT, "more than the %zu bytes allowed here", b->max_bytes);
    if (len > 0)
        memcpy(to, from, len);
    b->len += len;
    return true;
}

void buffer_consume(struct buffer *b, size_t len)
{
    INVARIANT(len <= b->len);
    b->len -= len;
    if (b->len > 0 && len > 0)
        memmove(b->at, b->at + len, b->len);
}

struct bytes buffer_view(const struct buffer *b)
{
    return (struct bytes){b->at, b->len};
}
