#include "base/clock.h"
#include "base/units.h"
#include "faults/fault.h"

#include <math.h>

enum when { WHEN_CONNECT, WHEN_REQUEST, WHEN_RESPONSE };
static const char *const when_words[] = {"connect", "request", "response", NULL};
enum law { LAW_UNIFORM, LAW_NORMAL, LAW_PARETO, LAW_LOGNORMAL };
static const char *const law_words[] = {"uniform", "normal", "pareto", "lognormal", NULL};

struct latency {
    uint64_t add, jitter, distribution, when;
};
struct latency_state {
    uint64_t until_ns; /* 0: not decided yet */
};

#define LATENCY_MOST_NS (600 * NS_PER_S)

static const struct param latency_params[] = {
    PARAM(struct latency, add, UNIT_TIME_NS, .required = true, .most = LATENCY_MOST_NS,
          .help = "mean"),
    PARAM(struct latency, jitter, UNIT_TIME_NS, .fallback = "0ms", .most = LATENCY_MOST_NS,
          .help = "spread: half the width of uniform, else the standard deviation"),
    PARAM(struct latency, distribution, UNIT_WORD, .fallback = "uniform", .words = law_words,
          .help = "law of the spread"),
    PARAM(struct latency, when, UNIT_WORD, .fallback = "response", .words = when_words,
          .help = "moment; the heads of a raw TCP stream are its first bytes"),
};

static bool latency_check(const void *params, struct error *err)
{
    const struct latency *p = params;
    char add[32], jitter[32];
    units_print_duration(p->add, add, sizeof(add));
    units_print_duration(p->jitter, jitter, sizeof(jitter));
    /* A spread that reaches below zero would be cut there, and the mean would not be ${add} any
     * more. */
    if (p->distribution != LAW_LOGNORMAL && p->jitter > p->add)
        return error_set(err, ERROR_INPUT, "fault.latency: jitter %s is more than add %s", jitter,
                         add);
    if (p->distribution == LAW_LOGNORMAL && p->add == 0)
        return error_set(err, ERROR_INPUT, "fault.latency: a lognormal law needs an add above 0ms");
    return true;
}

/* A Pareto law of shape 3, as iproute2's pareto table, moved and scaled to mean 0 and deviation 1:
 * its mean is 3/2, its variance 3/4. */
static double standard_pareto(struct rng *rng)
{
    double value = pow(1.0 - rng_unit(rng), -1.0 / 3.0);
    return (value - 1.5) / sqrt(0.75);
}

static uint64_t whole_ns(double ns)
{
    if (ns <= 0)
        return 0;
    return ns >= (double)LATENCY_MOST_NS ? LATENCY_MOST_NS : (uint64_t)(ns + 0.5);
}

static uint64_t latency_draw(const struct latency *p, struct rng *rng)
{
    double add = (double)p->add, spread = (double)p->jitter;
    if (p->jitter == 0)
        return p->add;
    switch ((enum law)p->distribution) {
    case LAW_UNIFORM:
        return p->add - p->jitter + rng_below(rng, 2 * p->jitter + 1);
    case LAW_NORMAL:
        return whole_ns(add + spread * rng_normal(rng));
    case LAW_PARETO:
        return whole_ns(add + spread * standard_pareto(rng));
    case LAW_LOGNORMAL: {
        double variance = log1p(spread / add * (spread / add));
        return whole_ns(exp(log(add) - variance / 2 + sqrt(variance) * rng_normal(rng)));
    }
    }
    UNREACHABLE();
}

/* The first time it is asked it decides; then it waits for that moment, however often it is asked.
 */
static struct answer latency_hold(struct filter_context *at)
{
    struct latency_state *state = at->state;
    if (state->until_ns == 0)
        state->until_ns = at->now_ns + latency_draw(at->params, at->rng);
    if (at->now_ns >= state->until_ns)
        return ANSWER_PASS;
    return (struct answer){.act = ACT_HOLD, .until_ns = state->until_ns};
}

static struct answer latency_on_accept(struct filter_context *at, const struct accept_view *seen)
{
    (void)seen;
    return latency_hold(at);
}

static struct answer latency_on_head(struct filter_context *at, const struct head_view *seen)
{
    const struct latency *p = at->params;
    enum when here = seen->side == SIDE_REQUEST ? WHEN_REQUEST : WHEN_RESPONSE;
    return p->when == here ? latency_hold(at) : ANSWER_PASS;
}

static uint32_t latency_moments(const void *params)
{
    const struct latency *p = params;
    switch ((enum when)p->when) {
    case WHEN_CONNECT:
        return MOMENT_BIT(MOMENT_ACCEPT, SIDE_REQUEST);
    case WHEN_REQUEST:
        return MOMENT_BIT(MOMENT_HEAD, SIDE_REQUEST);
    case WHEN_RESPONSE:
        return MOMENT_BIT(MOMENT_HEAD, SIDE_RESPONSE);
    }
    UNREACHABLE();
}

/* Kept-alive connections never connect again, so a delay at connect would not be seen on them. */
static enum existing latency_existing_for(const void *params)
{
    const struct latency *p = params;
    return p->when == WHEN_CONNECT ? EXISTING_RESET : EXISTING_KEEP;
}

static void latency_print(const void *params, char *to, size_t size)
{
    const struct latency *p = params;
    char add[32], jitter[32];
    units_print_duration(p->add, add, sizeof(add));
    units_print_duration(p->jitter, jitter, sizeof(jitter));
    if (p->jitter == 0)
        snprintf(to, size, "latency +%s", add);
    else
        snprintf(to, size, "latency +%s +/- %s", add, jitter);
}

static const struct stream_filter latency_filter = {
    .state_bytes = sizeof(struct latency_state),
    .on_accept = latency_on_accept,
    .on_head = latency_on_head,
    .moments = latency_moments,
    .head_on_raw = true,
};

const struct fault_type fault_latency = {
    .name = "latency",
    .help = "delay a request once, not each chunk",
    .example = "fault.latency { add = \"250ms\", jitter = \"50ms\" }",
    .params = latency_params,
    .param_count = COUNT_OF(latency_params),
    .params_bytes = sizeof(struct latency),
    .check = latency_check,
    .existing = EXISTING_KEEP,
    .existing_for = latency_existing_for,
    .stream = &latency_filter,
    .print = latency_print,
};
