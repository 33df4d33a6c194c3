#include "standalone/admin_server.h"

#include "standalone/admin_routes.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <stdlib.h>

#include "net/socket.h"

struct admin_server {
    struct http_server *http;
    struct admin_server_config config;
    char *token;
};

bool admin_is_loopback(const char *address, bool *ret, struct error *err)
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

/* The one field of that name; more than one is as wrong as none where it decides something. */
static bool find_field(struct fields fields, const char *name, struct bytes *ret)
{
    size_t count = 0;
    for (size_t i = 0; i < fields.count; i++)
        if (bytes_equal_nocase(fields.at[i].name, bytes_of(name))) {
            *ret = bytes_trim(fields.at[i].value);
            count++;
        }
    return count == 1;
}

static bool is_loopback_host(struct bytes host)
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

uint16_t admin_check(struct fields fields, const char *token, const char **ret_why)
{
    struct bytes value = {0};
    if (token != NULL) {
        bool given = find_field(fields, "authorization", &value) && value.len > 7 &&
                     bytes_equal_nocase((struct bytes){value.at, 7}, BYTES("Bearer "));
        struct bytes own =
            bytes_trim((struct bytes){value.at + (given ? 7 : 0), given ? value.len - 7 : 0});
        *ret_why = "a bearer token is needed: authorization: Bearer TOKEN";
        return given && own.len == strlen(token) && CRYPTO_memcmp(own.at, token, own.len) == 0
                   ? 0
                   : 401;
    }
    *ret_why = "without a token, host must be a loopback name";
    if (!find_field(fields, "host", &value) || !is_loopback_host(value))
        return 403;
    *ret_why = "without a token, no origin is allowed: this is not for pages of a browser";
    for (size_t i = 0; i < fields.count; i++)
        if (bytes_equal_nocase(fields.at[i].name, BYTES("origin")))
            return 403;
    return 0;
}

static void answer(struct http_exchange *x, struct admin_reply *reply)
{
    char *text = NULL;
    if (reply->json != NULL)
        text = json_dumps(reply->json, JSON_INDENT(2));
    struct bytes body = text != NULL ? bytes_of(text)
                        : reply->text.len > 0
                            ? (struct bytes){(const uint8_t *)reply->text.at, reply->text.len}
                            : (struct bytes){0};
    if (body.len > ADMIN_ANSWER_MOST_BYTES || reply->text.full) {
        body = BYTES("{\"error\": \"the answer is longer than the 32 MiB allowed\"}");
        reply->status = 500;
        reply->type = NULL;
    }
    struct field fields[4] = {
        {BYTES("content-type"), bytes_of(reply->type == NULL ? "application/json" : reply->type)},
        {BYTES("cache-control"), BYTES("no-store")},
        {BYTES("x-content-type-options"), BYTES("nosniff")}};
    size_t count = 3;
    if (reply->allow[0] != '\0')
        fields[count++] = (struct field){BYTES("allow"), bytes_of(reply->allow)};
    if (reply->status == 401)
        fields[count++] = (struct field){BYTES("www-authenticate"), BYTES("Bearer")};
    http_exchange_answer(x, reply->status, (struct fields){fields, count}, body, false);
    free(text);
    json_decref(reply->json);
    text_release(&reply->text);
}

static void on_request(void *cookie, struct http_exchange *x, const struct http_request *request)
{
    struct admin_server *s = cookie;
    struct admin_reply reply = {.status = 200};
    const char *why = NULL;
    text_init(&reply.text, ADMIN_ANSWER_MOST_BYTES);
    bool open = bytes_equal(request->target, BYTES("/healthz"));
    uint16_t refused = open ? 0 : admin_check(request->fields, s->token, &why);
    if (refused != 0)
        admin_reply_error(&reply, refused, "%s", why);
    else
        admin_route(&s->config, request, &reply);
    answer(x, &reply);
}

bool admin_server_open(struct loop *loop, const struct admin_server_config *config,
                       struct admin_server **ret, struct error *err)
{
    bool loopback;
    if (!admin_is_loopback(config->listen, &loopback, err)) {
        error_prefix(err, "--admin ");
        return false;
    }
    if (!loopback && config->token == NULL)
        return error_set(err, ERROR_USAGE,
                         "--admin %s is beyond loopback, which needs a token: --token-env NAME",
                         config->listen);
    struct admin_server *s = check_alloc_zero(1, sizeof(*s));
    s->config = *config;
    s->token = config->token == NULL ? NULL : check_strdup(config->token);
    struct http_server_config http = {.listen = config->listen,
                                      .body_most_bytes = ADMIN_BODY_MOST_BYTES,
                                      .connections_most = ADMIN_CONNECTIONS_MOST,
                                      .idle_most_ns = ADMIN_IDLE_MOST_NS,
                                      .on_request = on_request,
                                      .cookie = s};
    if (!http_server_open(loop, &http, &s->http, err)) {
        error_prefix(err, "--admin: ");
        free(s->token);
        free(s);
        return false;
    }
    *ret = s;
    return true;
}

void admin_server_free(struct admin_server *s)
{
    if (s == NULL)
        return;
    http_server_free(s->http);
    if (s->token != NULL)
        OPENSSL_cleanse(s->token, strlen(s->token));
    free(s->token);
    free(s);
}

const char *admin_server_address(const struct admin_server *s)
{
    return http_server_address(s->http);
}
