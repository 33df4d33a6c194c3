#include "base/units.h"
#include "faults/fault.h"

#include "base/clock.h"

#define STALL_MOST_NS (600 * NS_PER_S)

static const char *const step_words[] = {"client_hello", "server_hello", "certificate", "finished",
                                         NULL};

struct tls_stall {
    uint64_t step, hold; /* step: enum tls_message */
};
struct tls_stall_state {
    uint64_t until_ns; /* 0: not there yet */
};

static const struct param tls_stall_params[] = {
    PARAM(struct tls_stall, step, UNIT_WORD, .required = true, .words = step_words,
          .help = "before which message"),
    PARAM(struct tls_stall, hold, UNIT_TIME_NS, .required = true, .most = STALL_MOST_NS,
          .help = "how long"),
};

static struct answer tls_stall_on_handshake(struct filter_context *at,
                                            const struct handshake_view *seen)
{
    const struct tls_stall *p = at->params;
    struct tls_stall_state *state = at->state;
    if ((uint64_t)seen->message != p->step)
        return ANSWER_PASS;
    if (state->until_ns == 0)
        state->until_ns = at->now_ns + p->hold;
    if (at->now_ns >= state->until_ns)
        return ANSWER_PASS;
    return (struct answer){.act = ACT_HOLD, .until_ns = state->until_ns};
}

/* The endpoint stalls, so it is the mesh's side of it. */
static uint32_t tls_stall_moments(const void *params)
{
    (void)params;
    return MOMENT_BIT(MOMENT_HANDSHAKE, SIDE_REQUEST);
}

static void tls_stall_print(const void *params, char *to, size_t size)
{
    const struct tls_stall *p = params;
    char hold[32];
    units_print_duration(p->hold, hold, sizeof(hold));
    snprintf(to, size, "tls_stall %s before %s", hold, step_words[p->step]);
}

static const struct stream_filter tls_stall_filter = {
    .state_bytes = sizeof(struct tls_stall_state),
    .on_handshake = tls_stall_on_handshake,
    .moments = tls_stall_moments,
};

const struct fault_type fault_tls_stall = {
    .name = "tls_stall",
    .help = "stop within a handshake",
    .example = "fault.tls_stall { step = \"server_hello\", hold = \"2s\" }",
    .params = tls_stall_params,
    .param_count = COUNT_OF(tls_stall_params),
    .params_bytes = sizeof(struct tls_stall),
    .existing = EXISTING_RESET,
    .stream = &tls_stall_filter,
    .print = tls_stall_print,
};
