#include "base/clock.h"
#include "faults/fault.h"

static const char *const side_words[] = {"request", "response", NULL};

struct bandwidth {
    uint64_t rate, burst, side; /* side: enum side */
};
/* The bucket as one time: when it would be full again. Zero: full. It is the client connection's,
 * so that many small answers are throttled as one large one. */
struct bandwidth_state {
    uint64_t full_at_ns;
};

#define RATE_MOST (UINT64_C(1) << 40)
#define BURST_MOST (UINT64_C(1) << 30)
#define PIECE_BYTES UINT64_C(1024) /* what is waited for at least: fewer and longer holds */
__extension__ typedef unsigned __int128 wide;

static const struct param bandwidth_params[] = {
    PARAM(struct bandwidth, rate, UNIT_BYTES_PER_S, .required = true, .least = 1, .most = RATE_MOST,
          .help = "per connection"),
    PARAM(struct bandwidth, burst, UNIT_BYTES, .fallback = "16KiB", .least = 1, .most = BURST_MOST,
          .help = "bucket"),
    PARAM(struct bandwidth, side, UNIT_WORD, .fallback = "response", .words = side_words,
          .help = "direction"),
};

/* Rounded up: a byte is never early. */
static uint64_t time_of(uint64_t bytes, uint64_t rate)
{
    return (uint64_t)(((wide)bytes * NS_PER_S + rate - 1) / rate);
}

static struct answer bandwidth_on_data(struct filter_context *at, const struct data_view *seen)
{
    const struct bandwidth *p = at->params;
    struct bandwidth_state *state = at->state;
    uint64_t *full_at_ns = at->connection != NULL ? at->connection : &state->full_at_ns;
    uint64_t now_ns = at->now_ns, want = seen->chunk.len;
    if (p->side != (uint64_t)seen->side || want == 0)
        return ANSWER_PASS;
    uint64_t owed_ns = *full_at_ns > now_ns ? *full_at_ns - now_ns : 0;
    uint64_t owed = (uint64_t)(((wide)owed_ns * p->rate + NS_PER_S - 1) / NS_PER_S);
    uint64_t have = owed < p->burst ? p->burst - owed : 0;
    uint64_t piece = want < PIECE_BYTES ? want : PIECE_BYTES;
    piece = piece < p->burst ? piece : p->burst;
    if (have < piece) {
        uint64_t wait_ns = time_of(piece - have, p->rate);
        return (struct answer){.act = ACT_HOLD, .until_ns = now_ns + wait_ns};
    }
    uint64_t take = have < want ? have : want;
    *full_at_ns = now_ns + owed_ns + time_of(take, p->rate);
    return (struct answer){.act = ACT_PASS, .take = (uint32_t)take};
}

static uint32_t bandwidth_moments(const void *params)
{
    const struct bandwidth *p = params;
    return MOMENT_BIT(MOMENT_DATA, p->side);
}

static void bandwidth_print(const void *params, char *to, size_t size)
{
    char rate[48];
    if (param_print(&bandwidth_params[0], params, rate, sizeof(rate)))
        snprintf(to, size, "bandwidth %s", rate);
}

static const struct stream_filter bandwidth_filter = {.state_bytes = sizeof(struct bandwidth_state),
                                                      .on_data = bandwidth_on_data,
                                                      .moments = bandwidth_moments};

const struct fault_type fault_bandwidth = {
    .name = "bandwidth",
    .help = "throttle",
    .example = "fault.bandwidth { rate = \"64KiB/s\" }",
    .params = bandwidth_params,
    .param_count = COUNT_OF(bandwidth_params),
    .params_bytes = sizeof(struct bandwidth),
    .existing = EXISTING_KEEP,
    .stream = &bandwidth_filter,
    .print = bandwidth_print,
};
