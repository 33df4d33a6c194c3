#include "standalone/admin_server.h"

#include "net/access.h"
#include "standalone/admin_routes.h"

#include <openssl/crypto.h>
#include <stdlib.h>

struct admin_server {
    struct http_server *http;
    struct admin_server_config config;
    char *token;
};

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
    uint16_t refused = open ? 0 : access_check(request->fields, s->token, &why);
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
    if (!access_is_loopback(config->listen, &loopback, err)) {
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
