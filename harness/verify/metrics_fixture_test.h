#ifndef VERIFY_METRICS_FIXTURE_TEST_H
#define VERIFY_METRICS_FIXTURE_TEST_H

/* For the tests of metrics.*: requests whose tries are all known, between two scrapes of what the
 * mesh counted. */

#include "verify/limits_fixture_test.h"
#include "verify/metrics.h"

#define SCRAPE_US(s) ((uint64_t)((s)*1e6))
#define EDGE "client -> payments"

struct counts {
    uint64_t requests, retries, try_cut, cut, ok, failed;
};

static inline struct edge_policy policy(enum flavour flavour)
{
    struct edge_policy edge = limits_policy(flavour, 3);
    edge.retry.attempts = limits_value(3);
    edge.retry.per_try_timeout = limits_value(600 * NS_PER_MS);
    edge.request_timeout = limits_value(2 * NS_PER_S);
    return edge;
}

static inline void open_with(struct limits *l, enum flavour flavour, const char *within)
{
    struct edge_policy edge = policy(flavour);
    const char *keys[] = {"within", within, NULL};
    limits_open(l, &edge, 60 * LIMITS_S, "metrics", within == NULL ? NULL : keys);
}

static inline void put(struct limits *l, const char *proxy, uint64_t at_us, const char *name,
                       const char *labels, double value)
{
    struct metric_record m = {.at = LIMITS_T0 + at_us * NS_PER_US,
                              .answer = NS_PER_MS,
                              .value = value,
                              .proxy = journal_add_name(l->j, proxy),
                              .name = journal_add_name(l->j, name),
                              .labels = labels == NULL ? 0 : journal_add_name(l->j, labels)};
    journal_add(l->j, LIMITS_MESH, RECORD_METRIC, &m);
}

static inline void scrape_of(struct limits *l, const char *proxy, uint64_t at_us, struct counts c)
{
    put(l, proxy, at_us, "upstream_rq_total", NULL, (double)c.requests);
    put(l, proxy, at_us, "upstream_rq_retry", NULL, (double)c.retries);
    put(l, proxy, at_us, "upstream_rq_per_try_timeout", NULL, (double)c.try_cut);
    put(l, proxy, at_us, "upstream_rq_timeout", NULL, (double)c.cut);
    put(l, proxy, at_us, "upstream_rq_2xx", NULL, (double)c.ok);
    put(l, proxy, at_us, "upstream_rq_5xx", NULL, (double)c.failed);
}

static inline void scrape(struct limits *l, uint64_t at_us, struct counts c)
{
    scrape_of(l, EDGE, at_us, c);
}

/* A try that failed with 503 and one that succeeded, from ${at_us} on. */
static inline void retried(struct limits *l, uint64_t at_us)
{
    uint64_t id = limits_request(l, at_us, at_us + 30 * LIMITS_MS, 200, false);
    limits_add_try(l, &(struct limits_try){.request = id,
                                           .head_us = at_us + LIMITS_MS,
                                           .out_us = at_us + 2 * LIMITS_MS,
                                           .status = 503,
                                           .k = 1});
    limits_add_try(l, &(struct limits_try){.request = id,
                                           .head_us = at_us + 20 * LIMITS_MS,
                                           .out_us = at_us + 29 * LIMITS_MS,
                                           .endpoint = 2,
                                           .k = 2});
}

/* A try that lasted for ${life_us} and was then cut by the mesh. */
static inline void cut_try(struct limits *l, uint64_t request, uint64_t head_us, uint64_t life_us,
                           uint16_t k)
{
    struct attempt_record a = {.at = LIMITS_T0 + head_us * NS_PER_US,
                               .id_hi = 7,
                               .id_lo = request,
                               .body = 1,
                               .left = life_us * NS_PER_US,
                               .conn = (uint32_t)request + k,
                               .sequence = 1,
                               .peer = journal_add_name(l->j, "127.0.0.1:4000"),
                               .endpoint = k,
                               .outcome = OUTCOME_LEFT,
                               .left_kind = LEFT_RST,
                               .k = k,
                               .how_tied = TIED_OWN_ID,
                               .verb = VERB_GET};
    journal_add(l->j, LIMITS_PROXY, RECORD_ATTEMPT, &a);
}

/* ${n} requests with one retry each, one after the other, from one second on. */
static inline void traffic(struct limits *l, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        retried(l, LIMITS_S + i * 50 * LIMITS_MS);
}

static const struct counts before = {100, 7, 3, 2, 90, 10};
static inline struct counts after(uint64_t n)
{
    return (struct counts){100 + 2 * n, 7 + n, 3, 2, 90 + n, 10};
}

#endif
