#include "model/retry.h"

#define ENVOY_BODY_MOST_BYTES ((size_t)1024 * 1024)
#define LINKERD_BODY_MOST_BYTES ((size_t)64 * 1024)

struct retry_config retry_config_of(const struct edge_policy *edge)
{
    bool linkerd = edge->flavour == FLAVOUR_LINKERD;
    struct retry_config ret = {
        .flavour = edge->flavour,
        .on = edge->retry.on,
        .codes = edge->retry.codes,
        .retries = edge->retry.attempts.set ? edge->retry.attempts.number : 0,
        .by_budget = linkerd && edge->retry.by_budget,
        .body_most_bytes = linkerd ? LINKERD_BODY_MOST_BYTES : ENVOY_BODY_MOST_BYTES,
    };
    if (edge->flavour == FLAVOUR_L4)
        ret.retries = 0;
    return ret;
}

void retry_init(struct retry_state *r, const struct retry_config *config, size_t body_bytes)
{
    *r = (struct retry_state){.left = config->retries,
                              .abandoned = body_bytes > config->body_most_bytes};
}

static bool covers_status(const struct retry_config *c, uint32_t status)
{
    if ((c->on & RETRY_5XX) != 0 && status >= 500 && status <= 599)
        return true;
    if ((c->on & RETRY_GATEWAY_ERROR) != 0 && status >= 502 && status <= 504)
        return true;
    if ((c->on & RETRY_RETRIABLE_4XX) != 0 && status == 409)
        return true;
    return (c->on & RETRY_STATUS_CODES) != 0 && status_set_has(&c->codes, status);
}

static bool covers_grpc(const struct retry_config *c, uint32_t grpc_status)
{
    static const struct {
        uint32_t status, bit;
    } rows[] = {
        {1, RETRY_GRPC_CANCELLED},          {4, RETRY_GRPC_DEADLINE_EXCEEDED},
        {8, RETRY_GRPC_RESOURCE_EXHAUSTED}, {13, RETRY_GRPC_INTERNAL},
        {14, RETRY_GRPC_UNAVAILABLE},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].status == grpc_status)
            return (c->on & rows[i].bit) != 0;
    }
    return false;
}

/* Envoy: RetryStateImpl::wouldRetryFromHeaders and wouldRetryFromReset. */
static bool envoy_covers(const struct retry_config *c, const struct retry_state *r,
                         const struct try_result *t)
{
    const uint32_t any_reset = RETRY_5XX | RETRY_GATEWAY_ERROR | RETRY_RESET;
    switch (t->end) {
    case TRY_ANSWERED:
        if (t->ratelimited)
            return (c->on & RETRY_ENVOY_RATELIMITED) != 0;
        return covers_status(c, t->status) || covers_grpc(c, t->grpc_status);
    case TRY_REFUSED:
        /* A refused connect wrote nothing, but an earlier try of the request may have. */
        if ((c->on & RETRY_RESET_BEFORE_REQUEST) != 0 && !r->written)
            return true;
        return (c->on & (any_reset | RETRY_CONNECT_FAILURE)) != 0;
    case TRY_RESET:
    case TRY_EOF:
        if (c->never_reset)
            return false;
        if ((c->on & RETRY_RESET_BEFORE_REQUEST) != 0 && !r->written)
            return true;
        return (c->on & any_reset) != 0;
    case TRY_CUT:
        return (c->on & any_reset) != 0;
    }
    UNREACHABLE();
}

/* linkerd-measured.md 1.1: RST and refused become a 502 within the endpoint's stack, so the code
 * list covers them; FIN before the head is a 500 of the proxy's own that nothing retries. */
static bool linkerd_covers(const struct retry_config *c, const struct try_result *t)
{
    switch (t->end) {
    case TRY_ANSWERED:
        return t->grpc_status != TRY_NO_GRPC ? covers_grpc(c, t->grpc_status)
                                             : covers_status(c, t->status);
    case TRY_REFUSED:
        return covers_status(c, 502);
    case TRY_RESET:
        return !c->never_reset && covers_status(c, 502);
    case TRY_EOF:
        return false;
    case TRY_CUT:
        return true; /* there is a cut only where retry.timeout is set, and that is enough */
    }
    UNREACHABLE();
}

enum retry_decision retry_decide(struct retry_state *r, const struct retry_config *config,
                                 const struct try_result *result, bool unsafe)
{
    r->written |= result->written;
    bool covered = config->flavour == FLAVOUR_LINKERD ? linkerd_covers(config, result)
                                                      : envoy_covers(config, r, result);
    if (result->broke)
        covered = config->after_start;
    if (config->unsafe_too && unsafe && result->end != TRY_ANSWERED && !result->broke)
        covered = true;
    if (!covered || r->abandoned || config->flavour == FLAVOUR_L4)
        return RETRY_NOT_COVERED;
    if (!config->by_budget && r->left == 0)
        return config->retries == 0 ? RETRY_NOT_COVERED : RETRY_LIMIT;
    r->left -= config->by_budget ? 0 : 1;
    r->sent++;
    return RETRY_AGAIN;
}
