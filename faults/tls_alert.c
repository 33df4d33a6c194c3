#include "faults/codes.h"
#include "faults/fault.h"

static const char *const step_words[] = {"client_hello", "server_hello", "certificate", "finished",
                                         NULL};

struct tls_alert {
    uint64_t alert, step; /* an index; enum tls_message */
};

static const struct param tls_alert_params[] = {
    PARAM(struct tls_alert, alert, UNIT_WORD, .required = true, .words = codes_alert_words,
          .help = "RFC 8446 name"),
    PARAM(struct tls_alert, step, UNIT_WORD, .fallback = "certificate", .words = step_words,
          .help = "when"),
};

static struct answer tls_alert_on_handshake(struct filter_context *at,
                                            const struct handshake_view *seen)
{
    const struct tls_alert *p = at->params;
    if ((uint64_t)seen->message != p->step)
        return ANSWER_PASS;
    return (struct answer){.act = ACT_CLOSE,
                           .scope = SCOPE_CONNECTION,
                           .code = (uint32_t)codes_alert_numbers[p->alert] + 1};
}

/* The endpoint refuses, so it is the mesh's side of it. */
static uint32_t tls_alert_moments(const void *params)
{
    (void)params;
    return MOMENT_BIT(MOMENT_HANDSHAKE, SIDE_REQUEST);
}

static void tls_alert_print(const void *params, char *to, size_t size)
{
    const struct tls_alert *p = params;
    snprintf(to, size, "tls_alert %s at %s", codes_alert_words[p->alert], step_words[p->step]);
}

static const struct stream_filter tls_alert_filter = {
    .on_handshake = tls_alert_on_handshake,
    .moments = tls_alert_moments,
};

const struct fault_type fault_tls_alert = {
    .name = "tls_alert",
    .help = "end a handshake by an alert",
    .example = "fault.tls_alert { alert = \"unknown_ca\" }",
    .params = tls_alert_params,
    .param_count = COUNT_OF(tls_alert_params),
    .params_bytes = sizeof(struct tls_alert),
    .existing = EXISTING_RESET,
    .stream = &tls_alert_filter,
    .print = tls_alert_print,
};
