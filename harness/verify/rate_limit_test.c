/* rate.limit where a bucket is fuller than the requests' begins say. */

#include "verify/whole_fixture_test.h"

#define RATE 20

/* Six requests are refused from ${from_us} on, in the second phase, which begins at 2 s. */
static void refused_after(const char *fault, uint64_t from_us, enum verdict_kind kind, enum why why,
                          const char *says)
{
    struct whole w;
    struct edge_policy edge = whole_policy(FLAVOUR_LINKERD, RETRY_STATUS_CODES);
    edge.rate = (struct rate_rule){.present = true, .per_second = whole_value(RATE)};
    whole_open(&w, &edge, "http1");
    struct phase *before = whole_phase(&w, "before", 0, 2 * S);
    whole_step(&w, before, STEP_FAULT, fault, "payments/1", NULL);
    struct phase *after = whole_phase(&w, "after", 2 * S, 8 * S);
    whole_step(&w, after, STEP_EXPECT, "rate_limit", "client -> payments", NULL);
    w.j->phases[1].ordinal = 1;
    for (uint64_t i = 0; i < 20; i++)
        whole_request(&w, i * 100 * MS, i * 100 * MS + MS, (struct request_record){.status = 502});
    for (uint64_t i = 0; i < 6; i++)
        whole_request(&w, from_us + i * MS, from_us + i * MS + 500,
                      (struct request_record){.status = 429});
    whole_good(&w, 5 * S, MS);
    whole_are(&w, "rate.limit", kind, why, says);
}

static void a_bucket_may_be_full_after_an_endpoint_was_dead(void **state)
{
    (void)state;
    refused_after("refuse", 2 * S + MS, VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "only 6 of 20 refusals");
    refused_after("latency", 2 * S + MS, VERDICT_FAIL, WHY_NONE, "6 refused although");
    /* Most of what it held has run out by then. */
    refused_after("refuse", 2 * S + 800 * MS, VERDICT_FAIL, WHY_NONE, "6 refused although");
}

/* Twenty requests that began long ago found an endpoint just before, all at once. */
static void requests_that_waited_fill_a_bucket_late(void **state)
{
    (void)state;
    for (int waited = 0; waited < 2; waited++) {
        struct whole w;
        struct edge_policy edge = whole_policy(FLAVOUR_LINKERD, RETRY_STATUS_CODES);
        edge.rate = (struct rate_rule){.present = true, .per_second = whole_value(RATE)};
        whole_open(&w, &edge, "http1");
        struct phase *phase = whole_phase(&w, "all", 0, 10 * S);
        whole_step(&w, phase, STEP_EXPECT, "rate_limit", "client -> payments", NULL);
        for (uint64_t i = 0; i < 20; i++) {
            uint64_t at = i * 10 * MS, head = (waited ? 3 * S : at) + i * 10 + 500,
                     id = whole_request(&w, at, head + 2 * MS,
                                        (struct request_record){.status = 200});
            whole_try(&w, id, head, head + 100, (struct attempt_record){.status = 200});
        }
        for (uint64_t i = 0; i < 6; i++)
            whole_request(&w, 3 * S + (10 + i) * MS, 3 * S + (11 + i) * MS,
                          (struct request_record){.status = 429});
        whole_good(&w, 5 * S, MS);
        whole_are(&w, "rate.limit", waited ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
                  waited ? WHY_TOO_FEW : WHY_NONE,
                  waited ? "of 20 refusals" : "6 refused although");
    }
}

/* A bucket cannot be emptier than empty: two seconds after many times the limit was sent, as much
 * as may be has room again, and nothing was refused. */
static void what_was_refused_long_ago_took_no_place(void **state)
{
    struct whole w;
    struct edge_policy edge = whole_policy(FLAVOUR_LINKERD, RETRY_STATUS_CODES);
    (void)state;
    edge.rate = (struct rate_rule){.present = true, .per_second = whole_value(RATE)};
    whole_open(&w, &edge, "http1");
    (void)whole_phase(&w, "before", 0, 2 * S);
    struct phase *after = whole_phase(&w, "after", 4 * S, 10 * S);
    whole_step(&w, after, STEP_EXPECT, "rate_limit", "client -> payments", NULL);
    w.j->phases[1].ordinal = 1;
    for (uint64_t i = 0; i < 600; i++)
        whole_request(&w, i * 3 * MS, i * 3 * MS + MS, (struct request_record){.status = 429});
    for (uint64_t i = 0; i < 90; i++) {
        uint64_t at = 4 * S + i * 65 * MS,
                 id = whole_request(&w, at, at + 3 * MS, (struct request_record){.status = 200});
        whole_try(&w, id, at + MS, at + 2 * MS, (struct attempt_record){.status = 200});
    }
    whole_good(&w, 11 * S, MS);
    whole_are(&w, "rate.limit", VERDICT_PASS, WHY_NONE, "none of 90 refused");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_refused_long_ago_took_no_place),
        cmocka_unit_test(requests_that_waited_fill_a_bucket_late),
        cmocka_unit_test(a_bucket_may_be_full_after_an_endpoint_was_dead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
