#include "base/clock.h"
#include "faults/fault.h"

struct slow_close {
    uint64_t delay;
};

#define DELAY_MOST_NS (600 * NS_PER_S)

static const struct param slow_close_params[] = {
    PARAM(struct slow_close, delay, UNIT_TIME_NS, .required = true, .least = 1,
          .most = DELAY_MOST_NS, .help = "how long"),
};

/* On a raw stream each half close waits, towards whoever would get it. On HTTP/1.1 it is the end of
 * the client's connection that waits, when this call is the last on it; a call behind which the
 * connection stays is none that it fires on. On HTTP/2, where a connection may end behind any call,
 * each that is chosen makes that end wait, and counts as a firing when it ends itself. */
static struct answer slow_close_on_fin(struct filter_context *at, const struct fin_view *seen)
{
    const struct slow_close *p = at->params;
    (void)seen;
    return (struct answer){.act = ACT_HOLD, .until_ns = at->now_ns + p->delay};
}

static void slow_close_print(const void *params, char *to, size_t size)
{
    char delay[40];
    if (param_print(&slow_close_params[0], params, delay, sizeof(delay)))
        snprintf(to, size, "slow_close +%s", delay);
}

static const struct stream_filter slow_close_filter = {.on_fin = slow_close_on_fin};

const struct fault_type fault_slow_close = {
    .name = "slow_close",
    .help = "delay the FIN; it fires only where a connection ends",
    .example = "fault.slow_close { delay = \"2s\" }",
    .params = slow_close_params,
    .param_count = COUNT_OF(slow_close_params),
    .params_bytes = sizeof(struct slow_close),
    .existing = EXISTING_KEEP,
    .stream = &slow_close_filter,
    .print = slow_close_print,
};
