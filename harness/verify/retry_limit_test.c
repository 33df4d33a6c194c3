/* retry.must where retries at once are limited: who may have had one. */

#include "verify/limits_fixture_test.h"

#define MS LIMITS_MS
#define S LIMITS_S

/* A request whose 503 is the client's, and at the same time one whose first try we answered well
 * after the mesh had cut it, or in time. */
static void beside_a_good_answer(bool in_time, enum verdict_kind kind, enum why why,
                                 const char *says)
{
    struct limits l;
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 2);
    edge.retry.attempts = limits_value(1);
    edge.retry.per_try_timeout = limits_value(120 * NS_PER_MS);
    edge.pool.max_retries = limits_value(1);
    limits_open(&l, &edge, 20 * S, "retries", (const char *const[]){"only", "happen", NULL});
    uint64_t id = limits_request(&l, S, S + 5 * MS, 503, false);
    limits_add_try(&l, &(struct limits_try){
                           .request = id, .head_us = S + MS, .out_us = S + 2 * MS, .status = 503});
    id = limits_request(&l, S - 130 * MS, S + 9 * MS, 200, false);
    limits_add_try(
        &l, &(struct limits_try){.request = id, .head_us = S, .out_us = S + 1 * MS, .endpoint = 2});
    if (!in_time)
        limits_add_try(&l, &(struct limits_try){.request = id,
                                                .head_us = S + 7 * MS,
                                                .out_us = S + 8 * MS,
                                                .k = 2,
                                                .conn = 9,
                                                .endpoint = 1});
    limits_are(&l, "retry.must", kind, why, says);
}

static void an_answer_that_came_too_late_was_retried(void **state)
{
    (void)state;
    beside_a_good_answer(false, VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
    beside_a_good_answer(true, VERDICT_FAIL, WHY_NONE, "1 of 1 requests that met 503");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_that_came_too_late_was_retried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
