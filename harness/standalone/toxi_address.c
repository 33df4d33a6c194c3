#include "standalone/toxi_routes.h"

#include "net/socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>

#define HOST_MOST 256

static bool look_up(const char *host, const char *port, char *ret, size_t size, struct error *err)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    struct socket_address at = {0};
    if (res_init() == 0) { /* else a name server that is silent holds us for many seconds */
        _res.retrans = 1;
        _res.retry = TOXI_LOOKUP_MOST_S;
        _res.nscount = _res.nscount > 1 ? 1 : _res.nscount;
    }
    int code = getaddrinfo(host, port, &hints, &found);
    if (code != 0)
        return error_set(err, ERROR_INPUT, "lookup %.100s: %s", host,
                         code == EAI_NONAME ? "no such host" : gai_strerror(code));
    at.len = found->ai_addrlen;
    memcpy(&at.storage, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    socket_print(&at, ret, size);
    return true;
}

bool toxi_address(const char *text, char *ret, size_t size, struct error *err)
{
    char host[HOST_MOST];
    const char *colon = strrchr(text, ':');
    struct in6_addr v6;
    struct in_addr v4;
    uint64_t port = 0;
    if (text[0] == '\0') { /* as net.Listen: any address, any port */
        snprintf(ret, size, "[::]:0");
        return true;
    }
    if (colon == NULL)
        return error_set(err, ERROR_INPUT, "address %.100s: missing port in address", text);
    size_t len = (size_t)(colon - text);
    bool bracketed = len > 1 && text[0] == '[' && text[len - 1] == ']';
    const char *from = bracketed ? text + 1 : text;
    len = bracketed ? len - 2 : len;
    if (!bracketed && memchr(from, ':', len) != NULL)
        return error_set(err, ERROR_INPUT, "address %.100s: too many colons in address", text);
    if (len >= sizeof(host) || !bytes_to_u64(bytes_of(colon + 1), &port) || port > UINT16_MAX)
        return error_set(err, ERROR_INPUT, "address %.100s: invalid port", text);
    memcpy(host, from, len);
    host[len] = '\0';
    if (len == 0)
        snprintf(ret, size, "[::]:%u", (unsigned)port);
    else if (strcmp(host, "localhost") == 0)
        snprintf(ret, size, "127.0.0.1:%u", (unsigned)port);
    else if (inet_pton(AF_INET, host, &v4) == 1)
        snprintf(ret, size, "%s:%u", host, (unsigned)port);
    else if (inet_pton(AF_INET6, host, &v6) == 1)
        snprintf(ret, size, "[%s]:%u", host, (unsigned)port);
    else
        return look_up(host, colon + 1, ret, size, err);
    return true;
}
