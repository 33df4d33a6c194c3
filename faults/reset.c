#include "faults/fault.h"

enum when {
    WHEN_ACCEPT,
    WHEN_REQUEST_HEAD,
    WHEN_REQUEST_BODY,
    WHEN_RESPONSE_HEAD,
    WHEN_RESPONSE_BODY
};
static const char *const when_words[] = {"accept",        "request_head",  "request_body",
                                         "response_head", "response_body", NULL};

struct reset {
    uint64_t when, after;
};

static const struct param reset_params[] = {
    PARAM(struct reset, when, UNIT_WORD, .fallback = "request_head", .words = when_words,
          .help = "moment; the heads of a raw TCP stream are its first bytes"),
    PARAM(struct reset, after, UNIT_BYTES, .help = "only once so many bytes of that body passed"),
};

static bool reset_check(const void *params, struct error *err)
{
    const struct reset *p = params;
    if (p->after != PARAM_UNSET && p->when != WHEN_REQUEST_BODY && p->when != WHEN_RESPONSE_BODY)
        return error_set(
            err, ERROR_INPUT,
            "fault.reset: after counts bytes of a body; write when = \"request_body\" or "
            "when = \"response_body\"");
    return true;
}

static struct answer reset_now(uint32_t take)
{
    return (struct answer){.act = ACT_RESET, .scope = SCOPE_CONNECTION, .take = take};
}

static struct answer reset_on_accept(struct filter_context *at, const struct accept_view *seen)
{
    (void)at;
    (void)seen;
    return reset_now(0);
}

static struct answer reset_on_head(struct filter_context *at, const struct head_view *seen)
{
    const struct reset *p = at->params;
    enum when here = seen->side == SIDE_REQUEST ? WHEN_REQUEST_HEAD : WHEN_RESPONSE_HEAD;
    return p->when == here ? reset_now(0) : ANSWER_PASS;
}

static struct answer reset_on_data(struct filter_context *at, const struct data_view *seen)
{
    const struct reset *p = at->params;
    uint64_t after = p->after == PARAM_UNSET ? 0 : p->after;
    enum when here = seen->side == SIDE_REQUEST ? WHEN_REQUEST_BODY : WHEN_RESPONSE_BODY;
    if (p->when != here || after > seen->offset + seen->chunk.len)
        return ANSWER_PASS;
    /* Exactly ${after} bytes go out: the peer has seen an answer begin, so it may not retry. */
    return reset_now(after <= seen->offset ? 0 : (uint32_t)(after - seen->offset));
}

static uint32_t reset_moments(const void *params)
{
    const struct reset *p = params;
    switch ((enum when)p->when) {
    case WHEN_ACCEPT:
        return MOMENT_BIT(MOMENT_ACCEPT, SIDE_REQUEST);
    case WHEN_REQUEST_HEAD:
        return MOMENT_BIT(MOMENT_HEAD, SIDE_REQUEST);
    case WHEN_REQUEST_BODY:
        return MOMENT_BIT(MOMENT_DATA, SIDE_REQUEST);
    case WHEN_RESPONSE_HEAD:
        return MOMENT_BIT(MOMENT_HEAD, SIDE_RESPONSE);
    case WHEN_RESPONSE_BODY:
        return MOMENT_BIT(MOMENT_DATA, SIDE_RESPONSE);
    }
    UNREACHABLE();
}

static void reset_print(const void *params, char *to, size_t size)
{
    const struct reset *p = params;
    char after[40];
    if (p->after == PARAM_UNSET)
        snprintf(to, size, "reset at %s", when_words[p->when]);
    else if (param_print(&reset_params[1], p, after, sizeof(after)))
        snprintf(to, size, "reset at %s after %s", when_words[p->when], after);
}

static const struct stream_filter reset_filter = {
    .on_accept = reset_on_accept,
    .on_head = reset_on_head,
    .on_data = reset_on_data,
    .moments = reset_moments,
    .head_on_raw = true,
};

const struct fault_type fault_reset = {
    .name = "reset",
    .help = "RST",
    .example = "fault.reset { when = \"response_body\", after = \"3B\" }",
    .params = reset_params,
    .param_count = COUNT_OF(reset_params),
    .params_bytes = sizeof(struct reset),
    .check = reset_check,
    .existing = EXISTING_KEEP,
    .stream = &reset_filter,
    .print = reset_print,
};
