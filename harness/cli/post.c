#include "cli/post.h"

#include "base/clock.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STATUS_MOST 256 /* of the answer's first line */

struct channel {
    int fd;
    SSL *ssl; /* NULL: plain */
    uint64_t until_ns;
};

static bool is_graphic(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text >= 0x7f)
            return false;
    return true;
}

bool post_parse(const char *url, struct post_target *ret, struct error *err)
{
    static const char plain[] = "http://", sealed[] = "https://";
    *ret = (struct post_target){.tls = strncmp(url, sealed, sizeof(sealed) - 1) == 0};
    const char *at = ret->tls                                      ? url + sizeof(sealed) - 1
                     : strncmp(url, plain, sizeof(plain) - 1) == 0 ? url + sizeof(plain) - 1
                                                                   : NULL;
    if (at == NULL || strlen(url) > POST_URL_MOST || !is_graphic(url))
        return error_set(err, ERROR_INPUT, "it is no http:// or https:// address");
    size_t authority = strcspn(at, "/?#");
    bool literal = at[0] == '[';
    size_t host = literal ? strcspn(at, "]") + 1 : strcspn(at, ":/?#");
    const char *port = at + host;
    size_t port_len = authority > host ? authority - host - 1 : 0;
    bool good = host > (literal ? 2U : 0U) && host <= authority &&
                host - (literal ? 2 : 0) < sizeof(ret->host) &&
                memchr(at, '@', authority) == NULL && strcspn(at, "#") >= strlen(at) &&
                (port_len == 0 ? authority == host
                               : port[0] == ':' && port_len < sizeof(ret->port) &&
                                     strspn(port + 1, "0123456789") >= port_len);
    if (!good)
        return error_set(err, ERROR_INPUT, "it is no address of a host, such as https://h/path");
    memcpy(ret->host, at + (literal ? 1 : 0), host - (literal ? 2 : 0));
    if (port_len > 0)
        memcpy(ret->port, port + 1, port_len);
    else
        memcpy(ret->port, ret->tls ? "443" : "80", ret->tls ? 4 : 3);
    ret->path = at + authority;
    return true;
}

/* Each call of the socket waits no longer than what is left. */
static bool set_limit(const struct channel *c, struct error *err)
{
    uint64_t now_ns = clock_now_ns();
    if (now_ns >= c->until_ns)
        return error_set(err, ERROR_PEER, "no answer in its time");
    uint64_t left_ns = c->until_ns - now_ns;
    struct timeval left = {.tv_sec = (time_t)(left_ns / NS_PER_S),
                           .tv_usec = (suseconds_t)(left_ns % NS_PER_S / 1000 + 1)};
    if (setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &left, sizeof(left)) != 0 ||
        setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &left, sizeof(left)) != 0)
        return error_system(err, errno, "a time limit");
    return true;
}

static bool dial(const struct post_target *to, struct channel *c, struct error *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *all = NULL;
    struct error last = {0};
    int why = getaddrinfo(to->host, to->port, &hints, &all);
    if (why != 0)
        return error_set(err, ERROR_PEER, "its name: %s", gai_strerror(why));
    error_set(&last, ERROR_PEER, "its name has no address");
    c->fd = -1;
    for (const struct addrinfo *one = all; one != NULL && c->fd < 0; one = one->ai_next) {
        last = (struct error){0};
        c->fd = socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, one->ai_protocol);
        if (c->fd < 0) {
            error_system(&last, errno, "a socket");
            continue;
        }
        if (set_limit(c, &last) && connect(c->fd, one->ai_addr, one->ai_addrlen) == 0)
            continue;
        error_system(&last, errno == EINPROGRESS ? ETIMEDOUT : errno, "connecting");
        close(c->fd);
        c->fd = -1;
    }
    freeaddrinfo(all);
    if (c->fd < 0 && err != NULL)
        *err = last;
    return c->fd >= 0;
}

static bool tls_error(const SSL *ssl, struct error *err)
{
    long verify = SSL_get_verify_result(ssl);
    if (verify != X509_V_OK)
        return error_set(err, ERROR_PEER, "its certificate: %s",
                         X509_verify_cert_error_string(verify));
    const char *why = ERR_reason_error_string(ERR_peek_last_error());
    return error_set(err, ERROR_PEER, "TLS: %s", why != NULL ? why : "the connection ended");
}

static bool seal(const struct post_target *to, SSL_CTX *context, struct channel *c,
                 struct error *err)
{
    c->ssl = SSL_new(context);
    INVARIANT(c->ssl != NULL);
    unsigned char address[16];
    bool literal =
        inet_pton(AF_INET, to->host, address) == 1 || inet_pton(AF_INET6, to->host, address) == 1;
    INVARIANT(literal || SSL_set_tlsext_host_name(c->ssl, to->host) == 1);
    INVARIANT(SSL_set1_host(c->ssl, to->host) == 1 && SSL_set_fd(c->ssl, c->fd) == 1);
    return set_limit(c, err) && (SSL_connect(c->ssl) == 1 || tls_error(c->ssl, err));
}

static bool send_all(struct channel *c, const char *text, struct error *err)
{
    for (size_t left = strlen(text); left > 0;) {
        if (!set_limit(c, err))
            return false;
        ssize_t n = c->ssl != NULL ? SSL_write(c->ssl, text, left < 16384 ? (int)left : 16384)
                                   : send(c->fd, text, left, MSG_NOSIGNAL);
        if (n <= 0)
            return error_set(err, ERROR_PEER, "it takes no request");
        text += n;
        left -= (size_t)n;
    }
    return true;
}

/* "HTTP/1.1 204 No Content\r\n" and nothing behind it. */
static bool read_status(struct channel *c, struct error *err)
{
    char line[STATUS_MOST + 1] = "";
    size_t len = 0;
    while (memchr(line, '\n', len) == NULL && len < STATUS_MOST) {
        if (!set_limit(c, err))
            return false;
        ssize_t n = c->ssl != NULL ? SSL_read(c->ssl, line + len, (int)(STATUS_MOST - len))
                                   : recv(c->fd, line + len, STATUS_MOST - len, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    bool http = len >= 12 && memcmp(line, "HTTP/1.", 7) == 0 && line[8] == ' ' &&
                strspn(line + 9, "0123456789") >= 3;
    if (!http && len == 0)
        return error_set(err, ERROR_PEER, "%s",
                         clock_now_ns() >= c->until_ns ? "no answer in its time"
                                                       : "it ended without an answer");
    if (!http)
        return error_set(err, ERROR_PEER, "its answer is not HTTP");
    return line[9] == '2' || error_set(err, ERROR_PEER, "it answered %.3s", line + 9);
}

static bool exchange(const struct post_target *to, const char *request, struct channel *c,
                     struct error *err)
{
    SSL_CTX *context = NULL;
    bool ok = true;
    if (to->tls) {
        context = SSL_CTX_new(TLS_client_method());
        INVARIANT(context != NULL);
        SSL_CTX_set_default_verify_paths(context);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
        ok = seal(to, context, c, err);
    }
    ok = ok && send_all(c, request, err) && read_status(c, err);
    SSL_free(c->ssl);
    SSL_CTX_free(context);
    return ok;
}

bool post_json(const struct post_target *to, const char *suffix, const char *token,
               const char *body, uint64_t within_ns, struct error *err)
{
    struct channel c = {.fd = -1, .until_ns = clock_now_ns() + within_ns};
    struct text request;
    bool literal = strchr(to->host, ':') != NULL;
    if (token != NULL && !is_graphic(token))
        return error_set(err, ERROR_INPUT, "its token has a character that no header has");
    text_init(&request, POST_URL_MOST + strlen(body) + 8192);
    text_add(&request, "POST %s%s%s HTTP/1.1\r\nHost: %s%s%s:%s\r\n", to->path[0] == '/' ? "" : "/",
             to->path, suffix, literal ? "[" : "", to->host, literal ? "]" : "", to->port);
    text_add(&request,
             "User-Agent: meshproof\r\nContent-Type: application/json\r\nConnection: close\r\n"
             "Content-Length: %zu\r\n",
             strlen(body));
    if (token != NULL)
        text_add(&request, "Authorization: Bearer %s\r\n", token);
    text_add(&request, "\r\n%s", body);
    bool ok = request.full ? error_set(err, ERROR_LIMIT, "its token is too long") : true;
    ok = ok && dial(to, &c, err);
    ok = ok && exchange(to, text_get(&request), &c, err);
    if (c.fd >= 0)
        close(c.fd);
    text_release(&request);
    return ok;
}
