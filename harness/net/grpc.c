#include "net/grpc.h"

#include <strings.h>

/* Beyond it a number is no status: the record has 16 bits, and gRPC itself ends at 16. */
#define STATUS_MOST 999

uint16_t grpc_status_of(struct fields fields)
{
    uint64_t status = 0;
    if (!bytes_to_u64(fields_find(fields, "grpc-status"), &status) || status > STATUS_MOST)
        return 0;
    return (uint16_t)(status + 1);
}

bool grpc_is_type(struct bytes content_type)
{
    static const char type[] = "application/grpc";
    size_t len = sizeof(type) - 1;
    if (content_type.len < len || strncasecmp((const char *)content_type.at, type, len) != 0)
        return false;
    if (content_type.len == len)
        return true;
    uint8_t next = content_type.at[len]; /* application/grpc-web is another protocol */
    return next == '+' || next == ';' || next == ' ';
}

struct bytes grpc_message(struct bytes text, struct arena *arena)
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t *to = arena_take(arena, text.len * 3 + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i];
        if (byte >= 0x20 && byte <= 0x7e && byte != '%') {
            to[len++] = byte;
            continue;
        }
        to[len++] = '%';
        to[len++] = (uint8_t)digits[byte >> 4];
        to[len++] = (uint8_t)digits[byte & 15];
    }
    return (struct bytes){to, len};
}
