#include "net/tls_record.h"

#define RECORD_BODY_MOST (16384 + 2048) /* RFC 5246 6.2.3; 1.3 has less */
#define MESSAGE_HEADER_BYTES 4
#define RANDOM_BYTES 32
enum {
    EXTENSION_SERVER_NAME = 0,
    EXTENSION_ALPN = 16,
    EXTENSION_TICKET = 35,
    EXTENSION_PSK = 41,
    EXTENSION_VERSIONS = 43,
};

/* SHA-256 of "HelloRetryRequest" (RFC 8446 4.1.3). */
static const uint8_t retry_random[RANDOM_BYTES] = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

enum tls_record_result tls_record_parse(struct bytes in, struct tls_record *ret)
{
    if (in.len > 0 && (in.at[0] < TLS_RECORD_CCS || in.at[0] > TLS_RECORD_DATA))
        return TLS_RECORD_BAD;
    if (in.len > 1 && in.at[1] != 3)
        return TLS_RECORD_BAD;
    if (in.len < TLS_RECORD_HEADER_BYTES)
        return TLS_RECORD_MORE;
    size_t len = (size_t)in.at[3] << 8 | in.at[4];
    if (len > RECORD_BODY_MOST)
        return TLS_RECORD_BAD;
    if (in.len - TLS_RECORD_HEADER_BYTES < len)
        return TLS_RECORD_MORE;
    *ret = (struct tls_record){.type = in.at[0],
                               .body = {in.at + TLS_RECORD_HEADER_BYTES, len},
                               .len = TLS_RECORD_HEADER_BYTES + len};
    return TLS_RECORD_WHOLE;
}

bool tls_message_parse(struct bytes in, uint8_t *ret_type, struct bytes *ret_body, size_t *ret_len)
{
    if (in.len < MESSAGE_HEADER_BYTES)
        return false;
    size_t len = (size_t)in.at[1] << 16 | (size_t)in.at[2] << 8 | in.at[3];
    if (in.len - MESSAGE_HEADER_BYTES < len)
        return false;
    *ret_type = in.at[0];
    *ret_body = (struct bytes){in.at + MESSAGE_HEADER_BYTES, len};
    *ret_len = MESSAGE_HEADER_BYTES + len;
    return true;
}

/* Takes ${len} bytes off the front. */
static bool take(struct bytes *from, size_t len, struct bytes *ret)
{
    if (from->len < len)
        return false;
    *ret = (struct bytes){from->at, len};
    from->at += len;
    from->len -= len;
    return true;
}

/* A vector behind its length of ${width} bytes. */
static bool take_vector(struct bytes *from, size_t width, struct bytes *ret)
{
    struct bytes number;
    size_t len = 0;
    if (!take(from, width, &number))
        return false;
    for (size_t i = 0; i < width; i++)
        len = len << 8 | number.at[i];
    return take(from, len, ret);
}

static uint16_t number_of(struct bytes b)
{
    return (uint16_t)(b.at[0] << 8 | b.at[1]);
}

static void read_server_name(struct bytes data, struct tls_hello *ret)
{
    struct bytes list, type, name;
    if (take_vector(&data, 2, &list) && take(&list, 1, &type) && type.at[0] == 0 &&
        take_vector(&list, 2, &name))
        ret->sni = name;
}

/* A client lists versions, GREASE among them (RFC 8701); a server names one. */
static void read_versions(struct bytes data, bool client, struct tls_hello *ret)
{
    struct bytes list = data, one;
    if (client && !take_vector(&data, 1, &list))
        return;
    while (take(&list, 2, &one)) {
        uint16_t version = number_of(one);
        if (version >> 8 == 3 && (version > ret->version || !client))
            ret->version = version;
    }
}

static void read_extension(uint16_t type, struct bytes data, bool client, struct tls_hello *ret)
{
    switch (type) {
    case EXTENSION_SERVER_NAME:
        if (client)
            read_server_name(data, ret);
        break;
    case EXTENSION_ALPN:
        (void)take_vector(&data, 2, &ret->alpn);
        break;
    case EXTENSION_TICKET:
        ret->resumes = ret->resumes || (client && data.len > 0);
        break;
    case EXTENSION_PSK:
        ret->resumes = true;
        break;
    case EXTENSION_VERSIONS:
        read_versions(data, client, ret);
        break;
    default:
        break;
    }
}

bool tls_hello_parse(struct bytes body, bool client, struct tls_hello *ret)
{
    struct bytes version, random, session, suites, methods, extensions, type, data;
    *ret = (struct tls_hello){.version = 0};
    if (!take(&body, 2, &version) || !take(&body, RANDOM_BYTES, &random) ||
        !take_vector(&body, 1, &session))
        return false;
    if (client ? !take_vector(&body, 2, &suites) || !take_vector(&body, 1, &methods)
               : !take(&body, 2, &suites) || !take(&body, 1, &methods))
        return false;
    ret->version = number_of(version);
    ret->retries = !client && memcmp(random.at, retry_random, RANDOM_BYTES) == 0;
    if (body.len == 0)
        return true;
    if (!take_vector(&body, 2, &extensions))
        return false;
    while (extensions.len > 0) {
        if (!take(&extensions, 2, &type) || !take_vector(&extensions, 2, &data))
            return false;
        read_extension(number_of(type), data, client, ret);
    }
    return true;
}
