#ifndef FUZZ_FUZZ_FAULT_H
#define FUZZ_FUZZ_FAULT_H

/* A fault that gives one answer at one moment of a call, both by the input's first byte. */

#include "fuzz/fuzz_bench.h"

static struct answer fuzz_answer;
static const struct reply fuzz_reply = {.status = 503, .body = {(const uint8_t *)"no", 2}};
static const struct reply fuzz_grpc = {.grpc_status = 15, .in_trailers = true};

static inline struct answer fuzz_on_head(struct filter_context *at, const struct head_view *seen)
{
    (void)at;
    (void)seen;
    return fuzz_answer;
}
static inline struct answer fuzz_on_data(struct filter_context *at, const struct data_view *seen)
{
    struct answer now = fuzz_answer;
    (void)at;
    if (seen->offset == 0 && seen->chunk.len > 1) /* the first byte passes */
        return (struct answer){.act = ACT_PASS, .take = 1};
    if (now.act == ACT_REPLACE)
        now.take = TAKE_ALL;
    return now;
}
static inline struct answer fuzz_on_end(struct filter_context *at, const struct end_view *seen)
{
    (void)at;
    (void)seen;
    return fuzz_answer;
}
static inline uint32_t fuzz_moments(const void *params)
{
    return *(const uint32_t *)params;
}
static const struct stream_filter fuzz_filter = {.on_head = fuzz_on_head,
                                                 .on_data = fuzz_on_data,
                                                 .on_end = fuzz_on_end,
                                                 .moments = fuzz_moments};
static const uint32_t fuzz_when[] = {
    MOMENT_BIT(MOMENT_HEAD, SIDE_REQUEST),  MOMENT_BIT(MOMENT_DATA, SIDE_REQUEST),
    MOMENT_BIT(MOMENT_END, SIDE_REQUEST),   MOMENT_BIT(MOMENT_HEAD, SIDE_RESPONSE),
    MOMENT_BIT(MOMENT_DATA, SIDE_RESPONSE), MOMENT_BIT(MOMENT_END, SIDE_RESPONSE),
};

/* Which of ${answers}, and when. False: ${kind} is beyond all of them. */
static inline bool fuzz_arm_kind(struct proxy *p, uint8_t kind, const struct answer *answers,
                                 size_t count)
{
    fuzz_answer = answers[kind % count];
    fuzz_arm(p, &fuzz_filter, &fuzz_when[kind / count % COUNT_OF(fuzz_when)]);
    return kind < count * COUNT_OF(fuzz_when);
}

#endif
