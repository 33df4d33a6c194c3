/* rate.limit after a phase in which an endpoint was dead: its bucket took in what nobody counted.
 */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_may_be_full_after_an_endpoint_was_dead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
