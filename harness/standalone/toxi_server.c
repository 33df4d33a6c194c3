#include "standalone/toxi_server.h"

#include "base/clock.h"
#include "net/access.h"
#include "standalone/toxi_routes.h"

#include <stdlib.h>

#define IDLE_NS (60 * NS_PER_S) /* as the real one */

struct toxi_server {
    struct http_server *http;
    struct toxi toxi;
    uint64_t requests;
};

static void on_request(void *cookie, struct http_exchange *x, const struct http_request *request)
{
    struct toxi_server *s = cookie;
    struct toxi_reply reply = {.status = 200, .type = "application/json"};
    char *json = NULL, id[24];
    text_init(&reply.text, TOXI_ANSWER_MOST_BYTES);
    toxi_route(&s->toxi, request, &reply);
    struct bytes body = {(const uint8_t *)reply.text.at, reply.text.len};
    if (reply.json != NULL) {
        json = json_dumps(reply.json, JSON_COMPACT | JSON_REAL_PRECISION(7));
        body = json != NULL ? bytes_of(json) : BYTES("{}");
    }
    if (body.len > TOXI_ANSWER_MOST_BYTES || reply.text.full) {
        body = BYTES("{\"error\":\"the answer is longer than the 32 MiB allowed\",\"status\":500}");
        reply.status = 500;
    }
    snprintf(id, sizeof(id), "%020llx", (unsigned long long)++s->requests);
    struct field fields[2] = {{BYTES("x-toxiproxy-request-id"), bytes_of(id)},
                              {BYTES("content-type"), bytes_of(reply.type)}};
    http_exchange_answer(x, reply.status, (struct fields){fields, body.len > 0 ? 2 : 1}, body,
                         false);
    free(json);
    json_decref(reply.json);
    text_release(&reply.text);
}

bool toxi_server_open(struct loop *loop, const struct toxi_server_config *config,
                      struct toxi_server **ret, struct error *err)
{
    bool loopback = false;
    if (!access_is_loopback(config->listen, &loopback, err)) {
        error_prefix(err, "--toxiproxy-api ");
        return false;
    }
    if (!loopback)
        return error_set(err, ERROR_USAGE,
                         "--toxiproxy-api %s is beyond loopback, and this API has no token; use "
                         "--admin with --token-env there",
                         config->listen);
    struct toxi_server *s = check_alloc_zero(1, sizeof(*s));
    struct http_server_config http = {.listen = config->listen,
                                      .body_most_bytes = TOXI_BODY_MOST_BYTES,
                                      .connections_most = TOXI_CONNECTIONS_MOST,
                                      .idle_most_ns = IDLE_NS,
                                      .on_request = on_request,
                                      .cookie = s};
    toxi_init(&s->toxi, config->set, config->version);
    if (!http_server_open(loop, &http, &s->http, err)) {
        error_prefix(err, "--toxiproxy-api: ");
        toxi_server_free(s);
        return false;
    }
    *ret = s;
    return true;
}

void toxi_server_free(struct toxi_server *s)
{
    if (s == NULL)
        return;
    if (s->http != NULL)
        http_server_free(s->http);
    toxi_release(&s->toxi);
    free(s);
}

const char *toxi_server_address(const struct toxi_server *s)
{
    return http_server_address(s->http);
}
