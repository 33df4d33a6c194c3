#include "net/access.h"

#include "net/socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/crypto.h>

bool access_is_loopback(const char *address, bool *ret, struct error *err)
{
    struct socket_address at;
    if (!socket_parse(address, &at, err))
        return false;
    const void *raw = &at.storage;
    const struct sockaddr_in *v4 = raw;
    const struct sockaddr_in6 *v6 = raw;
    *ret = at.storage.ss_family == AF_INET6 ? IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr)
                                            : ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    return true;
}

size_t access_field(struct fields fields, const char *name, struct bytes *ret)
{
    size_t count = 0;
    for (size_t i = 0; i < fields.count; i++) {
        if (!bytes_equal_nocase(fields.at[i].name, bytes_of(name)))
            continue;
        if (count == 0 && ret != NULL)
            *ret = bytes_trim(fields.at[i].value);
        count++;
    }
    return count;
}

bool access_is_loopback_host(struct bytes host)
{
    char text[64];
    struct in_addr v4;
    size_t len = host.len;
    if (len == 0 || len >= sizeof(text))
        return false;
    if (host.at[0] == '[') {
        const uint8_t *end = memchr(host.at, ']', len);
        return end != NULL && end - host.at == 4 && memcmp(host.at, "[::1]", 5) == 0;
    }
    const uint8_t *colon = memchr(host.at, ':', len);
    len = colon != NULL ? (size_t)(colon - host.at) : len;
    snprintf(text, sizeof(text), "%.*s", (int)len, (const char *)host.at);
    if (bytes_equal_nocase((struct bytes){host.at, len}, BYTES("localhost")))
        return true;
    return inet_pton(AF_INET, text, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

bool access_is_secret(struct bytes given, const char *secret)
{
    return given.len == strlen(secret) && CRYPTO_memcmp(given.at, secret, given.len) == 0;
}

bool access_bearer(struct fields fields, const char *token)
{
    struct bytes value = {0};
    if (access_field(fields, "authorization", &value) != 1 || value.len <= 7 ||
        !bytes_equal_nocase((struct bytes){value.at, 7}, BYTES("Bearer ")))
        return false;
    return access_is_secret(bytes_trim((struct bytes){value.at + 7, value.len - 7}), token);
}

uint16_t access_check(struct fields fields, const char *token, const char **ret_why)
{
    struct bytes value = {0};
    if (token != NULL) {
        *ret_why = "a bearer token is needed: authorization: Bearer TOKEN";
        return access_bearer(fields, token) ? 0 : 401;
    }
    *ret_why = "without a token, host must be a loopback name";
    if (access_field(fields, "host", &value) != 1 || !access_is_loopback_host(value))
        return 403;
    *ret_why = "without a token, no origin is allowed: this is not for pages of a browser";
    return access_field(fields, "origin", NULL) > 0 ? 403 : 0;
}
