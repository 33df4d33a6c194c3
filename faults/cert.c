#include "faults/cert.h"

#include "base/clock.h"
#include "base/units.h"

#define BY_LEAST_NS (60 * NS_PER_S) /* nearer is no evidence: some stacks allow skew */

struct cert {
    uint64_t kind, by; /* kind: enum cert_kind, less one */
};

static const struct param cert_params[] = {
    PARAM(struct cert, kind, UNIT_WORD, .required = true, .words = &cert_kind_words[CERT_EXPIRED],
          .help = "which"),
    PARAM(struct cert, by, UNIT_TIME_NS, .fallback = "10m", .least = BY_LEAST_NS,
          .help = "of expired and not_yet_valid"),
};

static enum cert_kind kind_of(const struct cert *p)
{
    return (enum cert_kind)(p->kind + CERT_EXPIRED);
}

static struct answer cert_on_handshake(struct filter_context *at, const struct handshake_view *seen)
{
    if (seen->message != TLS_CERTIFICATE)
        return ANSWER_PASS;
    return (struct answer){.act = ACT_REPLACE,
                           .scope = SCOPE_CONNECTION,
                           .take = TAKE_ALL,
                           .code = (uint32_t)kind_of(at->params)};
}

/* A server cannot do without a certificate, so none is shown where we are the client. */
static uint32_t cert_moments(const void *params)
{
    enum side side = kind_of(params) == CERT_NO_CERTIFICATE ? SIDE_RESPONSE : SIDE_REQUEST;
    return MOMENT_BIT(MOMENT_HANDSHAKE, side);
}

static void cert_print(const void *params, char *to, size_t size)
{
    const struct cert *p = params;
    enum cert_kind kind = kind_of(p);
    char by[32];
    units_print_duration(p->by, by, sizeof(by));
    if (kind == CERT_EXPIRED || kind == CERT_NOT_YET_VALID)
        snprintf(to, size, "cert %s by %s", cert_kind_word(kind), by);
    else
        snprintf(to, size, "cert %s", cert_kind_word(kind));
}

static const struct stream_filter cert_filter = {
    .on_handshake = cert_on_handshake,
    .moments = cert_moments,
};

const struct fault_type fault_cert = {
    .name = "cert",
    .help = "serve a wrong certificate",
    .example = "fault.cert { kind = \"expired\" }",
    .params = cert_params,
    .param_count = COUNT_OF(cert_params),
    .params_bytes = sizeof(struct cert),
    .existing = EXISTING_RESET,
    .stream = &cert_filter,
    .print = cert_print,
};

bool fault_cert_wants(const struct fault_use *use, enum cert_kind *ret_kind, uint64_t *ret_by_ns)
{
    const struct cert *p = use->params;
    if (use->type != &fault_cert)
        return false;
    *ret_kind = kind_of(p);
    *ret_by_ns = p->by;
    return true;
}
