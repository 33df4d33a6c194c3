#include "faults/fault.h"

enum when { WHEN_ACCEPT, WHEN_REQUEST, WHEN_RESPONSE };
static const char *const when_words[] = {"accept", "request", "response", NULL};

struct blackhole {
    uint64_t when;
};

static const struct param blackhole_params[] = {
    PARAM(struct blackhole, when, UNIT_WORD, .fallback = "request", .words = when_words,
          .help = "moment; the heads of a raw TCP stream are its first bytes"),
};

/* A hold without an end: the relay goes on reading and watching, so that the mesh's leaving is
 * seen. */
static struct answer silence(void)
{
    return (struct answer){.act = ACT_HOLD, .until_ns = HOLD_FOREVER};
}

static struct answer blackhole_on_accept(struct filter_context *at, const struct accept_view *seen)
{
    (void)at;
    (void)seen;
    return silence();
}

static struct answer blackhole_on_head(struct filter_context *at, const struct head_view *seen)
{
    const struct blackhole *p = at->params;
    enum when here = seen->side == SIDE_REQUEST ? WHEN_REQUEST : WHEN_RESPONSE;
    return p->when == here ? silence() : ANSWER_PASS;
}

static uint32_t blackhole_moments(const void *params)
{
    const struct blackhole *p = params;
    switch ((enum when)p->when) {
    case WHEN_ACCEPT:
        return MOMENT_BIT(MOMENT_ACCEPT, SIDE_REQUEST);
    case WHEN_REQUEST:
        return MOMENT_BIT(MOMENT_HEAD, SIDE_REQUEST);
    case WHEN_RESPONSE:
        return MOMENT_BIT(MOMENT_HEAD, SIDE_RESPONSE);
    }
    UNREACHABLE();
}

static void blackhole_print(const void *params, char *to, size_t size)
{
    const struct blackhole *p = params;
    snprintf(to, size, "blackhole at %s", when_words[p->when]);
}

static const struct stream_filter blackhole_filter = {
    .on_accept = blackhole_on_accept,
    .on_head = blackhole_on_head,
    .moments = blackhole_moments,
    .head_on_raw = true,
};

const struct fault_type fault_blackhole = {
    .name = "blackhole",
    .help = "silence: read, never answer",
    .example = "fault.blackhole { when = \"request\" }",
    .params = blackhole_params,
    .param_count = COUNT_OF(blackhole_params),
    .params_bytes = sizeof(struct blackhole),
    .existing = EXISTING_KEEP,
    .stream = &blackhole_filter,
    .print = blackhole_print,
};
