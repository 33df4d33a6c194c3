#include "mesh/reply.h"

#include <stdio.h>

static void add(struct reply_made *r, const char *name, const char *value)
{
    INVARIANT(r->field_count < COUNT_OF(r->field));
    r->field[r->field_count++] = (struct field){bytes_of(name), bytes_of(value)};
}

/* Envoy: Router::Filter::onUpstreamReset. */
static void reset_text(struct reply_made *r, bool retried, const char *reason)
{
    snprintf(r->body, sizeof(r->body),
             "upstream connect error or disconnect/reset before headers. %sreset reason: %s",
             retried ? "retried and the latest " : "", reason);
}

static void envoy(enum reply_why why, const struct model_config *m, bool retried,
                  struct reply_made *r)
{
    r->status = 503;
    switch (why) {
    case REPLY_NO_HOST:
    case REPLY_FAILFAST:
        snprintf(r->body, sizeof(r->body), "no healthy upstream");
        break;
    case REPLY_REFUSED:
        reset_text(r, retried, "remote connection failure");
        break;
    case REPLY_RESET:
    case REPLY_EOF:
        reset_text(r, retried, "connection termination");
        break;
    case REPLY_PROTOCOL:
        r->status = 502;
        reset_text(r, retried, "protocol error");
        break;
    case REPLY_OVERFLOW:
        add(r, "x-envoy-overloaded", "true");
        reset_text(r, retried, "overflow");
        break;
    case REPLY_REQUEST_TIMEOUT:
        r->status = m->timeout_status;
        if (r->status == 504)
            snprintf(r->body, sizeof(r->body), "upstream request timeout");
        break;
    case REPLY_TRY_TIMEOUT:
        r->status = 504;
        snprintf(r->body, sizeof(r->body), "upstream request timeout");
        break;
    case REPLY_RATE_LIMITED:
        UNREACHABLE(); /* the models have no such limit in Envoy's flavour */
    }
    if (r->body[0] != '\0')
        add(r, "content-type", "text/plain");
    add(r, "server", "envoy");
}

/* Empty bodies; the header tells why. */
static void linkerd(enum reply_why why, const struct model_config *m, struct reply_made *r)
{
    static const struct {
        uint16_t status;
        bool close;
        const char *text;
    } rows[] = {
        [REPLY_NO_HOST] = {503, true, "service unavailable"},
        [REPLY_FAILFAST] = {504, true, "service in fail-fast"},
        [REPLY_REFUSED] = {502, true, "client error (Connect)"},
        [REPLY_RESET] = {502, true, "client error (SendRequest)"},
        [REPLY_EOF] = {500, true, "unexpected error"},
        [REPLY_PROTOCOL] = {502, true, "client error (SendRequest)"},
        [REPLY_OVERFLOW] = {503, true, "service overloaded"},
        [REPLY_REQUEST_TIMEOUT] = {504, false, "request timed out"},
        [REPLY_TRY_TIMEOUT] = {504, false, "response headers timed out"},
        [REPLY_RATE_LIMITED] = {429, false, NULL}, /* measured: without the header */
    };
    r->status = why == REPLY_REQUEST_TIMEOUT ? m->timeout_status : rows[why].status;
    r->close = rows[why].close;
    if (r->status != 200 && rows[why].text != NULL)
        add(r, "l5d-proxy-error", rows[why].text);
}

void reply_make(enum reply_why why, const struct model_config *model, bool retried,
                struct reply_made *ret)
{
    *ret = (struct reply_made){0};
    if (model->flavour == FLAVOUR_LINKERD)
        linkerd(why, model, ret);
    else
        envoy(why, model, retried, ret);
}
